"""Scripts for a ScriptedUpstream: servers as MCP clients meet them."""

import asyncio

import msgspec

from gateway.wire import jsonrpc
from tests.support.scripted_upstream import Asked, Script

INITIALIZE = jsonrpc.request(1, "initialize", {"protocolVersion": "2025-11-25"})
CALL = jsonrpc.request(7, "tools/call", {"name": "echo"})
MODERN = {"MCP-Protocol-Version": "2026-07-28"}


def session_of(asked: Asked) -> str:
    return f"s-{asked.upstream.endpoint.instance}"


async def legacy_server(asked: Asked) -> None:
    """Mints one session id, knows that one, and says in each result which instance it is."""
    if asked.method == "DELETE":
        await asked.empty("200 OK")
        return
    message = jsonrpc.decode(asked.body)
    result = jsonrpc.response(message.id, {"from": asked.upstream.endpoint.instance})
    if message.method == "initialize":
        await asked.json(result, f"Mcp-Session-Id: {session_of(asked)}")
    elif asked.value("mcp-session-id") in (None, session_of(asked)):
        await asked.json(result)
    else:
        await asked.json(jsonrpc.error(message.id, -32600, "Session not found"), status="404 Not Found")


def answers(data: bytes) -> Script:
    """The same bytes to every request."""

    async def script(asked: Asked) -> None:
        await asked.raw(data)

    return script


async def silent(asked: Asked) -> None:
    """Never answers."""
    await asyncio.Event().wait()


def instance_in(body: bytes) -> str:
    """Which instance a legacy_server's answer is from."""
    return str(msgspec.json.decode(body)["result"]["from"])
