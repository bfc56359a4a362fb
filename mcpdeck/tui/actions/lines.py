"""What a place of lines does: follow, wrap, look for, save. Changes nothing at the gateway."""

from functools import partial
from pathlib import Path

from mcpdeck.model.commands import TRAFFIC_VIEWS
from mcpdeck.model.formatting import plural
from mcpdeck.model.logs import SINCE
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions import traffic
from mcpdeck.tui.actions.asking import name_adapter
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck


def _match(deck: Deck, step: int) -> None:
    if not deck.lines_place.filter_text:
        deck.say("nothing is looked for; / begins", "warning")
    elif not deck.lines_place.next_match(step):
        deck.say("no further match " + ("below" if step > 0 else "above"))


def _previous_run(deck: Deck) -> None:
    if deck.logs_view.wish is not None:
        deck.logs_view.choose(previous=not deck.logs_view.wish.previous)


def _since(key: str, deck: Deck) -> None:
    deck.logs_view.choose(since=key)


def _copy(deck: Deck) -> None:
    deck.copy(deck.lines_place.lines.plain_text(), plural(len(deck.lines_place.book), "line"))


@does("log.save")
def save(deck: Deck, order: Order) -> None:
    """What is shown, to the named file, else to one named after what it is and the time."""
    if deck.place.view in TRAFFIC_VIEWS:
        traffic.save(deck, order)
        return
    view = deck.lines_place
    if not view.file_name:
        return
    path = deck.surroundings.dump_folder / f"{view.file_name}-{deck.surroundings.clock():%Y%m%d-%H%M%S}.log"
    if order.arguments:
        path = Path(order.arguments[0]).expanduser()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(view.lines.plain_text(), encoding="utf-8")
    except OSError as error:
        deck.say(f"not saved: {error}", "error")
    else:
        deck.say(f"saved to {path}")


do_plainly(
    {
        "log.follow": lambda deck: deck.lines_place.toggle_follow(),
        "log.wrap": lambda deck: deck.lines_place.toggle_wrap(),
        "log.timestamps": lambda deck: deck.lines_place.toggle_timestamps(),
        "log.highlight": lambda deck: deck.lines_place.toggle_highlight(),
        "log.choose": lambda deck: name_adapter(deck, "logs"),
        "log.next": lambda deck: _match(deck, 1),
        "log.previous-match": lambda deck: _match(deck, -1),
        "log.mark": lambda deck: deck.lines_place.mark(),
        "log.previous": _previous_run,
        "log.copy": _copy,
        "log.clear": lambda deck: deck.lines_place.clear(),
        **{f"log.since-{key}": partial(_since, key) for key in SINCE},
    }
)
