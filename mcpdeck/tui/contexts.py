"""The reader's gateways: read from their file, asked whether they answer, added and forgotten. In workers."""

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from mcpdeck.config.contexts import BUILT_IN, Context
from mcpdeck.errors import Misconfigured, Unreachable
from mcpdeck.model.contexts import ContextEntry, Reach
from mcpdeck.model.state import ContextReached, ContextsRead
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.surroundings import Book

GROUP: Final = "contexts"


def read_contexts(deck: Deck, *, ask: bool) -> None:
    """Read the file anew. ask: and ask each whether it answers."""
    if (book := deck.surroundings.contexts) is not None:
        deck.begin(_read, deck, book, ask, group=GROUP)


async def _read(deck: Deck, book: Book, ask: bool) -> None:
    try:
        entries = await asyncio.to_thread(_entries, deck, book)
    except Misconfigured as error:
        deck.say(str(error), "error")
        return
    asked = [entry for entry in entries if ask]
    shown = [_with_reach(entry, deck.state.contexts, is_asked=entry in asked) for entry in entries]
    deck.apply(ContextsRead(tuple(shown)))
    async with asyncio.TaskGroup() as group:
        for entry in asked:
            group.create_task(_reach(deck, entry.context), name=f"reach {entry.name}")


def _with_reach(entry: ContextEntry, before: Mapping[str, ContextEntry], *, is_asked: bool) -> ContextEntry:
    known = before[entry.name].reach if entry.name in before else None
    fresh = Reach() if is_asked and known is None else known
    return ContextEntry(
        context=entry.context, is_usual=entry.is_usual, is_kept=entry.is_kept, user=entry.user, reach=fresh
    )


def _entries(deck: Deck, book: Book) -> list[ContextEntry]:
    identity, state = deck.surroundings.identity, deck.state
    known, usual = book.all(), book.current()

    def entry(context: Context, *, is_kept: bool) -> ContextEntry:
        account = identity.account(context.name, context.url) if identity and context.url else None
        user = (account.username or f"by {account.method}") if account else ""
        return ContextEntry(context=context, is_usual=context.name == usual, is_kept=is_kept, user=user)

    entries = [entry(context, is_kept=context.name not in BUILT_IN) for context in known]
    if state.context not in {context.name for context in known}:
        entries.append(entry(Context(name=state.context, url=state.url), is_kept=False))
    return entries


async def _reach(deck: Deck, context: Context) -> None:
    try:
        told = Reach(seconds=await deck.surroundings.reach(context))
    except Unreachable as error:
        told = Reach(reason=str(error).removeprefix(f"{context.url} "))
    except Misconfigured as error:
        told = Reach(reason=str(error))
    deck.apply(ContextReached(context.name, told))


def change_contexts(deck: Deck, change: Callable[[Book], object], said: str) -> None:
    """Write the file, then show it."""
    book = deck.surroundings.contexts
    if book is None:
        deck.say("this deck was opened without a contexts file", "warning")
    else:
        deck.begin(_change, deck, book, change, said, group="context change", exclusive=False)


async def _change(deck: Deck, book: Book, change: Callable[[Book], object], said: str) -> None:
    try:
        await asyncio.to_thread(partial(change, book))
    except (Misconfigured, OSError) as error:
        deck.say(str(error), "error")
        return
    deck.say(said)
    read_contexts(deck, ask=True)
