"""`mcpdeck toolsets …`: named parts of what the gateway offers, at /mcp/NAME."""

import argparse
from typing import TYPE_CHECKING, Final

from gateway.wire.tools import Drift, Toolset, ToolsetSpec, problems_of_toolset
from mcpdeck import control
from mcpdeck.cli import output
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, USAGE, Failure
from mcpdeck.cli.output import Column, View
from mcpdeck.cli.target import OWN

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def _tone(toolset: Toolset) -> str:
    return "33" if toolset.cost and toolset.cost.warning else ""


TOOLSETS: Final = View[Toolset](
    kind="Toolset",
    columns=[
        Column("NAME", lambda each: each.name),
        Column("TOOLS", lambda each: ",".join(each.tools)),
        Column("EXCEPT", lambda each: ",".join(each.exclude)),
        Column("DISCOVERY", lambda each: "yes" if each.discovery else ""),
        Column(
            "OFFERED",
            lambda each: str(each.cost.tools) if each.cost else "",
            is_right=True,
            key=lambda each: each.cost.tools if each.cost else 0,
        ),
        Column(
            "TOKENS",
            lambda each: str(each.cost.tokens) if each.cost else "",
            is_right=True,
            key=lambda each: each.cost.tokens if each.cost else 0,
            tone=_tone,
        ),
        Column("BUDGET", lambda each: str(each.cost.budget or "") if each.cost else "", is_right=True),
        Column("ROLES", lambda each: ",".join(each.required_roles)),
        Column("OWNER", lambda each: each.created_by),
    ],
    name=lambda each: each.name,
)


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Named parts of what the gateway offers, each an MCP server of its own at /mcp/NAME."
    verbs = commands.add_parser("toolsets", help=line, description=line).nested()
    line = "Every toolset that you may use."
    found = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    output.add_options(found)
    found.set_defaults(run=_list)
    line = "One toolset."
    got = verbs.add_parser("get", help=line, description=line)
    got.add_argument("name", metavar="NAME")
    output.add_options(got, table=False)
    got.set_defaults(run=_get)
    line = "Make a toolset."
    create = verbs.add_parser("create", help=line, description=line)
    create.add_argument("name", metavar="NAME")
    create.add_argument("--tool", action="append", default=[], metavar="PATTERN",
                        help="of names at /mcp, or of ADAPTER/TOOL; * and ? as in file names; all; repeat")  # fmt: skip
    create.add_argument("--except", dest="exclude", action="append", default=[], metavar="PATTERN", help="repeat")
    create.add_argument("--discovery", action="store_true",
                        help="three tools that search, describe and call stand for the list")  # fmt: skip
    create.add_argument("--drift", choices=list(Drift), default=Drift.BLOCK, help="of pinned tools that changed; block")
    create.add_argument("--token-budget", type=int, default=0, metavar="N", help="a warning above; 0 for the gateway's")
    create.add_argument("--role", action="append", default=[], help="who else may use it; repeat")
    create.add_argument("--description", default="", help="what clients are told it is for")
    output.add_options(create, table=False)
    create.set_defaults(run=_create)
    line = "Remove toolsets; the tools in them stay."
    delete = verbs.add_parser("delete", aliases=["rm"], help=line, description=line)
    delete.add_argument("names", nargs="+", metavar="NAME")
    add_consent(delete)
    delete.set_defaults(run=_delete)


def _list(words: argparse.Namespace, desk: Desk) -> int:  # noqa: ARG001 - a command's signature
    found = desk.target.do(control.toolsets())
    desk.printer.many(TOOLSETS, found)
    for each in found:
        _warn(each, desk)
    if not found:
        desk.printer.tell("no toolsets; everything is at /mcp")
    return OK


def _get(words: argparse.Namespace, desk: Desk) -> int:
    found = desk.target.do(control.toolset(words.name))
    desk.printer.one(TOOLSETS, found)
    _warn(found, desk)
    return OK


def _warn(toolset: Toolset, desk: Desk) -> None:
    if toolset.cost is not None and toolset.cost.warning:
        desk.printer.tell(f"{toolset.cost.warning}; --discovery, or fewer --tool, is short")


def _create(words: argparse.Namespace, desk: Desk) -> int:
    spec = ToolsetSpec(
        name=words.name,
        description=words.description,
        required_roles=words.role,
        tools=words.tool or ["*"],
        exclude=words.exclude,
        discovery=words.discovery,
        drift=Drift(words.drift),
        token_budget=words.token_budget,
    )
    if errors := problems_of_toolset(spec):
        lines = "\n".join(f"  {field}: {', '.join(sentences)}" for field, sentences in errors.items())
        raise Failure(USAGE, f"{spec.name} is not right:\n{lines}")
    desk.target.must_be_writable()
    made = desk.target.do(control.create_toolset(spec))
    desk.printer.tell(f"{made.name} is at {desk.target.mcp_url(f'{OWN}/{made.name}')}")
    _warn(made, desk)
    if words.output:
        desk.printer.one(TOOLSETS, made)
    return OK


def _delete(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()
    must_consent(words, desk, verb="Delete", names=words.names, lost=lambda: "Their clients are cut off. ")

    def delete(name: str) -> None:
        desk.target.do(control.delete_toolset(name))
        desk.printer.tell(f"{name} is deleted")

    return each(desk, words.names, delete, str)
