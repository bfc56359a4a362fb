"""Signing keys that every replica has alike: derived from a shared secret, one kind of token per key. Signs nothing."""

import base64
import hashlib
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import msgspec
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from jwt.algorithms import ECAlgorithm

RIPENS: Final = 120.0  # seconds until every replica has read a new key: mounted secrets take a minute and more
_ORDER: Final = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551  # of P-256


class SigningKey(msgspec.Struct, frozen=True):
    """`id` is the public key's thumbprint (RFC 7638)."""

    private: Any
    id: str

    def __repr__(self) -> str:
        return f"SigningKey({self.id!r})"


class Rotating[Key]:
    """Keys derived from those that replicas share. A new one is `known` at once, and `current` once all know it.

    clock: one that nobody sets: a key that ripens too soon signs what other replicas refuse.
    """

    def __init__(
        self, shared: Sequence[bytes], derive: Callable[[bytes], Key], *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._derive, self._clock = derive, clock
        self._keys = {each: derive(each) for each in shared}
        self._signing, self._ripe_at = shared[0], float("-inf")

    @property
    def known(self) -> Sequence[Key]:
        return tuple(self._keys.values())

    @property
    def current(self) -> Key:
        """To sign with."""
        return self._keys[self._secret()]

    def renew(self, shared: Sequence[bytes]) -> None:
        """Until the first of them is ripe, one goes on that was there before; where there is none, it is ripe now."""
        before = self._keys
        there = (each for each in (self._secret(), *shared) if each in before and each in shared)
        self._signing = next(there, shared[0])
        if shared[0] not in before:
            self._ripe_at = self._clock() + RIPENS
        self._keys = {each: before[each] if each in before else self._derive(each) for each in shared}

    def _secret(self) -> bytes:
        return next(iter(self._keys)) if self._clock() >= self._ripe_at else self._signing


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
