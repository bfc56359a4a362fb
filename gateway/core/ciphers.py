"""AES-GCM under the keys that replicas share: the first seals, once all have it; any opens. Knows nothing of what is
sealed."""

import os
import time
from collections.abc import Callable, Sequence
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.rotation import Rotating

KEY_BYTES: Final = 32
_NONCE_BYTES: Final = 12
_TAG_BYTES: Final = 16


class Ciphers:
    """Raises ValueError on a key that is not 32 bytes, or on none. overhead: bytes by which sealing lengthens."""

    overhead: Final = _NONCE_BYTES + _TAG_BYTES

    def __init__(self, keys: Sequence[bytes], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._ciphers = Rotating(self._own(_checked(keys)), AESGCM, clock=clock)

    def renew(self, keys: Sequence[bytes]) -> None:
        """These open from now on; what that means for sealing: see `Rotating`. Raises ValueError."""
        self._ciphers.renew(self._own(_checked(keys)))

    def _own(self, keys: Sequence[bytes]) -> Sequence[bytes]:
        """For a kind to derive its own from."""
        return keys

    def encrypt(self, plain: bytes, associated: bytes) -> bytes:
        """associated: what it is for; it opens for nothing else."""
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._ciphers.current.encrypt(nonce, plain, associated)

    def decrypt(self, sealed: bytes, associated: bytes) -> bytes | None:
        """None for what was sealed with other keys, or for something else, or never."""
        for cipher in self._ciphers.known:
            try:
                return cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
        return None


def _checked(keys: Sequence[bytes]) -> Sequence[bytes]:
    if not keys or any(len(key) != KEY_BYTES for key in keys):
        raise ValueError(f"sealing needs one or more keys of {KEY_BYTES} bytes")
    return keys
