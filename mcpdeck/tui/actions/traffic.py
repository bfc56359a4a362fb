"""What is done with traffic: looked at, filtered, copied, saved. Calls are made again in `recordings`."""

import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gateway.wire.traffic import Sender, TrafficMessage
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import plural
from mcpdeck.model.prompt import Order
from mcpdeck.traffic.ledger import Exchange, text_of
from mcpdeck.traffic.parts import PartName
from mcpdeck.traffic.wishes import ALL, Wish
from mcpdeck.tui.actions.asking import name_adapter
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck

_MOMENT: Final = re.compile(r"(\d{1,2}):(\d{2})(?::(\d{2}))?")
_STEP: Final = re.compile(r"([+-])(\d+)([smh])")
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600}

# Whose


@does("view.traffic")
def show(deck: Deck, order: Order) -> None:
    """The named adapter's; that of the session or adapter one is at; what is open; else, and at it again, all."""
    place, open_one = deck.place, deck.traffic_view.wish
    if order.arguments:
        open_wish(deck, Wish(adapter=order.arguments[0]))
    elif place.view is View.TRAFFIC:
        open_wish(deck, ALL)
    elif place.view is View.EXCHANGE:
        deck.go(View.TRAFFIC)
    elif place.of_session:
        _open_session(deck, place.of_session)
    elif place.of_adapter and (open_one is None or open_one.adapter != place.of_adapter):
        open_wish(deck, Wish(adapter=place.of_adapter))
    else:
        open_wish(deck, open_one or ALL)
    if order.filter is not None:
        deck.traffic_view.set_filter(order.filter)


@does("session.traffic")
def show_session(deck: Deck, order: Order) -> None:
    for session_id in (order.arguments or deck.place.session_ids)[:1]:
        _open_session(deck, session_id)


@does("adapter.traffic")
def show_adapter(deck: Deck, order: Order) -> None:
    for name in (order.arguments or deck.place.adapter_names)[:1]:
        open_wish(deck, Wish(adapter=name))


def _open_session(deck: Deck, session_id: str) -> None:
    session = deck.state.sessions.get(session_id)
    if session is not None:
        open_wish(deck, Wish(adapter=session.adapter, session=session_id))


def open_wish(deck: Deck, wish: Wish) -> None:
    deck.traffic_view.open(wish)
    deck.go(View.TRAFFIC)


# One of them


def chosen(deck: Deck) -> Sequence[Exchange]:
    """The marked rows, else the one under the cursor; the one that is open, where one is."""
    if deck.place.view is View.EXCHANGE:
        return [deck.exchange_view.exchange] if deck.exchange_view.exchange is not None else []
    return deck.traffic_view.chosen


def _open(deck: Deck) -> None:
    view = deck.traffic_view
    if view.wish is None or (view.is_of_all and view.current is None):
        name_adapter(deck, "traffic")
    elif view.current is not None:
        deck.go(View.EXCHANGE)
        deck.exchange_view.open(view.current, view.revealed)


def _fold(deck: Deck) -> None:
    if not deck.exchange_view.pane.lines.fold_here():
        deck.say("nothing folds on this line; z folds all that is deep")


def _pane(deck: Deck) -> None:
    view = deck.traffic_view
    if deck.place.view is View.TRAFFIC and not view.is_split:
        _open(deck)  # there is no room for it beside the rows


def _turn(step: int, deck: Deck) -> None:
    here = deck.place.view
    pane = deck.exchange_view.pane if here is View.EXCHANGE else deck.traffic_view.pane
    pane.turn(step)
    _pane(deck)


def _part(part: PartName, deck: Deck) -> None:
    pane = deck.exchange_view.pane if deck.place.view is View.EXCHANGE else deck.traffic_view.pane
    pane.show_part(part)
    _pane(deck)


def _fold_all(deck: Deck) -> None:
    pane = deck.exchange_view.pane if deck.place.view is View.EXCHANGE else deck.traffic_view.pane
    pane.turn_folds()


def _pair(step: int, deck: Deck) -> None:
    if not deck.traffic_view.pair_jump(step):
        deck.say("nothing more of this call " + ("before" if step < 0 else "after"))
    elif deck.place.view is View.EXCHANGE:
        _open(deck)


def _beside(step: int, deck: Deck) -> None:
    """The exchange after or before, as they stand in the table."""
    lines = deck.exchange_view.pane.lines
    if step > 0 and deck.place.filter_text:
        if not lines.find():
            deck.say("it is not here")
        return
    table = deck.traffic_view.table
    before = deck.traffic_view.current
    table.set_follow(False)
    table.action_move(step)
    if deck.traffic_view.current is before:
        deck.say("there is none " + ("after" if step > 0 else "before") + " it")
    else:
        _open(deck)


def _split(deck: Deck) -> None:
    from mcpdeck.tui.views.traffic import SPLIT

    if deck.size.width < SPLIT:
        deck.say(f"beside the rows it needs {SPLIT} columns; enter opens it instead", "warning")
    else:
        deck.traffic_view.toggle_split()


@does("traffic.at")
def go_to(deck: Deck, order: Order) -> None:
    """`12:01`, `12:01:09` of the day that is shown, or so much before or after the row one is at."""
    view, text = deck.traffic_view, " ".join(order.arguments)
    here = view.time_here
    if here is None:
        deck.say("there is nothing to go through yet", "warning")
    elif step := _STEP.fullmatch(text):
        seconds = int(step[2]) * _SECONDS[step[3]]
        view.step_time(timedelta(seconds=-seconds if step[1] == "-" else seconds))
    elif (moment := _moment(text, here)) is not None:
        view.go_to_time(moment)
    else:
        deck.say(f"{text!r} is no time; :at 12:01:09, :at -5m", "warning")


def _moment(text: str, here: datetime) -> datetime | None:
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    hour, minute, second = (int(each or 0) for each in found.groups())
    try:
        return here.astimezone().replace(hour=hour, minute=minute, second=second, microsecond=0)
    except ValueError:
        return None


# Copying, saving


def _messages(found: Sequence[Exchange]) -> list[TrafficMessage]:
    messages = [message for exchange in found for message in exchange.messages]
    return sorted(messages, key=lambda message: (message.at, message.number))


def _copy(deck: Deck) -> None:
    """The part that is shown of one; the messages of several, a line each."""
    found = chosen(deck)
    if len(found) == 1:
        pane = deck.exchange_view.pane if deck.place.view is View.EXCHANGE else deck.traffic_view.pane
        wanted = found[0].response if pane.part is PartName.RESPONSE and found[0].response else found[0].first
        text = text_of(wanted)
        pretty = msgspec.json.format(text.encode()).decode() if wanted.payload is not None else text
        deck.copy(pretty, f"the {wanted.kind} as JSON")
    elif found:
        messages = _messages(found)
        deck.copy("".join(f"{text_of(message)}\n" for message in messages), plural(len(messages), "message"))


def _copy_command(is_curl: bool, deck: Deck) -> None:
    from mcpdeck.traffic.as_command import curl_command, mcpdeck_command

    found = [exchange.first for exchange in chosen(deck)]
    requests = [message for message in found if message.sender is Sender.CLIENT and message.size]
    if not requests:
        deck.say("only what a client says can be said again", "warning")
        return
    lines = []
    for request in requests:
        line = "" if is_curl else mcpdeck_command(request, context=deck.state.context)
        lines.append(line or curl_command(request, url=deck.client.url if deck.is_connected else deck.state.url))
    if any(request.redacted for request in requests):
        deck.say("some of its values were hidden, and are missing in the command", "warning")
    deck.copy("\n".join(lines), plural(len(lines), "command"))


@does("traffic.save")
def save(deck: Deck, order: Order) -> None:
    """What is marked, else all that is shown, to a file; its ending says as what."""
    view = deck.traffic_view
    found = chosen(deck) if deck.place.view is View.EXCHANGE or view.table.marked else view.shown
    messages = _messages(found)
    if not messages:
        deck.say("there is nothing to save yet", "warning")
        return
    path = _path(deck, order)
    try:
        text = _text(deck, messages, path)
    except ValueError as error:
        deck.say(f"not saved: {error}", "warning")
        return
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        deck.say(f"{path} is there already: another name, or move it away", "warning")
    except OSError as error:
        deck.say(f"not saved: {error}", "error")
    else:
        deck.say(f"saved {plural(len(messages), 'message')} to {path}")


def _path(deck: Deck, order: Order) -> Path:
    if order.arguments:
        return Path(order.arguments[0]).expanduser()
    name = deck.traffic_view.of_adapter or "traffic"
    return deck.surroundings.dump_folder / f"{name}-{deck.surroundings.clock():%Y%m%d-%H%M%S}.jsonl"


def _text(deck: Deck, messages: Sequence[TrafficMessage], path: Path) -> str:
    """Raises ValueError where it can not be put so."""
    from mcpdeck.traffic import exporting

    match path.suffix:
        case ".har":
            return exporting.har(messages, url=deck.state.url)
        case ".py":
            text, left = exporting.pytest(messages, url=deck.state.url, file=path.name)
            if left:
                why = f"{left[0].call.request.method}: {left[0].reason}"
                deck.say(f"{plural(len(left), 'call')} left out, such as {why}", "warning")
            return text
        case ".jsonl" | "":
            return exporting.jsonl(messages)
    raise ValueError(f"{path.suffix!r} is no kind of file; .jsonl, .har, .py are")


do_plainly(
    {
        "traffic.open": _open,
        "traffic.fold": _fold,
        "traffic.fold-all": _fold_all,
        "traffic.pause": lambda deck: deck.traffic_view.toggle_pause(),
        "traffic.follow": lambda deck: deck.traffic_view.table.set_follow(not deck.traffic_view.table.follow),
        "traffic.part": partial(_turn, 1),
        "traffic.part-back": partial(_turn, -1),
        "traffic.group": lambda deck: deck.traffic_view.turn_grouping(),
        "traffic.copy": _copy,
        "traffic.copy-command": partial(_copy_command, False),
        "traffic.copy-curl": partial(_copy_command, True),
        "traffic.mark": lambda deck: deck.traffic_view.table.toggle_mark(),
        "traffic.unmark": lambda deck: deck.traffic_view.table.clear_marks(),
        "traffic.draw-line": lambda deck: deck.traffic_view.mark_time(),
        "traffic.pair-before": partial(_pair, -1),
        "traffic.pair-after": partial(_pair, 1),
        "traffic.next": partial(_beside, 1),
        "traffic.before": partial(_beside, -1),
        "traffic.split": _split,
        "traffic.earlier": lambda deck: deck.traffic_view.step_time(timedelta(minutes=-1)),
        "traffic.later": lambda deck: deck.traffic_view.step_time(timedelta(minutes=1)),
        "traffic.clear": lambda deck: deck.traffic_view.clear(),
        **{f"traffic.{part.lower()}": partial(_part, part) for part in PartName},
    }
)
