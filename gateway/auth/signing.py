"""Signing keys that every replica has alike: derived from a shared secret, one kind of token per key. Signs nothing."""

import base64
import hashlib
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class SigningKey(msgspec.Struct, frozen=True):
    """`id` is the public key's thumbprint (RFC 7638)."""

    private: Any
    id: str

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"


def signing_key(shared: bytes, purpose: bytes) -> SigningKey:
    """FIPS 186-5, A.2.1: 16 bytes more than the order has, so that the remainder shows no bias."""
    material = HKDF(hashes.SHA256(), length=48, salt=None, info=purpose).derive(shared)
    private = ec.derive_private_key(int.from_bytes(material) % (_ORDER - 1) + 1, ec.SECP256R1())
    return SigningKey(private, _thumbprint(private.public_key()))


def published(keys: Sequence[SigningKey]) -> bytes:
    """The JWKS document."""
    return msgspec.json.encode({"keys": [_public_jwk(key) for key in keys]})


def _thumbprint(public: ec.EllipticCurvePublicKey) -> str:
    jwk = ECAlgorithm.to_jwk(public, as_dict=True)
    canonical = msgspec.json.encode({name: jwk[name] for name in ("crv", "kty", "x", "y")})
    return base64.urlsafe_b64encode(hashlib.sha256(canonical).digest()).rstrip(b"=").decode()


def _public_jwk(key: SigningKey) -> dict[str, Any]:
    jwk = ECAlgorithm.to_jwk(key.private.public_key(), as_dict=True)
    return {**{name: jwk[name] for name in ("kty", "crv", "x", "y")}, "kid": key.id, "use": "sig", "alg": "ES256"}
