"""Who comes in: what every request passes before its route, and every answer on its way out. Routes nothing."""

import re
import secrets
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import Final, cast

from quart import Quart, Response, g, request

from gateway.controlplane import replies
from gateway.core.access import Principal, is_bound_elsewhere
from gateway.core.errors import Challenge, GatewayError, Invalid, Unauthenticated
from gateway.core.inbound import is_token_in, misplaced
from gateway.core.ports import Authenticator
from gateway.services.audit import AuditLog
from gateway.services.called import shown
from gateway.wire.audit import AuditRecord
from gateway.wire.hosts import Hosts

REFUSED: Final = "access.refused"  # in the audit log: what was asked for by a path alone
PROBES: Final = frozenset({"/ping", "/livez", "/readyz"})
CHECK_AGAIN: Final = 15.0  # seconds after which a stream asks whether its reader is still let in
_REQUEST_ID = re.compile(r"[A-Za-z0-9._:+/=@-]{1,128}")
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-([0-9a-f]{2})")
_EXPOSED: Final = "ETag, Location, Retry-After, WWW-Authenticate, X-Log-State, X-Request-Id"


class Door:
    """anonymous: paths that need no token. open_prefixes: of paths that any page of any origin may ask for as well.

    actions: what a write is called in the audit log, by endpoint.
    """

    def __init__(
        self,
        authenticator: Authenticator,
        hosts: Hosts,
        *,
        anonymous: Collection[str] = (),
        open_prefixes: Sequence[str] = (),
        audit: AuditLog | None = None,
        actions: Mapping[str, str],
    ) -> None:
        self._authenticator, self._hosts = authenticator, hosts
        self._anonymous, self._open = PROBES | set(anonymous), tuple(open_prefixes)
        self._audit, self._actions = audit, actions

    def guard(self, app: Quart) -> None:
        app.before_request(self._enter)
        app.after_request(self._leave)

    async def is_let_in(self, headers: Mapping[bytes, bytes]) -> bool:
        """Whether who sent these headers would be let in now: tokens expire while streams last."""
        try:
            await self._principal(headers)
        except GatewayError:
            return False
        return True

    async def _enter(self) -> Response | None:
        g.began = time.monotonic()
        g.request_id = _request_id(request.headers.get("X-Request-Id", ""))
        g.traceparent = _continued(request.headers.get("traceparent", ""))
        if is_token_in(request.query_string):
            raise Invalid("a token in a query string is in every log on the way: send it in the Authorization header")
        if (refusal := self._refusal()) is not None:
            raise refusal
        if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
            return replies.nothing()
        if request.path not in self._anonymous and not request.path.startswith(self._open):
            g.principal = await self._principal(sent_headers())
        return None

    def _refusal(self) -> GatewayError | None:
        host, origin = _raw("Host"), _raw("Origin")
        if request.path.startswith(self._open):
            return misplaced(self._hosts, host, None)
        if request.path in PROBES and origin is None and not self._hosts.is_loopback:
            return None  # a kubelet asks a pod by its address
        return misplaced(self._hosts, host, origin)

    async def _principal(self, headers: Mapping[bytes, bytes]) -> Principal:
        found = self._authenticator.known(headers)
        if found is None:
            found = await self._authenticator.verify(headers)
        if isinstance(found, Unauthenticated):
            raise found
        if is_bound_elsewhere(found, ""):
            challenge = Challenge(error="invalid_token", description="the token is for another resource")
            raise Unauthenticated(f"this token is for {found.resource} and nothing else", challenge=challenge)
        return found

    async def _leave(self, response: Response) -> Response:
        headers = response.headers
        headers["X-Request-Id"] = replies.request_id()
        headers.setdefault("X-Content-Type-Options", "nosniff")
        headers.setdefault("Cache-Control", "no-store")
        if g.get("traceparent"):
            headers["traceparent"] = g.traceparent
        self._let_pages_read(response)
        if request.method == "HEAD":
            response.response = response.iterable_body_class([])
        if self._audit is not None:
            self._tell(self._audit, response)
        return response

    def _tell(self, audit: AuditLog, response: Response) -> None:
        """Every write, and what calls itself an action; of the rest what was refused to somebody who showed a token or
        is known."""
        action = g.get("action") or self._actions.get(request.endpoint or "")
        if action is None and not _is_refusal(response.status_code):
            return
        record = _record(action or REFUSED, response)
        if record.principal:
            audit.record(record)
        else:
            audit.record_stranger(record)

    def _let_pages_read(self, response: Response) -> None:
        """CORS, for the pages of an origin that the operator allows."""
        origin = request.headers.get("Origin", "")
        if origin not in self._hosts.origins:
            return
        response.headers["Access-Control-Allow-Origin"] = origin
        response.headers["Access-Control-Expose-Headers"] = _EXPOSED
        response.headers.add("Vary", "Origin")
        if request.method == "OPTIONS":
            response.headers["Access-Control-Allow-Methods"] = "GET, POST, PUT, PATCH, DELETE"
            response.headers["Access-Control-Allow-Headers"] = request.headers.get("Access-Control-Request-Headers", "")
            response.headers["Access-Control-Max-Age"] = "600"


def principal() -> Principal:
    """Who asks; only behind the door."""
    return cast("Principal", g.principal)


def sent_headers() -> dict[bytes, bytes]:
    """As ports.Authenticator wants them."""
    return {name.lower(): value for name, value in request.scope["headers"]}


async def while_let_in(
    chunks: AsyncGenerator[bytes], is_let_in: Callable[[], Awaitable[bool]]
) -> AsyncGenerator[bytes]:
    """The stream, until its reader is let in no longer."""
    checked = time.monotonic()
    async with aclosing(chunks):
        async for chunk in chunks:
            if time.monotonic() - checked > CHECK_AGAIN:
                if not await is_let_in():
                    return
                checked = time.monotonic()
            yield chunk


def _raw(name: str) -> bytes | None:
    value = request.headers.get(name)
    return None if value is None else value.encode("latin-1", errors="replace")


def _request_id(sent: str) -> str:
    """The caller's own, if it is sane."""
    return sent if _REQUEST_ID.fullmatch(sent) else secrets.token_hex(16)


def _continued(traceparent: str) -> str:
    """The caller's trace with a span of ours (W3C Trace Context); empty without one."""
    found = _TRACEPARENT.fullmatch(traceparent)
    return f"00-{found[1]}-{secrets.token_hex(8)}-{found[2]}" if found else ""


def _is_refusal(status: int) -> bool:
    """Of a token, or of somebody. To come without a token is how every client begins."""
    return status == 403 or (status == 401 and "Authorization" in request.headers)


def _record(action: str, response: Response) -> AuditRecord:
    who: Principal | None = g.get("principal")
    return AuditRecord(
        at=datetime.now(UTC),
        action=action,
        principal=who.id if who else "",
        principal_name=who.name if who else "",
        target=str(next(iter((request.view_args or {}).values()), g.get("target", ""))) or shown(request.path),
        method=request.method,
        status=response.status_code,
        duration=round(time.monotonic() - g.began, 6),
        bytes_in=g.get("received", 0),
        bytes_out=response.content_length or 0,
        request_id=replies.request_id(),
        peer=request.remote_addr or "",
        detail=shown(g.get("refused", "")),
    )
