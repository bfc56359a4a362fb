"""What every table does: marks, order, faults. Acts on the one that is shown."""

from mcpdeck.model.shell import WIDE
from mcpdeck.model.table import Sort
from mcpdeck.tui.actions.handlers import do_plainly
from mcpdeck.tui.deck import Deck


def _turn_order(deck: Deck) -> None:
    table = deck.table_place.table
    table.sort_by(Sort(table.sort.column, not table.sort.descending))


def _sort_by_first(deck: Deck) -> None:
    table = deck.table_place.table
    table.sort_by(Sort(table.spec.columns[0].id))


def _jump(deck: Deck) -> None:
    from mcpdeck.tui.screens.jump import LETTERS, JumpScreen

    table = deck.table_place.table

    def answered(letter: str | None) -> None:
        table.jump(letter or "")
        table.label("")

    table.label(LETTERS)
    deck.push_screen(JumpScreen(), answered)


def _split(deck: Deck) -> None:
    if deck.size.width < WIDE:
        deck.say(f"a preview needs {WIDE} columns; enter opens the row instead", "warning")
    else:
        deck.table_place.toggle_split()


do_plainly(
    {
        "table.jump": _jump,
        "table.preview": _split,
        "table.mark": lambda deck: deck.table_place.table.toggle_mark(),
        "table.unmark": lambda deck: deck.table_place.table.clear_marks(),
        "table.faults": lambda deck: deck.table_place.toggle_faults(),
        "table.sort-next": lambda deck: deck.table_place.table.sort_beside(1),
        "table.sort-previous": lambda deck: deck.table_place.table.sort_beside(-1),
        "table.sort-turn": _turn_order,
        "table.sort-name": _sort_by_first,
        "table.sort-age": lambda deck: deck.table_place.table.sort_by(Sort("age")),
    }
)
