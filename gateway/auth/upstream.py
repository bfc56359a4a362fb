"""Tokens that the gateway itself shows to `url` adapters. The client's own token never goes there.

Three ways to one: client credentials (the gateway speaks for itself), token exchange (RFC 8693) and Entra's
on-behalf-of (it speaks for the caller, whose token goes to a trusted issuer's token endpoint and nowhere else: who
writes an adapter down could otherwise have every caller's token sent to a place of their own).
"""

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection
from typing import Final
from urllib.parse import urlsplit
from weakref import WeakValueDictionary

import msgspec

from gateway.auth.fetch import FetchFailed, HttpsFetch
from gateway.core.access import Principal
from gateway.core.errors import Challenge, Forbidden, GatewayError, Unauthenticated, Unsupported, UpstreamBroke
from gateway.core.grants import Grant, is_for_the_caller
from gateway.wire.resources import Authorization, GrantKind

EARLY: Final = 60.0  # seconds before its end at which a token counts as gone
LIFETIME: Final = 300.0  # seconds, where the issuer says none
PAUSE: Final = 5.0  # seconds for which a failure is the answer, and in which no token is replaced that was refused
MAX_KEPT: Final = 10_000
_NEEDS_A_PERSON: Final = frozenset({"interaction_required", "consent_required", "login_required", "invalid_grant"})
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name

type Key = tuple[Grant, str]


class _Answer(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105 - a scheme's name
    expires_in: float = LIFETIME


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class _Kept(msgspec.Struct, frozen=True):
    """until: when another is wanted, a while before this one's end. Times are the clock's."""

    value: bytes
    since: float
    until: float


class UpstreamTokens:
    """core.ports.Tokens. Asks once per adapter, or per adapter and caller, and keeps what it gets until shortly before
    its end.

    may_exchange_at: origins (`https://HOST[:PORT]`) whose token endpoints are shown callers' tokens. allow_private:
    whether other token endpoints may lie in this organisation's networks. subject_of: a caller's token as the issuer
    that is asked knows it, "" where that is not to be had (any more); it is then asked for anew, by `challenge`.
    """

    def __init__(
        self,
        fetch: HttpsFetch,
        *,
        may_exchange_at: Collection[str] = (),
        allow_private: bool = False,
        subject_of: Callable[[str], Awaitable[str]] | None = None,
        challenge: Challenge | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._fetch = fetch
        self._may_exchange_at, self._allow_private = frozenset(may_exchange_at), allow_private
        self._subject_of, self._challenge = subject_of, challenge
        self._clock = clock
        self._kept: dict[Key, _Kept] = {}
        self._failed: dict[Key, tuple[type[GatewayError], str, float]] = {}
        self._asking: WeakValueDictionary[Key, asyncio.Lock] = WeakValueDictionary()

    def known(self, grant: Grant, principal: Principal) -> bytes | None:
        kept = self._kept.get(_key(grant, principal))
        return kept.value if kept is not None and kept.until > self._clock() else None

    def last(self, grant: Grant, principal: Principal) -> bytes | None:
        kept = self._kept.get(_key(grant, principal))
        return kept.value if kept is not None else None

    async def authorization(self, grant: Grant, principal: Principal, *, token: str) -> bytes:
        key = _key(grant, principal)
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            if (known := self.known(grant, principal)) is not None:
                return known
            self._raise_recent(key)
            try:
                answer = await self._ask(grant, await self._subject(grant, token))
            except (Forbidden, UpstreamBroke) as error:
                _make_room(self._failed)
                self._failed[key] = type(error), error.detail, self._clock() + PAUSE
                raise
            value, now = b"Bearer " + answer.access_token.encode("ascii"), self._clock()
            self._sweep(now)
            until = now + max(answer.expires_in - EARLY, answer.expires_in / 2)
            self._kept[key] = _Kept(value, now, until)
            return value

    def refused(self, grant: Grant, principal: Principal) -> None:
        """Unless it is new: then another one would be refused as well."""
        key = _key(grant, principal)
        kept = self._kept.get(key)
        if kept is not None and self._clock() - kept.since > PAUSE:
            del self._kept[key]

    def refusal(self, authorization: Authorization) -> str:
        if not is_for_the_caller(authorization.kind) or self._is_trusted(authorization.token_url):
            return ""
        known = ", ".join(sorted(self._may_exchange_at)) or "none, since it knows callers by dev authentication"
        return (
            f"callers' tokens are shown to the issuers that this gateway trusts and to nobody else ({known}); "
            "an operator adds another with MCPDECK_OIDC_TOKEN_ORIGINS"
        )

    async def _subject(self, grant: Grant, token: str) -> str:
        """The caller's token, where one is needed. Raises."""
        if not grant.is_for_the_caller:
            return ""
        if not token:
            raise Unsupported(
                "this adapter is called with a token in its caller's name, and this call came without one of an issuer "
                "(by dev authentication, or from the gateway itself)"
            )
        if not self._is_trusted(grant.token_url):
            raise UpstreamBroke(f"no token for the adapter: {grant.token_url} is no place for callers' tokens")
        subject = token if self._subject_of is None else await self._subject_of(token)
        if subject:
            return subject
        reason = "the token that the issuer gave for you is not here any more: get a new one"
        wanted = msgspec.structs.replace(self._challenge or Challenge(), error="invalid_token", description=reason)
        raise Unauthenticated(reason, challenge=wanted)

    def _is_trusted(self, url: str) -> bool:
        return origin_of(url) in self._may_exchange_at

    async def _ask(self, grant: Grant, subject: str) -> _Answer:
        may_be_private = self._allow_private or self._is_trusted(grant.token_url)  # which an operator wrote down
        try:
            status, body = await self._fetch.post(grant.token_url, _form(grant, subject), may_be_private=may_be_private)
        except FetchFailed as failure:
            raise UpstreamBroke(f"no token for the adapter: {failure}") from failure
        if status != 200:
            raise _refused(grant, status, body)
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)  # some write expires_in as text
        except msgspec.DecodeError as error:
            raise UpstreamBroke(f"no token for the adapter: {grant.token_url} answered oddly: {error}") from error
        if answer.token_type.casefold() != "bearer" or not _is_token(answer.access_token):
            raise UpstreamBroke(f"no token for the adapter: {grant.token_url} gave none that is a bearer's")
        return answer

    def _raise_recent(self, key: Key) -> None:
        """Many calls to an adapter whose issuer is down do not queue up for it, each to wait in its turn."""
        kind, sentence, until = self._failed.pop(key, (GatewayError, "", 0.0))
        if until > self._clock():
            self._failed[key] = kind, sentence, until
            raise kind(sentence)

    def _sweep(self, now: float) -> None:
        if len(self._kept) >= MAX_KEPT:
            self._kept = {key: kept for key, kept in self._kept.items() if kept.until > now}
        _make_room(self._kept)


def _make_room[Value](kept: dict[Key, Value]) -> None:
    """For one more; the oldest go first."""
    while len(kept) >= MAX_KEPT:
        del kept[next(iter(kept))]


def origin_of(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}".lower()


def _key(grant: Grant, principal: Principal) -> Key:
    """Whose token it is: nobody's in particular, or one caller's and no other's."""
    return grant, principal.id if grant.is_for_the_caller else ""


def _is_token(text: str) -> bool:
    """Whether it fits into a header as it is."""
    return text.isascii() and text.isprintable() and " " not in text and bool(text)


def _form(grant: Grant, subject: str) -> dict[str, str]:
    form = {"client_id": grant.client_id, "client_secret": grant.client_secret}
    match grant.kind:
        case GrantKind.CLIENT_CREDENTIALS:
            form |= {"grant_type": "client_credentials"}
        case GrantKind.ON_BEHALF_OF:
            form |= {"grant_type": _JWT_BEARER, "assertion": subject, "requested_token_use": "on_behalf_of"}
        case GrantKind.TOKEN_EXCHANGE:
            form |= {"grant_type": _EXCHANGE, "subject_token": subject, "subject_token_type": _ACCESS_TOKEN}
    given = {"scope": grant.scope, "resource": grant.resource, "audience": grant.audience}
    return form | {name: value for name, value in given.items() if value}


def _refused(grant: Grant, status: int, body: bytes) -> Forbidden | UpstreamBroke:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except msgspec.DecodeError:
        error = ""
    error = "".join(each for each in error[:64] if each.isascii() and each.isprintable())
    if grant.is_for_the_caller and error in _NEEDS_A_PERSON:
        return Forbidden(
            f"the issuer lets nobody speak for you at this adapter yet ({error}): consent is missing there"
        )
    return UpstreamBroke(f"no token for the adapter: {grant.token_url} answered {status} {error}".rstrip())
