"""Reads the gateway's counters for as long as somebody looks at its pulse. Draws nothing."""

from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.commands import View
from mcpdeck.model.pulse import SECONDS, Metrics, parse_metrics
from mcpdeck.model.state import PulseTaken
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.patience import Patience
from mcpdeck.tui.tools import Trouble, rest

GROUP = "pulse"


def watch_pulse(deck: Deck) -> None:
    deck.begin(_watch, deck, group=GROUP)


async def _watch(deck: Deck) -> None:
    patience = Patience(deck.surroundings.random)
    while deck.place.view is View.PULSE:
        await rest(patience, SECONDS, None if deck.state.is_stale else await _read(deck))


async def _read(deck: Deck) -> Trouble | None:
    if not deck.is_connected:
        return None
    client = deck.client
    metrics: Metrics | None = None
    error: Trouble | None = None
    try:
        metrics = parse_metrics(await client.metrics())
        trouble = "" if metrics else "what /metrics says is not of this kind of gateway"
    except (ProblemError, Unreachable) as failed:
        error, trouble = failed, str(failed)
    if deck.is_with(client):
        deck.apply(PulseTaken(deck.surroundings.clock(), metrics, trouble))
    return error
