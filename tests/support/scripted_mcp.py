"""A streamable-HTTP MCP server that answers as a test says, on a real socket. It knows no protocol by itself."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import msgspec

from gateway.wire import sse
from tests.support.fake_gateway import Request, _chunk, _read

type Message = dict[str, Any]


@dataclass
class Reply:
    """One answer. message: JSON; events: a stream, which ends with the list, or is cut if `is_cut`."""

    status: int = 200
    message: Any = None
    headers: Mapping[str, str] = field(default_factory=dict)
    events: AsyncIterator[bytes] | None = None
    is_cut: bool = False


type Script = Callable[[Request, Message], Awaitable[Reply]]


class ScriptedServer:
    """script: what a request gets. `requests` are all that came, `left` is set when a client leaves a stream."""

    def __init__(self, script: Script) -> None:
        self.script = script
        self.requests: list[Request] = []
        self.left = asyncio.Event()
        self.url = ""
        self._news = asyncio.Condition()

    @property
    def messages(self) -> list[Message]:
        return [_message(request) for request in self.requests]

    def methods(self) -> list[str]:
        return [f"{request.method} {message.get('method', '')}".strip() for request, message in self._told()]

    def _told(self) -> list[tuple[Request, Message]]:
        return [(request, _message(request)) for request in self.requests]

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10), self._news:
            await self._news.wait_for(condition)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read(reader)) is not None:
                self.requests.append(request)
                async with self._news:
                    self._news.notify_all()
                await self._answer(await self.script(request, _message(request)), reader, writer)
        except ConnectionError:
            pass
        finally:
            writer.close()

    async def _answer(self, reply: Reply, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = "".join(f"{name}: {value}\r\n" for name, value in reply.headers.items())
        if reply.events is None:
            body = b"" if reply.message is None else msgspec.json.encode(reply.message)
            head += f"content-type: application/json\r\ncontent-length: {len(body)}\r\n"
            writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode() + body)
            await writer.drain()
            return
        head += "content-type: text/event-stream\r\ntransfer-encoding: chunked\r\n"
        writer.write(f"HTTP/1.1 {reply.status} X\r\n{head}\r\n".encode())
        async with asyncio.TaskGroup() as tasks:
            watching = tasks.create_task(self._watch(reader))
            async for block in reply.events:
                _chunk(writer, block)
                await writer.drain()
            watching.cancel()
        if reply.is_cut:
            writer.transport.abort()
            raise ConnectionResetError
        writer.write(b"0\r\n\r\n")

    async def _watch(self, reader: asyncio.StreamReader) -> None:
        if await reader.read(1) == b"":
            self.left.set()
            async with self._news:
                self._news.notify_all()
            raise ConnectionResetError


def _message(request: Request) -> Message:
    return msgspec.json.decode(request.body) if request.body else {}


@asynccontextmanager
async def scripted(script: Script) -> AsyncIterator[ScriptedServer]:
    it = ScriptedServer(script)
    server = await asyncio.start_server(it.serve, "127.0.0.1", 0)
    it.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    try:
        yield it
    finally:
        server.close()
        server.close_clients()
        await server.wait_closed()


def result(message: Message, value: Any) -> Message:
    return {"jsonrpc": "2.0", "id": message["id"], "result": value}


def error(message: Message, code: int, text: str, data: Any = None) -> Message:
    told = {"code": code, "message": text} | ({} if data is None else {"data": data})
    return {"jsonrpc": "2.0", "id": message.get("id"), "error": told}


def event(message: Message | None, event_id: str | None = None) -> bytes:
    """None: an event that only says where the stream is."""
    if message is None:
        return f"id: {event_id}\ndata: \n\n".encode()
    return sse.encode(msgspec.json.encode(message), event_id=event_id)


async def blocks(*each: bytes) -> AsyncIterator[bytes]:
    for block in each:
        yield block
