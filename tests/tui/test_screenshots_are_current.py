"""The committed pictures show the deck as it is. If one does not: `uv run python screenshots/make.py`, and look."""

import pytest

from screenshots.make import FOLDER, SHOTS, take
from screenshots.picture import tidy


@pytest.mark.parametrize("name", SHOTS)
async def test_picture_is_what_the_deck_shows(name: str) -> None:
    committed = (FOLDER / f"{name}.svg").read_text()
    assert await take(SHOTS[name]) == committed, f"{name}.svg is stale: run screenshots/make.py"
    assert (FOLDER / f"{name}.png").stat().st_size > 10_000


def test_picture_names_no_run_and_loads_no_font() -> None:
    for name in SHOTS:
        svg = (FOLDER / f"{name}.svg").read_text()
        assert "@font-face" not in svg
        assert "terminal-" not in svg


def test_spaces_at_the_ends_of_a_text_move_its_beginning() -> None:
    text = '<text class="r1" x="12.2" y="20" textLength="73.2" clip-path="url(#x)">&#160;&#160;ab&amp;&#160;</text>'
    assert tidy(text) == '<text class="r1" x="36.6" y="20" textLength="36.6">ab&amp;</text>'
