"""From words to a command, and from its end to an exit status. Only the room of the command that is meant loads."""

import argparse
import importlib
import os
import re
import sys
from collections.abc import Sequence
from typing import Final, NamedTuple

from mcpdeck import VERSION
from mcpdeck.cli.desk import Desk, ShowDeck
from mcpdeck.cli.exits import BROKEN_PIPE, INTERRUPTED, NOT_FOUND, OK, UNEXPECTED, USAGE, Failure, failure_of
from mcpdeck.cli.streams import give_up, unwritten
from mcpdeck.cli.words import Words, split
from mcpdeck.errors import Misconfigured

_ABOUT: Final = """\
Run a team's MCP servers behind one gateway,
and see them all in one terminal.
Without a command, on a terminal: the deck.
"""
_AFTER: Final = """\
exit codes: 0 done, 1 unexpected, 2 usage or configuration,
3 sign in, 4 gateway unreachable, 5 tool error, 6 not found,
7 forbidden, 8 conflict, 9 some of several failed,
10 --wait in vain, 130 interrupted
"""


class _Verb(NamedTuple):
    """room: the module whose `add_parser` knows the words."""

    room: str
    help: str


VERBS: Final = {
    "adapters": _Verb("adapters", "the MCP servers behind the gateway: list, create, edit, scale, …"),
    "logs": _Verb("logs", "what an adapter's instances write"),
    "sessions": _Verb("sessions", "live MCP sessions"),
    "traffic": _Verb("traffic", "MCP messages: as they flow, and recorded"),
    "replay": _Verb("replay", "make recorded calls again, and say what is different now"),
    "tools": _Verb("offers", "what the gateway offers at /mcp: list, register, lock, …"),
    "toolsets": _Verb("toolsets", "named parts of it, at /mcp/NAME"),
    "policy": _Verb("policy", "which tool calls go out: list, apply, explain, test"),
    "approvals": _Verb("policy", "tool calls that wait for somebody's word"),
    "call": _Verb("call", "call a tool, of an adapter or at /mcp"),
    "calls": _Verb("call", "calls that were made, and those kept under a name"),
    "connect": _Verb("connect", "have an MCP client find an adapter"),
    "stdio": _Verb("stdio", "an adapter for clients that speak nothing but stdio"),
    "up": _Verb("up", "run the gateway on this machine"),
    "install": _Verb("install", "the gateway into a Kubernetes cluster"),
    "uninstall": _Verb("install", "the gateway out of a cluster"),
    "demo": _Verb("demo", "a gateway with sample servers and traffic, and the deck"),
    "tui": _Verb("tui", "the deck"),
    "serve": _Verb("serve", "the deck in a browser, on this machine"),
    "contexts": _Verb("contexts", "the gateways that you know by name"),
    "login": _Verb("accounts", "sign in"),
    "logout": _Verb("accounts", "sign out"),
    "whoami": _Verb("accounts", "who the gateway takes you for"),
    "token": _Verb("accounts", "an access token for scripts"),
    "audit": _Verb("audit", "the gateway's audit log"),
    "dev-issuer": _Verb("dev_issuer", "a small issuer, to try sign-in"),
    "doctor": _Verb("doctor", "examine the way to the gateway, and through it"),
    "info": _Verb("info", "versions, paths and settings"),
    "completion": _Verb("completion", "completion for your shell"),
    "version": _Verb("info", "the version"),
}


def run(argv: Sequence[str], show_deck: ShowDeck) -> int:
    """The exit status."""
    ours, trailing = split(argv)
    words, desk = argparse.Namespace(), None
    try:
        words = _understood(ours, trailing)
        desk = Desk(words, trailing, show_deck)
        code = int(words.run(words, desk))
        sys.stdout.flush()
        return code
    except KeyboardInterrupt:
        return INTERRUPTED
    except SystemExit as end:  # --help, --version
        return int(end.code or OK) if (lost := unwritten()) is None else _lost(lost)
    except Exception as error:
        if (lost := unwritten()) is not None:
            return _lost(lost)
        failure = failure_of(error)
        if failure is None:
            if os.environ.get("MCPDECK_DEBUG"):
                raise
            failure = Failure(UNEXPECTED, f"a defect of mcpdeck: {type(error).__name__}: {error}", hint=_DEFECT)
        elif failure.code == NOT_FOUND and desk is not None:
            from mcpdeck.cli.nearly import advised

            advised(failure, desk.target)
        wants_json = _wants_json(ours, words, desk or Desk(words, trailing, show_deck))
        print(failure.json() if wants_json else failure.text(), file=sys.stderr)
        return failure.code


def _understood(ours: list[str], trailing: list[str] | None) -> argparse.Namespace:
    """The words by name. Raises Failure; SystemExit after help."""
    if _is_bare(ours) and sys.stdin.isatty() and sys.stdout.isatty():
        ours = ["tui", *ours]
    elif not ours:
        parser().print_help(sys.stderr)
        raise SystemExit(USAGE)
    top = parser(_verb_of(ours))
    words = top.parse_args(ours)
    if trailing and not getattr(words, "takes_trailing", False):
        top.error(f"nothing may follow -- here, and {' '.join(trailing)} does")
    return words


_DEFECT: Final = "MCPDECK_DEBUG=1 shows where"
_VALUED: Final = ("--context", "--gateway", "--color")
_SHARED: Final = (*_VALUED, "-q", "--quiet")


def parser(verb: str | None = None) -> Words:
    """With the words of one verb; with those of all where none is named."""
    top = Words(prog="mcpdeck", description=_ABOUT, epilog=_AFTER, formatter_class=argparse.RawDescriptionHelpFormatter)
    top.add_argument("--version", action="version", version=VERSION)
    commands = top.nested()
    wanted = {VERBS[verb].room} if verb else {room for room, _ in VERBS.values()}
    for name, (room, line) in VERBS.items():
        if room in wanted:
            wanted.remove(room)
            importlib.import_module(f"mcpdeck.cli.{room}").add_parser(commands)
        elif name not in commands.choices:
            commands.add_parser(name, help=line, add_help=False)
    return top


def _verb_of(ours: Sequence[str]) -> str | None:
    """The first word that is a verb, and no value of an option before it."""
    return next((word for word in _unvalued(ours) if word in VERBS), None)


def _is_bare(ours: Sequence[str]) -> bool:
    """Whether no command is named, and nothing is said but what every command takes."""
    return all(word.partition("=")[0] in _SHARED for word in _unvalued(ours))


def _unvalued(ours: Sequence[str]) -> list[str]:
    values = {place + 1 for place, word in enumerate(ours) if word in _VALUED}
    return [word for place, word in enumerate(ours) if place not in values]


def _wants_json(ours: Sequence[str], words: argparse.Namespace, desk: Desk) -> bool:
    """As was asked for, even where the rest of the words is not understood."""
    said = re.search(r"(?:^|\n)(?:-o|--output[=\n])[=\n]?(\w+)", "\n".join(ours))
    try:
        return (getattr(words, "output", None) or (said and said[1]) or desk.settings.output) in ("json", "jsonl")
    except Misconfigured:  # which may be what is to be told
        return False


def _lost(error: OSError) -> int:
    """What was to be printed went nowhere. Who reads no further, as `head` does, knows, and nothing is said."""
    give_up()
    if isinstance(error, BrokenPipeError):
        return BROKEN_PIPE
    failure = Failure(UNEXPECTED, f"stdout can not be written: {error.strerror}")
    print(failure.text(), file=sys.stderr)
    return failure.code
