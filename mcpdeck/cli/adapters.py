"""`mcpdeck adapters list|get|status`: what there is and how it stands. What changes it: `changes`."""

import argparse
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from mcpdeck.cli import changes, output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import NOT_FOUND, OK, Failure
from mcpdeck.cli.words import Words

if TYPE_CHECKING:
    from gateway.wire.resources import ChangeEvent
    from mcpdeck.model.adapters import AdapterRow


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "The MCP servers behind the gateway."
    verbs = commands.add_parser("adapters", help=line, description=line).nested()
    line = "Every adapter that you may see, and how it stands."
    listed = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    output.add_options(listed)
    listed.add_argument("-w", "--watch", action="store_true", help="go on with what changes, until Ctrl-C")
    listed.set_defaults(run=_list)
    line = "One adapter or several."
    got = verbs.add_parser("get", help=line, description=line)
    got.add_argument("names", nargs="+", metavar="NAME")
    output.add_options(got)
    got.set_defaults(run=_get)
    line = "How an adapter stands, and why, in words."
    status = verbs.add_parser("status", help=line, description=line)
    status.add_argument("name", metavar="NAME")
    output.add_options(status, table=False)
    status.set_defaults(run=_status)
    changes.add_parsers(verbs)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import ADAPTER_ROWS, rows_of

    if words.watch:
        import asyncio

        asyncio.run(_watch(desk))
        return OK
    rows = rows_of(desk.target.snapshot())
    desk.remember_names(row.adapter.name for row in rows)
    desk.printer.many(ADAPTER_ROWS, rows)
    if not rows:
        desk.printer.tell("no adapters yet; mcpdeck adapters create NAME --stdio -- COMMAND deploys one")
    return OK


async def _watch(desk: Desk) -> None:
    """Changes as JSON lines; as lines of the table for people."""
    from mcpdeck.cli.kinds import ADAPTER_ROWS, rows_of
    from mcpdeck.client import Synced

    known: list[ChangeEvent] = []
    printed: list[int] = []
    async with desk.target.client() as client:
        async for event in client.events():
            if isinstance(event, Synced):
                rows = rows_of(known)
                printed = desk.printer.widths(ADAPTER_ROWS, rows)
                if not desk.printer.output.is_machines:
                    desk.printer.many(ADAPTER_ROWS, rows)
            elif desk.printer.output.is_machines:
                desk.printer.jsonl(event)
            elif event.kind == "Adapter":
                known = [it for it in known if (it.kind, it.type, it.name) != ("Adapter", event.type, event.name)]
                known.append(event)
                if printed:
                    for row in _named(rows_of(known), event.name):
                        desk.printer.row(ADAPTER_ROWS, row, printed)


def _named(rows: "list[AdapterRow]", name: str) -> "list[AdapterRow]":
    return [row for row in rows if row.adapter.name == name]


def _get(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck import control
    from mcpdeck.cli.kinds import ADAPTER_ROWS
    from mcpdeck.model.adapters import AdapterRow

    rows = [
        AdapterRow(desk.target.do(control.adapter(name)), desk.target.do(control.status(name)), 0)
        for name in words.names
    ]
    if len(rows) == 1:
        desk.printer.one(ADAPTER_ROWS, rows[0])
    else:
        desk.printer.many(ADAPTER_ROWS, rows)
    return OK


def _status(words: argparse.Namespace, desk: Desk) -> int:
    """In words unless a format is given: what the deck's description says."""
    from mcpdeck import control
    from mcpdeck.cli.kinds import rows_of
    from mcpdeck.cli.output import View
    from mcpdeck.cli.traffic import what_is_kept
    from mcpdeck.model.adapters import describe

    if words.output and words.output not in ("table", "wide"):
        status = desk.target.do(control.status(words.name))
        desk.printer.one(View("AdapterStatus", [], lambda _: words.name), status)
        return OK
    for row in _named(rows_of(desk.target.snapshot()), words.name):
        print("\n".join("".join(cell.text for cell in line).rstrip() for line in describe(row, datetime.now(UTC))))
        for line in what_is_kept(words.name, desk) if row.adapter.recording.enabled else ():
            print(f"Recorded: {line}")
        return OK
    raise Failure(NOT_FOUND, f"there is no adapter {words.name!r} that you may read", hint="mcpdeck adapters list")
