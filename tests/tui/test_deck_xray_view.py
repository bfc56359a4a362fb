"""The tree in the deck: how one gets there, what its keys do, that it stays true."""

from msgspec.structs import replace

from tests.support import scenes
from tests.support.deck import deck_on


async def test_x_shows_what_is_behind_an_adapter_and_leads_on() -> None:
    async with deck_on(scenes.team(), size=(120, 40)) as deck:
        await deck.type("/weather<enter>x")
        await deck.sees("X-ray of weather", "weather-0", "weather-2", "claude-code")
        await deck.type("jjj<enter>")
        await deck.sees("Traffic so far")
        await deck.type("q")
        await deck.sees("X-ray of weather")
        await deck.type("kl")
        await deck.sees("weather log")


async def test_the_whole_gateway_folds_and_follows_what_changes() -> None:
    async with deck_on(scenes.team(), size=(120, 40)) as deck:
        await deck.type(":xray<enter>")
        await deck.sees("X-ray of test", "▾ test", "▸ browser (4)")
        view = deck.app.xray_view
        assert view.table.go_to("gateway/weather")
        await deck.type("<enter>")
        await deck.until(lambda: "gateway/weather/weather-0" in {it.key for it in view.table.shown})
        deck.gateway.put_session(scenes.session(777, "weather", "weather-0"))
        count = len([it for it in deck.app.state.sessions.values() if it.adapter == "weather"])
        await deck.until(lambda: f"{count + 1} sessions" in deck.line("weather"))
        deck.gateway.put(replace(deck.gateway.scene.adapters["weather"], replica_count=7, etag='"9"'))
        await deck.sees("of 7 ready")
        await deck.type("a")
        await deck.until(lambda: len(view.table.shown) > 90)
        await deck.type("a")
        await deck.until(lambda: len(view.table.shown) < 20)


async def test_a_filter_finds_what_is_folded_away() -> None:
    async with deck_on(scenes.team(), size=(120, 40)) as deck:
        await deck.type(":xray /kind:session adapter:weather<enter>")
        await deck.until(lambda: {it.adapter for it in deck.app.xray_view.table.shown[1:]} == {"weather"})
        await deck.type("<esc>")
        await deck.sees("▸ browser (4)")


async def test_ctrl_d_ends_a_session_and_deletes_an_adapter_and_asks_before() -> None:
    async with deck_on(scenes.team(), size=(120, 40)) as deck:
        await deck.type(":xray weather<enter>")
        await deck.sees("X-ray of weather")
        table = deck.app.xray_view.table
        assert table.go_to("gateway/weather")
        await deck.type("<ctrl+d>")
        await deck.sees("Delete weather?")
        await deck.type("<esc>")
        session = next(it for it in table.shown if it.session and deck.app.state.sessions[it.session].era == "legacy")
        assert table.go_to(session.key)
        await deck.type("<ctrl+d>")
        await deck.sees("End session")
        await deck.type("<right><enter>")
        await deck.until(lambda: session.session not in {it.session for it in table.shown})


async def test_a_click_on_the_head_does_not_take_the_tree_apart() -> None:
    async with deck_on(scenes.team(), size=(120, 40)) as deck:
        await deck.type(":xray<enter>")
        await deck.sees("▾ test")
        table = deck.app.xray_view.table
        before = [it.key for it in table.shown]
        await deck.pilot.click(type(table), offset=(10, 0))
        assert [it.key for it in table.shown] == before


async def test_what_is_not_there_is_told() -> None:
    async with deck_on(scenes.team()) as deck:
        await deck.type(":xray nowhere<enter>")
        await deck.sees("no adapter and no tool 'nowhere'")
