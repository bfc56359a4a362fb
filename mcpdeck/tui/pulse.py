"""Reads the gateway's counters for as long as somebody looks at its pulse. Draws nothing."""

import asyncio

from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.commands import View
from mcpdeck.model.pulse import SECONDS, Metrics, parse_metrics
from mcpdeck.model.state import PulseTaken
from mcpdeck.tui.deck import Deck

GROUP = "pulse"


def watch_pulse(deck: Deck) -> None:
    deck.begin(_watch, deck, group=GROUP)


async def _watch(deck: Deck) -> None:
    while deck.place.view is View.PULSE:
        metrics, trouble = await _read(deck)
        deck.apply(PulseTaken(deck.surroundings.clock(), metrics, trouble))
        await asyncio.sleep(SECONDS)


async def _read(deck: Deck) -> tuple[Metrics | None, str]:
    if not deck.is_connected:
        return None, "it does not answer"
    try:
        metrics = parse_metrics(await deck.client.metrics())
    except (ProblemError, Unreachable) as error:
        return None, str(error)
    return metrics, "" if metrics else "what /metrics says is not of this kind of gateway"
