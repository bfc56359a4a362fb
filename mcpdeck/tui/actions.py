"""What every command of the registry does. Talks with the gateway in workers; what went wrong becomes a toast."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck.model.commands import View
from mcpdeck.model.form import Entries, Errors
from mcpdeck.model.formatting import plural
from mcpdeck.model.logs import SINCE, Wish
from mcpdeck.model.prompt import Order
from mcpdeck.model.table import Sort
from mcpdeck.tui.changes import edit_adapter, save_log, send_spec, start
from mcpdeck.tui.themes import THEMES

if TYPE_CHECKING:
    from mcpdeck.tui.app import Deck

type Handler = Callable[["Deck", Order], None]

HANDLERS: Final[dict[str, Handler]] = {}


def does(command_id: str) -> Callable[[Handler], Handler]:
    """Registers what a command does."""

    def register(handler: Handler) -> Handler:
        HANDLERS[command_id] = handler
        return handler

    return register


# Going somewhere


@does("view.adapters")
def show_adapters(deck: "Deck", order: Order) -> None:
    deck.go(View.ADAPTERS)
    if order.filter is not None:
        deck.adapters_view.set_filter(order.filter)


@does("view.logs")
def show_logs_view(deck: "Deck", order: Order) -> None:
    """The log that is open, if there is one and no other is named."""
    if order.arguments or deck.logs_view.wish is None:
        show_logs(deck, order)
        return
    deck.go(View.LOGS)
    if order.filter is not None:
        deck.logs_view.set_filter(order.filter)


@does("adapter.logs")
def show_logs(deck: "Deck", order: Order) -> None:
    if name := _target(deck, order):
        deck.logs_view.open(Wish(adapter=name))
    deck.go(View.LOGS)
    if order.filter is not None:
        deck.logs_view.set_filter(order.filter)


@does("adapter.previous")
def show_previous_logs(deck: "Deck", order: Order) -> None:
    if name := _target(deck, order):
        deck.logs_view.open(Wish(adapter=name, previous=True))
        deck.go(View.LOGS)


@does("adapter.describe")
def describe(deck: "Deck", order: Order) -> None:
    if name := _target(deck, order):
        deck.detail_view.open(name, as_yaml=False)
        deck.go(View.DETAIL)


@does("adapter.yaml")
def show_yaml(deck: "Deck", order: Order) -> None:
    name = _target(deck, order)
    if deck.place.view is View.DETAIL and not order.arguments:
        deck.detail_view.toggle_yaml()
    elif name:
        deck.detail_view.open(name, as_yaml=True)
        deck.go(View.DETAIL)


def _target(deck: "Deck", order: Order) -> str | None:
    return order.arguments[0] if order.arguments else deck.place.adapter_name


def _targets(deck: "Deck", order: Order) -> Sequence[Adapter]:
    """The adapters a verb acts on: the named one, else the marked ones, else the one under the cursor."""
    names = order.arguments[:1] or deck.targets
    return [deck.state.adapters[name] for name in names if name in deck.state.adapters]


# Changing adapters


@does("adapter.restart")
def restart(deck: "Deck", order: Order) -> None:
    adapters = _targets(deck, order)
    run = _each(deck, order, adapters, lambda adapter: deck.client.restart(adapter.name), "restarts")
    if sessions := deck.sessions_of(adapters):
        lost = f"{plural(sessions, 'live session')} will drop; their clients begin anew."
        _ask(deck, f"Restart {_names(adapters)}?", adapters, lost, verb="Restart", then=run)
    else:
        run()


@does("adapter.delete")
def delete(deck: "Deck", order: Order) -> None:
    adapters = _targets(deck, order)
    sessions = deck.sessions_of(adapters)
    lost = f"{plural(sessions, 'live session')} will drop. " if sessions else ""
    run = _each(deck, order, adapters, lambda it: deck.client.delete(it.name, it.etag), "is deleted")
    _ask(deck, f"Delete {_names(adapters)}?", adapters, f"{lost}This can not be undone.", verb="Delete", then=run)


@does("adapter.scale")
def scale(deck: "Deck", order: Order) -> None:
    """With a number it scales; without, the prompt opens with the present number, ready to be replaced."""
    if len(order.arguments) < 2:
        if name := _target(deck, order):
            text = f"scale {name} {deck.state.adapters[name].replica_count}"
            deck.prompt.open(":", text, select_from=text.rindex(" ") + 1)
        return
    adapters, wanted = _targets(deck, order), order.arguments[1]
    if not wanted.isdecimal():
        deck.say(f"{wanted!r} is not a number of replicas, such as 3", "warning")
        return
    merge = {"replicaCount": int(wanted)}
    run = _each(deck, order, adapters, lambda it: deck.client.patch(it.name, merge, it.etag), f"scales to {wanted}")
    sessions = deck.sessions_of(adapters)
    if int(wanted) == 0 and sessions:
        lost = f"No instance stays, and {plural(sessions, 'live session')} will drop."
        _ask(deck, f"Stop {_names(adapters)}?", adapters, lost, verb="Stop", then=run)
    else:
        run()


def _each(
    deck: "Deck", order: Order, adapters: Sequence[Adapter], change: Callable[[Adapter], Awaitable[object]], said: str
) -> Callable[[], None]:
    """Starts a worker per adapter, so that one that fails holds up none."""

    def run() -> None:
        for adapter in adapters:
            start(deck, order.command, adapter, partial(change, adapter), said)

    return run


def _ask(
    deck: "Deck", question: str, adapters: Sequence[Adapter], lost: str, *, verb: str, then: Callable[[], None]
) -> None:
    """Names what it is about before it is done."""
    from mcpdeck.tui.screens.confirm import ConfirmScreen

    facts = [("Context", deck.state.context)]
    if len(adapters) == 1:
        facts += [("Owner", adapters[0].created_by), ("Replicas", str(adapters[0].replica_count))]
    else:
        facts += [("Adapters", ", ".join(adapter.name for adapter in adapters))]
    facts.append(("Sessions", f"{deck.sessions_of(adapters)} live"))

    def answered(yes: bool | None) -> None:
        if yes:
            then()

    deck.open_above(ConfirmScreen(question, facts=facts, consequence=lost, verb=verb), answered)


def _names(adapters: Sequence[Adapter]) -> str:
    return adapters[0].name if len(adapters) == 1 else plural(len(adapters), "adapter")


@does("adapter.deploy")
def deploy(deck: "Deck", order: Order) -> None:
    from mcpdeck.tui.screens.deploy import DeployScreen

    async def submit(spec: AdapterSpec) -> Errors:
        return await send_spec(deck, order.command, spec)

    def keep(entries: Entries | None) -> None:
        deck.draft = entries or Entries()

    deck.open_above(DeployScreen(submit, draft=deck.draft), keep)


@does("adapter.edit")
def edit(deck: "Deck", order: Order) -> None:
    for adapter in _targets(deck, order)[:1]:
        edit_adapter(deck, order.command, adapter)


# The table and the log


def _sort(deck: "Deck", sort: Sort) -> None:
    deck.adapters_view.table.sort_by(sort)


def _turn_order(deck: "Deck") -> None:
    table = deck.adapters_view.table
    table.sort_by(Sort(table.sort.column, not table.sort.descending))


def _copy_name(deck: "Deck") -> None:
    deck.copy("\n".join(deck.targets), ", ".join(deck.targets))


def _match(deck: "Deck", step: int) -> None:
    if not deck.logs_view.filter_text:
        deck.say("nothing is looked for; / begins", "warning")
    elif not deck.logs_view.next_match(step):
        deck.say("no further match " + ("below" if step > 0 else "above"))


def _previous_run(deck: "Deck") -> None:
    if deck.logs_view.wish is not None:
        deck.logs_view.choose(previous=not deck.logs_view.wish.previous)


def _since(key: str, deck: "Deck") -> None:
    deck.logs_view.choose(since=key)


def _copy_log(deck: "Deck") -> None:
    deck.copy(deck.logs_view.lines.plain_text(), plural(len(deck.logs_view.book), "line"))


# The deck


def _toggle_filter(deck: "Deck") -> None:
    place = deck.place
    if place.filter_text:
        place.lifted_filter = place.filter_text
        place.set_filter("")
    elif place.lifted_filter:
        lifted, place.lifted_filter = place.lifted_filter, ""
        place.set_filter(lifted)


def _show_help(deck: "Deck") -> None:
    from mcpdeck.tui.screens.help import HelpScreen

    deck.open_above(HelpScreen(deck.place.view), lambda _: None)


@does("deck.theme")
def choose_theme(deck: "Deck", order: Order) -> None:
    name = order.arguments[0] if order.arguments else ""
    if name in THEMES:
        deck.theme = name
    else:
        deck.say(f"themes are {', '.join(THEMES)}", "warning" if name else "information")


@does("deck.context")
def switch_context(deck: "Deck", order: Order) -> None:
    if order.arguments:
        deck.switch(order.arguments[0])
    else:
        deck.say("name a context: :context NAME; `mcpdeck contexts list` shows them")


# What needs no target and no argument
_PLAIN: Final[dict[str, Callable[["Deck"], None]]] = {
    "table.mark": lambda deck: deck.adapters_view.table.toggle_mark(),
    "table.unmark": lambda deck: deck.adapters_view.table.clear_marks(),
    "table.faults": lambda deck: deck.adapters_view.toggle_faults(),
    "table.sort-next": lambda deck: deck.adapters_view.table.sort_beside(1),
    "table.sort-previous": lambda deck: deck.adapters_view.table.sort_beside(-1),
    "table.sort-turn": _turn_order,
    "table.sort-name": lambda deck: _sort(deck, Sort("name")),
    "table.sort-age": lambda deck: _sort(deck, Sort("age")),
    "table.copy-name": _copy_name,
    "log.follow": lambda deck: deck.logs_view.toggle_follow(),
    "log.wrap": lambda deck: deck.logs_view.toggle_wrap(),
    "log.timestamps": lambda deck: deck.logs_view.toggle_timestamps(),
    "log.highlight": lambda deck: deck.logs_view.toggle_highlight(),
    "log.next": lambda deck: _match(deck, 1),
    "log.previous-match": lambda deck: _match(deck, -1),
    "log.mark": lambda deck: deck.logs_view.mark(),
    "log.previous": _previous_run,
    "log.save": save_log,
    "log.copy": _copy_log,
    "log.clear": lambda deck: deck.logs_view.clear(),
    **{f"log.since-{key}": partial(_since, key) for key in SINCE},
    "deck.command": lambda deck: deck.prompt.open(":"),
    "deck.filter": lambda deck: deck.prompt.open("/", deck.place.filter_text or deck.place.lifted_filter),
    "deck.filter-toggle": _toggle_filter,
    "deck.help": _show_help,
    "deck.palette": lambda deck: deck.action_command_palette(),
    "deck.back": lambda deck: deck.back(),
    "deck.retry": lambda deck: deck.retry(),
    "deck.quit": lambda deck: deck.exit(),
}


def perform(deck: "Deck", order: Order) -> None:
    """Do what a command says. It was checked before that nothing stands in its way."""
    if plain := _PLAIN.get(order.command.id):
        plain(deck)
    else:
        HANDLERS[order.command.id](deck, order)


KNOWN: Final = frozenset({*HANDLERS, *_PLAIN})
