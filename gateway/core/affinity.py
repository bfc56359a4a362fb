"""Which instance serves which session. Knows nothing of HTTP and opens no connection.

A session id that a client holds is sealed: AES-GCM over the instance's uid, the upstream's own id and an expiry, with
adapter and principal as associated data. Any replica with the key opens it; no one else's and no other adapter's does.
"""

import base64
import binascii
import random
import secrets
from collections.abc import Sequence

import msgspec

from gateway.core.ciphers import KEY_BYTES, Ciphers
from gateway.core.routes import Endpoint
from gateway.wire.names import AdapterName, PrincipalId

SESSION_LIFETIME = 30 * 24 * 3600  # seconds; a bound on stolen ids, not on use: the upstream ends its idle sessions


class Binding(msgspec.Struct, frozen=True, array_like=True):
    """What a sealed id says. `upstream` is the server's own session id, visible ASCII.

    hello: the `initialize` that began the session, compressed, where another instance may have to hear it again.
    """

    uid: str
    upstream: bytes
    expires_at: int  # seconds since the epoch
    hello: bytes = b""


_draw = random.Random().random  # noqa: S311 - nothing secret hangs on it, and the kernel's dice cost a call each
_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Binding).decode


class Sealer(Ciphers):
    """Session ids. Raises ValueError on a key that is not 32 bytes, or on none."""

    def seal(self, binding: Binding, adapter: AdapterName, principal: PrincipalId) -> bytes:
        """An id of URL-safe text, about 130 bytes for an upstream id of 32."""
        return base64.urlsafe_b64encode(self.encrypt(_encode(binding), _associated(adapter, principal))).rstrip(b"=")

    def open(self, text: bytes, adapter: AdapterName, principal: PrincipalId, *, now: float) -> Binding | None:
        """What was sealed, or None: forged, expired, another principal's or another adapter's. They look alike."""
        try:
            sealed = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        plain = self.decrypt(sealed, _associated(adapter, principal))
        if plain is None:
            return None
        binding = _decode(plain)
        return binding if binding.expires_at > now else None


def new_key() -> bytes:
    return secrets.token_bytes(KEY_BYTES)


def choose(ready: Sequence[Endpoint], load: dict[str, int] | None = None) -> Endpoint | None:
    """Where a new session or a sessionless request goes: the less loaded of two drawn at random; None if none is ready.

    load: requests and sessions in hand, by uid. Two choices stay close to the best of all and never herd.
    """
    if not ready:
        return None
    if len(ready) == 1:
        return ready[0]
    first = ready[int(_draw() * len(ready))]
    if load is None:
        return first
    second = ready[int(_draw() * len(ready))]
    return first if load.get(first.uid, 0) <= load.get(second.uid, 0) else second


def _associated(adapter: AdapterName, principal: PrincipalId) -> bytes:
    return f"{adapter}\0{principal}".encode()
