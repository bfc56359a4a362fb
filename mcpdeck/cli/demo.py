"""`mcpdeck demo`: a gateway with three sample servers and visitors, and the deck. Nothing of it stays."""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from gateway.wire.resources import AdapterSpec, Stdio
from gateway.wire.tools import ALL, ToolSpec
from mcpdeck import control
from mcpdeck.cli import tui
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, UNEXPECTED, Failure
from mcpdeck.cli.up import OWN_ROLES, READY_LINE
from mcpdeck.config.contexts import DEMO
from mcpdeck.config.running import SCRATCH

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.family import Family


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Try it: a gateway with sample servers and some traffic, and the deck. Nothing of it stays."
    demo = commands.add_parser("demo", help=line, description=line)
    demo.add_argument("--headless", action="store_true", help="no deck: print the URLs and serve until stopped")
    tui.add_options(demo)
    demo.set_defaults(run=_demo)


def _demo(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.family import Family, Stillborn, ended_by_signals

    try:
        with (
            ended_by_signals(),
            tempfile.TemporaryDirectory(prefix=SCRATCH, ignore_cleanup_errors=True) as folder,
            Family() as family,
        ):
            desk.running.announce(DEMO, "", folder=Path(folder))  # should it be killed, the next command tidies up
            try:
                url = _opened(family, Path(folder))
                desk.running.announce(DEMO, url, folder=Path(folder))
                return _show(words, desk, url) if _has_terminal(words) else _serve(desk, url)
            finally:
                desk.running.withdraw(DEMO)
    except Stillborn as error:
        raise Failure(UNEXPECTED, f"the demo did not start: {error}") from error
    except KeyboardInterrupt:
        return OK


def _has_terminal(words: argparse.Namespace) -> bool:
    return not words.headless and sys.stdin.isatty() and sys.stdout.isatty()


def _opened(family: "Family", folder: Path) -> str:
    """The gateway's URL, once its adapters are deployed, their tools offered, and visitors on their way."""
    from mcpdeck.direct import do

    options = ["--bind", "127.0.0.1:0", "--data-dir", str(folder / "gateway"), "--dev-roles", OWN_ROLES]
    gateway = family.start("gateway", *options, log=folder / "gateway.log")
    notes = family.start("mcpdeck.samples.notes", log=folder / "notes.log")
    url = gateway.hear(READY_LINE)[1]
    for spec in samples(notes.hear(r"^(http://\S+)$")[1]):
        do(url, control.create(spec))
        do(url, control.register(ToolSpec(name=spec.name, adapter=spec.name, tool_name=ALL)))
    family.start("mcpdeck.samples.visitors", url, log=folder / "visitors.log")
    return url


def samples(notes_url: str) -> list[AdapterSpec]:
    """A server of each kind."""

    def module(name: str) -> Stdio:
        return Stdio(command=sys.executable, args=["-m", f"mcpdeck.samples.{name}"])

    return [
        AdapterSpec(
            name="weather", stdio=module("weather"), replica_count=2, description="Made-up forecasts; stdio, 2025-11-25"
        ),
        AdapterSpec(name="notes", url=notes_url, description="Shared notes; streamable HTTP with sessions"),
        AdapterSpec(name="dice", stdio=module("dice"), description="Dice; stdio, 2026-07-28 alone"),
    ]


def _show(words: argparse.Namespace, desk: Desk, url: str) -> int:
    words.context = DEMO
    code = desk.show_deck(Desk(words, None, desk.show_deck), words)
    desk.printer.tell(f"the demo at {url} ends; nothing of it stays")
    return code


def _serve(desk: Desk, url: str) -> int:
    import threading

    print(f"gateway  {url}")
    for name in ("weather", "notes", "dice"):
        print(f"{name:<8} {url}/adapters/{name}/mcp")
    print(f"{'all':<8} {url}/mcp")
    sys.stdout.flush()
    desk.printer.tell("Ctrl-C ends it; mcpdeck --context demo looks at it from another terminal")
    threading.Event().wait()
    return OK
