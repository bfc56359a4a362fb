"""`mcpdeck tui`: the deck, from a given place."""

import argparse
from typing import TYPE_CHECKING

from mcpdeck.cli.desk import Desk
from mcpdeck.meant import meant

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "The deck: adapters, their logs and sessions, live."
    tui = commands.add_parser("tui", help=line, description=line)
    add_options(tui)
    tui.set_defaults(run=_show)


def add_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--view", type=_view, default="adapters", help="where to begin: adapters, sessions, logs, …")
    parser.add_argument("--adapter", default="", metavar="NAME", help="whose log or description")
    parser.add_argument("--filter", default="", help="as typed after /, such as status:failed,pending")
    parser.add_argument("--theme", default="", help="dark, light, high-contrast, …")
    parser.add_argument("--read-only", action="store_true", help="nothing can be changed")
    parser.add_argument("--ascii", action="store_true", help="draw with ASCII alone")


def _view(text: str) -> str:
    from mcpdeck.model.commands import View

    if text not in set(View):
        raise argparse.ArgumentTypeError(f"{text!r} is no view; {meant(text, View) or f'there are {", ".join(View)}'}")
    return text


def _show(words: argparse.Namespace, desk: Desk) -> int:
    return desk.show_deck(desk, words)
