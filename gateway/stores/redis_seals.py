"""What is put into Redis, sealed: who reads Redis learns nothing, who writes there forges nothing. Knows no Redis."""

import os
import zlib
from collections.abc import Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.sharing import derived

_NONCE: Final = 12
_PACKED: Final = 512  # bytes worth packing


class RedisSeals:
    """Seals with the first key, opens with any: with keys derived from those that seal session ids."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.renew(keys)

    def renew(self, keys: Sequence[bytes]) -> None:
        """From now on with these."""
        self._ciphers = [AESGCM(key) for key in derived(keys, "shared through Redis")]

    def seal(self, plain: bytes, where: str) -> bytes:
        """where: it opens there alone."""
        is_packed = len(plain) >= _PACKED
        nonce = os.urandom(_NONCE)
        told = b"z" + zlib.compress(plain, 1) if is_packed else b"p" + plain
        return nonce + self._ciphers[0].encrypt(nonce, told, where.encode())

    def open(self, sealed: bytes, where: str) -> bytes | None:
        """None for what was sealed with other keys, or for elsewhere."""
        for cipher in self._ciphers:
            try:
                told = cipher.decrypt(sealed[:_NONCE], sealed[_NONCE:], where.encode())
            except (InvalidTag, ValueError):
                continue
            return zlib.decompress(told[1:]) if told[:1] == b"z" else told[1:]
        return None
