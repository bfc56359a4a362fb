"""What is done in the playground."""

from mcpdeck.model.commands import View
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck


@does("tool.call")
@does("view.playground")
def show(deck: Deck, order: Order) -> None:  # noqa: ARG001
    deck.go(View.PLAYGROUND)


do_plainly(dict.fromkeys((
    "call.run", "call.cancel", "call.turn", "call.answer", "call.save", "call.saved", "call.history", "call.earlier",
    "call.later", "call.edit", "call.pager", "call.keep", "call.copy", "call.copy-command", "call.fold", "call.where",
    "call.era", "call.reload",
), lambda deck: deck.say("not there yet")))  # fmt: skip
