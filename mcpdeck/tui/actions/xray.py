"""What is done in the tree: folded, and the verbs of whatever is under the cursor."""

from mcpdeck.model import tools
from mcpdeck.model.commands import View
from mcpdeck.model.prompt import Order
from mcpdeck.model.registry import BY_ID
from mcpdeck.model.xray import Kind, Node
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck


@does("view.xray")
def show(deck: Deck, order: Order) -> None:
    """Of what is named, else of the whole gateway."""
    root = next(iter(order.arguments), "")
    if root and root not in deck.state.adapters and not tools.find(deck.state, root):
        deck.say(f"there is no adapter and no tool {root!r}", "warning")
        return
    _go(deck, root)
    if order.filter is not None:
        deck.xray_view.set_filter(order.filter)


def _go(deck: Deck, root: str) -> None:
    deck.go(View.XRAY)
    deck.xray_view.look_at(root)


def _here(deck: Deck) -> None:
    place = deck.place
    _go(deck, next(iter([*(row.name for row in place.tool_rows), *place.adapter_names]), ""))


def _open(deck: Deck) -> None:
    node = deck.xray_view.current
    if node is not None and node.holds:
        deck.xray_view.turn()
    elif node is not None:
        _describe(deck)


def _describe(deck: Deck) -> None:
    match deck.xray_view.current:
        case Node(kind=Kind.SESSION, session=name):
            _obey(deck, "session.describe", name)
        case Node(kind=Kind.TOOL | Kind.ROUTER, tool=name):
            _obey(deck, "tool.describe", name)
        case Node(adapter=name) if name:
            _obey(deck, "adapter.describe", name)
        case _:
            deck.say("there is nothing more to say of this one", "warning")


def _logs(deck: Deck) -> None:
    node = deck.xray_view.current
    if node is not None and node.adapter:
        _obey(deck, "adapter.logs", node.adapter)
    else:
        deck.say("this one has no log of its own", "warning")


def _end(deck: Deck) -> None:
    match deck.xray_view.current:
        case Node(kind=Kind.SESSION, session=name):
            _obey(deck, "session.end", name)
        case Node(kind=Kind.ADAPTER, adapter=name) if name:
            _obey(deck, "adapter.delete", name)
        case _:
            deck.say("sessions can be ended, and adapters deleted; not this one", "warning")


def _obey(deck: Deck, command: str, name: str) -> None:
    deck.obey(Order(command=BY_ID[command], arguments=(name,)))


do_plainly(
    {
        "xray.here": _here,
        "xray.open": _open,
        "xray.describe": _describe,
        "xray.logs": _logs,
        "xray.end": _end,
        "xray.all": lambda deck: deck.xray_view.turn_all(),
        "xray.whole": lambda deck: deck.xray_view.look_at(""),
    }
)
