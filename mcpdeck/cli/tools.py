"""What an adapter's server, or the gateway's own at /mcp, says it can; and the way to it. Calls nothing."""

import argparse
import asyncio
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any

import msgspec

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, TOOL, UNREACHABLE, USAGE, Failure
from mcpdeck.cli.words import seconds

if TYPE_CHECKING:
    from mcpdeck.mcp.peer import Answer, Peer


def add_reach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--era", choices=("modern", "legacy"), help="speak that one alone")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="DURATION", help="for an answer; 60s")


def open_peer(
    words: argparse.Namespace, desk: Desk, *, answer: "Answer | None" = None
) -> "AbstractAsyncContextManager[Peer]":
    """answer: who answers what the server asks meanwhile."""
    from gateway.wire.mcp import Era
    from mcpdeck.mcp.peer import connected

    era = Era(words.era) if words.era else None
    target = desk.target
    url = target.mcp_url(words.adapter)
    return connected(url, auth=target.auth(), ca_file=target.context.ca_file, era=era, silence=words.timeout,
                     answer=answer)  # fmt: skip


def print_listed(words: argparse.Namespace, desk: Desk) -> int:
    """The tools of `words.adapter`, as its server lists them."""
    from mcpdeck.cli.output import Column, View

    view = View[dict[str, Any]](
        kind="Tool",
        columns=[
            Column("NAME", lambda tool: str(tool.get("name", ""))),
            Column("ARGUMENTS", lambda tool: " ".join(_arguments_of(tool))),
            Column("DESCRIPTION", lambda tool: str(tool.get("description", "")).split("\n", 1)[0]),
        ],
        name=lambda tool: str(tool.get("name", "")),
        plain=lambda tool: tool,
    )
    desk.printer.many(view, told(listed(words, desk)))
    return OK


async def listed(words: argparse.Namespace, desk: Desk) -> list[dict[str, Any]]:
    from mcpdeck.mcp.peer import tools

    async with open_peer(words, desk) as peer:
        return await tools(peer)


def _arguments_of(tool: dict[str, Any]) -> list[str]:
    """Optional ones in brackets."""
    schema = tool.get("inputSchema") or {}
    required = schema.get("required") or []
    return [name if name in required else f"[{name}]" for name in schema.get("properties") or {}]


def told[Value](asked: Coroutine[Any, Any, Value]) -> Value:
    """Runs it; the server's own error becomes the command's."""
    from mcpdeck.mcp.exchange import McpError, Refused

    try:
        return asyncio.run(asked)
    except McpError as error:
        raise Failure(TOOL, f"the server answers: {error}", name=str(error.code)) from error
    except Refused as error:
        raise Failure(UNREACHABLE, str(error), status=error.status) from error


def typed(tool: dict[str, Any], name: str, text: str) -> Any:
    """A word as the argument that the tool's schema wants; as JSON where the schema leaves it open, else as text."""
    schema = ((tool.get("inputSchema") or {}).get("properties") or {}).get(name) or {}
    kinds = schema.get("type") if isinstance(schema, dict) else None
    kinds = [kinds] if isinstance(kinds, str) else kinds or []
    if kinds == ["string"]:
        return text
    try:
        value = msgspec.json.decode(text)
    except msgspec.DecodeError:
        value = text
    if kinds and "string" in kinds and _kind(value) not in kinds:
        return text
    if kinds and "string" not in kinds and isinstance(value, str):
        raise Failure(USAGE, f"-a {name}={text}: {name} wants {' or '.join(kinds)}, and this is text")
    return value


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")
