"""A client that says exactly the bytes a test wants, and reads answers piece by piece."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any

import msgspec

PATIENCE = 10.0


class Reply:
    """A head, and the body once it is read."""

    def __init__(self, head: bytes) -> None:
        self.head = head
        line, *rest = head.decode("latin-1").rstrip("\r\n").split("\r\n")
        self.status = int(line.split(" ")[1])
        self.pairs = [(name.lower(), value.strip()) for name, _, value in (each.partition(":") for each in rest)]
        self.body = b""

    @property
    def headers(self) -> dict[str, str]:
        assert len(dict(self.pairs)) == len(self.pairs), "a header came twice"
        return dict(self.pairs)

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)


class WireClient:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> None:
        self.reader, self.writer, self.path = reader, writer, path

    async def raw(self, data: bytes) -> None:
        self.writer.write(data)
        await self.writer.drain()

    async def send(
        self, body: bytes = b"", *, method: str = "POST", path: str = "", headers: Mapping[str, str] | None = None
    ) -> None:
        """A request, whole."""
        said = {"Host": "localhost", "Accept": "application/json, text/event-stream"} | dict(headers or {})
        if body or method == "POST":
            said |= {"Content-Type": "application/json", "Content-Length": str(len(body))}
        lines = [f"{method} {path or self.path} HTTP/1.1", *(f"{name}: {value}" for name, value in said.items())]
        await self.raw("\r\n".join([*lines, "", ""]).encode() + body)

    async def head(self) -> Reply:
        async with asyncio.timeout(PATIENCE):
            return Reply(await self.reader.readuntil(b"\r\n\r\n"))

    async def chunk(self) -> bytes:
        """The next chunk of a chunked body; b"" at its end. Raises IncompleteReadError when it is cut."""
        async with asyncio.timeout(PATIENCE):
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            data = await self.reader.readexactly(size + 2)
            return data[:-2]

    async def reply(self) -> Reply:
        """An answer with its whole body."""
        reply = await self.head()
        if "transfer-encoding" in reply.headers:
            while piece := await self.chunk():
                reply.body += piece
        elif reply.status != 204:
            async with asyncio.timeout(PATIENCE):
                reply.body = await self.reader.readexactly(int(reply.headers["content-length"]))
        return reply

    async def ask(
        self, body: bytes = b"", *, method: str = "POST", path: str = "", headers: Mapping[str, str] | None = None
    ) -> Reply:
        await self.send(body, method=method, path=path, headers=headers)
        return await self.reply()

    async def ended(self) -> bytes:
        """What comes until the connection ends; the end itself may be a reset."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def leave(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def wire_client(port: int, path: str = "/adapters/x/mcp") -> AsyncIterator[WireClient]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield WireClient(reader, writer, path)
    finally:
        writer.transport.abort()
