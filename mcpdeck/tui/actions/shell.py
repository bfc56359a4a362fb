"""What the deck itself does, anywhere: prompt, filter, help, theme, context, leaving."""

from mcpdeck.model.commands import View
from mcpdeck.model.prompt import Order
from mcpdeck.model.shell import WIDE
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.contexts import read_contexts
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.traffic import watch_traffic


def _toggle_filter(deck: Deck) -> None:
    place = deck.place
    if place.filter_text:
        place.lifted_filter = place.filter_text
        place.set_filter("")
    elif place.lifted_filter:
        lifted, place.lifted_filter = place.lifted_filter, ""
        place.set_filter(lifted)


def _show_help(deck: Deck) -> None:
    from mcpdeck.model.help import help_lines
    from mcpdeck.tui.screens.page import PageScreen

    view, fields = deck.place.view, deck.place.filter_fields
    lines = help_lines(view, wide=deck.size.width >= WIDE, keymap=deck.keymap, fields=fields)
    deck.push_screen(PageScreen(f"Keys in {view.capitalize()}", lines))


def _open_palette(deck: Deck) -> None:
    from mcpdeck.tui.palette import Palette

    deck.push_screen(Palette())


def _travel(deck: Deck, step: int) -> None:
    if not deck.travel(step):
        deck.say("nothing was looked at " + ("before this" if step < 0 else "after this"))


def _retry(deck: Deck) -> None:
    deck.retry()
    watch_traffic(deck, again=True)
    if deck.place.view is View.CONTEXTS:
        read_contexts(deck, ask=True)


@does("deck.theme")
def choose_theme(deck: Deck, order: Order) -> None:
    name = order.arguments[0] if order.arguments else ""
    if name in deck.themes:
        deck.theme = name
    else:
        deck.say(f"themes are {', '.join(deck.themes)}", "warning" if name else "information")


do_plainly(
    {
        "deck.command": lambda deck: deck.prompt.open(":"),
        "deck.filter": lambda deck: deck.prompt.open("/", deck.place.filter_text or deck.place.lifted_filter),
        "deck.filter-toggle": _toggle_filter,
        "deck.help": _show_help,
        "deck.palette": _open_palette,
        "deck.back": lambda deck: deck.back(),
        "deck.earlier": lambda deck: _travel(deck, -1),
        "deck.later": lambda deck: _travel(deck, 1),
        "deck.last": lambda deck: deck.travel_last(),
        "deck.retry": _retry,
        "deck.quit": lambda deck: deck.exit(),
    }
)
