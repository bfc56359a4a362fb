"""ctrl+p: every command by name, with its key, so that the palette teaches the keys. Runs them through the deck."""

from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial
from typing import NamedTuple, cast

from textual import events
from textual.command import CommandPalette, DiscoveryHit, Hit, Hits, Provider
from textual.worker import WorkerError

from mcpdeck.model.commands import key_name
from mcpdeck.model.prompt import Order
from mcpdeck.model.registry import BY_ID, commands_of
from mcpdeck.tui.deck import Deck


class Palette(CommandPalette):
    """What is chosen is chosen among what was looked for, however fast it was typed."""

    def __init__(self) -> None:
        super().__init__([CommandsProvider], id="--command-palette")

    async def on_key(self, event: events.Key) -> None:
        if not event.is_printable:
            for worker in list(self.workers):
                if worker.node is self and not worker.is_finished:
                    with suppress(WorkerError):  # it is told where every worker's failure is
                        await worker.wait()


class _Entry(NamedTuple):
    title: str
    help: str
    run: Callable[[], None]


class CommandsProvider(Provider):
    """`adapter: restart weather`, `log: wrap`, `theme: light`: what can run in the view below."""

    @property
    def _deck(self) -> Deck:
        return cast("Deck", self.app)

    def _entries(self) -> Iterator[_Entry]:
        deck = self._deck
        for command in commands_of(deck.place.view):
            if deck.obstacle(command) or command.id in {"deck.palette", "deck.back", "deck.theme", "context.switch"}:
                continue
            keys = "".join(f"  {key_name(key)}" for key in deck.keymap.keys(command)[:1])
            title = f"{command.area}: {command.title.lower()}{keys}"
            yield _Entry(title, command.help, partial(deck.obey, Order(command=command)))
        describe = BY_ID["adapter.describe"]
        for name in sorted(deck.state.adapters):
            yield _Entry(f"adapter: open {name}", "", partial(deck.obey, Order(command=describe, arguments=(name,))))
        theme = BY_ID["deck.theme"]
        for name in deck.themes:
            yield _Entry(f"theme: {name}", "", partial(deck.obey, Order(command=theme, arguments=(name,))))

    async def discover(self) -> Hits:
        for entry in self._entries():
            yield DiscoveryHit(entry.title, entry.run, help=entry.help)

    async def search(self, query: str) -> Hits:
        matcher = self.matcher(query)
        for entry in self._entries():
            if (score := matcher.match(entry.title)) > 0:
                yield Hit(score, matcher.highlight(entry.title), entry.run, help=entry.help)
