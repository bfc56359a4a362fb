"""The HTTP/1.1 door: MCP paths are served here, in callbacks; any other connection goes to who serves the rest.

The first bytes of each request decide, so that everything has one port. Knows no framework.
"""

import asyncio
import contextlib
import re
from collections.abc import Callable
from typing import Final

from gateway.core.ports import Exchange
from gateway.core.routes import ADAPTERS_PREFIX, TOOLS_PATH
from gateway.dataplane import replies
from gateway.dataplane.pipeline import is_mcp_path
from gateway.wire.http1 import DEFAULT_LIMITS, Connection, Limits

_PATH = re.compile(rb"[A-Z]{1,16} (/[^ ?\r\n]*)[ ?]")
_BEGINNING = re.compile(rb"[A-Z]{0,16}(?: (/[^ ?\r\n]*)?)?")
_PREFIXES: Final = (ADAPTERS_PREFIX.encode(), TOOLS_PATH.encode())

type HandOver = Callable[[asyncio.Transport, bytes], None]


class Lane:
    """Makes connections, and lets them go at the end. hand_over: who serves other paths gets transport and bytes."""

    def __init__(
        self, serve: Callable[[Exchange], None], hand_over: HandOver, *, limits: Limits = DEFAULT_LIMITS
    ) -> None:
        self._serve, self._hand_over, self._limits = serve, hand_over, limits
        self.connections: set[LaneConnection] = set()
        self._emptied = asyncio.Event()
        self._is_leaving = False

    def connect(self) -> "LaneConnection":
        """asyncio's protocol factory."""
        connection = LaneConnection(self, self._serve, self._hand_over, self._limits)
        if self._is_leaving:
            connection.leave()
        return connection

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

    def __init__(self, lane: Lane, serve: Callable[[Exchange], None], hand_over: HandOver, limits: Limits) -> None:
        super().__init__(serve, limits)
        self._lane, self._take_over = lane, hand_over
        self._line = b""  # a request line, up to its path's end, that was found to be ours

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        tls = transport.get_extra_info("ssl_object")
        if tls is not None and tls.selected_alpn_protocol() == "h2":
            self.is_closing = True
            self._take_over(self.transport, b"")
        else:
            self._lane.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._lane.forget(self)
        super().connection_lost(error)

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

    def hand_over(self, received: bytes) -> None:
        self._lane.forget(self)
        self._take_over(self.transport, received)

    def explain(self, status: int, sentence: str) -> tuple[bytes, bytes]:
        return replies.unreadable(status, sentence)


def _may_become_ours(buffer: bytearray) -> bool:
    """Whether what has come of a request line may still turn out as one of ours."""
    found = _BEGINNING.fullmatch(buffer)
    if found is None:
        return False
    path = found[1] or b""
    return any(path.startswith(prefix) or prefix.startswith(path) for prefix in _PREFIXES)
