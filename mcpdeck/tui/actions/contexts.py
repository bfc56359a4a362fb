"""What is done with the gateways that the reader knows: looked at, added, forgotten. Files are `tui.contexts`'."""

from functools import partial

from mcpdeck.config.contexts import Context
from mcpdeck.model.commands import View
from mcpdeck.model.contexts import ContextEntry, care
from mcpdeck.model.prompt import Order
from mcpdeck.tui.actions.asking import ask
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.contexts import change_contexts
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.doctor import examine
from mcpdeck.tui.surroundings import Book


@does("view.contexts")
def show_contexts(deck: Deck, order: Order) -> None:
    deck.go(View.CONTEXTS)
    if order.filter is not None:
        deck.place.set_filter(order.filter)


@does("context.switch")
def switch(deck: Deck, order: Order) -> None:
    names = order.arguments or deck.place.context_names
    if names:
        deck.switch(names[0])
    else:
        show_contexts(deck, order)


def _entry(deck: Deck, order: Order) -> ContextEntry | None:
    names = order.arguments or deck.place.context_names
    return deck.state.contexts.get(names[0]) if names else None


@does("context.use")
def use(deck: Deck, order: Order) -> None:
    if (entry := _entry(deck, order)) is not None:
        change_contexts(deck, lambda book: book.use(entry.name), f"{entry.name} is the usual one now")


@does("context.remove")
def remove(deck: Deck, order: Order) -> None:
    entry = _entry(deck, order)
    if entry is None:
        return
    if not entry.is_kept:
        deck.say(f"{entry.name} stands in no file, so there is nothing to forget", "warning")
        return
    facts = [("URL", entry.context.url), ("Care", care(entry.context) or "none")]

    def run() -> None:
        change_contexts(deck, lambda book: book.remove(entry.name), f"{entry.name} is forgotten")

    lost = "Its gateway stays as it is, and so does a sign-in; only the name goes."
    ask(deck, f"Forget {entry.name}?", facts=facts, lost=lost, verb="Forget", then=run, is_own=True)


def _add(deck: Deck) -> None:
    _open_form(deck, None)


@does("context.edit")
def edit(deck: Deck, order: Order) -> None:
    entry = _entry(deck, order)
    if entry is not None and entry.is_kept:
        _open_form(deck, entry.context)
    elif entry is not None:
        deck.say(f"{entry.name} stands in no file; n names a gateway", "warning")


def _open_form(deck: Deck, known: Context | None) -> None:
    from mcpdeck.tui.screens.context import ContextScreen

    def answered(kept: Context | None) -> None:
        if kept is not None:
            change_contexts(deck, partial(_keep, kept), f"{kept.name} is {'changed' if known else 'known now'}")

    deck.push_screen(ContextScreen(known), answered)


def _keep(context: Context, book: Book) -> None:
    book.add(context, use=False)


@does("context.doctor")
def see_doctor(deck: Deck, order: Order) -> None:
    entry = _entry(deck, order)
    deck.go(View.DOCTOR)
    examine(deck, entry.context if entry else deck.state.here)


def _again(deck: Deck) -> None:
    name = deck.state.doctor.context
    entry = deck.state.contexts.get(name)
    examine(deck, entry.context if entry else deck.state.here)


do_plainly(
    {
        "context.add": _add,
        "doctor.again": _again,
        "doctor.copy": lambda deck: deck.copy(deck.doctor_view.text, "what was found"),
    }
)
