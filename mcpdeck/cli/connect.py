"""`mcpdeck connect`: an MCP client's own configuration for an adapter, printed or written."""

import argparse
import json
import os
import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import NOT_FOUND, OK, USAGE, Failure
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.meant import meant

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.connect.programs import Program

PLAIN: Final = "json"


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Have an MCP client find an adapter: print what its configuration needs, or write it."
    connect = commands.add_parser("connect", help=line, description=line,
                                  usage="mcpdeck connect [CLIENT] ADAPTER [--write | --remove] [options]\n"
                                        "       mcpdeck connect              which clients there are")  # fmt: skip
    connect.add_argument("client", nargs="?", default="", metavar="CLIENT", help="claude, claude-code, vscode, …, json")
    connect.add_argument("adapter", nargs="?", default="", metavar="ADAPTER")
    does = connect.add_mutually_exclusive_group()
    does.add_argument("--write", action="store_true", help="into the client's file, which is kept beside it as it was")
    does.add_argument("--remove", action="store_true", help="out of the client's file")
    connect.add_argument("--project", action="store_true", help="the file of the project in this folder")
    connect.add_argument("--stdio", action="store_true", help="through `mcpdeck stdio`, not by URL")
    connect.add_argument("--name", default="", help="what the client calls it; the adapter's name")
    connect.add_argument("--replace", action="store_true", help="even where another server has that name")
    output.add_options(connect)
    connect.set_defaults(run=_connect)


def _connect(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.connect.programs import PROGRAMS

    if words.client and not words.adapter and words.client not in (*PROGRAMS, PLAIN):
        words.client, words.adapter = PLAIN, words.client
    if not words.client:
        return _list(desk)
    if words.client != PLAIN and words.client not in PROGRAMS:
        advice = meant(words.client, [*PROGRAMS, PLAIN]) or f"there are {', '.join(PROGRAMS)} and {PLAIN}"
        raise Failure(USAGE, f"no client {words.client!r} is known; {advice}")
    if not words.adapter:
        raise Failure(
            USAGE, f"which adapter shall {words.client} find?", hint=f"mcpdeck connect {words.client} ADAPTER"
        )
    name = words.name or words.adapter
    if words.client == PLAIN:
        return _print_plain(words, desk, name)
    program = PROGRAMS[words.client]
    path = _path(program, words)
    if words.remove:
        return _write(program, path, name, None, words, desk)
    _must_exist(words.adapter, desk)
    entry = program.entry(desk.target.mcp_url(words.adapter), _stdio(words.adapter, desk), wants_stdio=words.stdio)
    if words.write:
        return _write(program, path, name, entry, words, desk)
    _print(program, name, entry)
    told = f"in {path}; --write does it"
    desk.printer.tell(f"{told}\n{_after(program, name, words, desk)}".rstrip())
    return OK


def _print_plain(words: argparse.Namespace, desk: Desk, name: str) -> int:
    if words.write or words.remove:
        raise Failure(USAGE, "which client's file? name one", hint="mcpdeck connect lists them")
    _must_exist(words.adapter, desk)
    stdio = _stdio(words.adapter, desk)
    url = desk.target.mcp_url(words.adapter)
    entry = {"command": stdio[0], "args": stdio[1:]} if words.stdio else {"type": "http", "url": url}
    print(json.dumps({"mcpServers": {name: entry}}, indent=2, ensure_ascii=False))
    return OK


def _list(desk: Desk) -> int:
    """The clients that were found, and which of this gateway's adapters they have."""
    from mcpdeck.cli.output import Column, View

    view = View[dict[str, Any]](
        kind="Client",
        columns=[
            Column("CLIENT", lambda row: row["client"]),
            Column("FOUND", lambda row: "yes" if row["found"] else "no"),
            Column("ADAPTERS", lambda row: row["problem"] or ", ".join(row["adapters"]) or "-"),
            Column("FILE", lambda row: row["file"]),
        ],
        name=lambda row: row["client"],
        plain=lambda row: row,
    )
    rows = _rows(desk)
    desk.printer.many(view, rows)
    if not any(row["found"] for row in rows):
        desk.printer.tell("no client was found here; mcpdeck connect json ADAPTER prints what most understand")
    return OK


def _rows(desk: Desk) -> list[dict[str, Any]]:
    from mcpdeck.connect.files import servers
    from mcpdeck.connect.programs import PROGRAMS
    from mcpdeck.errors import Misconfigured

    rows = []
    for program in PROGRAMS.values():
        path = program.file(_surroundings())
        found = path.exists() or (path.parent.exists() and path.parent != Path.home())
        found = found or any(map(shutil.which, program.executables))
        row = {"client": program.name, "found": found, "adapters": [], "problem": "", "file": str(path)}
        try:
            known = servers(program, path)
            row["adapters"] = [name for name, entry in known.items() if _is_ours(entry, desk)]
        except Misconfigured as error:
            row["problem"] = str(error)
        rows.append(row)
    return rows


def _write(
    program: "Program", path: Path, name: str, entry: dict[str, Any] | None, words: argparse.Namespace, desk: Desk
) -> int:
    from mcpdeck.connect.files import Outcome, adding, removing, servers, write

    if entry is None:
        change = removing(program, path, name)
    else:
        present = servers(program, path).get(name)
        is_ours = words.replace or present is None or _is_ours(present, desk)
        change = adding(program, path, name, entry, is_ours=is_ours)
    if change.outcome is Outcome.SAME:
        told = "has no server of that name" if entry is None else "has it already"
        desk.printer.tell(f"{path} {told}: {name}")
        return OK
    try:
        backup = write(change)
    except OSError as error:
        raise Failure(USAGE, f"{path}: {error.strerror or error}; nothing is changed") from error
    desk.printer.tell(f"{name} is {change.outcome} in {path}" + (f"; as it was: {backup}" if backup else ""))
    if program.after and not program.after.startswith("or:"):
        desk.printer.tell(program.after)
    return OK


def _print(program: "Program", name: str, entry: dict[str, Any]) -> None:
    if program.is_toml:
        from mcpdeck.connect.toml import with_table

        print(with_table("", (*program.section, name), entry), end="")
        return
    nested: dict[str, Any] = {name: entry}
    for key in reversed(program.section):
        nested = {key: nested}
    print(json.dumps(nested, indent=2, ensure_ascii=False))


def _after(program: "Program", name: str, words: argparse.Namespace, desk: Desk) -> str:
    if words.stdio and program.after.startswith("or:"):
        return ""
    return program.after.format(name=name, url=desk.target.mcp_url(words.adapter))


def _path(program: "Program", words: argparse.Namespace) -> Path:
    if not words.project:
        return program.file(_surroundings())
    if not program.project:
        raise Failure(USAGE, f"{program.title} has no file in a project")
    return Path.cwd() / program.project


def _surroundings() -> Any:
    from mcpdeck.connect.programs import Surroundings

    return Surroundings(Path.home(), os.environ)


def _stdio(adapter: str, desk: Desk) -> list[str]:
    """A command that a program with windows finds too, whatever its PATH is."""
    found = shutil.which("mcpdeck")
    command = [str(Path(found).absolute())] if found else [sys.executable, "-m", "mcpdeck"]
    context = desk.target.context
    is_named = context.name in {known.name for known in desk.contexts.all()}
    return [*command, "stdio", adapter, *(["--context", context.name] if is_named else ["--gateway", context.url])]


def _is_ours(entry: Any, desk: Desk) -> bool:
    """Whether an entry leads to this gateway, by whichever way."""
    if not isinstance(entry, dict):
        return False
    url = desk.target.context.url
    by_url = [it for it in entry.values() if isinstance(it, str) and url and it.startswith(f"{url}/adapters/")]
    arguments = [entry.get("command"), *(entry.get("args") or [])]
    return bool(by_url) or ("stdio" in arguments and any("mcpdeck" in str(word) for word in arguments[:3]))


def _must_exist(adapter: str, desk: Desk) -> None:
    """A typo is told now; a gateway that does not answer holds nothing up."""
    from mcpdeck import control

    try:
        desk.target.do(control.adapter(adapter))
    except Unreachable as error:
        desk.printer.tell(f"not checked whether there is an adapter {adapter!r}: {error}")
    except ProblemError as error:
        if error.problem.status == 404:
            sentence = f"there is no adapter {adapter!r} that you may read"
            raise Failure(NOT_FOUND, sentence, hint="mcpdeck adapters list") from error
        raise
