"""`mcpdeck call`: having an adapter's server, or the gateway's own at /mcp, do something; and what it says it can."""

import argparse
import asyncio
import sys
from collections.abc import Coroutine
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, TOOL, UNREACHABLE, USAGE, Failure
from mcpdeck.cli.words import pair, seconds
from mcpdeck.config.settings import Output

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.mcp.peer import Peer


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Call a tool: of an adapter, or of all that the gateway offers."
    call = commands.add_parser("call", help=line, description=line)
    call.add_argument("adapter", metavar="WHERE", help="an adapter, /mcp or /mcp/TOOLSET")
    call.add_argument("tool", metavar="TOOL")
    call.add_argument("-a", "--arg", action="append", type=pair, default=[], metavar="NAME=VALUE",
                      help="an argument; its type is the schema's; repeat")  # fmt: skip
    call.add_argument("--args-json", default="", metavar="JSON", help="all arguments; @FILE reads them, @- from stdin")
    add_reach(call)
    output.add_options(call, table=False)
    call.set_defaults(run=_call)


def add_reach(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--era", choices=("modern", "legacy"), help="speak that one alone")
    parser.add_argument("--timeout", type=seconds, default=60.0, metavar="DURATION", help="for an answer; 60s")


def _peer(words: argparse.Namespace, desk: Desk) -> "AbstractAsyncContextManager[Peer]":
    from gateway.wire.mcp import Era
    from mcpdeck.mcp.peer import connected

    era = Era(words.era) if words.era else None
    target = desk.target
    url = target.mcp_url(words.adapter)
    return connected(url, auth=target.auth(), ca_file=target.context.ca_file, era=era, silence=words.timeout)


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

    async with _peer(words, desk) as peer:
        return await tools(peer)


def _arguments_of(tool: dict[str, Any]) -> list[str]:
    """Optional ones in brackets."""
    schema = tool.get("inputSchema") or {}
    required = schema.get("required") or []
    return [name if name in required else f"[{name}]" for name in schema.get("properties") or {}]


def _call(words: argparse.Namespace, desk: Desk) -> int:
    given = _given(words.args_json)
    result = told(_called(words, desk, given))
    if desk.printer.output in (Output.JSON, Output.JSONL, Output.YAML):
        _print_whole(result, desk)
    else:
        _print_text(result, desk)
    if result.get("isError"):
        raise Failure(TOOL, f"{words.tool} failed" if words.output else f"{words.tool} says that it failed")
    return OK


async def _called(words: argparse.Namespace, desk: Desk, given: dict[str, Any]) -> dict[str, Any]:
    from mcpdeck.mcp.peer import call, tools

    async with _peer(words, desk) as peer:
        listed = {tool.get("name"): tool for tool in await tools(peer)}
        tool = listed.get(words.tool)
        if tool is None:
            known = ", ".join(sorted(map(str, listed))) or "none"
            raise Failure(TOOL, f"{words.adapter} has no tool {words.tool!r}; it has {known}")
        arguments = given | {name: typed(tool, name, text) for name, text in words.arg}

        def hear(message: dict[str, Any]) -> None:
            params = message.get("params") or {}
            if message["method"] == "notifications/progress":
                share = f"/{params['total']}" if params.get("total") is not None else ""
                desk.printer.tell(f"{params.get('progress', '')}{share} {params.get('message') or ''}".rstrip())
            elif message["method"] == "notifications/message":
                desk.printer.tell(f"{params.get('level', 'info')}: {params.get('data', '')}")

        return await call(peer, tool, arguments, hear=hear)


def told[Value](asked: Coroutine[Any, Any, Value]) -> Value:
    """Runs it; the server's own error becomes the command's."""
    from mcpdeck.mcp.exchange import McpError, Refused

    try:
        return asyncio.run(asked)
    except McpError as error:
        raise Failure(TOOL, f"the server answers: {error}", name=str(error.code)) from error
    except Refused as error:
        raise Failure(UNREACHABLE, str(error), status=error.status) from error


def _given(text: str) -> dict[str, Any]:
    if text.startswith("@"):
        try:
            text = sys.stdin.read() if text == "@-" else Path(text[1:]).read_text(encoding="utf-8")
        except OSError as error:
            raise Failure(USAGE, f"{text[1:]}: {error.strerror}") from error
    try:
        return msgspec.json.decode(text or "{}", type=dict[str, Any])
    except msgspec.DecodeError as error:
        raise Failure(USAGE, f"--args-json is no JSON object: {error}") from error


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
        raise Failure(USAGE, f"-a {name}={text}: {name} is {' or '.join(kinds)}")
    return value


def _kind(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
    return names.get(type(value), "null")


def _print_whole(result: dict[str, Any], desk: Desk) -> None:
    if desk.printer.output is Output.YAML:
        import yaml

        print(yaml.safe_dump(result, sort_keys=False, allow_unicode=True), end="")
    else:
        desk.printer.json(result)


def _print_text(result: dict[str, Any], desk: Desk) -> None:
    """The texts; what is none is named. The structured result where there are no texts."""
    blocks = [block for block in result.get("content") or [] if isinstance(block, dict)]
    for block in blocks:
        print(_block(block))
    if not blocks and "structuredContent" in result:
        desk.printer.json(result["structuredContent"])


def _block(block: dict[str, Any]) -> str:
    kind = block.get("type")
    if kind == "text":
        return str(block.get("text", ""))
    resource = block.get("resource") if isinstance(block.get("resource"), dict) else block
    if kind == "resource" and isinstance(resource, dict) and "text" in resource:
        return str(resource["text"])
    where = block.get("uri") or (resource or {}).get("uri") or block.get("mimeType") or ""
    size = f", {len(block['data']) * 3 // 4} bytes" if isinstance(block.get("data"), str) else ""
    return f"[{kind} {where}{size}; -o json shows it]"
