"""The table of every command in docs/deck.md: `uv run python -m tests.support.deck_page` writes it there anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Final

from mcpdeck.model.keymap import MOVES
from mcpdeck.model.registry import COMMANDS

PAGE: Final = Path(__file__).parents[2] / "docs/deck.md"
BEGIN: Final = "<!-- every command; made by tests/support/deck_page.py -->\n"


def table() -> str:
    """By id, as a keymap names it."""
    head = "| Id | Keys | With `:` | Does |\n|---|---|---|---|\n"
    return head + "".join(f"| {' | '.join(row)} |\n" for row in _rows())


def _rows() -> Iterator[tuple[str, ...]]:
    for move, keys in MOVES.items():
        yield f"`{move}`", _code(keys), "", "The cursor, in every table and text."
    for each in sorted(COMMANDS, key=lambda it: it.id):
        yield f"`{each.id}`", _code(each.keys), _code(each.words[:1]), each.help.replace("|", "\\|")


def _code(words: tuple[str, ...]) -> str:
    return " ".join(f"`{word}`" for word in words)


def page() -> str:
    """As it should be."""
    text, _, _ = PAGE.read_text().partition(BEGIN)
    return text + BEGIN + "\n" + table()


if __name__ == "__main__":
    PAGE.write_text(page())
