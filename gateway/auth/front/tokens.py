"""The access tokens that the front mints: short, and good for one resource. Verifies none: the authenticator does."""

import secrets
import time
from collections.abc import Callable, Sequence
from typing import Any, Final

import jwt

from gateway.auth.fetch import Fetch
from gateway.auth.issuers import Issuer
from gateway.auth.signing import SigningKey, published, signing_key
from gateway.core.access import Principal
from gateway.core.rotation import Rotating

LIFETIME: Final = 600  # seconds
JWKS_PATH: Final = "/oauth/keys"


class Minter:
    """shared_keys: what replicas seal session ids with; the signing keys are derived from them and rotate with them.

    steady: by which a new key ripens, see `Rotating`.
    """

    def __init__(
        self,
        shared_keys: Sequence[bytes],
        public_url: str,
        *,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        self._keys = Rotating(shared_keys, _key, clock=steady)
        self._public_url = public_url
        self._clock = clock

    @property
    def trusted(self) -> Issuer:
        """The front as the authenticator sees it."""
        return Issuer(
            url=self._public_url,
            audiences=frozenset({self._public_url}),
            resources_under=self._public_url,
            jwks_uri=f"{self._public_url}{JWKS_PATH}",
            algorithms=frozenset({"ES256"}),
            is_ourselves=True,
        )

    def mint(self, principal: Principal, *, client_id: str, resource: str, scope: str) -> str:
        """resource: the URL that the client named, one of ours."""
        now = int(self._clock())
        claims = {
            "iss": self._public_url,
            "aud": resource,
            "sub": principal.id,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "idp": principal.issuer,
            "client_id": client_id,
            "scope": scope,
            "iat": now,
            "exp": now + LIFETIME,
            "jti": secrets.token_urlsafe(16),
        }
        key = self._keys.current
        return jwt.encode(claims, key.private, algorithm="ES256", headers={"kid": key.id, "typ": "at+jwt"})

    def is_ours(self, token: str) -> bool:
        """Of a token that was verified already: whether the front minted it."""
        claims = jwt.decode(token, options={"verify_signature": False})
        return bool(claims.get("iss") == self._public_url)

    def published(self) -> bytes:
        return published(self._keys.known)

    def renew(self, shared_keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._keys.renew(shared_keys)

    def fetching(self, fetch: Fetch) -> Fetch:
        """A fetch that knows our own keys without asking ourselves over the network."""
        own_url = f"{self._public_url}{JWKS_PATH}"

        async def fetch_or_know(url: str, *, may_be_private: bool) -> dict[str, Any]:
            if url == own_url:
                import msgspec

                return msgspec.json.decode(self.published(), type=dict[str, Any])
            return await fetch(url, may_be_private=may_be_private)

        return fetch_or_know


def _key(shared: bytes) -> SigningKey:
    return signing_key(shared, b"mcpdeck front access token")
