"""A small MCP server of the handshake era in the test's own loop: sessions, a GET stream, questions to its client."""

import asyncio
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.http1 import Connection, Exchange
from tests.support.mcp_backend import JSON, STREAM, Behaviour, Json, tool

CAPABILITIES: Json = {"tools": {"listChanged": True}, "resources": {"subscribe": True}, "logging": {}}


class LegacyBackend:
    """sessions: by id, what each client said to initialize. posted: all messages, with the session they came in."""

    def __init__(self, *tools: Json) -> None:
        self.tools = list(tools)
        self.behaviours: dict[str, Behaviour] = {}
        self.sessions: dict[str, Json] = {}
        self.streams: dict[str, Exchange] = {}
        self.posted: list[tuple[str, Json]] = []
        self.ended: list[str] = []
        self.news = asyncio.Event()
        self.url = ""
        self._numbers = itertools.count(1)

    def clients(self, name: str = "test") -> list[str]:
        """Sessions of clients of that name; the gateway's own is called `mcpdeck`."""
        return [session for session, said in self.sessions.items() if said["clientInfo"]["name"] == name]

    def received(self, method: str, session: str | None = None) -> list[Json]:
        return [
            message for where, message in self.posted if message.get("method") == method and session in (None, where)
        ]

    def tell(self, session: str, method: str, params: Json) -> None:
        self.streams[session].write(sse.encode(jsonrpc.notification(method, params)))

    async def until(self, count: int, method: str) -> None:
        async with asyncio.timeout(20):
            while len(self.received(method)) < count:
                self.news.clear()
                await self.news.wait()

    def serve(self, exchange: Exchange) -> None:
        request = exchange.request
        session = (request.header(mcp.SESSION_HEADER) or b"").decode()
        if request.method == "POST":
            self._post(exchange, session)
        elif session not in self.sessions:
            exchange.respond(404)
        elif request.method == "GET":
            exchange.start(200, [STREAM])
            exchange.flush()
            self.streams[session] = exchange
            self.news.set()
        else:
            self.sessions.pop(session)
            self.ended.append(session)
            self.news.set()
            exchange.respond(204)

    def _post(self, exchange: Exchange, session: str) -> None:
        message: Json = msgspec.json.decode(exchange.request.body)
        method = message.get("method", "")
        if exchange.request.header(mcp.VERSION_HEADER) == mcp.MODERN_VERSION.encode():
            exchange.respond(400, [JSON], jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "what is this?"))
            return
        if method == "initialize":
            session = f"session-{next(self._numbers)}"
            self.sessions[session] = message["params"]
        self.posted.append((session, message))
        self.news.set()
        if session not in self.sessions:
            exchange.respond(404, [JSON], jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "Session not found"))
        elif "id" not in message or not method:
            exchange.respond(202)
        else:
            self._answer(exchange, message, session)

    def _answer(self, exchange: Exchange, message: Json, session: str) -> None:
        match message["method"]:
            case "initialize":
                version = message["params"]["protocolVersion"]
                info = {"name": "legacy", "version": "1"}
                result = {"protocolVersion": version, "capabilities": CAPABILITIES, "serverInfo": info}
                answer(exchange, message, result, session)
            case "tools/list":
                answer(exchange, message, {"tools": self.tools})
            case "resources/list":
                answer(exchange, message, {"resources": [{"uri": "x://watched", "name": "w"}]})
            case "tools/call" if message["params"]["name"] in self.behaviours:
                self.behaviours[message["params"]["name"]](exchange, message)
            case "tools/call":
                answer(exchange, message, {"content": [{"type": "text", "text": session}]})
            case "ping" | "resources/subscribe" | "logging/setLevel":
                answer(exchange, message, {})
            case _:
                exchange.respond(200, [JSON], _error(message))


def answer(exchange: Exchange, message: Json, result: Json, session: str = "") -> None:
    headers = [JSON, (mcp.SESSION_HEADER, session.encode())] if session else [JSON]
    exchange.respond(200, headers, msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "result": result}))


def _error(message: Json) -> bytes:
    error: dict[str, Any] = {"code": jsonrpc.METHOD_NOT_FOUND, "message": "no"}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "error": error})


@asynccontextmanager
async def legacy_backend(*tools: Json, made: LegacyBackend | None = None) -> AsyncIterator[LegacyBackend]:
    serving = made or LegacyBackend(*(tools or (tool("who"),)))
    connections: set[Connection] = set()

    def connect() -> Connection:
        return Connection(serving.serve, on_open=connections.add, on_close=connections.discard)

    server = await asyncio.get_running_loop().create_server(connect, "127.0.0.1", 0)
    serving.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/mcp"
    try:
        yield serving
    finally:
        server.close()
        for connection in tuple(connections):
            connection.transport.abort()
