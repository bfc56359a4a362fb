"""Who calls, as a signed assertion that an adapter can verify: `X-Mcp-Identity`. Verifies nothing itself.

The signing keys are derived from the keys that replicas share for sealing session ids, so that every replica signs
with, and publishes, the same ones; they rotate together. An assertion is signed once per principal and adapter and then
served from memory, because this stands on the path of every call.
"""

import base64
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

from gateway.core.access import Principal
from gateway.core.routes import ADAPTERS_PREFIX
from gateway.wire.names import AdapterName

JWKS_PATH: Final = "/.well-known/mcpdeck-identity.json"
MEDIA_TYPE: Final = "mcp-identity+jwt"  # `typ`: so that no one takes it for an access token, nor the other way round
LIFETIME: Final = 300  # seconds that an assertion is good for
RENEWED: Final = 60  # seconds before its end at which the next is signed
MAX_KEPT: Final = 10_000
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class Assertions:
    """Signs with the first key, publishes all. `issuer` is the gateway's public URL."""

    def __init__(self, shared_keys: Sequence[bytes], issuer: str, *, clock: Callable[[], float] = time.time) -> None:
        self._keys = [_signing_key(key) for key in shared_keys]
        self._ids = [_thumbprint(key.public_key()) for key in self._keys]
        self._issuer = issuer
        self._clock = clock
        self._kept: dict[tuple[Principal, AdapterName], tuple[bytes, float]] = {}

    def assertion(self, principal: Principal, adapter: AdapterName) -> bytes:
        """A JWT (ES256) about this principal for this adapter alone, good for four minutes at least."""
        now = self._clock()
        kept = self._kept.get((principal, adapter))
        if kept is not None and kept[1] - now > RENEWED:
            return kept[0]
        if len(self._kept) >= MAX_KEPT:
            self._kept.clear()  # a signature costs 30 microseconds: simpler than keeping an order
        signed = self._sign(principal, adapter, int(now))
        self._kept[principal, adapter] = (signed, int(now) + LIFETIME)
        return signed

    def published(self) -> bytes:
        """The JWKS document, for adapters to verify with."""
        return msgspec.json.encode(
            {"keys": [_public_jwk(key, kid) for key, kid in zip(self._keys, self._ids, strict=True)]}
        )

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
        header = {"kid": self._ids[0], "typ": MEDIA_TYPE}
        return jwt.encode(claims, self._keys[0], algorithm="ES256", headers=header).encode()


def _signing_key(shared: bytes) -> ec.EllipticCurvePrivateKey:
    """FIPS 186-5, A.2.1: 16 bytes more than the order has, so that the remainder shows no bias."""
    material = HKDF(hashes.SHA256(), length=48, salt=None, info=b"mcpdeck identity assertion").derive(shared)
    return ec.derive_private_key(int.from_bytes(material) % (_ORDER - 1) + 1, ec.SECP256R1())


def _thumbprint(public: ec.EllipticCurvePublicKey) -> str:
    """RFC 7638."""
    jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    canonical = msgspec.json.encode({name: jwk[name] for name in ("crv", "kty", "x", "y")})
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _public_jwk(key: ec.EllipticCurvePrivateKey, key_id: str) -> dict[str, Any]:
    jwk = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    return {**{name: jwk[name] for name in ("kty", "crv", "x", "y")}, "kid": key_id, "use": "sig", "alg": "ES256"}
