"""core.sharing.Vault in this process's memory: what a gateway that is alone needs. A restart forgets it."""

import hashlib
import hmac
import time
from collections import defaultdict
from collections.abc import Callable

from gateway.core.sharing import Shelf

type _Kept = tuple[bytes, bytes, float]  # the word's digest, the value, when it ends


class MemoryVault:
    """clock: seconds. A full shelf forgets the oldest: a flood costs sign-ins, not memory."""

    def __init__(self, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._shelves: defaultdict[str, dict[bytes, _Kept]] = defaultdict(dict)

    async def put(self, shelf: Shelf, name: str, value: bytes, *, word: str = "") -> None:
        kept, now = self._shelves[shelf.name], self._clock()
        if len(kept) >= shelf.most:
            for old in [each for each, (_, _, until) in kept.items() if until <= now]:
                del kept[old]
        while len(kept) >= shelf.most:
            del kept[next(iter(kept))]
        kept[_digest(name)] = (_digest(word), value, now + shelf.seconds)

    async def find(self, shelf: Shelf, name: str) -> bytes | None:
        _, value, until = self._shelves[shelf.name].get(_digest(name), (b"", None, 0.0))
        return value if until > self._clock() else None

    async def take(self, shelf: Shelf, name: str) -> bytes | None:
        _, value, until = self._shelves[shelf.name].pop(_digest(name), (b"", None, 0.0))
        return value if until > self._clock() else None

    async def turn(self, shelf: Shelf, name: str, *, word: str, then: str, value: bytes | None = None) -> bytes | None:
        kept, at = self._shelves[shelf.name], _digest(name)
        wanted, there, until = kept.pop(at, (b"", b"", 0.0))
        if until <= self._clock() or not hmac.compare_digest(wanted, _digest(word)):
            return None
        value = there if value is None else value
        kept[at] = (_digest(then), value, until)
        return value


def _digest(secret: str) -> bytes:
    return hashlib.sha256(secret.encode(errors="surrogatepass")).digest()
