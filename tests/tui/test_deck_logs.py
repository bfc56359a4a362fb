"""Logs as a reader uses them."""

from pathlib import Path

import pytest

from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import Fault, Scene


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


async def test_log_is_followed_with_its_replicas_apart(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("3 replicas", "240 lines", "follow:on", "live")
        deck.gateway.write_log("weather", "[weather-1] 2026-11-24T12:00:09Z INFO the newest line")
        await deck.sees("weather-1 │ INFO  the newest line".replace("  ", " "))
        request = deck.gateway.seen("GET", "/adapters/weather/logs")[0]
        assert request.query["instance"] == "all"
        assert request.query["follow"] == "true"


async def test_filter_shows_matches_and_highlight_shows_all(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather /ERROR<enter>")
        await deck.sees("/ERROR", "of 240 lines", "filter:hides")
        shown = [line for line in deck.lines if "│" in line]
        assert shown
        assert all("ERROR" in line for line in shown)
        await deck.type("h")
        await deck.sees("filter:highlights", "240 lines")
        await deck.sees("DEBUG")


async def test_toggles_are_told_in_words(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>wts")
        await deck.sees("wrap:on", "time:on", "follow:off")


async def test_digits_choose_how_far_back(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("240 lines")
        await deck.type("3")
        await deck.sees("since:5m")
        await deck.until(lambda: any("since" in it.query for it in deck.gateway.seen("GET", "/adapters/weather/logs")))


async def test_previous_run_is_asked_for(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>P")
        await deck.sees("previous run")
        await deck.until(
            lambda: any(it.query.get("previous") == "true" for it in deck.gateway.seen("GET", "/adapters/weather/logs"))
        )


async def test_previous_run_that_left_nothing_says_so(scene: Scene) -> None:
    scene.logs["weather"].clear()
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>P")
        await deck.sees("previous run", "weather had no run before this one, or nothing of it is kept.", "complete")
        await deck.sees_no("Complete…")


async def test_broken_stream_is_resumed_with_a_gap_and_nothing_twice(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("240 lines")
        deck.gateway.cut_streams()
        await deck.sees("retrying")
        deck.gateway.write_log("weather", "[weather-0] 2026-11-24T12:00:30Z INFO after the break")
        await deck.type("<ctrl+r>")
        await deck.sees("after the break", "reconnected")
        assert deck.app.logs_view.book.total == 242  # 240, the gap, and the new one


async def test_log_that_can_not_be_read_says_why(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("GET", "/adapters/weather/logs", Fault(404, "no adapter 'weather'"))
        await deck.type(":logs weather<enter>")
        await deck.sees("no adapter 'weather'")


async def test_log_is_saved_as_shown(scene: Scene, tmp_path: Path) -> None:
    async with deck_on(scene, surroundings={"dump_folder": tmp_path}) as deck:
        await deck.type(":logs weather /ERROR<enter>")
        await deck.sees("of 240 lines")
        await deck.type("<ctrl+s>")
        await deck.sees("saved to")
        [file] = tmp_path.iterdir()  # noqa: ASYNC240
        lines = file.read_text().splitlines()
        assert lines
        assert all("ERROR" in line for line in lines)


async def test_mark_draws_a_line_and_clear_empties(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("240 lines")
        await deck.type("m")
        await deck.sees("────")
        await deck.type("C")
        await deck.sees("0 lines")


async def test_next_match_goes_from_place_to_place(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather /ERROR<enter>hgn")
        await deck.until(lambda: "ERROR" in deck.lines[7] or "ERROR" in deck.lines[6])
        assert not deck.app.logs_view.lines.follow


async def test_leaving_and_coming_back_keeps_the_log(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("240 lines")
        await deck.type("<esc>5")
        await deck.sees("240 lines")
        assert len(deck.gateway.seen("GET", "/adapters/weather/logs")) == 1


async def test_another_adapters_log_replaces_it(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":logs weather<enter>")
        await deck.sees("240 lines")
        deck.gateway.scene.logs["time"] = ["[time-0] 2026-11-24T11:00:00Z INFO only this"]
        await deck.type(":logs time<enter>")
        await deck.sees("only this", "1 line")
        await deck.sees_no("weather-0")
