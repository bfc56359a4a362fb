"""The committed pictures show the deck as it is. If one does not: `uv run python screenshots/make.py`, and look."""

from xml.etree import ElementTree as ET

import pytest

from screenshots.film import Frame, film
from screenshots.make import FOLDER, SHOTS, TOUR, take, tour
from screenshots.picture import tidy


@pytest.mark.parametrize("name", SHOTS)
async def test_picture_is_what_the_deck_shows(name: str) -> None:
    committed = (FOLDER / f"{name}.svg").read_text()
    assert await take(SHOTS[name]) == committed, f"{name}.svg is stale: run screenshots/make.py"
    assert (FOLDER / f"{name}.png").stat().st_size > 10_000


async def test_tour_is_what_the_deck_shows_and_is_light() -> None:
    committed = (FOLDER / f"{TOUR}.svg").read_text()
    assert await tour() == committed, f"{TOUR}.svg is stale: run screenshots/make.py {TOUR}"
    assert len(committed) < 400_000


def test_a_film_draws_once_what_its_frames_share() -> None:
    frames = [Frame((FOLDER / f"adapters-{theme}120x40.svg").read_text(), 1.0) for theme in ("", "", "light-")]
    moving = film(frames)
    ET.fromstring(moving)
    assert moving.count(">mcpdeck</text>") == 3  # of the window, and of each look that it has in the deck
    assert "visibility:hidden" in moving
    assert film(frames[:1]).count("@keyframes") == 0


def test_there_are_at_most_sixty_pictures() -> None:
    assert len(SHOTS) <= 60


def test_picture_names_no_run_and_loads_no_font() -> None:
    for name in SHOTS:
        svg = (FOLDER / f"{name}.svg").read_text()
        assert "@font-face" not in svg
        assert "terminal-" not in svg


def test_spaces_at_the_ends_of_a_text_move_its_beginning() -> None:
    text = '<text class="r1" x="12.2" y="20" textLength="73.2" clip-path="url(#x)">&#160;&#160;ab&amp;&#160;</text>'
    assert tidy(text) == '<text class="r1" x="36.6" y="20" textLength="36.6">ab&amp;</text>'
