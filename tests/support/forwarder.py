"""A port that is known before the server behind it is: what a balancer or a reverse proxy is to a gateway. Bytes only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Forwarder:
    """`port` takes connections at once and serves them once `target` is set; a later one is for later connections."""

    def __init__(self) -> None:
        self.port = 0
        self._target = 0
        self._is_there = asyncio.Event()
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def point(self, url: str) -> None:
        """url: of the server behind it, on loopback."""
        self._target = int(url.rpartition(":")[2])
        self._is_there.set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            await self._is_there.wait()
            behind, towards = await asyncio.open_connection("127.0.0.1", self._target)
        except (OSError, asyncio.CancelledError):
            writer.transport.abort()
            return
        finally:
            self._open.discard(writer)
        self._open |= {writer, towards}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._copy(reader, towards), name="towards the server")
            tasks.create_task(self._copy(behind, writer), name="towards the client")
        self._open -= {writer, towards}

    async def _copy(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
        writer.close()

    def cut(self) -> None:
        self._is_there.set()
        for writer in tuple(self._open):
            writer.transport.abort()


@asynccontextmanager
async def forwarder() -> AsyncIterator[Forwarder]:
    async with asyncio.TaskGroup() as tasks:
        it = Forwarder()

        def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.create_task(it.serve(reader, writer), name="a forwarded connection")

        server = await asyncio.start_server(connected, "127.0.0.1", 0)
        it.port = server.sockets[0].getsockname()[1]
        try:
            yield it
        finally:
            server.close()
            it.cut()
