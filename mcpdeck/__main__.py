"""`mcpdeck`: the one place where the command line and the deck meet."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import argparse

    from mcpdeck.cli.desk import Desk


def show_deck(desk: "Desk", words: "argparse.Namespace") -> int:
    """The deck on the context that is meant."""
    import os

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
    try:
        from mcpdeck.cli.main import run
        from mcpdeck.cli.streams import settle

        settle()
        sys.exit(run(sys.argv[1:], show_deck))
    except KeyboardInterrupt:  # before there is a command that could be interrupted
        sys.exit(130)


if __name__ == "__main__":
    main()
