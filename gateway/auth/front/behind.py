"""What the issuer gave for whom a token of ours was minted: an adapter that speaks for its caller needs it (RFC 8693).

Kept only as long as the token of ours is good: in a vault, and here besides, so that the replica that minted it need
not ask. Asks no issuer.
"""

from typing import Final

from gateway.auth.front.memory import MemoryVault
from gateway.auth.front.tokens import LIFETIME
from gateway.core.sharing import Shelf, Vault

MAX_KEPT: Final = 20_000
BEHIND: Final = Shelf("behind", LIFETIME, MAX_KEPT)


class Behind:
    """Issuers' access tokens, by ours. here: what this process remembers of them."""

    def __init__(self, vault: Vault, *, here: MemoryVault | None = None) -> None:
        self._vault, self._here = vault, here or MemoryVault()

    async def keep(self, minted: str, issuers: str) -> None:
        value = issuers.encode()
        await self._here.put(BEHIND, minted, value)
        await self._vault.put(BEHIND, minted, value)

    async def find(self, minted: str) -> str:
        """Empty where it is not known (any more): of a vault of its own, or gone in time. Raises sharing.Apart."""
        found = await self._here.find(BEHIND, minted) or await self._vault.find(BEHIND, minted)
        return (found or b"").decode()
