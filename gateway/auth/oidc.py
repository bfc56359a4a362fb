"""Who a request is from, by the access token of any OIDC issuer, Microsoft Entra ID first.

A token is verified once; then it is known by its hash until it expires, an hour at most, and costs a look-up. Mints
nothing, stores nothing, and sees only headers: a token in a query string is not looked at.
"""

import hashlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.auth.claims import LEEWAY, Refusal, principal_of
from gateway.auth.fetch import Fetch, FetchFailed
from gateway.auth.issuers import Issuer
from gateway.auth.keys import FRESH, MAX_KEY_ID, Key, KeyRing
from gateway.core.access import Principal
from gateway.core.errors import Challenge, InsufficientScope, IssuerUnreachable, Unauthenticated

if TYPE_CHECKING:
    from jwt.types import Options

MAX_TOKEN: Final = 16 * 1024  # bytes; Entra's with 200 groups has about 10 KB
MAX_KNOWN: Final = 10_000  # verified tokens in memory, about 500 bytes each

log = logging.getLogger(__name__)


class Verified(msgspec.Struct, frozen=True):
    """expires_at: the token's own end, in seconds since the epoch. until: of a clock that nobody sets."""

    principal: Principal
    expires_at: float
    until: float


class OidcAuthenticator:
    """core.ports.RecognisingAuthenticator over one or more issuers. `challenge` tells clients where to get a token.

    steady: by which what is known is known for an hour, wherever the clock is set meanwhile.
    """

    def __init__(
        self,
        issuers: Sequence[Issuer],
        fetch: Fetch,
        *,
        challenge: Challenge | None = None,
        clock: Callable[[], float] = time.time,
        steady: Callable[[], float] = time.monotonic,
    ) -> None:
        if not issuers:
            raise ValueError("give at least one issuer")
        self._rings = {issuer.url: (issuer, KeyRing(issuer, fetch)) for issuer in issuers}
        if len(self._rings) != len(issuers):
            raise ValueError("an issuer is given twice; join its audiences instead")
        self._challenge = challenge or Challenge()
        self._clock, self._steady = clock, steady
        self._verified: dict[bytes, Verified] = {}

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        authorization = headers.get(b"authorization")
        if authorization is None:
            return Unauthenticated(
                "this gateway needs an access token: Authorization: Bearer …", challenge=self._challenge
            )
        return self.recognised(hashlib.sha256(authorization).digest())

    def ticket(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        """The token's hash: to compute it costs as much as all the rest of a call's identity."""
        authorization = headers.get(b"authorization")
        return None if authorization is None else hashlib.sha256(authorization).digest()

    def recognised(self, ticket: bytes) -> Principal | None:
        entry = self._verified.get(ticket)
        return entry.principal if entry is not None and self._holds(entry) else None

    def _holds(self, entry: Verified) -> bool:
        return entry.expires_at > self._clock() and entry.until > self._steady()

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        """Raises IssuerUnreachable when a token can't be judged now."""
        known = self.known(headers)
        if known is not None:
            return known
        authorization = headers[b"authorization"]
        token = _bearer(authorization)
        if isinstance(token, Refusal):
            return self._refused(token)
        found = await self._issuer_and_key(token)
        if isinstance(found, Refusal):
            return self._refused(found)
        # No await from here on: of many requests that bring a new token at once, the first verifies and the rest know.
        return self.known(headers) or self._judge(token, authorization, *found)

    def _judge(self, token: str, authorization: bytes, issuer: Issuer, key: Key) -> Principal | Unauthenticated:
        decoded = _decode(token, issuer, key)
        if isinstance(decoded, Refusal):
            return self._refused(decoded)
        header, claims = decoded
        principal = principal_of(claims, header, issuer, now=self._clock())
        if isinstance(principal, Refusal):
            return self._refused(principal)
        until = self._steady() + FRESH  # so that a withdrawn key's tokens end with it
        self._remember(authorization, Verified(principal, claims["exp"] + LEEWAY, until))
        return principal

    async def _issuer_and_key(self, token: str) -> tuple[Issuer, Key] | Refusal:
        """Whose token it says it is, and that issuer's key. Nothing is believed yet."""
        claimed = _claimed(token)
        if isinstance(claimed, Refusal):
            return claimed
        url, key_id, algorithm = claimed
        if url not in self._rings:
            return Refusal("the token's issuer is not one of those trusted here")
        issuer, ring = self._rings[url]
        if algorithm not in issuer.algorithms:
            return Refusal(f"the token is signed with an algorithm that is not allowed here: {algorithm}")
        try:
            key = await ring.key(key_id)
        except FetchFailed as failure:
            log.warning("can't verify a token: %s", failure)
            raise IssuerUnreachable(f"the keys of {url} can't be had now; try again") from failure
        if key is None:
            return Refusal("the token's key is not one of its issuer's signing keys")
        return issuer, key

    def _remember(self, authorization: bytes, verified: Verified) -> None:
        if len(self._verified) >= MAX_KNOWN:
            self._verified = {known: entry for known, entry in self._verified.items() if self._holds(entry)}
        if len(self._verified) >= MAX_KNOWN:
            for oldest in list(self._verified)[: MAX_KNOWN // 10]:  # a tenth at once: the sweep above stays rare
                del self._verified[oldest]
        self._verified[hashlib.sha256(authorization).digest()] = verified

    def _refused(self, refusal: Refusal) -> Unauthenticated:
        challenge = msgspec.structs.replace(self._challenge, error="invalid_token", description=refusal.reason)
        if refusal.scope:
            wanted = msgspec.structs.replace(challenge, error="insufficient_scope", scope=refusal.scope)
            return InsufficientScope(refusal.reason, challenge=wanted)
        return Unauthenticated(refusal.reason, challenge=challenge)


def _bearer(authorization: bytes) -> str | Refusal:
    scheme, _, token = authorization.partition(b" ")
    if scheme.lower() != b"bearer":
        return Refusal("this gateway takes Bearer tokens only")
    if len(token) > MAX_TOKEN:
        return Refusal(f"the token is larger than {MAX_TOKEN} bytes")
    try:
        return token.strip().decode("ascii")
    except UnicodeDecodeError:
        return Refusal("the token is no JWT")


def _claimed(token: str) -> tuple[str, str, str] | Refusal:
    """Issuer, key id and algorithm as the unverified token says them."""
    import jwt

    try:
        unverified = jwt.decode_complete(token, options={"verify_signature": False})
    except (jwt.PyJWTError, ValueError, RecursionError):
        return Refusal("the token is no JWT")
    issuer, header = unverified["payload"].get("iss"), unverified["header"]
    key_id, algorithm = header.get("kid", ""), header.get("alg")
    if not isinstance(issuer, str) or not isinstance(key_id, str) or len(key_id) > MAX_KEY_ID:
        return Refusal("the token's iss or kid is no text")
    if not isinstance(algorithm, str):
        return Refusal("the token names no algorithm")
    return issuer, key_id, algorithm[:16]


def _decode(token: str, issuer: Issuer, key: Key) -> tuple[dict[str, Any], dict[str, Any]] | Refusal:
    """Header and claims, once signature and issuer are right; the other claims are judged together."""
    import jwt

    rest_elsewhere: Options = {
        "verify_exp": False,
        "verify_nbf": False,
        "verify_iat": False,
        "verify_aud": False,
        "require": ["exp", "iss", "aud"],
    }
    try:
        decoded = jwt.decode_complete(
            token,
            key.public,
            algorithms=sorted(key.algorithms),
            issuer=issuer.url,
            options=rest_elsewhere,
        )
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        return Refusal(f"the token does not verify: {error}")
    return decoded["header"], decoded["payload"]
