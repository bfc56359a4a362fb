"""Things that serve once and not for long: what waits between two steps of a sign-in. Where, a vault decides."""

import secrets
from typing import Final

from gateway.auth.front.written import read, written
from gateway.core.sharing import Shelf, Vault

LIFETIME: Final = 600.0  # seconds; the security practices allow ten minutes for state
MAX_WAITING: Final = 5000  # of one name, with some 4 KB each: nobody needs an account to fill a shelf


class Once[Value]:
    """Values of one type behind unguessable handles, on a shelf of that name."""

    def __init__(self, vault: Vault, name: str, of: type[Value], *, lifetime: float = LIFETIME) -> None:
        self._vault, self._of = vault, of
        self._shelf = Shelf(name, lifetime, MAX_WAITING)

    async def put(self, value: Value) -> str:
        """256 bits, URL-safe."""
        handle = secrets.token_urlsafe(32)
        await self._vault.put(self._shelf, handle, written(value))
        return handle

    async def take(self, handle: str) -> Value | None:
        """Whatever comes of it, it is gone then."""
        return read(await self._vault.take(self._shelf, handle), self._of)
