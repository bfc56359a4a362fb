"""Getting about: history, preview, jumping by letters, keys and themes of one's own, and what is copied."""

from pathlib import Path

import pytest

from mcpdeck.model.commands import View
from mcpdeck.tui.clipboard import LIMIT
from mcpdeck.tui.personal import personal
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import Scene


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


async def test_history_goes_back_and_forth_to_what_was_looked_at(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":describe weather<enter>1:describe time<enter>")
        assert deck.app.detail_view.crumb == "time"
        await deck.type("[[")
        assert (deck.view, deck.app.detail_view.crumb) == (View.DETAIL, "weather")
        await deck.type("]]")
        assert deck.app.detail_view.crumb == "time"
        await deck.type("3-")
        await deck.until(lambda: deck.view is View.DETAIL)
        await deck.type("-")
        await deck.until(lambda: deck.view is View.SESSIONS)
        await deck.type("]")
        await deck.sees("nothing was looked at after this")


async def test_history_knows_whose_sessions_and_which_log(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":sessions weather<enter>1:sessions time<enter>")
        await deck.sees("Sessions of time")
        await deck.type("[[")
        await deck.sees("Sessions of weather")


async def test_preview_follows_the_cursor_where_there_is_room(scene: Scene) -> None:
    async with deck_on(scene, size=(140, 40)) as deck:
        await deck.type("/search<enter>p")
        await deck.sees("Why", "search-2 was killed")
        await deck.type("<esc>g")
        await deck.sees("npx @playwright/mcp --headless", "browser-3")
        await deck.type("p")
        await deck.sees_no("browser-3")
        await deck.pilot.resize_terminal(90, 30)
        await deck.type("p")
        await deck.sees("a preview needs 100 columns")


async def test_preview_of_a_session(scene: Scene) -> None:
    async with deck_on(scene, size=(140, 40)) as deck:
        await deck.type("3p")
        await deck.sees("Traffic so far", "modern: no session id")


async def test_letters_lead_to_rows(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("<ctrl+o>")
        await deck.sees(" a browser", " f filesystem")
        await deck.type("f")
        await deck.until(lambda: deck.app.adapters_view.table.current_key == "filesystem")
        await deck.sees("❯ filesystem")
        await deck.type("<ctrl+o><esc>")
        await deck.sees("❯ filesystem")


def files(folder: Path) -> Path:
    """A reader's configuration folder, with one mistake in it."""
    (folder / "keymap.yaml").write_text("preset: vim\nkeys:\n  view.sessions: f7\n  nothing.at-all: x\n")
    (folder / "themes").mkdir()
    (folder / "themes" / "dusk.yaml").write_text("colours:\n  tone-ok: '#00ff00'\n")
    return folder


async def test_keys_and_themes_of_ones_own(scene: Scene, tmp_path: Path) -> None:
    own = personal(files(tmp_path))
    more = {"keymap": own.keymap, "themes": own.themes, "complaints": own.complaints}
    async with deck_on(scene, surroundings=more, theme="dusk") as deck:
        assert deck.app.theme == "dusk"
        await deck.sees("nothing.at-all", "f7 Sessions")
        await deck.type("<f7>")
        await deck.until(lambda: deck.view is View.SESSIONS)
        await deck.type("13")
        await deck.until(lambda: deck.view is View.ADAPTERS)
        await deck.type("<ctrl+d>")
        await deck.until(lambda: deck.app.adapters_view.table.current_key != "browser")
        await deck.type("gX")
        await deck.sees("Delete browser?")


async def test_theme_that_is_not_there_is_the_dark_one(scene: Scene) -> None:
    async with deck_on(scene, theme="no-such") as deck:
        assert deck.app.theme == "dark"


async def test_what_is_copied_is_told_and_what_is_too_long_refused(scene: Scene) -> None:
    scene.logs["weather"] = ["x" * 1000] * (LIMIT // 1000)
    async with deck_on(scene) as deck:
        await deck.type("c")
        await deck.sees("copied browser")
        assert deck.app.clipboard == "browser"
        await deck.type(":logs weather<enter>")
        await deck.sees("74 lines")
        await deck.type("c")
        await deck.sees("more than a terminal's clipboard")
        assert deck.app.clipboard == "browser"
