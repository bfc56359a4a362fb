"""Signing keys and access tokens as issuers make them, and a fetch that counts. Real signatures, no network."""

import asyncio
import base64
import json
from functools import cache
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from gateway.auth.fetch import FetchFailed

NOW = 1_900_000_000.0
TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee"
ENTRA_V2 = f"https://login.microsoftonline.com/{TENANT}/v2.0"
ENTRA_V1 = f"https://sts.windows.net/{TENANT}/"
ENTRA_KEYS = f"https://login.microsoftonline.com/{TENANT}/discovery/v2.0/keys"
OTHER = "https://idp.example/realms/team"


@cache
def rsa_key(name: str = "one", bits: int = 2048) -> rsa.RSAPrivateKey:
    """Made once per name: a 2048-bit key takes a tenth of a second."""
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


@cache
def ec_key() -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def ed_key() -> ed25519.Ed25519PrivateKey:
    return ed25519.Ed25519PrivateKey.generate()


def jwk(key: Any, kid: str, **more: Any) -> dict[str, Any]:
    algorithm = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    kind = next((each for base, each in algorithm.items() if isinstance(key, base)), OKPAlgorithm)
    public: dict[str, Any] = kind.to_jwk(key.public_key(), as_dict=True)  # type: ignore[attr-defined]
    public.pop("key_ops", None)
    return {**public, "kid": kid, "use": "sig", **more}


def entra_claims(version: int = 2, **changes: Any) -> dict[str, Any]:
    """An Entra access token's claims; a change to None leaves the claim out."""
    claims: dict[str, Any] = {
        "iss": ENTRA_V2 if version == 2 else ENTRA_V1,
        "aud": CLIENT if version == 2 else f"api://{CLIENT}",
        "azp" if version == 2 else "appid": "04b07795-8ddb-461a-bbee-02f9e1bf7b46",
        "tid": TENANT,
        "oid": "99999999-0000-0000-0000-000000000001",
        "sub": "pairwise-and-useless",
        "name": "Ada Lovelace",
        "scp": "user_impersonation",
        "roles": ["mcp.Admin"],
        "ver": f"{version}.0",
        "iat": NOW - 10,
        "nbf": NOW - 10,
        "exp": NOW + 3600,
    }
    return _without_none(claims | changes)


def other_claims(**changes: Any) -> dict[str, Any]:
    """As an RFC 9068 issuer makes them."""
    claims: dict[str, Any] = {
        "iss": OTHER,
        "aud": "https://gateway.example",
        "sub": "ada",
        "client_id": "a-client",
        "scope": "mcp",
        "iat": NOW - 10,
        "exp": NOW + 3600,
    }
    return _without_none(claims | changes)


def sign(claims: dict[str, Any], key: Any = None, *, kid: str | None = "k1", alg: str = "RS256", **header: Any) -> str:
    named = header if kid is None else {"kid": kid, **header}
    return jwt.encode(claims, key or rsa_key(), algorithm=alg, headers=named)


def forge(header: dict[str, Any], claims: dict[str, Any], signature: bytes = b"") -> str:
    """A token that no library would make."""
    parts = [json.dumps(header).encode(), json.dumps(claims).encode(), signature]
    return ".".join(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts)


def bearer(token: str) -> dict[bytes, bytes]:
    return {b"authorization": b"Bearer " + token.encode()}


class CountingFetch:
    """Serves documents from a dictionary; `asked` says what was fetched; `is_down` makes it fail."""

    def __init__(self, documents: dict[str, Any]) -> None:
        self.documents = documents
        self.asked: list[tuple[str, bool]] = []
        self.is_down = False

    async def __call__(self, url: str, *, may_be_private: bool) -> dict[str, Any]:
        self.asked.append((url, may_be_private))
        await asyncio.sleep(0)  # others run meanwhile, as over a network
        if self.is_down or url not in self.documents:
            raise FetchFailed(f"{url} can't be reached")
        document: dict[str, Any] = self.documents[url]
        return document


class Clock:
    """A clock that only a test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def _without_none(claims: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if value is not None}
