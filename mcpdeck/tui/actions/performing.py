"""Every command's action in one table. Does nothing itself."""

from typing import Final

from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions import (
    adapters,
    calls,
    contexts,
    identity,
    lines,
    playground,
    recordings,
    results,
    sessions,
    shell,
    tables,
    tools,
    traffic,
    watching,
    xray,
)
from mcpdeck.tui.actions.handlers import HANDLERS
from mcpdeck.tui.deck import Deck

# Each has entered its own.
_REGISTERED: Final = (
    *(adapters, calls, contexts, identity, lines, playground, recordings),
    *(results, sessions, shell, tables, tools, traffic, watching, xray),
)
KNOWN: Final = frozenset(HANDLERS)


def perform(deck: Deck, order: Order) -> None:
    """Do what a command says. It was checked before that nothing stands in its way."""
    HANDLERS[order.command.id](deck, order)
