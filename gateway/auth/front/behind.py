"""What the issuer gave for whom a token of ours was minted: an adapter that speaks for its caller needs it (RFC 8693).

In this process only, and only as long as the token of ours is good. Asks no issuer.
"""

import hashlib
import time
from collections.abc import Callable
from typing import Final

from gateway.auth.front.tokens import LIFETIME

MAX_KEPT: Final = 10_000


class Behind:
    """Issuers' access tokens, by the digest of ours."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[bytes, tuple[str, float]] = {}

    def keep(self, minted: str, issuers: str) -> None:
        now = self._clock()
        if len(self._kept) >= MAX_KEPT:
            self._kept = {digest: kept for digest, kept in self._kept.items() if kept[1] > now}
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]
        self._kept[_digest(minted)] = (issuers, now + LIFETIME)

    def find(self, minted: str) -> str:
        """Empty where it is not known (any more): the front of another replica minted it, or an earlier process."""
        issuers, expires_at = self._kept.get(_digest(minted), ("", 0.0))
        return issuers if expires_at > self._clock() else ""


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
