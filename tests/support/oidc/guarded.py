"""An MCP server behind this house's authentication: the SDK's server, our metadata, our front, one port on loopback.

Stands for the gateway where a test is about identity alone.
"""

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from hypercorn.asyncio import serve
from hypercorn.config import Config
from mcp.server.mcpserver import MCPServer
from quart import Quart

from gateway.core.access import is_bound_elsewhere
from gateway.core.errors import Unauthenticated
from gateway.core.ports import Authenticator
from gateway.core.render import www_authenticate
from gateway.core.routes import resource_of

PATH = "/adapters/weather/mcp"


class Guarded:
    """ASGI: the MCP path needs a token for exactly it; the rest is the Quart app's."""

    def __init__(self, authenticator: Authenticator, quart: Quart) -> None:
        self._authenticator, self._quart = authenticator, quart
        self.callers: list[str] = []
        server = MCPServer("weather")

        @server.tool()
        def forecast(city: str) -> str:
            return f"sunny in {city}"

        self.mcp = server.streamable_http_app(streamable_http_path=PATH)

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == PATH:
            found = await self._authenticator.verify(dict(scope["headers"]))
            if isinstance(found, Unauthenticated) or is_bound_elsewhere(found, resource_of(PATH)):
                refusal = found if isinstance(found, Unauthenticated) else Unauthenticated()
                headers = [(b"www-authenticate", www_authenticate(refusal, PATH))]
                await send({"type": "http.response.start", "status": refusal.status, "headers": headers})
                await send({"type": "http.response.body", "body": b""})
                return
            self.callers.append(found.id)
            await self.mcp(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self.mcp(scope, receive, send)
        else:
            await self._quart(scope, receive, send)


def listening() -> tuple[socket.socket, str]:
    """A socket and the public URL that it will have."""
    listener = socket.create_server(("127.0.0.1", 0))
    return listener, f"http://127.0.0.1:{listener.getsockname()[1]}"


@asynccontextmanager
async def serving(app: Any, listener: socket.socket) -> AsyncIterator[None]:
    config = Config()
    config.bind = [f"fd://{listener.detach()}"]
    config.graceful_timeout = 0.2
    config.accesslog = config.errorlog = None
    stop = asyncio.Event()
    async with asyncio.TaskGroup() as group:
        group.create_task(serve(app, config, shutdown_trigger=stop.wait), name="guarded")
        try:
            yield
        finally:
            stop.set()
