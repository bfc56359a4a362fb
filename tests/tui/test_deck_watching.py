"""Pulse, events and what was done from here, by keys."""

from pathlib import Path

import pytest
from msgspec.structs import replace

from gateway.wire.audit import AuditRecord
from gateway.wire.resources import Phase
from mcpdeck.model.commands import View
from mcpdeck.tui.journal import Journal
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import NOW, Fault, Scene, stored


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


def counters(requests: int) -> str:
    return f'mcpdeck_requests_total {requests}\nmcpdeck_answers_total{{class="5xx"}} 0\nmcpdeck_streams 17\n'


async def test_pulse_shows_counts_at_once_and_rates_as_soon_as_there_are_two_samples(scene: Scene) -> None:
    scene.metrics = [counters(100), counters(500)]
    async with deck_on(scene, size=(120, 40)) as deck:
        await deck.type("9")
        await deck.sees("Pulse of test", "▲ Degraded 1", "Sessions          80", "Busiest adapters")
        await deck.until(lambda: len(deck.gateway.seen("GET", "/metrics")) >= 2)
        await deck.sees("Streams           17")
        await deck.type("1")
        assert deck.app.place.view is View.ADAPTERS


async def test_pulse_of_a_gateway_without_counters_says_so(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.fail("GET", "/metrics", Fault(403, "counters are the operators'"))
        await deck.type(":pulse<enter>")
        await deck.sees("the gateway gives none: counters are the operators'")


async def test_nothing_asks_for_counters_while_nobody_looks(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("3158")
        assert deck.gateway.seen("GET", "/metrics") == []


async def test_events_are_lines_as_they_come_and_can_be_filtered(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":events<enter>")
        await deck.sees("Events of test", "0 lines", "live")
        deck.gateway.put(stored(scenes.stdio("brand-new", "uvx", "x"), owner="kim"))
        failed = scenes.status(Phase.FAILED, [scenes.instance("weather-0", Phase.FAILED)], reason="CrashLoop")
        deck.gateway.put_status("weather", failed)
        await deck.sees("brand-new is deployed by kim", "weather Ready → Failed, 0 ready: CrashLoop")
        session = next(iter(scene.sessions.values()))
        deck.gateway.put_session(replace(session, calls=session.calls + 1))
        deck.gateway.remove_session(session.id)
        await deck.sees("ended after 1 call")
        assert "session" in deck.line("ended after")
        await deck.type("/CrashLoop<enter>")
        await deck.sees("1 of 3 lines")


async def test_broken_stream_stands_in_the_events(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":events<enter>")
        deck.gateway.cut_streams()
        await deck.sees("lost: ")
        await deck.type("<ctrl+r>")
        await deck.sees("live again after")


async def test_events_of_one_gateway_are_not_shown_as_anothers(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        deck.gateway.remove("time")
        await deck.type(":events<enter>")
        await deck.sees("time is deleted")
        deck.app.switch("other")
        await deck.type(":events<enter>")
        await deck.sees("Events of other", "0 lines")


async def test_what_was_done_stands_with_its_command(scene: Scene, tmp_path: Path) -> None:
    journal = Journal(tmp_path / "deeds.jsonl")
    async with deck_on(scene, size=(140, 30), surroundings={"journal": journal}) as deck:
        deck.gateway.fail("POST", "/adapters/time/restart", Fault(403, "not you"))
        await deck.type(":restart sentry<enter>")
        await deck.sees("sentry restarts")
        await deck.type(":scale sentry 4<enter>")
        await deck.sees("sentry scales to 4")
        await deck.type(":restart time<enter><right><enter>")
        await deck.sees("not you")
        await deck.type(":audit<enter>")
        await deck.sees("Audit 3", "✓ Done", "✖ Failed", "mcpdeck adapters restart sentry")
        await deck.type("/target:sentry what:scale<enter>c")
        await deck.until(lambda: deck.app.clipboard == "mcpdeck --context test adapters scale sentry 4")
        await deck.type("<esc><enter>")
        await deck.sees("Restart time", "not you")
    async with deck_on(scenes.team(), surroundings={"journal": journal}) as deck:
        await deck.type(":audit<enter>")
        await deck.sees("Audit 3", "Restart", "Scale")


async def test_everybodys_deeds_are_the_gateways_own_log(scene: Scene) -> None:
    scene.audit = [
        AuditRecord(
            at=NOW, action="mcp.call", principal="bea@x", principal_name="Bea", target="time", name="now", status=200
        ),
        AuditRecord(at=NOW, action="adapter.delete", principal="tom@x", target="time", status=403, detail="not yours"),
    ]
    async with deck_on(scene, size=(120, 30)) as deck:
        await deck.type(":audit<enter>o")
        await deck.sees("Audit log of test", "Bea    mcp.call time now", "tom@x  adapter.delete time", "not yours")
        await deck.type("<esc>")
        deck.gateway.fail("GET", "/audit", Fault(403, "for administrators"))
        await deck.type("o")
        await deck.sees("for administrators")


async def test_gateway_that_keeps_no_log_says_so(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":audit-log<enter>")
        await deck.sees("Audit log of test", "Nothing is recorded")


async def test_nothing_done_yet_is_said(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type(":audit<enter>")
        await deck.sees("Nothing has been changed from here yet.")


async def test_journal_that_can_not_be_written_is_told_once(scene: Scene, tmp_path: Path) -> None:
    journal = Journal(tmp_path)  # a folder is no file
    async with deck_on(scene, surroundings={"journal": journal}) as deck:
        await deck.sees("what was done before can not be read")
        await deck.type(":restart sentry<enter>")
        await deck.sees("what is done can not be kept")


async def test_deployed_and_refused_adapters_are_remembered(scene: Scene) -> None:
    async with deck_on(scene, size=(140, 30)) as deck:
        await deck.type("nweather<tab><tab>uvx x<ctrl+s>")
        await deck.sees("an adapter 'weather' exists")
        await deck.type("<esc>:audit<enter>")
        await deck.sees("Audit 1", "Deploy", "✖ Failed", "adapters apply -f weather.yaml")
