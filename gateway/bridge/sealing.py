"""State that must outlive a request, sealed into what the client holds anyway: session ids, requestState. No store.

AES-GCM as in `core.affinity`, over any Struct. What is sealed for one use, adapter or principal opens for no other.
"""

import base64
import binascii
import os
import zlib
from collections.abc import Sequence
from typing import Final

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.affinity import KEY_BYTES
from gateway.wire.names import AdapterName, PrincipalId

MARK: Final = b"b."  # begins what is sealed here; affinity's ids hold no full stop
_NONCE_BYTES: Final = 12
_LONGEST: Final = 64 * 1024  # bytes of sealed text worth opening, and of what it may unpack to


class Sealed(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What can be sealed. `expires_at` is in seconds since the epoch."""

    expires_at: int


class Seals:
    """Seals with the first key, opens with any. Raises ValueError on a key that is not 32 bytes, or on none."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.renew(keys)

    def renew(self, keys: Sequence[bytes]) -> None:
        """From now on with these. Raises ValueError."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"sealing needs one or more keys of {KEY_BYTES} bytes")
        self._ciphers = tuple(AESGCM(key) for key in keys)

    def seal(self, what: Sealed, adapter: AdapterName, principal: PrincipalId) -> bytes:
        """Visible ASCII."""
        nonce = os.urandom(_NONCE_BYTES)
        plain = zlib.compress(msgspec.msgpack.encode(what), 9)
        sealed = self._ciphers[0].encrypt(nonce, plain, _associated(type(what), adapter, principal))
        return MARK + base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=")

    def open[Kind: Sealed](
        self, kind: type[Kind], text: bytes, adapter: AdapterName, principal: PrincipalId, *, now: float
    ) -> Kind | None:
        """What was sealed, or None: forged, expired, for another use, principal or adapter. They look alike."""
        if not text.startswith(MARK) or len(text) > _LONGEST:
            return None
        bare = text[len(MARK) :]
        try:
            sealed = base64.b64decode(bare + b"=" * (-len(bare) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        associated = _associated(kind, adapter, principal)
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
            opened = msgspec.msgpack.decode(zlib.decompress(plain), type=kind)
            return opened if opened.expires_at > now else None
        return None


def is_sealed_here(text: bytes | None) -> bool:
    """Whether a session id is one of the bridge's, whatever it holds."""
    return text is not None and text.startswith(MARK)


def _associated(kind: type, adapter: AdapterName, principal: PrincipalId) -> bytes:
    return f"{kind.__name__}\0{adapter}\0{principal}".encode()
