"""Whether somebody means it: asked on a terminal alone, or given by --yes and --confirm."""

import argparse
import sys
from collections.abc import Callable, Sequence

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import USAGE, Failure


def add_consent(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-y", "--yes", action="store_true", help="do not ask")
    parser.add_argument("--confirm", default="", metavar="NAME", help="the name again, in a protected context")


def must_consent(
    words: argparse.Namespace, desk: Desk, *, verb: str, names: Sequence[str], lost: Callable[[], str]
) -> None:
    """Raises Failure where somebody does not. lost: what goes besides, in a sentence; asked only if it is shown."""
    context = desk.target.context
    if context.protected:
        _must_name(words, verb, names, context.name)
    elif not words.yes and sys.stdin.isatty():
        question = f"{verb} {', '.join(names)} in {context.name}? {lost()}[y/N] "
        if _ask(question).lower() not in ("y", "yes"):
            raise Failure(USAGE, "nothing is done")


def _must_name(words: argparse.Namespace, verb: str, names: Sequence[str], context: str) -> None:
    wanted = names[0]
    if len(names) != 1:
        raise Failure(USAGE, f"context {context!r} is protected: {verb.lower()} one at a time")
    given = words.confirm
    if not given and sys.stdin.isatty():
        given = _ask(f"{context} is protected. {verb} {wanted}? Type its name to go on: ")
    if given != wanted:
        raise Failure(USAGE, f"context {context!r} is protected: nothing is done", hint=f"--confirm {wanted}")


def _ask(question: str) -> str:
    sys.stderr.write(question)
    sys.stderr.flush()
    return sys.stdin.readline().strip()
