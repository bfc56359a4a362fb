"""The deck with all that it does, and how it is started from a command line. Decides nothing itself."""

import gc
import os
import sys
from importlib import import_module
from typing import Final

from mcpdeck.calls import CallBook
from mcpdeck.config.contexts import Context
from mcpdeck.config.places import Places
from mcpdeck.model.commands import View
from mcpdeck.model.deeds import Deed
from mcpdeck.model.prompt import Order
from mcpdeck.tui.cache import Cache
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.identity import Identity
from mcpdeck.tui.journal import Journal
from mcpdeck.tui.personal import personal
from mcpdeck.tui.surroundings import Book, Connect, Opening, Surroundings
from mcpdeck.tui.tab import is_tab

_LATER: Final = ("places", "actions.performing", "contexts", "deeds", "playground", "pulse", "tail", "tools", "traffic")


class DeckApp(Deck):
    def load(self) -> None:
        for module in _LATER:
            import_module(f"mcpdeck.tui.{module}")

    def begun(self) -> None:
        from mcpdeck.tui.contexts import read_contexts
        from mcpdeck.tui.deeds import read_journal
        from mcpdeck.tui.tools import watch_approvals

        read_contexts(self, ask=False)
        read_journal(self)
        watch_approvals(self)
        self.surroundings.stands()

    def arrived(self) -> None:
        from mcpdeck.tui.contexts import read_contexts
        from mcpdeck.tui.playground import open_bench
        from mcpdeck.tui.pulse import watch_pulse
        from mcpdeck.tui.tools import watch_tools
        from mcpdeck.tui.traffic import watch_traffic

        watch_traffic(self)
        if self.place.view is View.CONTEXTS:
            read_contexts(self, ask=True)
        elif self.place.view is View.PULSE:
            watch_pulse(self)
        elif self.place.view in (View.TOOLS, View.APPROVALS, View.XRAY):
            watch_tools(self)
        elif self.place.view is View.PLAYGROUND and self.playground_view.wants_peer:
            open_bench(self)

    def on_traffic_view_wanted(self) -> None:
        from mcpdeck.tui.traffic import watch_traffic

        watch_traffic(self)

    def on_playground_view_wanted(self) -> None:
        from mcpdeck.tui.playground import open_bench

        open_bench(self)

    def record(self, deed: Deed) -> None:
        from mcpdeck.tui.deeds import write_journal

        write_journal(self, deed)

    def perform(self, order: Order) -> None:
        from mcpdeck.tui.actions.performing import perform

        perform(self, order)


def run(
    *,
    context: Context,
    connect: Connect,
    identity: Identity | None = None,
    contexts: Book | None = None,
    places: Places,
    view: str = View.ADAPTERS,
    adapter: str = "",
    filter: str = "",  # noqa: A002  (the command line's word)
    theme: str = "dark",
    read_only: bool = False,
    ascii: bool = False,  # noqa: A002
) -> int:
    """The deck until it is left; the exit status. `connect` opens a context's client, and is called again to switch."""
    is_terminal = is_tab() or (sys.stdin.isatty() and sys.stdout.isatty())
    if refused := refusal(is_terminal=is_terminal, term=os.environ.get("TERM", "")):
        sys.stderr.write(f"mcpdeck: {refused}\n")
        return 2
    own = personal(places.config)
    if theme not in own.themes:
        sys.stderr.write(f"mcpdeck: there is no theme {theme!r}; there are {', '.join(own.themes)}\n")
        return 2
    world = Surroundings(
        connect=connect,
        identity=identity,
        contexts=contexts,
        cache=Cache(places.cache),
        journal=Journal(places.data / "deeds.jsonl"),
        dump_folder=places.logs,
        calls=CallBook(places.data),
        locks=places.data / "locks",
        keymap=own.keymap,
        themes=own.themes,
        complaints=own.complaints,
        stands=gc.freeze,  # a collection need not look through all that stays: it would hold up a key by 60 ms
    )
    opening = Opening(
        context=context,
        view=View(view),
        adapter=adapter,
        filter=filter,
        theme=theme,
        read_only=read_only,
        ascii=ascii or not _writes_unicode(),
    )
    deck = DeckApp(world, opening)
    deck.run()
    return deck.return_code or 0


def refusal(*, is_terminal: bool, term: str) -> str:
    """Why the deck can not be shown here, with what helps; empty when it can."""
    if not is_terminal:
        return "the deck needs a terminal; `mcpdeck adapters list` and its like print"
    if term == "dumb":
        return "this terminal (TERM=dumb) can not move its cursor; `mcpdeck adapters list` and its like print"
    return ""


def _writes_unicode() -> bool:
    return (sys.stdout.encoding or "").lower().replace("-", "") == "utf8"
