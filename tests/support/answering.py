"""An HTTP server on loopback that answers as a test says, for what calls servers that nobody here wrote."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import msgspec

from gateway.core.routes import Endpoint
from gateway.wire.http1 import Connection, Exchange, Request
from gateway.wire.names import InstanceName


class Reply(msgspec.Struct, frozen=True):
    status: int = 200
    headers: tuple[tuple[bytes, bytes], ...] = ((b"content-type", b"application/json"),)
    body: bytes = b""
    is_silent: bool = False  # never answers


class Answering(msgspec.Struct):
    """`asked` grows with each request."""

    port: int = 0
    asked: list[Request] = []

    def endpoint(self, path: str = "/mcp", **fields: object) -> Endpoint:
        return msgspec.convert(
            {"instance": InstanceName("weather-0"), "uid": "u", "host": "127.0.0.1", "port": self.port, "path": path}
            | fields,
            Endpoint,
        )


@asynccontextmanager
async def answering(
    answer: Callable[[Request], Reply], *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None
) -> AsyncIterator[Answering]:
    found = Answering()
    connections: set[Connection] = set()

    def serve(exchange: Exchange) -> None:
        found.asked.append(exchange.request)
        reply = answer(exchange.request)
        if not reply.is_silent:
            exchange.respond(reply.status, reply.headers, reply.body)

    server = await asyncio.get_running_loop().create_server(
        lambda: Connection(serve, on_open=connections.add, on_close=connections.discard), host, 0, ssl=tls
    )
    found.port = server.sockets[0].getsockname()[1]
    try:
        yield found
    finally:
        server.close()
        for connection in tuple(connections):
            connection.transport.abort()
        await server.wait_closed()


def message(result: object = None, error: object = None, *, request_id: object = 1) -> bytes:
    """A JSON-RPC response."""
    outcome = {"result": result} if error is None else {"error": error}
    return msgspec.json.encode({"jsonrpc": "2.0", "id": request_id} | outcome)


def method_of(request: Request) -> str:
    """The JSON-RPC method that a request carries; "" for none."""
    try:
        found = msgspec.json.decode(request.body)
    except msgspec.DecodeError:
        return ""
    return str(found.get("method", "")) if isinstance(found, dict) else ""
