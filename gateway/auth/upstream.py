"""Tokens that the gateway itself shows to `url` adapters. The client's own token never goes there.

Three ways to one: client credentials (the gateway speaks for itself), token exchange (RFC 8693) and Entra's
on-behalf-of (it speaks for the caller, whose token goes to the issuer's token endpoint and nowhere else).
"""

import asyncio
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Final
from weakref import WeakValueDictionary

import msgspec

from gateway.auth.fetch import FetchFailed, HttpsFetch
from gateway.core.access import Principal
from gateway.core.errors import Forbidden, UpstreamBroke

EARLY: Final = 60.0  # seconds before its end at which a token counts as gone
LIFETIME: Final = 300.0  # seconds, where the issuer says none
MAX_KEPT: Final = 10_000
_NEEDS_A_PERSON: Final = frozenset({"interaction_required", "consent_required", "login_required", "invalid_grant"})
_JWT_BEARER: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_EXCHANGE: Final = "urn:ietf:params:oauth:grant-type:token-exchange"
_ACCESS_TOKEN: Final = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a type's name


class Kind(StrEnum):
    CLIENT_CREDENTIALS = "client-credentials"
    TOKEN_EXCHANGE = "token-exchange"  # noqa: S105
    ON_BEHALF_OF = "on-behalf-of"


class Grant(msgspec.Struct, frozen=True):
    """How one adapter's tokens are had. resource: what they are for (RFC 8707), where the issuer takes it."""

    kind: Kind
    token_url: str
    client_id: str
    client_secret: str
    scope: str = ""
    resource: str = ""

    def __repr__(self) -> str:
        return f"Grant({self.kind!r}, {self.token_url!r}, {self.client_id!r}, client_secret='…')"

    @property
    def is_for_the_caller(self) -> bool:
        return self.kind is not Kind.CLIENT_CREDENTIALS


class _Answer(msgspec.Struct, frozen=True):
    access_token: str
    token_type: str = "Bearer"  # noqa: S105
    expires_in: float = LIFETIME


class _Refusal(msgspec.Struct, frozen=True):
    error: str = ""


class UpstreamTokens:
    """Asks once per adapter, or per adapter and caller, and keeps what it gets until shortly before its end."""

    def __init__(self, fetch: HttpsFetch, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._fetch = fetch
        self._clock = clock
        self._kept: dict[tuple[Grant, str], tuple[bytes, float]] = {}
        self._asking: WeakValueDictionary[tuple[Grant, str], asyncio.Lock] = WeakValueDictionary()

    def known(self, grant: Grant, principal: Principal) -> bytes | None:
        """The Authorization header's value, from memory."""
        kept = self._kept.get(_key(grant, principal))
        return kept[0] if kept is not None and kept[1] > self._clock() else None

    async def authorization(self, grant: Grant, principal: Principal, *, token: str) -> bytes:
        """The same with time to ask. token: the caller's own. Raises Forbidden or UpstreamBroke."""
        key = _key(grant, principal)
        lock = self._asking.setdefault(key, asyncio.Lock())
        async with lock:
            if (known := self.known(grant, principal)) is not None:
                return known
            answer = await self._ask(grant, token)
            value = b"Bearer " + answer.access_token.encode("ascii")
            self._make_room()
            self._kept[key] = (value, self._clock() + answer.expires_in - EARLY)
            return value

    async def _ask(self, grant: Grant, token: str) -> _Answer:
        try:
            status, body = await self._fetch.post(grant.token_url, _form(grant, token), may_be_private=True)
        except FetchFailed as failure:
            raise UpstreamBroke(f"no token for the adapter: {failure}") from failure
        if status != 200:
            raise _refused(grant, status, body)
        try:
            answer = msgspec.json.decode(body, type=_Answer, strict=False)  # some write expires_in as text
        except msgspec.DecodeError as error:
            raise UpstreamBroke(f"no token for the adapter: {grant.token_url} answered oddly: {error}") from error
        if answer.token_type.casefold() != "bearer" or not answer.access_token.isascii():
            raise UpstreamBroke(f"no token for the adapter: {grant.token_url} gave none that is a bearer's")
        return answer

    def _make_room(self) -> None:
        if len(self._kept) >= MAX_KEPT:
            now = self._clock()
            self._kept = {key: kept for key, kept in self._kept.items() if kept[1] > now}
        while len(self._kept) >= MAX_KEPT:
            del self._kept[next(iter(self._kept))]


def _key(grant: Grant, principal: Principal) -> tuple[Grant, str]:
    """Whose token it is: nobody's in particular, or one caller's and no other's."""
    return grant, principal.id if grant.is_for_the_caller else ""


def _form(grant: Grant, token: str) -> dict[str, str]:
    form = {"client_id": grant.client_id, "client_secret": grant.client_secret}
    match grant.kind:
        case Kind.CLIENT_CREDENTIALS:
            form |= {"grant_type": "client_credentials"}
        case Kind.ON_BEHALF_OF:
            form |= {"grant_type": _JWT_BEARER, "assertion": token, "requested_token_use": "on_behalf_of"}
        case Kind.TOKEN_EXCHANGE:
            form |= {"grant_type": _EXCHANGE, "subject_token": token, "subject_token_type": _ACCESS_TOKEN}
    given = {"scope": grant.scope, "resource": grant.resource}
    return form | {name: value for name, value in given.items() if value}


def _refused(grant: Grant, status: int, body: bytes) -> Forbidden | UpstreamBroke:
    try:
        error = msgspec.json.decode(body, type=_Refusal).error
    except msgspec.DecodeError:
        error = ""
    if grant.is_for_the_caller and error in _NEEDS_A_PERSON:
        return Forbidden(
            f"the issuer lets nobody speak for you at this adapter yet ({error}): consent is missing there"
        )
    return UpstreamBroke(f"no token for the adapter: {grant.token_url} answered {status} {error[:64]}".rstrip())
