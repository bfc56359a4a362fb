"""Refresh tokens: each serves once and is followed by the next; a copy that is used again ends the whole family."""

import hmac
import secrets
import time
from collections.abc import Callable
from typing import Final

import msgspec

LIFETIME: Final = 8 * 3600.0  # seconds after signing in, however often refreshed: a working day
MAX_FAMILIES: Final = 10_000


class SignedIn(msgspec.Struct, frozen=True):
    """What a family of refresh tokens stands for. `upstream`: the issuer's own refresh token; never leaves here."""

    client_id: str
    resource: str
    upstream: str

    def __repr__(self) -> str:
        return f"SignedIn({self.client_id!r}, {self.resource!r})"


class Families:
    """In this process only: another replica, or a restart, asks people to sign in again."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._families: dict[str, tuple[str, SignedIn, float]] = {}

    def start(self, signed_in: SignedIn) -> str:
        """The first refresh token."""
        while len(self._families) >= MAX_FAMILIES:
            del self._families[next(iter(self._families))]
        return self._next(secrets.token_urlsafe(16), signed_in, self._clock() + LIFETIME)

    def take(self, token: str, *, client_id: str) -> tuple[str, SignedIn] | None:
        """The family's name and what it stands for. A used or stolen token ends the family."""
        family, _, secret = token.partition(".")
        current, signed_in, expires_at = self._families.pop(family, ("", None, 0.0))
        if signed_in is None or expires_at <= self._clock() or signed_in.client_id != client_id:
            return None
        if not hmac.compare_digest(current.encode(), secret.encode()):
            return None
        self._families[family] = ("", signed_in, expires_at)  # waits for `go_on`
        return family, signed_in

    def go_on(self, family: str, signed_in: SignedIn) -> str | None:
        """The next refresh token; None when the family ended meanwhile."""
        _, _, expires_at = self._families.pop(family, ("", None, 0.0))
        return self._next(family, signed_in, expires_at) if expires_at > self._clock() else None

    def _next(self, family: str, signed_in: SignedIn, expires_at: float) -> str:
        secret = secrets.token_urlsafe(32)
        self._families[family] = (secret, signed_in, expires_at)
        return f"{family}.{secret}"
