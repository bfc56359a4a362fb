"""A small MCP server of 2026-07-28 in the test's own loop, which lists what a test says and misbehaves as it is told."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.http1 import Connection, Exchange

JSON = (b"content-type", b"application/json")
STREAM = (b"content-type", b"text/event-stream")
OBJECT = {"type": "object"}

type Json = dict[str, Any]
type Behaviour = Callable[[Exchange, Json], None]


def tool(name: str, **members: Any) -> Json:
    return {"name": name, "description": f"Does {name}", "inputSchema": OBJECT} | members


class Backend:
    """behaviours: what calls of a tool do instead of being answered. page: tools per page, 0 for all on one."""

    def __init__(self, *tools: Json) -> None:
        self.tools = list(tools)
        self.resources: list[Json] = []
        self.behaviours: dict[str, Behaviour] = {}
        self.page = 0
        self.calls: list[Json] = []
        self.asked: list[str] = []
        self.requests: list[dict[bytes, bytes]] = []
        self.left = asyncio.Event()  # set when a client leaves before it was answered
        self.was_called = asyncio.Event()
        self.listening = asyncio.Event()
        self.url = ""
        self._streams: dict[Exchange, Json] = {}

    def tell(self, method: str = "notifications/tools/list_changed", **params: Any) -> None:
        """To all who listen."""
        for exchange, message in self._streams.items():
            meta = {"_meta": {mcp.META_SUBSCRIPTION_ID: message["id"]}}
            exchange.write(sse.encode(jsonrpc.notification(method, params | meta)))

    def change(self, *tools: Json) -> None:
        self.tools = list(tools)
        self.tell()

    def serve(self, exchange: Exchange) -> None:
        message: Json = msgspec.json.decode(exchange.request.body)
        method = message["method"]
        self.asked.append(method)
        self.requests.append(dict(exchange.request.headers))
        match method:
            case "server/discover":
                listed = {"listChanged": True}
                capabilities = {"tools": listed, "resources": {"listChanged": True, "subscribe": True}}
                answer(exchange, message, {"supportedVersions": [mcp.MODERN_VERSION], "capabilities": capabilities})
            case "tools/list":
                answer(exchange, message, self._page(message))
            case "resources/list":
                answer(exchange, message, {"resources": self.resources})
            case "resources/templates/list":
                answer(exchange, message, {"resourceTemplates": []})
            case "resources/read":
                answer(exchange, message, {"contents": [{"uri": message["params"]["uri"], "text": self.url}]})
            case "subscriptions/listen":
                self._listen(exchange, message)
            case "tools/call":
                self._call(exchange, message)
            case _:
                refuse(exchange, message, jsonrpc.METHOD_NOT_FOUND, 404)

    def _call(self, exchange: Exchange, message: Json) -> None:
        self.calls.append(message["params"])
        self.was_called.set()
        exchange.on_leave = self.left.set
        behaviour = self.behaviours.get(message["params"]["name"])
        if behaviour is not None:
            behaviour(exchange, message)
        else:
            answer(exchange, message, {"content": [{"type": "text", "text": message["params"]["name"]}]})

    def _page(self, message: Json) -> Json:
        first = int(message["params"].get("cursor", "0"))
        if not self.page:
            return {"tools": self.tools}
        rest = {"nextCursor": str(first + self.page)} if first + self.page < len(self.tools) else {}
        return {"tools": self.tools[first : first + self.page], **rest}

    def _listen(self, exchange: Exchange, message: Json) -> None:
        exchange.start(200, [STREAM])
        meta = {mcp.META_SUBSCRIPTION_ID: message["id"]}
        params = {"notifications": message["params"]["notifications"], "_meta": meta}
        exchange.write(sse.encode(jsonrpc.notification(mcp.ACKNOWLEDGED, params)))
        self._streams[exchange] = message
        exchange.on_leave = lambda: self._forget(exchange)
        self.listening.set()

    def _forget(self, exchange: Exchange) -> None:
        del self._streams[exchange]


def answer(exchange: Exchange, message: Json, result: Json) -> None:
    whole = {"resultType": "complete", "ttlMs": 0, "cacheScope": "public"} | result
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "result": whole})
    exchange.respond(200, [JSON], body)


def refuse(exchange: Exchange, message: Json, code: int, status: int = 400) -> None:
    body = msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "error": {"code": code, "message": "no"}})
    exchange.respond(status, [JSON], body)


def hang(exchange: Exchange, message: Json) -> None:
    """Never answers."""


def break_off(exchange: Exchange, message: Json) -> None:
    exchange.abort()


def fail(exchange: Exchange, message: Json) -> None:
    exchange.respond(500, [(b"content-type", b"text/plain")], b"out of order")


@asynccontextmanager
async def backend(*tools: Json, made: Backend | None = None) -> AsyncIterator[Backend]:
    """made: one that was set up before."""
    serving = made or Backend(*tools)
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
