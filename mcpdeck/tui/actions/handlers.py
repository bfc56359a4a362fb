"""Where an action is registered under its command's id. Knows no action."""

from collections.abc import Callable, Mapping
from typing import Final

from mcpdeck.model.prompt import Order
from mcpdeck.tui.deck import Deck

type Handler = Callable[[Deck, Order], None]

HANDLERS: Final[dict[str, Handler]] = {}


def does(command_id: str) -> Callable[[Handler], Handler]:
    """Registers what a command does."""

    def register(handler: Handler) -> Handler:
        HANDLERS[command_id] = handler
        return handler

    return register


def do_plainly(actions: Mapping[str, Callable[[Deck], None]]) -> None:
    """Registers what needs no argument."""
    for command_id, run in actions.items():
        HANDLERS[command_id] = _without_order(run)


def _without_order(run: Callable[[Deck], None]) -> Handler:
    return lambda deck, _order: run(deck)
