"""The page on the deck has every command as it is."""

from mcpdeck.tui.themes import THEMES
from tests.support.deck_page import PAGE, page


def test_page_has_every_command_with_its_keys() -> None:
    assert PAGE.read_text() == page(), "docs/deck.md is stale: uv run python -m tests.support.deck_page"


def test_page_has_every_theme_but_those_that_it_counts() -> None:
    text = PAGE.read_text()
    named = [name for name in THEMES if f"`{name}`" in text]
    assert len(THEMES) - len(named) == 2  # "two for colour-blind readers"
