"""The HTTP/1.1 door: MCP paths are served here, in callbacks; any other connection goes to who serves the rest.

The first bytes of each request decide, so that everything has one port. Knows no framework.
"""

import asyncio
import contextlib
import re
from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.core.ports import Exchange
from gateway.core.routes import ADAPTERS_PREFIX, TOOLS_PATH
from gateway.dataplane import replies
from gateway.dataplane.bounds import NO_BOUNDS, SLOWEST, Bounds
from gateway.dataplane.pipeline import is_mcp_path
from gateway.dataplane.watched import Watched
from gateway.wire.http1 import DEFAULT_LIMITS, Connection, Limits, Request
from gateway.wire.http1 import Exchange as OwnExchange

_PATH = re.compile(rb"[A-Z]{1,16} (?:https?://[^/?# \r\n]*)?(/[^ ?\r\n]*)[ ?]")  # absolute, too: RFC 9112, 3.2.2
_BEGINNING = re.compile(rb"[A-Z]{0,16}(?: (?:https?://[^/?# \r\n]*)?(/[^ ?\r\n]*)?)?")
_ABSOLUTE_BEGINNING = re.compile(rb"[A-Z]{1,16} (?:h|ht|htt|https?|https?:|https?:/)")
_FRAMING: Final = frozenset({b"content-length", b"transfer-encoding", b"expect"})
MOST_REFUSED: Final = 256  # connections at once that are told why; more are cut
_PREFIXES: Final = (ADAPTERS_PREFIX.encode(), TOOLS_PATH.encode())

type HandOver = Callable[[asyncio.Transport, bytes], None]


class Lane:
    """Makes connections, and lets them go at the end.

    hand_over: who serves other paths gets transport and bytes, and says `gone` when that connection is over.
    """

    def __init__(
        self,
        serve: Callable[[Exchange], None],
        hand_over: HandOver,
        *,
        limits: Limits = DEFAULT_LIMITS,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        self._serve, self._hand_over, self._limits, self._bounds = serve, hand_over, limits, bounds
        self.connections: set[LaneConnection] = set()
        self._peers: dict[asyncio.BaseTransport, str] = {}  # of all that are open, handed over or not
        self._by_peer: Counter[str] = Counter()
        self.refused: set[LaneConnection] = set()  # one too many each, and about to go
        self._emptied = asyncio.Event()
        self._is_leaving = False

    def connect(self, peer: str = "") -> "LaneConnection":
        """asyncio's protocol factory. peer: the client's address, where it is not its socket's."""
        connection = LaneConnection(self, self._serve, self._hand_over, self._limits, peer)
        if self._is_leaving:
            connection.leave()
        return connection

    def came(self, transport: asyncio.BaseTransport, peer: str) -> tuple[int, str] | None:
        """One more connection. Why it is one too many, where it is: a status and a sentence."""
        bounds = self._bounds
        if 0 < bounds.connections <= len(self._peers):
            return 503, f"the gateway has all of the {bounds.connections} connections that it takes; try again soon"
        if 0 < bounds.connections_per_peer <= self._by_peer[peer]:
            return 429, f"{peer} has all of the {bounds.connections_per_peer} connections that one client gets"
        self._peers[transport] = peer
        self._by_peer[peer] += 1
        return None

    def peer_of(self, transport: asyncio.BaseTransport) -> str:
        return self._peers.get(transport, "")

    def gone(self, transport: asyncio.BaseTransport) -> None:
        """A connection is over."""
        peer = self._peers.pop(transport, None)
        if peer is not None:
            self._by_peer[peer] -= 1
            if not self._by_peer[peer]:
                del self._by_peer[peer]

    async def keep_sweeping(self) -> None:
        """One look at all connections now and then, in place of a timer for each. Until cancelled."""
        while True:
            await asyncio.sleep(self._bounds.sweep)
            for connection in tuple(self.connections):
                connection.sweep(self._bounds)

    def leave(self) -> None:
        """Each client hears with its next answer that it is the last one on its connection.

        Who goes by itself is not cut off in the middle of its next request, as who is closed upon may be.
        """
        self._is_leaving = True
        for connection in self.connections:
            connection.leave()

    def close_when_idle(self) -> None:
        """No further request is read; those under way are still answered."""
        for connection in tuple(self.connections):
            connection.close_when_idle()

    def forget(self, connection: "LaneConnection") -> None:
        self.connections.discard(connection)
        if not self.connections:
            self._emptied.set()

    async def drain(self, seconds: float) -> None:
        """Until no connection is left, or so long."""
        self._emptied.clear()
        if self.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._emptied.wait(), seconds)

    def abort(self) -> None:
        for connection in tuple(self.connections):
            connection.transport.abort()


class LaneConnection(Connection):
    """One client's. Once it asks for a path that is not ours, it is somebody else's for good."""

    def __init__(
        self, lane: Lane, serve: Callable[[Exchange], None], hand_over: HandOver, limits: Limits, peer: str
    ) -> None:
        super().__init__(serve, limits)
        self._lane, self._take_over, self._told_peer = lane, hand_over, peer
        self._line = b""  # a request line, up to its path's end, that was found to be ours
        self._taken = -1  # bytes of an answer that were on their way at the last sweep

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self.peer = self._told_peer or self.peer
        too_many = self._lane.came(self.transport, self.peer)
        tls = transport.get_extra_info("ssl_object")
        is_http2 = tls is not None and tls.selected_alpn_protocol() == "h2"
        if too_many is not None and (is_http2 or len(self._lane.refused) >= MOST_REFUSED):
            self.transport.abort()
        elif too_many is not None:
            self._lane.refused.add(self)
            self.refuse(*too_many)
        elif is_http2:
            self.is_closing = True
            self._take_over(self.transport, b"")
        else:
            self._lane.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lane.gone(self.transport)
        self._lane.refused.discard(self)
        self._lane.forget(self)
        super().connection_lost(error)

    def sweep(self, bounds: Bounds) -> None:
        """Who takes too long over a request, or rests or does not read for too long, is let go."""
        if self.exchange is not None:
            waiting = self.transport.get_write_buffer_size()
            taken = self.exchange.sent - waiting
            if not waiting or taken != self._taken:
                self._taken, self.sweeps = taken, 0
                return
        self.sweeps += 1
        seconds, received = self.sweeps * bounds.sweep, self.received
        if self.exchange is None and not self.is_closing and (received is not None or not self._line):
            if 0 < bounds.request_time + (received or 0) / SLOWEST < seconds:
                self.refuse(408, f"the request was not whole within {bounds.request_time:g} s")
        elif 0 < bounds.keep_alive < seconds:
            if self.exchange is None and not self.is_closing:
                self.close_when_idle()
            else:
                self.transport.abort()

    def accepts(self, buffer: bytearray) -> bool | None:
        if self._line and buffer.startswith(self._line):
            return True
        found = _PATH.match(buffer)
        if found is None:
            return None if _may_become_ours(buffer) else False
        if not is_mcp_path(found[1].decode("latin-1")):
            return False
        self._line = found[0]
        return True

    def give_away(self, exchange: OwnExchange) -> None:
        """A request that is not to be answered here: it begins anew elsewhere, and its connection goes with it."""
        received = as_bytes(exchange.request) + bytes(self._buffer)
        self._buffer.clear()
        exchange.has_ended, self.exchange, self.is_closing = True, None, True
        exchange.on_leave = exchange.on_pause = exchange.on_resume = None
        self.transport.resume_reading()
        self.hand_over(received)

    def hand_over(self, received: bytes) -> None:
        self._lane.forget(self)
        self._take_over(self.transport, received)

    def explain(self, status: int, sentence: str) -> tuple[bytes, bytes]:
        return replies.unreadable(status, sentence)


def give_away(exchange: Exchange) -> None:
    """Of a request that came in by a lane, whatever has been put around it since."""
    while isinstance(exchange, Watched):
        exchange = exchange.outer
    if not isinstance(exchange, OwnExchange) or not isinstance(exchange.connection, LaneConnection):
        raise TypeError("only what came in by a lane can be given away")
    exchange.connection.give_away(exchange)


def as_bytes(request: Request) -> bytes:
    """The request once more, as it could have come. Its body has one length, however it was framed."""
    version = b"1.0" if request.is_http10 else b"1.1"
    lines = [b"%b %b HTTP/%b" % (request.method.encode(), request.target, version)]
    lines += [b"%b: %b" % pair for pair in request.headers if pair[0] not in _FRAMING]
    if request.body or request.method == "POST":
        lines.append(b"content-length: %d" % len(request.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


def _may_become_ours(buffer: bytearray) -> bool:
    """Whether what has come of a request line may still turn out as one of ours."""
    found = _BEGINNING.fullmatch(buffer)
    if found is None:
        return _ABSOLUTE_BEGINNING.fullmatch(buffer) is not None
    path = found[1] or b""
    return any(path.startswith(prefix) or prefix.startswith(path) for prefix in _PREFIXES)
