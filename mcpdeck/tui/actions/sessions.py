"""What is done with live sessions: looked at, ended. Talks with the gateway in workers of `changes`."""

from collections.abc import Sequence
from functools import partial
from typing import Final

from gateway.wire.resources import LiveSession
from mcpdeck.model import sessions
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import plural
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.asking import ask
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.changes import Said, Target, start_each
from mcpdeck.tui.deck import Deck

DRAIN_SECONDS: Final = 60  # as on the command line
_ENDED: Final = Said("has ended", "have ended", "session")
_LOST: Final = "Its client gets 404 with its next call, and must begin anew."


def _targets(deck: Deck, order: Order) -> Sequence[LiveSession]:
    """The named one, else the marked ones, else the one under the cursor."""
    ids = order.arguments[:1] or deck.place.session_ids
    return [deck.state.sessions[it] for it in ids if it in deck.state.sessions]


@does("session.describe")
def describe(deck: Deck, order: Order) -> None:
    for session in _targets(deck, order)[:1]:
        deck.go(View.SESSION)
        deck.session_view.open(session.id, deck.state)


@does("session.adapter")
def open_adapter(deck: Deck, order: Order) -> None:
    for session in _targets(deck, order)[:1]:
        deck.detail_view.open(session.adapter, as_yaml=False)
        deck.go(View.DETAIL)


def _endable(deck: Deck, order: Order) -> Sequence[LiveSession]:
    """Of what is marked; calls without a session among it keep the others from nothing."""
    return [it for it in _targets(deck, order) if it.era != "modern"]


@does("session.end")
def end(deck: Deck, order: Order) -> None:
    found = _endable(deck, order)
    lost = _LOST if len(found) == 1 else "Their clients must begin anew."
    _ask(deck, order, found, lost=lost, verb="End", drain=0)


@does("session.drain")
def drain(deck: Deck, order: Order) -> None:
    lost = f"Once no call is in flight, or in {DRAIN_SECONDS} s. Until then it goes on as ever."
    _ask(deck, order, _endable(deck, order), lost=lost, verb="Drain", drain=DRAIN_SECONDS)


def _ask(deck: Deck, order: Order, found: Sequence[LiveSession], *, lost: str, verb: str, drain: int) -> None:
    changes = {Target(it.id, f"session {it.id[:8]}"): partial(_end, deck, it.id, drain) for it in found}
    run = partial(start_each, deck, order.command, changes, said=_ENDED)
    name = found[0].id[:8] if len(found) == 1 else plural(len(found), "session")
    question = f"{verb} {'session ' if len(found) == 1 else ''}{name}?"
    ask(deck, question, facts=_facts(found), lost=lost, verb=verb, then=run, name=name)


def _facts(found: Sequence[LiveSession]) -> list[tuple[str, str]]:
    told = {
        "Client": {sessions.client(it) or "unknown" for it in found},
        "User": {sessions.user(it) for it in found},
        "Adapter": {it.adapter for it in found},
    }
    facts = [(label, ", ".join(sorted(values))) for label, values in told.items()]
    return [*facts, ("In flight", plural(sum(it.in_flight for it in found), "call"))]


async def _end(deck: Deck, session_id: str, drain: int) -> None:
    from mcpdeck import control

    await deck.client.do(control.end_session(session_id, drain=drain))


do_plainly(
    {
        "session.copy-id": lambda deck: deck.copy(
            "\n".join(deck.place.session_ids), plural(len(deck.place.session_ids), "id")
        ),
    }
)
