"""An MCP server of an adapter's that does what a test says: real sockets, one script for all its requests."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import cast

from gateway.core.routes import Endpoint
from gateway.wire import sse
from gateway.wire.names import InstanceName

type Script = Callable[["Asked"], Awaitable[None]]
PATIENCE = 10.0
_TCP = (socket.AF_INET, socket.SOCK_STREAM)


class Asked:
    """One request as the upstream got it, and the connection to answer on."""

    def __init__(self, upstream: "ScriptedUpstream", head: bytes, body: bytes, writer: asyncio.StreamWriter) -> None:
        self.upstream, self.head, self.body, self.writer = upstream, head, body, writer
        line, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.method, self.target, _ = line.split(" ")
        self.headers = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in rest)]
        self.has_left = asyncio.Event()  # the gateway closed the connection

    def values(self, name: str) -> list[str]:
        return [value for key, value in self.headers if key == name]

    def value(self, name: str) -> str | None:
        return next(iter(self.values(name)), None)

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def json(self, body: bytes, *headers: str, status: str = "200 OK") -> None:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *headers]
        await self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def empty(self, status: str, *headers: str) -> None:
        await self.raw("\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", *headers, "", ""]).encode())

    async def stream(self, *headers: str) -> None:
        """The head of an event stream."""
        lines = ["HTTP/1.1 200 OK", "Content-Type: text/event-stream", "Transfer-Encoding: chunked", *headers]
        await self.raw("\r\n".join([*lines, "", ""]).encode())

    async def chunk(self, data: bytes) -> None:
        await self.raw(b"%x\r\n%b\r\n" % (len(data), data))

    async def event(self, data: bytes, event_id: str | None = None) -> None:
        await self.chunk(sse.encode(data, event_id=event_id))

    async def finish(self) -> None:
        await self.raw(b"0\r\n\r\n")

    async def left(self) -> None:
        """Returns once the gateway has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            await self.has_left.wait()

    def hang_up(self) -> None:
        self.writer.transport.abort()


class ScriptedUpstream:
    """`endpoint` is where it listens. `connections` were made to it since it started.

    A script is cancelled when its connection goes.
    """

    def __init__(self, name: str, script: Script, tasks: asyncio.TaskGroup) -> None:
        self.script = script
        self.asked: list[Asked] = []
        self.arrived: asyncio.Queue[Asked] = asyncio.Queue()
        self.connections = 0
        self.endpoint = Endpoint(InstanceName(name), f"uid-{name}", "127.0.0.1", 0)
        self._tasks = tasks
        self._open: set[_Connection] = set()
        self._server: asyncio.Server | None = None

    async def next(self) -> Asked:
        """The next request that arrives here."""
        async with asyncio.timeout(PATIENCE):
            return await self.arrived.get()

    async def start(self, port: int = 0) -> None:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self), "127.0.0.1", port)
        name, uid = self.endpoint.instance, self.endpoint.uid
        self.endpoint = Endpoint(name, uid, "127.0.0.1", self._server.sockets[0].getsockname()[1])

    def die(self) -> None:
        """Refuse connections from now on, and cut those there are."""
        if self._server is not None:
            self._server.close()
        for connection in tuple(self._open):
            connection.writer.transport.abort()

    def close_resting(self) -> None:
        """As a server does with keep-alive connections that have rested long enough. Done when this returns."""
        for connection in self._open:
            with socket.fromfd(connection.writer.get_extra_info("socket").fileno(), *_TCP) as own:
                own.shutdown(socket.SHUT_RDWR)

    def opened(self, connection: "_Connection") -> asyncio.Task[None]:
        self.connections += 1
        self._open.add(connection)
        return self._tasks.create_task(self._serve(connection), name="a scripted connection")

    def lost(self, connection: "_Connection") -> None:
        self._open.discard(connection)

    async def _serve(self, connection: "_Connection") -> None:
        while True:
            try:
                head = await connection.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                connection.writer.close()
                return
            asked = connection.asked = Asked(self, head, b"", connection.writer)
            length = asked.value("content-length")
            asked.body = await connection.reader.readexactly(int(length)) if length else b""
            self.asked.append(asked)
            self.arrived.put_nowait(asked)
            await self.script(asked)


class _Connection(asyncio.StreamReaderProtocol):
    def __init__(self, upstream: ScriptedUpstream) -> None:
        self.reader = asyncio.StreamReader()
        super().__init__(self.reader)
        self.upstream = upstream
        self.writer: asyncio.StreamWriter
        self.asked: Asked | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        loop = asyncio.get_running_loop()
        self.writer = asyncio.StreamWriter(cast("asyncio.Transport", transport), self, self.reader, loop)
        self._serving = self.upstream.opened(self)

    def eof_received(self) -> bool:
        super().eof_received()
        return False  # the gateway has closed: so does this side

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.upstream.lost(self)
        if self.asked is not None:
            self.asked.has_left.set()
        self._serving.cancel()


@asynccontextmanager
async def scripted_upstream(script: Script, name: str = "x-0") -> AsyncIterator[ScriptedUpstream]:
    async with asyncio.TaskGroup() as tasks:
        upstream = ScriptedUpstream(name, script, tasks)
        await upstream.start()
        try:
            yield upstream
        finally:
            upstream.die()
