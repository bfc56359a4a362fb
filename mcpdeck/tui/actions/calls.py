"""Calls that were made, and those that are kept under a name: taken up again, kept, forgotten."""

import asyncio
import shlex
from collections.abc import Callable, Sequence
from functools import partial

import msgspec

from mcpdeck.calls import CallBook
from mcpdeck.model import playground
from mcpdeck.model.call_rows import subject_name
from mcpdeck.model.playground import Call, Request
from mcpdeck.tui.actions.handlers import do_plainly
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.telling import SOON


def _book(deck: Deck) -> CallBook | None:
    if deck.surroundings.calls is None:
        deck.say("nothing is kept here", "warning")
    return deck.surroundings.calls


def _save(deck: Deck) -> None:
    from mcpdeck.tui.screens.calls import NameScreen

    view = deck.playground_view
    request = view.request()
    book = _book(deck)
    if request is None or book is None:
        return

    def named(name: str | None) -> None:
        if name:
            call = Call(request=request, at=deck.surroundings.clock(), name=name)
            kept = f"kept as {name}; S lists, mcpdeck call --saved {shlex.quote(name)} runs it"
            deck.begin(_write, deck, partial(book.save, call), "not kept", kept, group="keep")

    subject = subject_name(request)
    deck.push_screen(NameScreen(f"{request.method} {subject} at {request.endpoint}", name=""), named)


async def _write(deck: Deck, change: Callable[[], object], failed: str, done: str) -> None:
    """A change of the book. failed, done: what is said of it."""
    try:
        await asyncio.to_thread(change)
    except (OSError, ValueError) as error:
        deck.say(f"{failed}: {error}", "error")
    else:
        deck.say(done)


def _offer(kept: bool, deck: Deck) -> None:
    deck.begin(_choose, deck, kept, group="calls", opens_within=SOON)


async def _choose(deck: Deck, kept: bool) -> None:
    from mcpdeck.tui.screens.calls import CallsScreen

    book = _book(deck)
    if book is None:
        return
    calls = await _calls(deck, book, kept=kept)
    if not calls:
        deck.say("no call is kept yet; ctrl+s keeps one" if kept else "nothing was called yet")
        return

    def chosen(call: Call | None) -> None:
        if call is not None:
            _take(deck, call.request)

    def forget(name: str) -> None:
        deck.begin(_write, deck, partial(book.forget, name), "not forgotten", f"{name} is forgotten", group="keep")

    screen = CallsScreen(
        "Kept calls" if kept else "What was called", calls,
        glyphs=deck.glyphs, clock=deck.surroundings.clock, forget=forget if kept else None,
    )  # fmt: skip
    deck.push_screen(screen, chosen)


async def _calls(deck: Deck, book: CallBook, *, kept: bool) -> Sequence[Call]:
    try:
        if kept:
            return list((await asyncio.to_thread(book.saved)).values())
        return await asyncio.to_thread(book.history)
    except (OSError, ValueError) as error:
        deck.say(str(error), "error")
        return []


def _take(deck: Deck, request: Request) -> None:
    deck.playground_view.fill(request.endpoint, request.method, request.params)


def _go(step: int, deck: Deck) -> None:
    deck.begin(_step, deck, step, group="calls")


async def _step(deck: Deck, step: int) -> None:
    """Through what was called of this subject at this endpoint, as a shell goes through its history."""
    book, view = _book(deck), deck.playground_view
    if book is None:
        return
    method = playground.request_of(view.subject, {}, view.endpoint).method
    calls = [
        call.request
        for call in await _calls(deck, book, kept=False)
        if call.request.endpoint == view.endpoint
        and call.request.method == method
        and playground.subject_of(call.request, view.subjects)[0].key == view.subject.key
    ]
    distinct = list({msgspec.json.encode(request): request for request in calls}.values())
    if not distinct:
        deck.say("this was not called before")
        return
    place = view.back_in_time(step, len(distinct))
    view.arguments.put(playground.subject_of(distinct[place], view.subjects)[1])


do_plainly(
    {
        "call.save": _save,
        "call.saved": partial(_offer, True),
        "call.history": partial(_offer, False),
        "call.earlier": partial(_go, -1),
        "call.later": partial(_go, 1),
    }
)
