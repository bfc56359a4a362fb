"""`mcpdeck`: the one place where the command line and the deck meet."""

import argparse
import os
import sys

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.main import run


def show_deck(desk: Desk, words: argparse.Namespace) -> int:
    """The deck on the context that is meant."""
    from mcpdeck.tui import app
    from mcpdeck.tui.identity import KeptIdentity
    from mcpdeck.tui.tab import is_tab

    return app.run(
        context=desk.target.context,
        connect=desk.connect,
        identity=KeptIdentity(
            desk.places.accounts_file,
            os.environ,
            ca_file=desk.contexts.ca_file,
            is_forwarded=desk.contexts.is_forwarded,
            is_far=is_tab(),
        ),
        contexts=desk.contexts,
        places=desk.places,
        view=words.view,
        adapter=words.adapter,
        filter=words.filter,
        theme=words.theme or desk.settings.theme,
        read_only=words.read_only or desk.settings.read_only,
        ascii=words.ascii or desk.settings.ascii,
    )


def main() -> None:
    sys.exit(run(sys.argv[1:], show_deck))


if __name__ == "__main__":
    main()
