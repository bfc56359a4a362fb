"""Connections that the lane handed over: Hypercorn's protocol serves them, HTTP/1.1 or HTTP/2, each in a task.

The one place that knows Hypercorn. Accepts nothing by itself.
"""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final, Self, cast

from h2.errors import ErrorCodes
from h2.exceptions import ProtocolError
from hypercorn.app_wrappers import ASGIWrapper
from hypercorn.asyncio.lifespan import Lifespan
from hypercorn.asyncio.tcp_server import TCPServer
from hypercorn.asyncio.worker_context import WorkerContext
from hypercorn.config import Config
from hypercorn.events import Event, RawData, Updated
from hypercorn.protocol import h2
from hypercorn.protocol.h2 import BUFFER_LOW_WATER, H2Protocol, StreamBuffer
from hypercorn.protocol.http_stream import HTTPStream
from hypercorn.typing import ASGIFramework, LifespanState

from gateway.dataplane.asgi import App, Send
from gateway.dataplane.tasks import Tasks
from gateway.wire.http1 import Limits

KEEP_ALIVE: Final = 75.0  # seconds that an idle connection is kept; Hypercorn's own default is 5
STREAMS: Final = 1000  # at once per HTTP/2 connection; a client has one for each session it listens to
_ENDLESS: Final = 2**31
_LAST_WAIT: Final = 2.0  # seconds for applications to notice that their clients are gone


class _Buffer(StreamBuffer):
    """Hypercorn's own lets its writer go on whenever it gives little away, so also when the client's window is shut.

    All that an application had for a client that stopped reading piled up in memory. This one looks at what is left.
    """

    async def pop(self, max_length: int) -> bytes:
        data = bytes(self.buffer[:max_length])
        del self.buffer[:max_length]
        if len(self.buffer) < BUFFER_LOW_WATER:
            await self._paused.set()
        if not self.buffer:
            await self._is_empty.set()
        return data


h2.StreamBuffer = _Buffer  # type: ignore[misc]  # it takes the place of Hypercorn's class


class _Server(TCPServer):
    """Hypercorn's own keeps the connection of a client that has left until it has been idle long enough."""

    _has_left = False

    async def _read_data(self) -> None:
        await super()._read_data()
        self._has_left = True
        await self.idle_task.stop()

    async def protocol_send(self, event: Event) -> None:
        if not (self._has_left and isinstance(event, Updated)):
            await super().protocol_send(event)


class _Writer(asyncio.StreamWriter):
    """Tells Hypercorn who the client is where the socket is only a sibling's, by whom the client was sent on."""

    def __init__(
        self,
        transport: asyncio.WriteTransport,
        protocol: asyncio.StreamReaderProtocol,
        reader: asyncio.StreamReader,
        loop: asyncio.AbstractEventLoop,
        peer: str,
    ) -> None:
        super().__init__(transport, protocol, reader, loop)
        self._peer = peer

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        found = super().get_extra_info(name, default)
        is_local = name == "socket" and found is not None and found.family not in (socket.AF_INET, socket.AF_INET6)
        return _ClientsSocket(self._peer) if is_local else found


class _ClientsSocket:
    family = socket.AF_INET

    def __init__(self, peer: str) -> None:
        self._peer = peer

    def getpeername(self) -> tuple[str, int]:
        return self._peer, 0

    def getsockname(self) -> tuple[str, int]:
        return "", 0


class Handed:
    """Serves an ASGI application on transports that are already open. `serving` makes one."""

    def __init__(self, app: ASGIWrapper, config: Config, state: LifespanState, tasks: Tasks) -> None:
        self._app, self._config, self._state, self._tasks = app, config, state, tasks
        self._context = WorkerContext(None)
        self._transports: set[asyncio.WriteTransport] = set()
        self.peer_of: Callable[[asyncio.BaseTransport], str] | None = None  # where it is not the socket's
        self.on_gone: Callable[[asyncio.BaseTransport], None] | None = None  # is told of each connection's end

    @classmethod
    @asynccontextmanager
    async def serving(cls, app: App, limits: Limits) -> AsyncIterator[Self]:
        """While the application lives. At the end every connection is cut."""
        wrapper, config = ASGIWrapper(cast("ASGIFramework", app)), _config(limits)
        async with _living(wrapper, config) as state, Tasks() as tasks:
            handed = cls(wrapper, config, state, tasks)
            yield handed
            await handed.cut()

    def take(self, transport: asyncio.Transport, received: bytes) -> None:
        """From now on a transport's bytes are Hypercorn's, those already received first."""
        loop = asyncio.get_running_loop()
        reader = asyncio.StreamReader(loop=loop)
        protocol = asyncio.StreamReaderProtocol(reader, loop=loop)
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if received:
            reader.feed_data(received)
        peer = self.peer_of(transport) if self.peer_of is not None else ""
        writer = _Writer(transport, protocol, reader, loop, peer)
        self._tasks.spawn(self._serve(reader, writer), name="serve a connection by Hypercorn")

    async def drain(self, seconds: float) -> None:
        """Idle connections are closed, the others once their answer is given, or when the time is over."""
        await self._context.terminated.set()
        await self._tasks.wait(seconds)

    async def cut(self) -> None:
        """Hypercorn's tasks end with their connection; cancelled, one with an unfinished answer would wait for ever."""
        for transport in self._transports:
            transport.abort()
        await self._tasks.wait(_LAST_WAIT)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        loop = asyncio.get_running_loop()
        self._transports.add(writer.transport)
        try:
            await _Server(self._app, loop, self._config, self._context, self._state, reader, writer)
        finally:
            self._transports.discard(writer.transport)
            if self.on_gone is not None:
                self.on_gone(writer.transport)


async def cut(send: Send) -> None:
    """End an answer so that nobody takes it for a whole one.

    Over HTTP/1.1 Hypercorn closes the connection when an application returns early. Over HTTP/2 it would leave the
    stream open for ever, and ASGI has no word for a reset.
    """
    stream = getattr(send, "__self__", None)
    protocol = getattr(stream.send, "__self__", None) if isinstance(stream, HTTPStream) else None
    if not isinstance(stream, HTTPStream) or not isinstance(protocol, H2Protocol):
        return
    try:
        protocol.connection.reset_stream(stream.stream_id, ErrorCodes.INTERNAL_ERROR)
    except ProtocolError:
        return  # the client was faster
    await protocol.send(RawData(protocol.connection.data_to_send()))


@asynccontextmanager
async def _living(app: ASGIWrapper, config: Config) -> AsyncIterator[LifespanState]:
    """An application's lifespan, started and, at the end, shut down."""
    state: LifespanState = {}
    lifespan = Lifespan(app, config, asyncio.get_running_loop(), state)
    async with asyncio.TaskGroup() as tasks:
        life = tasks.create_task(lifespan.handle_lifespan(), name="the application's lifespan")
        await lifespan.wait_for_startup()
        try:
            yield state
        finally:
            await lifespan.wait_for_shutdown()
            life.cancel()


def _config(limits: Limits) -> Config:
    config = Config()
    config.keep_alive_timeout, config.keep_alive_max_requests = KEEP_ALIVE, _ENDLESS
    config.h11_max_incomplete_size = config.h2_max_header_list_size = limits.head
    config.h2_max_concurrent_streams = STREAMS
    config.include_server_header = False
    config.accesslog, config.errorlog = None, logging.getLogger("gateway.hypercorn")
    return config
