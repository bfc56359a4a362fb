"""A request to the replica that holds what it is about: to its own address, with the client's own credentials.

The other replica judges it as any client's, so that nothing is to be had by coming from here; all that the seal on it
says is that it was forwarded once, and is not to be again. Decides not what is forwarded.
"""

from collections.abc import Callable
from typing import Final, Protocol
from urllib.parse import urlsplit

import msgspec

from gateway.bridge.sealing import Sealed, Seals
from gateway.core.errors import GatewayError, UpstreamBroke
from gateway.core.ports import Exchange
from gateway.core.routes import Endpoint, Route
from gateway.dataplane import replies
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.heads import client_headers
from gateway.dataplane.plane import Plane
from gateway.wire import mcp
from gateway.wire.http1 import Headers, Request
from gateway.wire.names import InstanceName, PrincipalId

FORWARDED: Final = b"x-mcp-forwarded"  # no adapter sees headers of this kind
_GOOD_FOR: Final = 3600  # seconds: as much as replicas' clocks may differ, since the mark gives no right
_CONNECT: Final = 2.0  # seconds: another replica is near
_LEFT_OUT: Final = frozenset({
    FORWARDED, b"origin", b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"te", b"trailer",
    b"upgrade", b"expect", b"content-length", b"accept-encoding",
})  # fmt: skip


class Homes(Protocol):
    """Which replicas are there."""

    def is_there(self, home: str) -> bool: ...


class Forwarded(Sealed, frozen=True, array_like=True, kw_only=True):
    """That a replica has sent it here."""


class Forwards:
    """homes: what Bridges calls so, an address and a mark of the process there."""

    def __init__(self, plane: Plane, seals: Seals, homes: Homes, *, clock: Callable[[], float]) -> None:
        self._plane, self._seals, self._homes, self._clock = plane, seals, homes, clock

    def can_reach(self, home: str, request: Request, route: Route, principal: PrincipalId) -> bool:
        """And has not come from there."""
        if not home or home.startswith("#") or not self._homes.is_there(home):
            return False
        sealed = request.header(FORWARDED)
        return sealed is None or not self._seals.open(Forwarded, sealed, route.adapter, principal, now=self._clock())

    def send(
        self, exchange: Exchange, route: Route, principal: PrincipalId, home: str, otherwise: Callable[[], None]
    ) -> None:
        """otherwise: called instead of an answer, where that replica does not take it."""
        address = urlsplit(home)
        name = InstanceName(f"replica {address.netloc}")
        endpoint = Endpoint(name, f"replica {home}", address.hostname or "", address.port or 80)
        seal = Forwarded(expires_at=int(self._clock()) + _GOOD_FOR)
        request = _as_bytes(exchange.request, self._seals.seal(seal, route.adapter, principal))
        own = self._plane.timeouts(route, is_lasting=exchange.request.method == "GET")
        timeouts = msgspec.structs.replace(own, connect=_CONNECT, first_byte=own.first_byte + _CONNECT)
        self._plane.upstream.send(endpoint, request, _Relayed(exchange, otherwise), timeouts)


class _Relayed:
    """connection.Answer. Ends once, with the exchange, whoever ends it."""

    def __init__(self, exchange: Exchange, otherwise: Callable[[], None]) -> None:
        self._exchange, self._otherwise = exchange, otherwise
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._length: int | None = None
        self._head: Headers = []
        self._parts: list[bytes] = []
        self._has_left = False
        exchange.on_leave = self._left

    on_whole = None

    def on_connection(self, connection: UpstreamConnection) -> bool:
        if self._has_left:
            return False
        self._connection = connection
        return True

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:
        sessions = [pair for pair in headers if pair[0] == mcp.SESSION_HEADER]
        self._status, self._length = status, length
        self._head = [*client_headers(headers), *sessions]

    def on_body(self, chunk: bytes) -> None:
        self._parts.append(chunk)

    def on_read(self) -> None:
        exchange = self._exchange
        if not exchange.has_started:
            exchange.on_pause, exchange.on_resume = self._paused, self._resumed
            exchange.start(self._status, self._head, length=self._length)
        if chunk := self._taken():
            exchange.write(chunk)
        else:
            exchange.flush()

    def on_end(self) -> None:
        self._connection, exchange = None, self._exchange
        exchange.on_leave = exchange.on_pause = exchange.on_resume = None
        if exchange.has_started:
            exchange.write(self._taken())
            exchange.finish()
        else:
            exchange.respond(self._status, self._head, self._taken())

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        self._connection, exchange = None, self._exchange
        if self._has_left:
            return
        exchange.on_leave = exchange.on_pause = exchange.on_resume = None
        if is_unsent:
            self._otherwise()
        elif exchange.has_started:
            exchange.abort()
        else:
            broke = UpstreamBroke(f"the gateway that holds this call did not answer: {error.detail}")
            replies.refuse(exchange, broke, None, request_id=replies.request_id_of(exchange))

    def _taken(self) -> bytes:
        chunk = b"".join(self._parts)
        self._parts.clear()
        return chunk

    def _left(self) -> None:
        self._has_left = True
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cut()

    def _paused(self) -> None:
        if self._connection is not None:
            self._connection.pause()

    def _resumed(self) -> None:
        if self._connection is not None:
            self._connection.resume()


def _as_bytes(request: Request, seal: bytes) -> bytes:
    lines = [b"%b %b HTTP/1.1" % (request.method.encode(), request.target)]
    lines += [b"%b: %b" % pair for pair in request.headers if pair[0] not in _LEFT_OUT]
    lines.append(b"%b: %b" % (FORWARDED, seal))
    if request.body or request.method == "POST":
        lines.append(b"content-length: %d" % len(request.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body
