"""Refresh tokens: each serves once and is followed by the next; a copy that is used again ends the whole family."""

import secrets
from typing import Final

import msgspec

from gateway.auth.front.written import read, written
from gateway.core.sharing import Shelf, Vault

LIFETIME: Final = 8 * 3600.0  # seconds after signing in, however often refreshed: a working day
MAX_FAMILIES: Final = 20_000
FAMILIES: Final = Shelf("family", LIFETIME, MAX_FAMILIES)


class SignedIn(msgspec.Struct, frozen=True):
    """What a family of refresh tokens stands for. `upstream`: the issuer's own refresh token; never leaves here."""

    client_id: str
    resource: str
    upstream: str

    def __repr__(self) -> str:
        return f"SignedIn({self.client_id!r}, {self.resource!r})"


class Turn(msgspec.Struct, frozen=True):
    """A refresh token was taken, and the next is to be given: meanwhile whoever comes with any ends the family."""

    family: str
    word: str
    signed_in: SignedIn

    def __repr__(self) -> str:
        return f"Turn({self.signed_in!r})"


class Families:
    """In a vault: those that every replica knows alike, or one process alone."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    async def start(self, signed_in: SignedIn) -> str:
        """The first refresh token."""
        family, secret = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
        await self._vault.put(FAMILIES, family, written(signed_in), word=secret)
        return f"{family}.{secret}"

    async def take(self, token: str, *, client_id: str) -> Turn | None:
        """A used or stolen token ends the family."""
        family, _, secret = token.partition(".")
        word = secrets.token_urlsafe(32)
        found = read(await self._vault.turn(FAMILIES, family, word=secret, then=word), SignedIn)
        if found is None:
            return None
        if found.client_id != client_id:
            await self._vault.take(FAMILIES, family)
            return None
        return Turn(family, word, found)

    async def go_on(self, turn: Turn, signed_in: SignedIn) -> str | None:
        """The next refresh token; None when the family ended meanwhile."""
        secret = secrets.token_urlsafe(32)
        value = written(signed_in)
        went = await self._vault.turn(FAMILIES, turn.family, word=turn.word, then=secret, value=value)
        return f"{turn.family}.{secret}" if went is not None else None

    async def give_back(self, turn: Turn, token: str) -> None:
        """It serves once more: nothing came of it."""
        secret = token.partition(".")[2]
        await self._vault.turn(FAMILIES, turn.family, word=turn.word, then=secret)

    async def end(self, turn: Turn) -> None:
        await self._vault.take(FAMILIES, turn.family)
