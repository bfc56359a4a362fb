"""The tokens of the local issuer: its keys, rotating, and claims shaped as Entra ID v2 and RFC 9068 have them."""

import secrets
import time
from typing import Any, Final

import jwt
import msgspec
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

LIFETIME: Final = 3600  # seconds


class User(msgspec.Struct, frozen=True):
    """Who can sign in here, without a password. `oid` is what stays when the name changes."""

    name: str
    roles: tuple[str, ...] = ()

    @property
    def oid(self) -> str:
        return f"{self.name}-oid"


class Signer:
    """Signs with the newest key; the one before stays published, as issuers do while tokens of it are about."""

    def __init__(self) -> None:
        self._keys: list[tuple[str, rsa.RSAPrivateKey]] = []
        self.rotate()

    def rotate(self) -> str:
        """A new key from now on; returns its id."""
        key_id = secrets.token_hex(8)
        self._keys = [(key_id, rsa.generate_private_key(public_exponent=65537, key_size=2048)), *self._keys[:1]]
        return key_id

    def sign(self, claims: dict[str, Any], **header: str) -> str:
        key_id, key = self._keys[0]
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": key_id, **header})

    def verified(self, token: str) -> dict[str, Any]:
        """The claims of a token that one of the keys signed and that has not expired. Raises ValueError."""
        for _, key in self._keys:
            try:
                return jwt.decode(token, key.public_key(), algorithms=["RS256"], options={"verify_aud": False})
            except jwt.PyJWTError:
                continue
        raise ValueError("no token of this issuer, or one that has expired")

    def published(self) -> dict[str, Any]:
        """The JWKS document."""
        return {"keys": [self._public(key_id, key) for key_id, key in self._keys]}

    def _public(self, key_id: str, key: rsa.RSAPrivateKey) -> dict[str, Any]:
        public = RSAAlgorithm.to_jwk(key.public_key(), as_dict=True)
        return {"kty": "RSA", "n": public["n"], "e": public["e"], "kid": key_id, "use": "sig"}


class Minter:
    """Access and ID tokens of one tenant, for one API (`audience`)."""

    def __init__(self, issuer: str, tenant: str, audience: str, *, lifetime: int = LIFETIME) -> None:
        self.issuer, self.tenant, self.audience, self.lifetime = issuer, tenant, audience, lifetime
        self.signer = Signer()

    def access_token(self, user: User | None, client_id: str, scopes: tuple[str, ...], **changes: Any) -> str:
        """user: None for an application that speaks for itself."""
        claims = self._times() | {
            "iss": self.issuer,
            "aud": self.audience,
            "tid": self.tenant,
            "azp": client_id,
            "client_id": client_id,
            "ver": "2.0",
            "jti": secrets.token_hex(8),
        }
        if user is None:
            claims |= {"sub": client_id, "oid": client_id, "roles": ["mcp.engineer"], "idtyp": "app"}
        else:
            claims |= {"sub": user.name, "oid": user.oid, "name": user.name, "roles": list(user.roles)}
            claims["scp"] = " ".join(scope.rpartition("/")[2] for scope in scopes) or "user_impersonation"
        return self.signer.sign(claims | changes, typ="at+jwt")

    def id_token(self, user: User, client_id: str, nonce: str) -> str:
        claims = self._times() | {
            "iss": self.issuer,
            "aud": client_id,
            "tid": self.tenant,
            "sub": user.name,
            "oid": user.oid,
            "name": user.name,
            "preferred_username": f"{user.name}@example.test",
            "roles": list(user.roles),
            "ver": "2.0",
        }
        return self.signer.sign(claims | ({"nonce": nonce} if nonce else {}))

    def _times(self) -> dict[str, Any]:
        now = int(time.time())
        return {"iat": now, "nbf": now, "exp": now + self.lifetime}
