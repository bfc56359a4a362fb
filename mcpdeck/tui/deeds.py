"""Keeps what was done from here, in workers. Shows nothing but that it could not."""

import asyncio

from mcpdeck.model.deeds import Deed
from mcpdeck.model.state import DeedDone, DeedsRead
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.journal import Journal


def read_journal(deck: Deck) -> None:
    if (journal := deck.surroundings.journal) is not None:
        deck.begin(_read, deck, journal, group="journal", exclusive=False)


async def _read(deck: Deck, journal: Journal) -> None:
    try:
        deck.apply(DeedsRead(await asyncio.to_thread(journal.read)))
    except OSError as error:
        deck.say(f"what was done before can not be read: {error}", "warning")


def write_journal(deck: Deck, deed: Deed) -> None:
    deck.apply(DeedDone(deed))
    if (journal := deck.surroundings.journal) is not None:
        deck.begin(_write, deck, journal, deed, group="journal", exclusive=False)


async def _write(deck: Deck, journal: Journal, deed: Deed) -> None:
    try:
        await asyncio.to_thread(journal.write, deed)
    except OSError as error:
        deck.say_once(f"what is done can not be kept: {error}")
