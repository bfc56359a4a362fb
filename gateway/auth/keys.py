"""An issuer's signing keys: fetched when needed, kept while good. Verifies no token.

A known key is answered from memory. An unknown key id asks the issuer again, but not more often than `COOLDOWN`, so
that invented ids cost the issuer nothing. While the issuer is down the keys in hand serve on, up to `STALE_LIMIT`.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import urlsplit

import msgspec
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey

from gateway.auth.fetch import Fetch, FetchFailed
from gateway.auth.issuers import Issuer

COOLDOWN: Final = 10.0  # seconds between two questions to one issuer
FRESH: Final = 3600.0  # seconds after which keys are fetched again, so that a withdrawn one stops working
STALE_LIMIT: Final = 24 * 3600.0  # seconds that keys outlive the last answer
MAX_KEYS: Final = 64
MAX_KEY_ID: Final = 256
RSA_BITS: Final = range(2048, 8192 + 1)  # smaller is weak, larger burns CPU per signature
MAX_EXPONENT: Final = 2**32
_MAX_NUMBER: Final = 8192 // 6 + 8  # base64 characters of the largest modulus
_FAMILIES: Final = {"RSA": frozenset({"RS256", "PS256"}), "EC": frozenset({"ES256"}), "OKP": frozenset({"EdDSA"})}

log = logging.getLogger(__name__)


class Key(msgspec.Struct, frozen=True):
    """A public key and the algorithms it may be used with: a token's header never widens them."""

    public: Any
    algorithms: frozenset[str]


class KeyRing:
    """The keys of one issuer. `key` is the only question."""

    def __init__(self, issuer: Issuer, fetch: Fetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._issuer = issuer
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, Key] = {}
        self._answered_at = float("-inf")
        self._asked_at = float("-inf")
        self._asking = asyncio.Lock()
        self._failure: FetchFailed | None = None

    async def key(self, key_id: str) -> Key | None:
        """The key of that id, or None when the issuer has none. Raises FetchFailed when it can't be asked.

        key_id: "" for a token without one; that finds a key only where the issuer has exactly one.
        """
        found = self.known(key_id)
        if found is not None and (not self._is_old() or self._asking.locked()):
            return found
        try:
            await self._ask_again()
        except FetchFailed as failure:
            if found is None:
                raise
            log.warning("keeping the keys of %s: %s", self._issuer.url, failure)
        return self.known(key_id)

    def known(self, key_id: str) -> Key | None:
        """From memory, without a question."""
        if self._clock() - self._answered_at > STALE_LIMIT:
            return None
        if key_id:
            return self._keys.get(key_id)
        return next(iter(self._keys.values())) if len(self._keys) == 1 else None

    def _is_old(self) -> bool:
        return self._clock() - self._answered_at > FRESH

    async def _ask_again(self) -> None:
        async with self._asking:
            if self._clock() - self._asked_at < COOLDOWN:  # also those who waited while another asked
                if self._failure is not None:
                    raise self._failure
                return
            self._asked_at = self._clock()
            try:
                self._keys = usable_keys(await self._key_document(), self._issuer.algorithms)
            except FetchFailed as failure:
                self._failure = failure
                raise
            self._failure = None
            self._answered_at = self._clock()

    async def _key_document(self) -> dict[str, Any]:
        if self._issuer.jwks_uri:
            return await self._fetch(self._issuer.jwks_uri, may_be_private=True)
        discovered = f"{self._issuer.url.rstrip('/')}/.well-known/openid-configuration"
        metadata = await self._fetch(discovered, may_be_private=True)
        if metadata.get("issuer") != self._issuer.url:
            raise FetchFailed(f"{discovered} speaks for {metadata.get('issuer')!r}, wanted {self._issuer.url!r}")
        address = metadata.get("jwks_uri")
        if not isinstance(address, str):
            raise FetchFailed(f"{discovered} names no jwks_uri")
        # What an operator wrote may be inside the house; what a document says must not lead there.
        is_same_host = urlsplit(address).netloc == urlsplit(self._issuer.url).netloc
        return await self._fetch(address, may_be_private=is_same_host)


def usable_keys(document: dict[str, Any], allowed: frozenset[str]) -> dict[str, Key]:
    """By key id. Keys that are odd, weak, private, symmetric or for encryption are left out; the rest still counts."""
    listed = document.get("keys")
    if not isinstance(listed, list):
        raise FetchFailed("the key document has no list 'keys'")
    found: dict[str, Key] = {}
    for jwk in listed[:MAX_KEYS]:
        key = _usable_key(jwk, allowed)
        if key is not None:
            found.setdefault(jwk.get("kid", ""), key)
    return found


def _usable_key(jwk: Any, allowed: frozenset[str]) -> Key | None:
    if not isinstance(jwk, dict) or jwk.get("use", "sig") != "sig" or "d" in jwk:
        return None
    key_id, family, named = jwk.get("kid", ""), jwk.get("kty"), jwk.get("alg")
    if not isinstance(key_id, str) or len(key_id) > MAX_KEY_ID or not isinstance(family, str):
        return None
    algorithms = _FAMILIES.get(family, frozenset()) & allowed
    if named is not None:
        algorithms &= frozenset({named}) if isinstance(named, str) else frozenset()
    public = _public_key(jwk, family) if algorithms else None
    return None if public is None else Key(public, algorithms)


def _is_reasonable(rsa: RSAPublicKey) -> bool:
    return rsa.key_size in RSA_BITS and rsa.public_numbers().e <= MAX_EXPONENT


def _public_key(jwk: dict[str, Any], family: str) -> Any:
    """A key of the cryptography package; None for what no honest issuer publishes."""
    import jwt
    from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

    if any(isinstance(value, str) and len(value) > _MAX_NUMBER for value in (jwk.get(name) for name in "nexy")):
        return None  # before a number of megabytes is parsed
    try:
        match family:
            case "RSA":
                rsa = RSAAlgorithm.from_jwk(jwk)
                return rsa if isinstance(rsa, RSAPublicKey) and _is_reasonable(rsa) else None
            case "EC":
                return ECAlgorithm.from_jwk(jwk) if jwk.get("crv") == "P-256" else None
            case _:
                return OKPAlgorithm.from_jwk(jwk) if jwk.get("crv") == "Ed25519" else None
    except (jwt.PyJWTError, ValueError, TypeError, KeyError, AttributeError) as error:
        log.warning("skipping key %r: %s", jwk.get("kid"), error)
        return None
