"""Who calls, as a signed assertion that an adapter can verify: `X-Mcp-Identity`. Verifies nothing itself.

The signing keys are derived from the keys that replicas share for sealing session ids, so that every replica signs
with, and publishes, the same ones; they rotate together. An assertion is signed once per principal and adapter and then
served from memory, because this stands on the path of every call.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import jwt

from gateway.auth.signing import SigningKey, published, signing_key
from gateway.core.access import Principal
from gateway.core.rotation import Rotating
from gateway.core.routes import ADAPTERS_PREFIX
from gateway.wire.names import AdapterName

JWKS_PATH: Final = "/.well-known/mcpdeck-identity.json"
MEDIA_TYPE: Final = "mcp-identity+jwt"  # `typ`: so that no one takes it for an access token, nor the other way round
LIFETIME: Final = 300  # seconds that an assertion is good for
RENEWED: Final = 120  # seconds before its end at which the next is signed; the data plane repeats one for a minute
MAX_KEPT: Final = 10_000


class Assertions:
    """Signs with the first key, once every replica has it; publishes all. `issuer` is the gateway's public URL.

    steady: by which a new key ripens, see `Rotating`.
    """

    def __init__(
        self,
        shared_keys: Sequence[bytes],
        issuer: str,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = Rotating(shared_keys, _key, clock=steady)
        self._issuer = issuer
        self._clock = clock
        self._kept: dict[tuple[Principal, AdapterName], tuple[bytes, float]] = {}

    def assertion(self, principal: Principal, adapter: AdapterName) -> bytes:
        """A JWT (ES256) about this principal for this adapter alone, good for two minutes at least."""
        now = self._clock()
        kept = self._kept.get((principal, adapter))
        if kept is not None and RENEWED < kept[1] - now <= LIFETIME:  # beyond: the clock was ahead when it was signed
            return kept[0]
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()  # a signature costs 30 microseconds: simpler than keeping an order
        signed = self._sign(principal, adapter, int(now))
        self._kept[principal, adapter] = (signed, int(now) + LIFETIME)
        return signed

    def published(self) -> bytes:
        """The JWKS document, for adapters to verify with."""
        return published(self._keys.known)

    def renew(self, shared_keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._keys.renew(shared_keys)

    def audience(self, adapter: AdapterName) -> str:
        """What an adapter checks `aud` against: its own URL at the gateway."""
        return f"{self._issuer}{ADAPTERS_PREFIX}{adapter}/mcp"

    def _sign(self, principal: Principal, adapter: AdapterName, now: int) -> bytes:
        claims = {
            "iss": self._issuer,
            "aud": self.audience(adapter),
            "sub": principal.id,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "idp": principal.issuer,
            "iat": now,
            "exp": now + LIFETIME,
        }
        key = self._keys.current
        header = {"kid": key.id, "typ": MEDIA_TYPE}
        return jwt.encode(claims, key.private, algorithm="ES256", headers=header).encode()


def _key(shared: bytes) -> SigningKey:
    return signing_key(shared, b"mcpdeck identity assertion")
