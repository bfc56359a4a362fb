"""`mcpdeck tools …`: what the gateway offers at /mcp, what it costs, and whether it is what somebody once looked at."""

import argparse
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.wire.tools import ALL, OfferedTool, Tool, ToolsCost, ToolSpec, ToolView, problems_of
from mcpdeck import control
from mcpdeck.cli import importing, output
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.documents import documents_of, made
from mcpdeck.cli.exits import CONFLICT, OK, USAGE, Failure
from mcpdeck.cli.output import Column, View
from mcpdeck.cli.target import OWN
from mcpdeck.cli.tools import add_reach, listed, print_listed, told
from mcpdeck.cli.words import pair
from mcpdeck.errors import ProblemError

if TYPE_CHECKING:
    from gateway.wire.toollock import Drifted, Lock
    from mcpdeck.cli.words import Words


def _tone(offer: OfferedTool) -> str:
    return "31" if offer.quarantine else "33" if offer.drift else ""


def _origin(tool: Tool) -> str:
    return f"{tool.adapter}/{tool.tool_name}" if tool.adapter else tool.url or tool.image_name


LOCK_FILE: Final = "tools.lock.json"

OFFERS: Final = View[OfferedTool](
    kind="OfferedTool",
    columns=[
        Column("NAME", lambda each: each.name),
        Column("SOURCE", lambda each: each.source),
        Column("TOKENS", lambda each: str(each.tokens), is_right=True, key=lambda each: each.tokens),
        Column("CALLS", lambda each: str(each.calls), is_right=True, key=lambda each: each.calls),
        Column("ERRORS", lambda each: str(each.errors), is_right=True, key=lambda each: each.errors),
        Column("ORIGINAL", lambda each: each.original if each.original != each.name else "", is_wide=True),
        Column("NAMING", lambda each: each.naming, is_wide=True),
        Column("REASON", lambda each: each.quarantine or each.drift, tone=_tone),
    ],
    name=lambda each: each.name,
)
TOOLS: Final = View[Tool](
    kind="Tool",
    columns=[
        Column("NAME", lambda each: each.name),
        Column(
            "FROM", lambda each: f"{each.adapter}/{each.tool_name}" if each.adapter else each.url or each.image_name
        ),
        Column("ROLES", lambda each: ",".join(each.required_roles)),
        Column("OWNER", lambda each: each.created_by),
    ],
    name=lambda each: each.name,
)


COSTS: Final = View[ToolsCost](
    kind="ToolsCost",
    columns=[
        Column("LIST", lambda each: f"{OWN}/{each.toolset}" if each.toolset else OWN),
        Column("TOOLS", lambda each: str(each.tools), is_right=True, key=lambda each: each.tools),
        Column("TOKENS", lambda each: str(each.tokens), is_right=True, key=lambda each: each.tokens,
               tone=lambda each: "33" if each.warning else ""),
        Column("BUDGET", lambda each: str(each.budget or ""), is_right=True, key=lambda each: each.budget),
    ],
    name=lambda each: f"{OWN}/{each.toolset}" if each.toolset else OWN,
)  # fmt: skip


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "What the gateway offers at /mcp."
    verbs = commands.add_parser("tools", help=line, description=line).nested()
    line = "Every tool at /mcp, what its definition costs a model (an estimate), and how often it was called."
    found = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    found.add_argument("adapter", nargs="?", default="", metavar="WHERE",
                       help="as that server lists them instead: an adapter, /mcp or /mcp/TOOLSET")  # fmt: skip
    found.add_argument("--unused", action="store_true", help="those never called since the gateway started")
    found.add_argument("--quarantined", action="store_true", help="those that are not offered, or drifted, and why")
    add_reach(found)
    output.add_options(found)
    found.set_defaults(run=_list)
    line = "What each list of tools costs the model that reads it (an estimate), and its budget."
    cost = verbs.add_parser("cost", help=line, description=line)
    cost.add_argument("--check", action="store_true", help="8 where a list is above its budget (for CI)")
    output.add_options(cost)
    cost.set_defaults(run=_cost)
    line = "What is registered."
    registered = verbs.add_parser("registered", help=line, description=line)
    output.add_options(registered)
    registered.set_defaults(run=_registered)
    line = "One registration."
    got = verbs.add_parser("get", help=line, description=line)
    got.add_argument("name", metavar="NAME")
    output.add_options(got, table=False)
    got.set_defaults(run=_get)
    _add_register(verbs)
    line = "Take registrations back; their servers stop."
    delete = verbs.add_parser("delete", aliases=["rm"], help=line, description=line)
    delete.add_argument("names", nargs="+", metavar="NAME")
    add_consent(delete)
    delete.set_defaults(run=_delete)
    _add_lock(verbs)
    _add_pin(verbs)
    importing.add_parser(verbs)


def _add_register(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Offer an adapter's tools, or an HTTP tool server, at /mcp."
    register = verbs.add_parser("register", aliases=["create"], help=line, description=line)
    register.add_argument("name", nargs="?", default="", metavar="NAME", help="of the registration")
    register.add_argument("-f", "--file", default="", metavar="FILE", help="all of it from YAML or JSON; - is stdin")
    register.add_argument("--adapter", default="", metavar="ADAPTER", help="whose tools; NAME where it is left out")
    register.add_argument("--tool", default=ALL, metavar="TOOL", help="one of them; all, prompts and resources as well")
    register.add_argument("--as", dest="shown_as", default="", metavar="NAME", help="offered under another name")
    register.add_argument("--description", default="", help="in place of the tool's own")
    register.add_argument("--pin", action="append", type=pair, default=[], metavar="ARGUMENT=VALUE",
                          help="sent with every call, and shown to nobody; repeat")  # fmt: skip
    register.add_argument("--hide", action="append", default=[], metavar="ARGUMENT", help="shown to nobody; repeat")
    register.add_argument("--role", action="append", default=[], help="who else may use it; repeat")
    register.add_argument("--replace", action="store_true", help="where it is registered already")
    output.add_options(register, table=False)
    register.set_defaults(run=_register)


def _add_lock(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Keep what every tool says now; later, see what has changed."
    lock = verbs.add_parser("lock", help=line, description=line)
    lock.add_argument("adapter", nargs="?", default=OWN, metavar="WHERE", help="an adapter, /mcp or /mcp/TOOLSET; /mcp")
    lock.add_argument("-f", "--file", type=Path, default=Path(LOCK_FILE), metavar="FILE", help=LOCK_FILE)
    lock.add_argument("--check", action="store_true", help="write nothing; 8 where something has changed (for CI)")
    add_reach(lock)
    lock.set_defaults(run=_lock)


def _add_pin(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Have the gateway hold registrations to what they offer now: what changes is not offered until pinned again."
    pin = verbs.add_parser("pin", help=line, description=line)
    pin.add_argument("names", nargs="+", metavar="NAME", help="of registrations")
    pin.set_defaults(run=_pin)
    line = "Let registrations change again."
    unpin = verbs.add_parser("unpin", help=line, description=line)
    unpin.add_argument("names", nargs="+", metavar="NAME")
    unpin.set_defaults(run=_unpin)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    if words.adapter:
        return print_listed(words, desk)
    found = [each for each in desk.target.do(control.offers()) if _is_wanted(each, words)]
    desk.printer.many(OFFERS, found)
    offered = [each for each in found if not each.quarantine and not each.drift]
    total = sum(each.tokens for each in offered)
    if not found:
        desk.printer.tell(_nothing(words))
    elif not desk.printer.output.is_machines:
        desk.printer.tell(f"{len(offered)} tools, about {total} tokens of definitions")
        _warn(desk.target.do(control.costs())[:1], desk)
    return OK


def _nothing(words: argparse.Namespace) -> str:
    if words.quarantined:
        return "no tool is quarantined or has changed"
    if words.unused:
        return "no tool that was never called"
    return "no tools; mcpdeck tools register ADAPTER offers those of an adapter"


def _is_wanted(offer: OfferedTool, words: argparse.Namespace) -> bool:
    if words.unused and offer.calls:
        return False
    return bool(offer.quarantine or offer.drift) if words.quarantined else True


def _cost(words: argparse.Namespace, desk: Desk) -> int:
    found = desk.target.do(control.costs())
    desk.printer.many(COSTS, found)
    _warn(found, desk)
    if words.check and (over := [each for each in found if each.warning]):
        raise Failure(CONFLICT, f"{len(over)} of {len(found)} lists are above their budgets", name="budgets")
    return OK


def _warn(costs: Iterable[ToolsCost], desk: Desk) -> None:
    for each in costs:
        if each.warning:
            desk.printer.tell(f"{each.warning}: it reads them all each time; a toolset with --discovery is short")


def _registered(words: argparse.Namespace, desk: Desk) -> int:  # noqa: ARG001 - a command's signature
    desk.printer.many(TOOLS, desk.target.do(control.tools()))
    return OK


def _get(words: argparse.Namespace, desk: Desk) -> int:
    desk.printer.one(TOOLS, desk.target.do(control.tool(words.name)))
    return OK


def _register(words: argparse.Namespace, desk: Desk) -> int:
    spec = _spec(words)
    desk.target.must_be_writable()
    try:
        tool = desk.target.do(control.register(spec))
    except ProblemError as error:
        if error.problem.status != 409 or not words.replace:
            raise
        tool = desk.target.do(control.replace_tool(spec.name, spec, None))
    status = desk.target.do(control.tool_status(tool.name))
    names = [each.name for each in status.offered if not each.quarantine]
    why = f" ({status.message or status.reason})" if not names and (status.message or status.reason) else ""
    desk.printer.tell(f"{tool.name} is registered; offered: {', '.join(names) or f'nothing yet{why}'}")
    for each in status.offered:
        if each.quarantine:
            desk.printer.tell(f"{each.name} is not offered: {each.quarantine}")
    if words.output:
        desk.printer.one(TOOLS, tool)
    return OK


def _spec(words: argparse.Namespace) -> ToolSpec:
    if words.file:
        spec = _of_file(words.file)
    elif not words.name:
        raise Failure(USAGE, "the registration needs a NAME, or -f FILE")
    else:
        view = ToolView(
            name=words.shown_as,
            description=words.description,
            hidden_arguments=words.hide,
            pinned_arguments={name: _value(text) for name, text in words.pin},
        )
        spec = ToolSpec(
            name=words.name,
            adapter=words.adapter or words.name,
            tool_name=words.tool,
            required_roles=words.role,
            view=view,
        )
    if errors := problems_of(spec):
        lines = "\n".join(f"  {field}: {', '.join(sentences)}" for field, sentences in errors.items())
        raise Failure(USAGE, f"{spec.name or 'the tool'} is not right:\n{lines}")
    return spec


def _of_file(name: str) -> ToolSpec:
    found = documents_of(name)
    if len(found) != 1:
        raise Failure(USAGE, f"{name} holds {len(found)} registrations, and one is made at a time")
    return made(found[0], ToolSpec, where=name, wanted="a registration")


def _value(text: str) -> Any:
    """As JSON where it is that, else as text."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError:
        return text


def _delete(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()
    must_consent(words, desk, verb="Delete", names=words.names, lost=lambda: "Clients lose these tools at once. ")

    def delete(name: str) -> None:
        desk.target.do(control.delete_tool(name))
        desk.printer.tell(f"{name} is deleted")

    return each(desk, words.names, delete, str)


def _pin(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()

    def pin(name: str) -> None:
        offered = desk.target.do(control.tool_status(name)).offered
        before = desk.target.do(control.tool(name)).locked
        now = {offer.original: offer.digest for offer in offered if offer.digest}
        if not now:
            raise Failure(USAGE, f"{name} offers nothing to pin")
        gone = dict.fromkeys(before.keys() - now.keys())
        desk.target.do(control.patch_tool(name, {"locked": now | gone}))
        desk.printer.tell(f"{name} is pinned: {', '.join(sorted(now))}")

    return each(desk, words.names, pin, str)


def _unpin(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()

    def unpin(name: str) -> None:
        desk.target.do(control.patch_tool(name, {"locked": None}))
        desk.printer.tell(f"{name} may change again")

    return each(desk, words.names, unpin, str)


def _lock(words: argparse.Namespace, desk: Desk) -> int:
    from gateway.wire.toollock import drift, encode

    current = _current(words, desk)
    before = _read(words.file)
    if words.check and before is None:
        raise Failure(USAGE, f"{words.file} is not there", hint="mcpdeck tools lock writes it")
    drifted = drift(before, current.tools) if before is not None else []
    for each in drifted:
        print(_shown(each))
    if words.check:
        if drifted:
            raise Failure(CONFLICT, f"{len(drifted)} of {len(current.tools)} tools are not as {words.file} has them",
                          hint="look at the changes, then mcpdeck tools lock accepts them")  # fmt: skip
        desk.printer.tell(f"{len(current.tools)} tools are as {words.file} has them")
        return OK
    words.file.write_bytes(encode(current))
    desk.printer.tell(f"{len(current.tools)} tools locked in {words.file}")
    return OK


def _current(words: argparse.Namespace, desk: Desk) -> "Lock":
    from gateway.wire.toollock import Lock, locked

    origins = {}
    if words.adapter.startswith(OWN):
        origins = {each.name: (each.source, each.original) for each in desk.target.do(control.offers())}
    tools = told(listed(words, desk))
    found = {}
    for tool in tools:
        name = str(tool.get("name", ""))
        source, original = origins.get(name, (words.adapter, name))
        found[name] = locked(source, original, tool)
    return Lock(tools=found)


def _read(file: Path) -> "Lock | None":
    from gateway.wire.toollock import decode

    try:
        return decode(file.read_bytes())
    except FileNotFoundError:
        return None
    except OSError as error:
        raise Failure(USAGE, f"{file}: {error.strerror}") from error
    except ValueError as error:
        raise Failure(USAGE, f"{file} {error}") from error


def _shown(drifted: "Drifted") -> str:
    from gateway.wire.toollock import Added, Removed
    from mcpdeck.model.plain import plain

    match drifted:
        case Added(name):
            return f"+ {plain(name)}: new"
        case Removed(name):
            return f"- {plain(name)}: gone"
        case changed:
            return "\n".join([f"! {plain(changed.name)}: changed", *(f"    {plain(line)}" for line in changed.diff)])
