"""What is done with adapters: looked at, deployed, changed. Talks with the gateway in workers of `changes`."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Final

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck.model.commands import View
from mcpdeck.model.form import Entries, Errors
from mcpdeck.model.formatting import plural
from mcpdeck.model.logs import Wish
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.asking import ask
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.changes import Said, edit_adapter, named, send_spec, start_each
from mcpdeck.tui.deck import Deck

_RESTARTED: Final = Said("restarts", "restart", "adapter")
_DELETED: Final = Said("is deleted", "are deleted", "adapter")

# Going somewhere


@does("view.adapters")
def show_adapters(deck: Deck, order: Order) -> None:
    deck.go(View.ADAPTERS)
    if order.filter is not None:
        deck.adapters_view.set_filter(order.filter)


@does("view.logs")
def show_logs_view(deck: Deck, order: Order) -> None:
    """That of the adapter that is named, or that one is at; else the one that is open."""
    here, open_one = deck.place.of_adapter, deck.logs_view.wish
    if order.arguments or (open_one is None and not here):
        show_logs(deck, order)
        return
    if here and (open_one is None or here != open_one.adapter):
        deck.logs_view.open(Wish(adapter=here))
    deck.go(View.LOGS)
    if order.filter is not None:
        deck.logs_view.set_filter(order.filter)


@does("adapter.sessions")
@does("view.sessions")
def show_sessions(deck: Deck, order: Order) -> None:
    """Of the adapter that is named or under the cursor; `view.sessions` of the one that one is at, and there of all."""
    place, name = deck.place, _target(deck, order)
    if order.command.id == "view.sessions" and not order.arguments:
        name = place.of_adapter if place.view is not View.SESSIONS and order.filter is None else ""
    session = place.of_session
    deck.go(View.SESSIONS)
    deck.sessions_view.open(name or "")
    deck.sessions_view.table.go_to(session)
    if order.filter is not None:
        deck.sessions_view.set_filter(order.filter)


@does("session.logs")
@does("adapter.logs")
def show_logs(deck: Deck, order: Order) -> None:
    if name := _target(deck, order):
        deck.logs_view.open(Wish(adapter=name))
    deck.go(View.LOGS)
    if order.filter is not None:
        deck.logs_view.set_filter(order.filter)


@does("adapter.previous")
def show_previous_logs(deck: Deck, order: Order) -> None:
    if name := _target(deck, order):
        deck.logs_view.open(Wish(adapter=name, previous=True))
        deck.go(View.LOGS)


@does("adapter.describe")
def describe(deck: Deck, order: Order) -> None:
    if name := _target(deck, order):
        deck.detail_view.open(name, as_yaml=False)
        deck.go(View.DETAIL)


@does("adapter.yaml")
def show_yaml(deck: Deck, order: Order) -> None:
    name = _target(deck, order)
    if deck.place.view is View.DETAIL and not order.arguments:
        deck.detail_view.toggle_yaml()
    elif name:
        deck.detail_view.open(name, as_yaml=True)
        deck.go(View.DETAIL)


def _target(deck: Deck, order: Order) -> str | None:
    return next(iter(order.arguments or deck.place.adapter_names), None)


def _targets(deck: Deck, order: Order) -> Sequence[Adapter]:
    """The adapters a verb acts on: the named one, else the marked ones, else the one under the cursor."""
    names = order.arguments[:1] or deck.place.adapter_names
    return [deck.state.adapters[name] for name in names if name in deck.state.adapters]


# Changing adapters


@does("adapter.restart")
def restart(deck: Deck, order: Order) -> None:
    adapters = _targets(deck, order)
    run = _each(deck, order, adapters, lambda adapter: deck.client.restart(adapter.name), _RESTARTED)
    sessions = deck.sessions_of(adapters)
    if sessions or deck.state.here.protected:
        lost = f"{plural(sessions, 'live session')} will drop; their clients begin anew." if sessions else ""
        _ask(deck, f"Restart {_names(adapters)}?", adapters, lost, verb="Restart", then=run)
    else:
        run()


@does("adapter.delete")
def delete(deck: Deck, order: Order) -> None:
    adapters = _targets(deck, order)
    sessions = deck.sessions_of(adapters)
    lost = f"{plural(sessions, 'live session')} will drop. " if sessions else ""
    run = _each(deck, order, adapters, lambda it: deck.client.delete(it.name, it.etag), _DELETED)
    _ask(deck, f"Delete {_names(adapters)}?", adapters, f"{lost}This can not be undone.", verb="Delete", then=run)


@does("adapter.scale")
def scale(deck: Deck, order: Order) -> None:
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
    said = Said(f"scales to {wanted}", f"scale to {wanted}", "adapter")
    run = _each(deck, order, adapters, lambda it: deck.client.patch(it.name, merge, it.etag), said)
    sessions = deck.sessions_of(adapters)
    if int(wanted) == 0 and sessions:
        lost = f"No instance stays, and {plural(sessions, 'live session')} will drop."
        _ask(deck, f"Stop {_names(adapters)}?", adapters, lost, verb="Stop", then=run)
    elif deck.state.here.protected:
        _ask(deck, f"Scale {_names(adapters)} to {wanted}?", adapters, "", verb="Scale", then=run)
    else:
        run()


def _each(
    deck: Deck, order: Order, adapters: Sequence[Adapter], change: Callable[[Adapter], Awaitable[object]], said: Said
) -> Callable[[], None]:
    changes = {named(adapter.name): partial(change, adapter) for adapter in adapters}
    return partial(start_each, deck, order.command, changes, said=said, arguments=order.arguments[1:])


def _ask(
    deck: Deck, question: str, adapters: Sequence[Adapter], lost: str, *, verb: str, then: Callable[[], None]
) -> None:
    if len(adapters) == 1:
        facts = [("Owner", adapters[0].created_by), ("Replicas", str(adapters[0].replica_count))]
    else:
        facts = [("Adapters", ", ".join(adapter.name for adapter in adapters))]
    facts.append(("Sessions", f"{deck.sessions_of(adapters)} live"))
    name = adapters[0].name if len(adapters) == 1 else plural(len(adapters), "adapter")
    ask(deck, question, facts=facts, lost=lost, verb=verb, then=then, name=name)


def _names(adapters: Sequence[Adapter]) -> str:
    return adapters[0].name if len(adapters) == 1 else plural(len(adapters), "adapter")


@does("adapter.deploy")
def deploy(deck: Deck, order: Order) -> None:
    from mcpdeck.tui.screens.deploy import DeployScreen

    async def submit(spec: AdapterSpec) -> Errors:
        return await send_spec(deck, order.command, spec)

    def keep(entries: Entries | None) -> None:
        deck.draft = entries or Entries()

    deck.push_screen(DeployScreen(submit, draft=deck.draft), keep)


@does("adapter.edit")
def edit(deck: Deck, order: Order) -> None:
    for adapter in _targets(deck, order)[:1]:
        edit_adapter(deck, order.command, adapter)


do_plainly(
    {
        "adapter.copy-name": lambda deck: deck.copy(
            "\n".join(deck.place.adapter_names), ", ".join(deck.place.adapter_names)
        ),
    }
)
