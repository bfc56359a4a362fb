"""Where a bearer token comes from, silently. Asks nobody: what needs a person raises SignInNeeded."""

from collections.abc import Callable
from typing import Protocol

import msgspec

from mcpdeck.auth.account import Account
from mcpdeck.auth.errors import SignInNeeded
from mcpdeck.auth.vault import Vault


class Token(msgspec.Struct, frozen=True):
    text: str
    expires_at: float  # seconds since the epoch; 0 where nobody knows

    def __repr__(self) -> str:
        return f"Token(…, expires_at={self.expires_at})"


class TokenSource(Protocol):
    def token(self, *, is_stale: bool = False) -> Token:
        """A token that should do. Blocks: may refresh over the network. is_stale: the last one was refused, so get a
        new one even if it looks good. Raises SignInNeeded."""


class SignIn(TokenSource, Protocol):
    """A source that can also ask a person."""

    def sign_in(self) -> str:
        """Returns the user's name, "" for a machine. Blocks until the person is done. Raises AuthError."""


class GivenToken:
    """MCPDECK_TOKEN: for CI, where something else signed in."""

    def __init__(self, text: str) -> None:
        self._token = Token(text, 0.0)

    def token(self, *, is_stale: bool = False) -> Token:
        if is_stale:
            raise SignInNeeded("the gateway refuses MCPDECK_TOKEN: expired, or for another audience")
        return self._token


def silently(vault: Vault, account: Account, refreshed: Callable[[str], Token]) -> Token:
    """From what the vault holds; once more if another mcpdeck renewed it meanwhile: refresh tokens may serve once.

    Raises SignInNeeded.
    """
    text = vault.read(account.key)
    if text is None:
        raise SignInNeeded(f"nobody is signed in to {account.gateway}; run: mcpdeck login")
    try:
        return refreshed(text)
    except SignInNeeded:
        newer = vault.read(account.key)
        if newer is None or newer == text:
            raise
        return refreshed(newer)
