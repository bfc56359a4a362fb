"""Live sessions by keys: seen as they come and go, opened, ended."""

from datetime import timedelta

import pytest
from msgspec.structs import replace

from gateway.wire.resources import WhoAmI
from mcpdeck.model.commands import View
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import NOW, Fault, Scene


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


def few() -> Scene:
    """Three sessions at two adapters."""
    scene = scenes.empty()
    for name in ("weather", "time"):
        scenes.add(scene, scenes.stdio(name, "uvx", name), "ada", scenes.DAY)
    for n, adapter in enumerate(("weather", "weather", "time")):
        made = scenes.session(n, adapter, f"{adapter}-0", id=f"{n}abcdef012345678", in_flight=0, last_used_at=NOW)
        scene.sessions[made.id] = made
    return scene


async def test_every_live_session_is_seen_with_who_and_where(scene: Scene) -> None:
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type("3")
        await deck.sees("Sessions 80", "claude-code 2.1.4", "Ada Lovelace", "legacy", "modern", "INST")


async def test_session_that_comes_and_goes_is_seen() -> None:
    async with deck_on(few()) as deck:
        await deck.type(":sessions<enter>")
        await deck.sees("Sessions 3")
        deck.gateway.put_session(scenes.session(9, "time", "time-0", id="new1", client_name="zed"))
        await deck.sees("Sessions 4", "zed")
        deck.gateway.remove_session("new1")
        await deck.sees("Sessions 3")


async def test_call_under_way_is_seen_at_once() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3")
        await deck.sees("Live")
        busy = next(iter(deck.gateway.scene.sessions.values()))
        deck.gateway.put_session(replace(busy, in_flight=3))
        await deck.sees("Busy")


async def test_s_on_an_adapter_shows_its_sessions_and_back_returns_to_it() -> None:
    async with deck_on(few()) as deck:
        await deck.type("js")
        await deck.sees("Sessions of weather 2")
        await deck.type("q")
        await deck.sees("Adapters 2")
        assert deck.app.adapters_view.table.current_key == "weather"
        await deck.type("3")
        await deck.sees("Sessions 3")


async def test_sessions_of_a_named_adapter_with_a_filter() -> None:
    async with deck_on(few()) as deck:
        await deck.type(":sessions weather /era:modern<enter>")
        await deck.sees("Sessions of weather 1 of 2")


async def test_session_is_opened_and_told_when_it_ends() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3d")
        await deck.sees("claude-code 2.1.4 at weather", "modern: no session id", "Traffic so far", "› 0abcdef0")
        deck.gateway.remove_session("0abcdef012345678")
        await deck.sees("It has ended.")
        await deck.type("<esc>")
        await deck.sees("Sessions 2")


async def test_adapter_of_a_session_is_one_key_away() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3o")
        assert deck.app.place.view is View.DETAIL
        assert deck.app.detail_view.crumb == "weather"


async def test_ending_a_session_asks_with_cancel_focused_and_names_who_it_is() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3j<ctrl+d>")
        await deck.sees("End session 1abcdef0?", "vscode 1.107", "Bea Vogel", "gets 404 with its next call")
        await deck.type("<enter>")
        await deck.sees_no("End session 1abcdef0?")
        assert deck.gateway.seen("DELETE", ".*") == []
        await deck.type("<ctrl+d><right><enter>")
        await deck.gateway.request("DELETE", "/sessions/live/1abcdef012345678")
        await deck.sees("session 1abcdef0 has ended", "Sessions 2")


async def test_marked_sessions_end_together() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3j<space><space><ctrl+d>")
        await deck.sees("End 2 sessions?")
        await deck.type("<tab><enter>")
        await deck.sees("Sessions 1")


async def test_session_is_ended_by_the_beginning_of_its_id_from_anywhere() -> None:
    async with deck_on(few()) as deck:
        await deck.type(":end 2ab<enter>")
        await deck.sees("End session 2abcdef0?")
        await deck.type("<right><enter>")
        await deck.gateway.request("DELETE", "/sessions/live/2abcdef012345678")


async def test_drained_session_ends_once_its_calls_are_answered_and_the_command_is_kept() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3<down>D")
        await deck.sees("Drain session", "Until then it goes")
        await deck.type("<right><enter>")
        request = await deck.gateway.request("DELETE", "/sessions/live/.*")
        assert request.query == {"drain": "60"}
        await deck.sees("has ended")
        assert "--drain" in deck.app.state.deeds[-1].line


async def test_others_sessions_are_not_ended_and_the_reader_is_told_why() -> None:
    scene = few()
    scene.whoami = WhoAmI(id="zoe", name="Zoe", roles=[], permissions=[], authentication="dev")
    async with deck_on(scene) as deck:
        await deck.type("3<ctrl+d>")
        await deck.sees("the session is Ada Lovelace's")
        assert deck.gateway.seen("DELETE", ".*") == []


async def test_session_that_is_gone_meanwhile_is_told() -> None:
    async with deck_on(few()) as deck:
        deck.gateway.fail("DELETE", "/sessions/live/.*", Fault(404, "no such session"))
        await deck.type("3j<ctrl+d><right><enter>")
        await deck.sees("no such session; it is gone")


async def test_modern_client_has_no_session_to_end_and_that_is_said_before_anything_is_asked() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3<ctrl+d>")
        await deck.sees("a modern client has no session")


async def test_faults_are_sessions_that_met_errors() -> None:
    scene = few()
    bad = scenes.session(5, "time", "time-0", id="bad1", errors=4, client_name="broken-client")
    scene.sessions[bad.id] = bad
    async with deck_on(scene) as deck:
        await deck.type("3<ctrl+z>")
        await deck.sees("Sessions 1 of 4", "broken-client")


async def test_lists_say_that_they_may_lack_what_other_gateways_have() -> None:
    scene = few()
    scene.partial = "Redis can't be reached"
    async with deck_on(scene) as deck:
        await deck.type("3")
        await deck.sees("Sessions 3   partial: Redis can't be reached")
        await deck.type(":approvals<enter>")
        await deck.sees("Approvals 0   partial: Redis can't be reached", "Other gateways may have some")
        deck.gateway.scene.partial = ""
        await deck.sees_no("partial")


async def test_nobody_there_is_said() -> None:
    async with deck_on(scenes.empty()) as deck:
        await deck.type("3")
        await deck.sees("No live sessions.")


async def test_narrow_terminal_keeps_what_matters(scene: Scene) -> None:
    async with deck_on(scene, size=(80, 24)) as deck:
        await deck.type("3")
        await deck.sees("CLIENT", "USER", "ADAPTER", "STATE", "IDLE", "ERR", "AGE", "enter Traffic", "? Help")


async def test_sessions_that_grow_old_say_so(scene: Scene) -> None:
    async with deck_on(few()) as deck:
        await deck.type("3")
        await deck.sees("Live")
        deck.app.surroundings.clock = lambda: NOW + timedelta(minutes=3)
        for place in (deck.app.sessions_view, deck.app.sessions_view.table):
            place._clock = deck.app.surroundings.clock
        await deck.sees("Idle", "3m")


async def test_keys_still_work_once_the_last_session_is_gone() -> None:
    async with deck_on(few()) as deck:
        await deck.type("3/time<enter>")
        await deck.sees("Sessions 1 of 3")
        deck.gateway.remove_session("2abcdef012345678")
        await deck.sees("Nothing matches.")
        await deck.type("1")
        await deck.until(lambda: deck.view is View.ADAPTERS)
