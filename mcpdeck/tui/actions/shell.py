"""What the deck itself does, anywhere: prompt, filter, help, theme, context, leaving."""

from mcpdeck.model.commands import View
from mcpdeck.model.prompt import Order
from mcpdeck.model.shell import WIDE
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.contexts import read_contexts
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.themes import THEMES


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

    view = deck.place.view
    page = PageScreen(f"Keys in {view.capitalize()}", help_lines(view, wide=deck.size.width >= WIDE))
    deck.open_above(page, lambda _: None)


def _retry(deck: Deck) -> None:
    deck.retry()
    if deck.place.view is View.CONTEXTS:
        read_contexts(deck, ask=True)


@does("deck.theme")
def choose_theme(deck: Deck, order: Order) -> None:
    name = order.arguments[0] if order.arguments else ""
    if name in THEMES:
        deck.theme = name
    else:
        deck.say(f"themes are {', '.join(THEMES)}", "warning" if name else "information")


do_plainly(
    {
        "deck.command": lambda deck: deck.prompt.open(":"),
        "deck.filter": lambda deck: deck.prompt.open("/", deck.place.filter_text or deck.place.lifted_filter),
        "deck.filter-toggle": _toggle_filter,
        "deck.help": _show_help,
        "deck.palette": lambda deck: deck.action_command_palette(),
        "deck.back": lambda deck: deck.back(),
        "deck.retry": _retry,
        "deck.quit": lambda deck: deck.exit(),
    }
)
