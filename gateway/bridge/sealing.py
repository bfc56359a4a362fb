"""State that must outlive a request, sealed into what the client holds anyway: session ids, requestState. No store.

Over any Struct, as `core.affinity` over its own. What is sealed for one use, adapter or principal opens for no other.
"""

import base64
import binascii
import zlib
from typing import Final

import msgspec

from gateway.core.ciphers import Ciphers
from gateway.wire.names import AdapterName, PrincipalId

MARK: Final = b"b."  # begins what is sealed here; affinity's ids hold no full stop
_LONGEST: Final = 64 * 1024  # bytes of sealed text worth opening


class Sealed(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """What can be sealed. `expires_at` is in seconds since the epoch."""

    expires_at: int


class Seals(Ciphers):
    """Raises ValueError on a key that is not 32 bytes, or on none."""

    def seal(self, what: Sealed, adapter: AdapterName, principal: PrincipalId) -> bytes:
        """Visible ASCII."""
        plain = zlib.compress(msgspec.msgpack.encode(what), 9)
        sealed = self.encrypt(plain, _associated(type(what), adapter, principal))
        return MARK + base64.urlsafe_b64encode(sealed).rstrip(b"=")

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
        plain = self.decrypt(sealed, _associated(kind, adapter, principal))
        if plain is None:
            return None
        opened = msgspec.msgpack.decode(zlib.decompress(plain), type=kind)
        return opened if opened.expires_at > now else None


def is_sealed_here(text: bytes | None) -> bool:
    """Whether a session id is one of the bridge's, whatever it holds."""
    return text is not None and text.startswith(MARK)


def _associated(kind: type, adapter: AdapterName, principal: PrincipalId) -> bytes:
    return f"{kind.__name__}\0{adapter}\0{principal}".encode()
