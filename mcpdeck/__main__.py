"""`mcpdeck`: the one place where the command line and the deck meet."""

import argparse
import sys

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.main import run


def show_deck(desk: Desk, words: argparse.Namespace) -> int:
    """The deck on the context that is meant."""
    from mcpdeck.tui import app

    context = desk.target.context
    return app.run(
        context=context.name,
        connect=desk.connect,
        url=context.url,
        view=words.view,
        adapter=words.adapter,
        filter=words.filter,
        theme=words.theme or desk.settings.theme,
        read_only=words.read_only or desk.settings.read_only or context.read_only,
        ascii=words.ascii or desk.settings.ascii,
    )


def main() -> None:
    sys.exit(run(sys.argv[1:], show_deck))


if __name__ == "__main__":
    main()
