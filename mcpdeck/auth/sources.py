"""Where a bearer token comes from, silently. Asks nobody: what needs a person raises SignInNeeded."""

from typing import Protocol

import msgspec

from mcpdeck.auth.errors import SignInNeeded


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
