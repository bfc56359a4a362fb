"""`mcpdeck call`: having an adapter's server, or the gateway's own at /mcp, do something; `calls`: what was done."""

import argparse
import sys
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.documents import fault_of, text_of
from mcpdeck.cli.exits import NOT_FOUND, OK, TOOL, USAGE, Failure
from mcpdeck.cli.target import OWN
from mcpdeck.cli.tools import add_reach, open_peer, told, typed
from mcpdeck.cli.words import pair
from mcpdeck.config.settings import Output

if TYPE_CHECKING:
    from mcpdeck.calls import CallBook
    from mcpdeck.cli.words import Words
    from mcpdeck.model.playground import Call, Request


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Call a tool: of an adapter, or of all that the gateway offers."
    call = commands.add_parser("call", help=line, description=line)
    call.add_argument("adapter", nargs="?", default="", metavar="WHERE",
                      help="an adapter, /mcp or /mcp/TOOLSET; /mcp where it is left out")  # fmt: skip
    call.add_argument("tool", nargs="?", default="", metavar="TOOL")
    call.add_argument("-a", "--arg", action="append", type=pair, default=[], metavar="NAME=VALUE",
                      help="an argument; its type is the schema's; repeat")  # fmt: skip
    call.add_argument("--args-json", default="", metavar="JSON", help="all arguments; @FILE reads them, @- from stdin")
    call.add_argument("--saved", default="", metavar="NAME", help="a call that is kept under a name; -a changes some")
    call.add_argument("--save", default="", metavar="NAME", help="keep this call under a name")
    call.add_argument("--answer", default="", metavar="FILE",
                      help="what to answer when the server asks: YAML or JSON, one or a list; asked on a terminal "
                           "without it, refused where there is none")  # fmt: skip
    add_reach(call)
    output.add_options(call, table=False)
    call.set_defaults(run=_call)
    line = "Calls that were made from here, and those that are kept."
    verbs = commands.add_parser("calls", help=line, description=line).nested()
    line = "What was called, the newest last; --saved: what is kept."
    listing = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    listing.add_argument("--saved", action="store_true", help="those kept under a name")
    output.add_options(listing)
    listing.set_defaults(run=_list)
    line = "Keep them no longer."
    forget = verbs.add_parser("forget", aliases=["rm"], help=line, description=line)
    forget.add_argument("names", nargs="+", metavar="NAME")
    forget.set_defaults(run=_forget)


def _book(desk: Desk) -> "CallBook":
    from mcpdeck.calls import CallBook

    return CallBook(desk.places.data)


def _call(words: argparse.Namespace, desk: Desk) -> int:
    if words.saved:
        request = _saved(desk, words.saved).request
        words.adapter = request.endpoint
    elif not words.adapter:
        raise Failure(USAGE, "name a TOOL, a WHERE and a TOOL, or --saved NAME")
    else:
        request = None
        if not words.tool:
            words.adapter, words.tool = OWN, words.adapter
    given = _given(words.args_json)
    sent, result = told(_called(words, desk, given, kept=request))
    _remember(words, desk, sent, result)
    if desk.printer.output in (Output.JSON, Output.JSONL, Output.YAML):
        _print_whole(result, desk)
    else:
        _print_text(result, desk)
    if result.get("isError"):
        name = sent.params.get("name", sent.method)
        raise Failure(TOOL, f"{name} failed" if words.output else f"{name} says that it failed")
    return OK


async def _called(
    words: argparse.Namespace, desk: Desk, given: dict[str, Any], *, kept: "Request | None"
) -> "tuple[Request, dict[str, Any]]":
    from mcpdeck.mcp.peer import call, tools
    from mcpdeck.model.playground import Request
    from mcpdeck.model.promised import misfit

    def hear(message: dict[str, Any]) -> None:
        params = message.get("params") or {}
        if message["method"] == "notifications/progress":
            share = f"/{params['total']}" if params.get("total") is not None else ""
            desk.printer.tell(f"{params.get('progress', '')}{share} {params.get('message') or ''}".rstrip())
        elif message["method"] == "notifications/message":
            desk.printer.tell(f"{params.get('level', 'info')}: {params.get('data', '')}")

    async with open_peer(words, desk, answer=_answer(words, desk)) as peer:
        if kept is not None and kept.method != "tools/call":
            return kept, await peer.request(kept.method, kept.params, hear=hear)
        name = str(kept.params.get("name")) if kept is not None else words.tool
        listed = {tool.get("name"): tool for tool in await tools(peer)}
        tool = listed.get(name)
        if tool is None:
            known = ", ".join(sorted(map(str, listed))) or "none"
            raise Failure(TOOL, f"{words.adapter} has no tool {name!r}; it has {known}")
        before = dict(kept.params.get("arguments") or {}) if kept is not None else {}
        arguments = before | given | {name: typed(tool, name, text) for name, text in words.arg}
        sent = Request(endpoint=words.adapter, method="tools/call", params={"name": name, "arguments": arguments})
        result = await call(peer, tool, arguments, hear=hear)
        if note := misfit(tool, result):
            desk.printer.tell(f"{name} {note}")
        return sent, result


def _answer(words: argparse.Namespace, desk: Desk) -> Any:
    """Who answers what the server asks; None, and no server is told that it may ask, where nobody can."""
    from mcpdeck.cli import answers

    if words.answer:
        return answers.from_file(words.answer, desk.printer.tell)
    if sys.stdin.isatty() and sys.stderr.isatty():
        return answers.by_hand(desk.printer.tell)
    return None


def _saved(desk: Desk, name: str) -> "Call":
    try:
        found = _book(desk).saved()
    except (OSError, ValueError) as error:
        raise Failure(USAGE, str(error)) from error
    if name not in found:
        raise Failure(NOT_FOUND, f"no call is kept as {name!r}; there are {', '.join(sorted(found)) or 'none'}")
    return found[name]


def _remember(words: argparse.Namespace, desk: Desk, sent: "Request", result: dict[str, Any]) -> None:
    """A history that can not be written stops no call."""
    from mcpdeck.model.playground import Call

    outcome = "tool error" if result.get("isError") else "done"
    try:
        _book(desk).remember(Call(request=sent, at=datetime.now(UTC), outcome=outcome))
        if words.save:
            _book(desk).save(Call(request=sent, at=datetime.now(UTC), name=words.save))
            desk.printer.tell(f"kept as {words.save}")
    except (OSError, ValueError) as error:
        desk.printer.tell(f"the call is not kept: {error}")


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.output import Column, View
    from mcpdeck.model.call_rows import arguments, subject_name

    try:
        found = list(_book(desk).saved().values()) if words.saved else _book(desk).history()
    except (OSError, ValueError) as error:
        raise Failure(USAGE, str(error)) from error
    view = View["Call"](
        kind="Call",
        columns=[
            Column("AT", lambda call: f"{call.at:%Y-%m-%d %H:%M:%S}"),
            Column("NAME", lambda call: call.name),
            Column("WHERE", lambda call: call.request.endpoint),
            Column("WHAT", lambda call: subject_name(call.request)),
            Column("ARGUMENTS", lambda call: arguments(call.request)),
            Column("OUTCOME", lambda call: call.outcome),
        ],
        name=lambda call: call.name or subject_name(call.request),
    )
    desk.printer.many(view, found)
    if not found:
        desk.printer.tell("no call is kept; --save NAME keeps one" if words.saved else "nothing was called yet")
    return OK


def _forget(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    def forget(name: str) -> None:
        if not _book(desk).forget(name):
            raise Failure(NOT_FOUND, f"no call is kept as {name!r}")
        desk.printer.tell(f"{name} is forgotten")

    return each(desk, words.names, forget, str)


def _given(text: str) -> dict[str, Any]:
    given = text_of(text[1:]) if text.startswith("@") else text
    where = text if text.startswith("@") else "--args-json"
    try:
        return msgspec.json.decode(given or "{}", type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise Failure(USAGE, f"{where}: {fault_of(error)}") from error
    except msgspec.DecodeError as error:
        raise Failure(USAGE, f"{where} is no JSON: {str(error).removeprefix('JSON is malformed: ')}") from error


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
