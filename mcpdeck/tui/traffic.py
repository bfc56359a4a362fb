"""Listens to traffic while somebody looks at it, and no longer; reads recordings; makes calls again. Draws nothing."""

import asyncio
from collections.abc import Sequence
from contextlib import aclosing
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from gateway.wire.traffic import TrafficMessage
from mcpdeck.control import recording_status
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.commands import TRAFFIC_VIEWS, Command
from mcpdeck.traffic.kept import in_short
from mcpdeck.traffic.wishes import Wish
from mcpdeck.tui.changes import attempt, named, record
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.patience import Patience
from mcpdeck.tui.traffic_stream import TrafficStream
from mcpdeck.tui.views.traffic import TrafficView

if TYPE_CHECKING:
    from mcpdeck.traffic.replaying import Outcome, Step

GROUP: Final = "traffic"
REVEALING: Final = "traffic revealed"
REVEAL_SECONDS: Final = 30.0


def watch_traffic(deck: Deck, *, again: bool = False) -> None:
    """Listen, if the reader looks and nobody does yet; stop, if they look elsewhere. again: whatever came before."""
    view = deck.traffic_view
    if deck.place.view not in TRAFFIC_VIEWS:
        view.hide_revealed()
        for group in (GROUP, REVEALING):
            deck.workers.cancel_group(deck, group)
    elif (wish := view.wish) is None:
        pass  # nothing is chosen yet
    elif wish.recorded:
        if again or view.is_refused or not view.is_over:
            deck.begin(_read_recording, deck, view, wish, group=GROUP)
    elif again or view.is_refused or not (view.is_over or (view.stream is not None and view.stream.is_on)):
        before = view.stream
        view.stream = stream = TrafficStream(
            wish,
            view.inbox,
            view.stand,
            clock=deck.surroundings.clock,
            patience=Patience(deck.surroundings.random),
            place=before.place if before is not None else "",
            left_at=before.silent_since if before is not None else None,
        )
        deck.begin(stream.follow, lambda: deck.client if deck.is_connected else None, group=GROUP)


async def _read_recording(deck: Deck, view: TrafficView, wish: Wish) -> None:
    view.stand("reading")
    try:
        messages = [message async for message in deck.client.recording(wish.adapter, session=wish.session)]
        kept = in_short((await deck.client.do(recording_status(wish.adapter))).parts)
    except ProblemError as error:
        view.stand(f"refused: {error.problem.detail or error.problem.title}")
        return
    except Unreachable as error:
        view.stand(f"refused: {error}")
        return
    view.show_recorded(messages, kept)


def reveal(deck: Deck, command: Command) -> None:
    """A second stream beside the first, for half a minute; what it tells is forgotten after that."""
    deck.begin(_reveal, deck, command, group=REVEALING)


async def _reveal(deck: Deck, command: Command) -> None:
    view = deck.traffic_view
    wish = view.wish
    adapter = next(iter(view.adapter_names), "")
    if wish is None or not adapter:
        return

    def begun() -> None:
        record(deck, command, adapter, error="")
        view.reveals_until = deck.surroundings.clock() + timedelta(seconds=REVEAL_SECONDS)
        deck.say(f"secrets at {adapter} are shown for 30 s; the gateway's audit log says so")
        view.show_state(deck.state)

    async def listen() -> None:
        try:
            async with asyncio.timeout(REVEAL_SECONDS):
                stream = deck.client.traffic(
                    session=wish.session, adapter="" if wish.session else adapter, reveal=True, begun=begun
                )
                async with aclosing(stream):
                    async for heard in stream:
                        if isinstance(heard.what, TrafficMessage):
                            view.reveal(heard.what)
        except TimeoutError:
            pass  # which is what was wanted

    try:
        if error := await attempt(deck, command, named(adapter), listen):
            record(deck, command, adapter, error=error)
    finally:
        view.hide_revealed()
        if deck.is_running:
            view.forget_revealed_lines()


async def replay(deck: Deck, adapter: str, steps: "Sequence[Step]") -> "list[Outcome]":
    """Raises McpError, Refused, ProblemError, Unreachable."""
    from mcpdeck import control
    from mcpdeck.mcp.again import made_again
    from mcpdeck.mcp.peer import connected

    client = deck.client
    url = f"{client.url}{control.path('adapters', adapter, 'mcp')}"
    async with (
        connected(url, auth=client.auth, ca_file=client.ca_file) as peer,
        aclosing(made_again(peer, steps)) as made,
    ):
        return [outcome async for outcome in made]
