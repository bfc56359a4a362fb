"""Which instance serves which session. Knows nothing of HTTP and opens no connection.

A session id that a client holds is sealed: AES-GCM over the instance's uid, the upstream's own id and an expiry, with
adapter and principal as associated data. Any replica with the key opens it; no one else's and no other adapter's does.
"""

import base64
import binascii
import os
import random
import secrets
from collections.abc import Sequence

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from gateway.core.routes import Endpoint
from gateway.wire.names import AdapterName, PrincipalId

SESSION_LIFETIME = 30 * 24 * 3600  # seconds; a bound on stolen ids, not on use: the upstream ends its idle sessions
KEY_BYTES = 32
_NONCE_BYTES = 12


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


class Sealer:
    """Seals with the first key, opens with any. Raises ValueError on a key that is not 32 bytes, or on none."""

    def __init__(self, keys: Sequence[bytes]) -> None:
        self.renew(keys)

    def renew(self, keys: Sequence[bytes]) -> None:
        """From now on with these. Raises ValueError."""
        if not keys or any(len(key) != KEY_BYTES for key in keys):
            raise ValueError(f"sealing needs one or more keys of {KEY_BYTES} bytes")
        self._ciphers = tuple(AESGCM(key) for key in keys)

    def seal(self, binding: Binding, adapter: AdapterName, principal: PrincipalId) -> bytes:
        """An id of URL-safe text, about 130 bytes for an upstream id of 32."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed = self._ciphers[0].encrypt(nonce, _encode(binding), _associated(adapter, principal))
        return base64.urlsafe_b64encode(nonce + sealed).rstrip(b"=")

    def open(self, text: bytes, adapter: AdapterName, principal: PrincipalId, *, now: float) -> Binding | None:
        """What was sealed, or None: forged, expired, another principal's or another adapter's. They look alike."""
        try:
            sealed = base64.b64decode(text + b"=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            return None
        associated = _associated(adapter, principal)
        for cipher in self._ciphers:
            try:
                plain = cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], associated)
            except (InvalidTag, ValueError):  # ValueError: too short to hold a nonce
                continue
            binding = _decode(plain)
            return binding if binding.expires_at > now else None
        return None


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
