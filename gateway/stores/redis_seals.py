"""What is put into Redis, sealed: who reads Redis learns nothing, who writes there forges nothing. Knows no Redis."""

import zlib
from collections.abc import Sequence
from typing import Final

from gateway.core.ciphers import Ciphers
from gateway.core.sharing import derived

_PACKED: Final = 512  # bytes worth packing


class RedisSeals(Ciphers):
    """With keys derived from those that seal session ids."""

    def _own(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        return derived(keys, "shared through Redis")

    def seal(self, plain: bytes, where: str) -> bytes:
        """where: it opens there alone."""
        told = b"z" + zlib.compress(plain, 1) if len(plain) >= _PACKED else b"p" + plain
        return self.encrypt(told, where.encode())

    def open(self, sealed: bytes, where: str) -> bytes | None:
        """None for what was sealed with other keys, or for elsewhere."""
        told = self.decrypt(sealed, where.encode())
        if told is None:
            return None
        return zlib.decompress(told[1:]) if told[:1] == b"z" else told[1:]
