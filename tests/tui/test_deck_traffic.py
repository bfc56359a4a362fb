"""Traffic as a reader uses it: seen as it flows, one exchange in detail, kept, played again; and when things go wrong."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.wire.resources import WhoAmI
from gateway.wire.traffic import Kind, Sender
from mcpdeck.model.commands import View
from tests.support import scenes
from tests.support.deck import Driver, deck_on
from tests.support.fake_gateway import NOW, Fault, Scene
from tests.support.fake_mcp import FakeMcp
from tests.support.said import Conversation, morning

ONE, TWO = "1abcdef012345678", "2abcdef012345678"
OF_ONE = f"/sessions/live/{ONE}/traffic"


def scene() -> Scene:
    """Two sessions at one adapter."""
    made = scenes.empty()
    scenes.add(made, scenes.stdio("weather", "uvx", "weather"), "ada", scenes.DAY)
    scenes.add(made, scenes.stdio("time", "uvx", "time"), "bea", scenes.DAY)
    for n, name in enumerate((ONE, TWO), 1):
        made.sessions[name] = scenes.session(n, "weather", "weather-0", id=name, opened_at=NOW - n * scenes.HOUR)
    return made


@asynccontextmanager
async def watching(
    *, size: tuple[int, int] = (120, 40), surroundings: dict[str, Any] | None = None, **opening: Any
) -> AsyncIterator[Driver]:
    """The deck, with session ONE's traffic open and listened to."""
    async with deck_on(scene(), size=size, surroundings=surroundings, **opening) as deck:
        await deck.type(f"3/{ONE[:6]}<enter><enter>")
        await deck.gateway.watched()
        await deck.sees("Traffic of weather", "live")
        yield deck


async def test_session_opens_into_its_traffic_and_rows_are_paired() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        call = talk.asks("tools/call", "get_forecast")
        deck.gateway.say(call)
        await deck.sees("tools/call get_forecast", "…")
        deck.gateway.say(talk.answers(call, after=0.041))
        await deck.sees("ok", "41ms")
        assert len(deck.app.traffic_view.table.shown) == 1
        assert deck.gateway.seen("GET", OF_ONE)


async def test_other_sessions_stay_out_and_an_adapter_shows_all_with_who_it_is() -> None:
    async with deck_on(scene(), size=(160, 40)) as deck:
        await deck.type("jT")
        await deck.gateway.watched()
        deck.gateway.say(Conversation(session=ONE).asks("ping"), Conversation(session=TWO, number=9).asks("tools/list"))
        await deck.sees("Traffic of weather", "WHO", "vscode", "cursor", "tools/list")


async def test_what_a_call_causes_stands_under_it() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("├ progress 1/3", "├ elicitation/create", "✖ -32602", "✖ tool", "message warning")
        await deck.type("v")
        await deck.sees("by:session", f"{ONE[:8]} vscode 1.107")
        await deck.type("v")
        await deck.sees("by:flat")
        assert len(deck.app.traffic_view.table.shown) == 16
        await deck.type("v")
        await deck.sees("by:call")


async def test_detail_stands_beside_the_rows_and_its_parts_turn() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees('city: "Bergen"')
        await deck.type("<home>jj")
        await deck.sees('city: "Oslo"', "1 value hidden")
        await deck.type("<tab>")
        await deck.sees("2° and rain until noon")
        await deck.type(":headers<enter>")
        await deck.sees("mcp-protocol-version: 2025-11-25")
        await deck.type("<tab><tab>")
        await deck.sees("In its course", "elicitation/create  ok")


async def test_narrow_terminal_opens_the_detail_with_enter_and_comes_back() -> None:
    async with watching(size=(80, 24)) as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts")
        await deck.type("<home>jj<enter>")
        assert deck.view is View.EXCHANGE
        await deck.sees("tools/call get_forecast at weather", "▾ arguments", 'city: "Oslo"')
        await deck.type("jjjj<enter>")
        await deck.sees("▸ arguments {4}")
        await deck.sees_no('city: "Oslo"')
        await deck.type("n")
        await deck.sees("progress at weather")
        await deck.type("q")
        await deck.until(lambda: deck.view is View.TRAFFIC)
        assert deck.gateway.watchers == 1


async def test_filter_language_keeps_calls_and_says_what_is_wrong_with_it() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("initialize")
        await deck.type("/method:tools/* status:error >500ms<enter>")
        await deck.sees("1 of 10", "get_forecast", "702ms")
        await deck.sees_no("initialize")
        await deck.type("<esc>/colour:red<enter>")
        await deck.sees("there is no 'colour'")
        await deck.type("<esc>")
        await deck.sees("initialize")


async def test_pause_holds_the_screen_and_loses_nothing() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        deck.gateway.say(talk.asks("tools/list"))
        await deck.sees("tools/list")
        await deck.type("<space>")
        await deck.sees("paused:on")
        deck.gateway.say(talk.asks("ping"))
        await deck.until(lambda: len(deck.app.traffic_view.ledger) == 2)
        assert not deck.line("ping")
        await deck.type("<space>")
        await deck.sees("ping", "paused:off")


async def test_going_up_stops_following_and_a_pill_counts_what_comes() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("follow:on", "get_alerts")
        await deck.type("k")
        await deck.sees("follow:off")
        held = deck.app.traffic_view.table.current_key
        talk = Conversation(session=ONE, number=50)
        deck.gateway.say(*(talk.asks("ping") for _ in range(60)))
        await deck.sees("+60 rows (G)")
        assert deck.app.traffic_view.table.current_key == held
        await deck.type("G")
        await deck.sees("follow:on")
        await deck.sees_no("rows (G)")


async def test_pair_jump_goes_from_a_call_to_what_belongs_to_it() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts")
        await deck.type("<home>jj]]")
        assert deck.app.traffic_view.current is not None
        assert deck.app.traffic_view.current.first.method == "elicitation/create"
        await deck.type("[[")
        assert deck.app.traffic_view.current.first.method == "tools/call"
        await deck.type("[")
        await deck.sees("nothing more of this call before")


async def test_leaving_the_view_closes_the_stream_and_coming_back_marks_the_gap() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/list"))
        await deck.sees("tools/list")
        await deck.type("1")
        await deck.gateway.watched(0)
        await deck.type("4")
        await deck.gateway.watched()
        await deck.sees("not listened for", "tools/list")


async def test_what_may_have_been_answered_while_nobody_listened_waits_no_longer() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        unheard, heard = talk.asks("tools/call", "roll"), talk.asks("tools/call", "book")
        deck.gateway.say(unheard, heard)
        await deck.sees("tools/call book", "…")
        await deck.type("1")
        await deck.gateway.watched(0)
        await deck.type("4")
        await deck.gateway.watched()
        await deck.sees("not listened for", "unknown")
        deck.gateway.say(talk.answers(heard))
        await deck.sees("ok", "unknown")
        await deck.type("<home><tab>")
        await deck.sees("not known: it may have passed")


async def test_a_line_between_rows_has_a_time_too() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE, at=NOW - timedelta(minutes=10))
        deck.gateway.say(*(talk.asks("ping", f"p{n}", after=6) for n in range(40)))
        await deck.sees("ping p39")
        await deck.type("M<end>")
        view = deck.app.traffic_view
        assert view.current is None
        await deck.type("<")
        assert view.current is not None
        assert view.current.first.target == "p29"
        await deck.type("<end>:at -2m<enter>")
        assert view.current.first.target == "p19"


async def test_long_line_of_an_exchange_is_broken_where_the_screen_ends() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/call", "say", {"text": f"{'lorem ' * 60}at the end"}))
        await deck.sees("tools/call say")
        await deck.type("<enter>")
        await deck.sees("at the end")
        await deck.type("<tab><tab><tab>")
        await deck.sees("from the client", "at the end")


async def test_stream_that_breaks_goes_on_where_it_was_without_repeating() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        first = talk.asks("tools/list")
        deck.gateway.say(first)
        await deck.sees("tools/list")
        deck.gateway.cut_streams()
        await deck.sees("retrying")
        await deck.gateway.watched(0)
        await deck.type("<ctrl+r>")
        await deck.gateway.watched()
        deck.gateway.say(first, talk.asks("ping"))
        await deck.sees("not listened for", "ping")
        assert deck.text.count("tools/list") == 1
        assert deck.gateway.seen("GET", OF_ONE)[-1].headers["last-event-id"] == "aa-1"


async def test_another_gateway_in_its_place_numbers_anew() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/list"))
        await deck.sees("tools/list")
        deck.gateway.end_traffic("the gateway stops")
        await deck.gateway.watched(0)
        deck.gateway.stamp = "bb"
        await deck.type("<ctrl+r>")
        await deck.gateway.watched()
        deck.gateway.say(Conversation(session=ONE).asks("ping"))
        await deck.sees("ping", "tools/list")


async def test_what_a_slow_reader_loses_is_counted_and_marked() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/list"))
        deck.gateway.lose(1204)
        await deck.sees("⚠ 1,204 dropped", "1,204 messages lost")


async def test_end_of_a_session_is_told_and_nobody_asks_again() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/list"))
        deck.gateway.end_traffic("the session has ended")
        await deck.sees("ended: the session has ended", "tools/list")
        await deck.type("34")
        await deck.sees("tools/list")
        assert len(deck.gateway.seen("GET", OF_ONE)) == 1


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        (Fault(403, "bob may not see this session"), "Bob may not see this session"),
        (Fault(404, "no live session"), "No live session"),
        (Fault(401, "the token has expired"), "The token has expired, retrying"),
        (Fault(0), "Offline, retrying"),
        (Fault(503, "the store is away"), "The store is away, retrying"),
    ],
)
async def test_refusals_and_faults_are_told_in_the_gateways_words(fault: Fault, told: str) -> None:
    async with deck_on(scene()) as deck:
        deck.gateway.fail("GET", "/sessions/live/.*/traffic", fault)
        await deck.type("3<enter>")
        await deck.sees(told)
        deck.gateway.fail("GET", "/sessions/live/.*/traffic", None)
        await deck.type("<ctrl+r>")
        await deck.gateway.watched()
        await deck.sees("Nothing has passed")


async def test_slow_gateway_holds_no_key_up() -> None:
    async with deck_on(scene()) as deck:
        gate = deck.gateway.hold("GET", "/sessions/live/.*/traffic")
        await deck.type("3<enter>")
        await deck.sees("Connecting")
        await deck.type("1")
        assert deck.view is View.ADAPTERS
        await deck.type("4")
        gate.set()
        await deck.gateway.watched()
        await deck.sees("Nothing has passed")


async def test_marked_calls_are_saved_as_lines_an_archive_and_a_test(tmp_path: Path) -> None:
    async with watching(surroundings={"dump_folder": tmp_path}) as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts")
        await deck.type("w")
        await deck.sees("saved 16 messages to")
        file = tmp_path / "weather-20261124-120000.jsonl"
        assert file.read_text().count("\n") == 16
        await deck.type("<home>jjm")
        await deck.sees("1 marked")
        await deck.type(f":save {tmp_path}/one.har<enter>")
        await deck.until((tmp_path / "one.har").exists)
        entries = msgspec.json.decode((tmp_path / "one.har").read_bytes())["log"]["entries"]
        assert [entry["comment"] for entry in entries] == ["tools/call get_forecast"]
        await deck.type(f"<ctrl+backslash>:save {tmp_path}/test_it.py<enter>")
        await deck.until((tmp_path / "test_it.py").exists)
        assert "get_alerts" in (tmp_path / "test_it.py").read_text()
        await deck.type(f":save {tmp_path}/one.har<enter>")
        await deck.sees("is there already")
        await deck.type(f":save {tmp_path}/one.pcap<enter>")
        await deck.sees("'.pcap' is no kind of file")


async def test_call_is_copied_as_json_as_a_command_and_as_curl() -> None:
    async with watching() as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts")
        await deck.type("<home>jj")
        await deck.type("y")
        await deck.until(lambda: '"city": "Oslo"' in deck.app.clipboard)
        await deck.type("Y")
        await deck.until(lambda: deck.app.clipboard.startswith("mcpdeck --context test call weather get_forecast"))
        await deck.type(":curl<enter>")
        await deck.until(lambda: deck.app.clipboard.startswith("curl -sS"))


async def test_secrets_are_revealed_for_a_while_on_a_stream_of_its_own_and_hidden_again() -> None:
    async with watching() as deck:
        await deck.type("X")
        await deck.gateway.watched(2)
        assert deck.gateway.seen("GET", OF_ONE)[-1].query == {"reveal": "true"}
        await deck.sees("secrets shown for 30s", "audit log")
        talk = Conversation(session=ONE)
        hidden = talk.asks("tools/call", "login", {"apiKey": "‹hidden›"}, redacted=1)
        shown = msgspec.structs.replace(hidden, payload={"params": {"apiKey": "hunter2"}}, redacted=0)
        deck.gateway.say(hidden)
        await deck.sees("tools/call login")
        deck.gateway.say(shown, revealed=True)
        await deck.sees("hunter2")
        await deck.type("X")
        await deck.sees_no("hunter2")
        await deck.gateway.watched(1)
        await deck.sees("‹hidden›")
        await deck.type(":audit<enter>")
        await deck.sees("Done", "Reveal", "traffic tail --adapter weather --reveal")


async def test_refused_revealing_stays_dim_and_says_why() -> None:
    async with watching() as deck:
        deck.gateway.fail("GET", OF_ONE, Fault(403, "revealing is for who may change weather"))
        await deck.type("X")
        await deck.sees("revealing is for")
        asked = len(deck.gateway.seen("GET", OF_ONE))
        await deck.type("X")
        await deck.sees("Reveal: revealing is for")
        assert len(deck.gateway.seen("GET", OF_ONE)) == asked
        await deck.type(":audit<enter>")
        await deck.sees("Failed", "Reveal", "revealing is for")


async def test_who_may_not_change_an_adapter_is_told_before_revealing() -> None:
    made = scene()
    made.whoami = WhoAmI(id="zoe", name="Zoe", roles=[], permissions=[], authentication="dev")
    async with deck_on(made) as deck:
        await deck.type(":traffic weather<enter>X")
        await deck.sees("weather belongs to ada")


async def test_escape_sequences_of_clients_and_servers_reach_no_terminal() -> None:
    evil = "\x1b]0;PWNED\x1b\\\x1b]52;c;AAAA\x07\x1b[31mred\x9b31m\u202egnp\x07"
    async with watching() as deck:
        talk = Conversation(session=ONE)
        call = talk.asks("tools/call", evil, {"name": evil, evil: [evil, f"{evil}\n{evil}"]}, id=evil)
        deck.gateway.say(call, talk.answers(call, {"content": [{"text": evil}]}, error=evil, headers={"x": evil}))
        await deck.sees("tools/call")
        for name in ("request", "response", "headers", "raw", "timing"):
            await deck.type(f":{name}<enter>")
            assert all(line.isprintable() for line in deck.lines)
            assert "PWNED" not in deck.text
        await deck.type("<enter>")
        assert all(line.isprintable() for line in deck.lines)


async def test_ten_thousand_rows_are_held_and_what_is_older_is_counted() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE, at=NOW - timedelta(hours=1))
        view = deck.app.traffic_view
        for _ in range(12):
            for _ in range(900):
                view.inbox.put(talk.asks("ping", after=0.1))
            view.flush()
        await deck.sees("10,000", "800 older gone")
        await deck.type("k<home>")
        first = view.table.current_key
        for _ in range(100):
            view.inbox.put(talk.asks("tools/list"))
        view.flush()
        await deck.sees("900 older gone")
        assert view.table.current_key != first  # it is gone, and the cursor is at what is oldest now


async def test_a_reader_who_pages_through_history_stays_where_they_are_while_more_comes() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        view = deck.app.traffic_view
        for n in range(9_990):
            view.inbox.put(talk.asks("ping", f"p{n}"))
        view.flush()
        await deck.sees("ping p9989")
        await deck.type("<pageup><pageup>")
        seen = [row.key for row in view.table.in_sight]
        for _ in range(500):
            view.inbox.put(talk.asks("ping", "new"))
        view.flush()
        await deck.sees("+500 rows (G)")
        assert [row.key for row in view.table.in_sight] == seen


async def test_recording_is_gone_through_by_time() -> None:
    made = scene()
    talk = Conversation(session=ONE, at=NOW - timedelta(minutes=10))
    made.recordings["weather"] = [talk.asks("ping", f"p{n}", after=6) for n in range(60)]
    async with deck_on(made, size=(120, 40)) as deck:
        await deck.type(":recording weather<enter>")
        await deck.sees("Recording of weather", "60", "complete", "ping p59")
        assert deck.gateway.watchers == 0
        await deck.type("<home>>")
        here = deck.app.traffic_view.current
        assert here is not None
        assert here.first.target == "p10"
        await deck.type(":at +2m<enter>")
        assert deck.app.traffic_view.current is not None
        assert deck.app.traffic_view.current.first.target == "p30"
        await deck.type("<")
        assert deck.app.traffic_view.current.first.target == "p20"
        moment = made.recordings["weather"][45].at.astimezone()
        await deck.type(f":at {moment:%H:%M:%S}<enter>")
        assert deck.app.traffic_view.current.first.target == "p45"
        await deck.type(":at noon<enter>")
        await deck.sees("'noon' is no time")
        await deck.type("t")
        await deck.gateway.watched()
        await deck.sees("Traffic of weather", "Nothing has passed")


async def test_recorder_is_turned_on_with_a_key_and_off_only_after_a_question() -> None:
    async with deck_on(scene()) as deck:
        await deck.type(":recording weather<enter>")
        await deck.sees("Adapter 'weather' records nothing")
        await deck.type("R")
        request = await deck.gateway.request("PATCH", "/adapters/weather")
        assert msgspec.json.decode(request.body) == {"recording": {"enabled": True}}
        await deck.sees("keeps its last 1,000 messages")
        await deck.type("R")
        await deck.sees("Stop recording weather?", "is gone then")
        await deck.type("<right><enter>")
        await deck.until(lambda: len(deck.gateway.seen("PATCH", "/adapters/weather")) == 2)
        await deck.until(lambda: not deck.app.state.adapters["weather"].recording.enabled)


async def test_recording_is_played_again_against_another_adapter_with_what_is_different() -> None:
    made = scene()
    talk = Conversation(session=ONE)
    same, other = talk.asks("tools/list"), talk.asks("prompts/list")
    tools: list[dict[str, Any]] = []
    made.recordings["weather"] = [
        same, talk.answers(same, {"tools": tools}),
        other, talk.answers(other, {"prompts": [{"name": "old"}]}),
    ]  # fmt: skip
    made.servers["time"] = FakeMcp(results={"prompts/list": {"prompts": []}})
    async with deck_on(made, size=(120, 40)) as deck:
        await deck.type(":recording weather<enter>")
        await deck.sees("prompts/list")
        await deck.type(":replay time<enter>")
        await deck.sees("Make 2 calls again?", "time")
        await deck.type("<right><enter>")
        await deck.sees("Replayed at time: 1 of 2 calls different", "✓ same", "tools/list", "result.prompts[0]")
        await deck.type("<esc>t")
        await deck.sees("Nothing has passed")
        await deck.type("1")
        assert deck.view is View.ADAPTERS


async def test_session_is_described_and_ended_from_its_traffic() -> None:
    async with watching() as deck:
        await deck.type("d")
        await deck.sees("Traffic so far", "legacy: one session id")
        await deck.type("q<ctrl+d>")
        await deck.sees("End session 1abcdef0?")
        await deck.type("<right><enter>")
        await deck.gateway.request("DELETE", f"/sessions/live/{ONE}")


async def test_filter_may_come_with_the_command_and_another_adapter_replaces_the_first() -> None:
    async with deck_on(scene(), size=(120, 40)) as deck:
        await deck.type(":traffic weather /status:error<enter>")
        await deck.gateway.watched()
        await deck.sees("Traffic of weather", "/status:error")
        await deck.type(":traffic time<enter>")
        await deck.sees("Traffic of time")
        await deck.until(lambda: deck.gateway.watchers == 1)
        await deck.type("<esc>q")
        await deck.until(lambda: deck.view is View.ADAPTERS)


async def test_ascii_terminal_gets_ascii() -> None:
    async with watching(ascii=True) as deck:
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts", "=>", "<=", "[XX] -32602")
        rows = [line.split("│")[0] for line in deck.lines if "=>" in line or "<-" in line]
        assert rows
        assert all(line.isascii() for line in rows)


async def test_streams_of_another_context_are_left_with_it() -> None:
    async with watching() as deck:
        deck.gateway.say(Conversation(session=ONE).asks("tools/list"))
        await deck.sees("tools/list")
        deck.app.switch("elsewhere")
        await deck.gateway.watched(0)
        await deck.type("4")
        await deck.sees("Traffic of all adapters")


async def test_traffic_is_of_all_adapters_until_one_is_named_and_of_all_again_with_the_same_key() -> None:
    async with deck_on(scene(), size=(160, 40)) as deck:
        await deck.type("4")
        await deck.gateway.watched()
        await deck.sees("Traffic of all adapters", "Nothing has passed at any adapter", "Enter names one adapter")
        deck.gateway.say(
            Conversation(session=ONE).asks("ping"), Conversation("time", "t-1", number=9).asks("tools/list")
        )
        await deck.sees("AT", "weather", "ping", "time", "tools/list")
        await deck.type("/adapter:time,nosuch<enter>")
        await deck.sees_no("ping")
        assert deck.app.place.adapter_names == ["time"]
        await deck.type("<enter>4")
        await deck.sees("Traffic of all adapters", "tools/list")
        await deck.type("<esc>:traffic weather<enter>")
        await deck.sees("Traffic of weather")
        await deck.gateway.watched()
        assert deck.gateway.seen("GET", "/adapters/weather/traffic")
        await deck.type("4")
        await deck.sees("Traffic of all adapters")


async def test_marking_stops_following_so_that_the_cursor_stays_with_what_was_found() -> None:
    async with watching() as deck:
        talk = Conversation(session=ONE)
        deck.gateway.say(talk.asks("ping"))
        await deck.sees("ping")
        await deck.type("m")
        deck.gateway.say(talk.asks("tools/list"))
        await deck.sees("tools/list", "follow:off", "1 marked", "+1 row (G)")
        current = deck.app.traffic_view.current
        assert current is not None
        assert current.first.method == "ping"


async def test_secrets_are_revealed_at_the_adapter_of_the_row() -> None:
    async with deck_on(scene(), size=(120, 40)) as deck:
        await deck.type("4")
        await deck.gateway.watched()
        deck.gateway.say(Conversation("time", "t-1").asks("ping"))
        await deck.sees("ping")
        await deck.type("X")
        await deck.gateway.watched(2)
        assert deck.gateway.seen("GET", "/adapters/time/traffic")[-1].query == {"reveal": "true"}
        await deck.sees("secrets at time")


async def test_several_processes_of_the_gateway_tell_in_turn_and_answers_find_their_requests() -> None:
    async with watching() as deck:
        here, there = Conversation(session=ONE), Conversation(session=ONE)
        asked = here.asks("ping"), there.asks("tools/list")
        for stamp, message in zip(
            ("aa", "bb", "aa", "bb"), (*asked, here.answers(asked[0]), there.answers(asked[1])), strict=True
        ):
            deck.gateway.stamp = stamp
            deck.gateway.say(message)
        await deck.until(lambda: len(deck.app.traffic_view.table.shown) == 2)
        await deck.until(lambda: not any(each.is_open for each in deck.app.traffic_view.ledger.exchanges))


@pytest.mark.parametrize(
    ("way", "session"),
    [
        ("jd", ""),  # the adapter in words
        (":traffic weather<enter>", ""),
        (f"3/{ONE[:6]}<enter><enter>", ONE),
        (f"3/{ONE[:6]}<enter>d", ONE),
        (":logs weather<enter>:pulse<enter>-:xray weather<enter>", ""),
        (":playground weather<enter>", ""),
    ],
)
async def test_digits_take_along_what_one_is_at(way: str, session: str) -> None:
    async with deck_on(scene(), size=(120, 40)) as deck:
        app = deck.app
        for digit, view in (("3", View.SESSIONS), ("4", View.TRAFFIC), ("5", View.LOGS), ("6", View.PLAYGROUND)):
            app.sessions_view.set_filter("")
            await deck.type(f"1{way}")
            here = deck.view
            await deck.type(digit)
            if here is View.TRAFFIC and view is View.TRAFFIC:
                assert app.traffic_view.is_of_all
                continue
            assert (deck.view, app.place.of_adapter) == (view, "weather"), digit
            if view is View.SESSIONS and session:
                await deck.until(lambda: app.sessions_view.table.current_key == session)
            if view is View.LOGS:  # where digits choose a time
                await deck.type(":adapters<enter>")


async def test_digits_are_of_all_where_one_is_at_none() -> None:
    async with deck_on(scene()) as deck:
        await deck.type("j3")
        assert deck.app.sessions_view.adapter == ""
        await deck.type("6")
        assert deck.app.playground_view.endpoint == "/mcp"
        await deck.type("4")
        assert deck.app.traffic_view.is_of_all


async def test_logs_are_of_what_is_under_the_cursor_else_one_is_asked_for_a_name() -> None:
    async with deck_on(scene()) as deck:
        await deck.type("94<enter>")
        await deck.sees(": traffic time")  # the one that Adapters has under its cursor
        await deck.type("weather<enter>")
        await deck.sees("Traffic of weather")
        await deck.type(":logs<enter>")
        await deck.until(lambda: deck.app.logs_view.adapter_names == ["weather"])
        await deck.type("<enter>")
        await deck.sees(": logs weather")
        await deck.type("time<enter>")
        await deck.until(lambda: deck.app.logs_view.adapter_names == ["time"])


@pytest.mark.parametrize("view", [View.TRAFFIC, View.LOGS, View.DETAIL])
async def test_deck_that_begins_at_an_adapter_waits_until_it_has_heard_of_it(view: View) -> None:
    async with deck_on(scene(), ready=False, view=view, adapter="weather") as deck:
        await deck.until(lambda: deck.view is view)
        assert deck.app.place.adapter_names == ["weather"]


async def test_deck_that_begins_at_an_adapter_that_is_not_there_says_so() -> None:
    async with deck_on(scene(), view=View.TRAFFIC, adapter="wether") as deck:
        await deck.sees("there is no adapter 'wether'")
        assert deck.view is View.ADAPTERS


async def test_where_the_command_line_wants_to_is_forgotten_once_the_reader_goes_elsewhere() -> None:
    async with deck_on(scene(), ready=False, view=View.TRAFFIC, adapter="weather") as deck:
        deck.gateway.fail("GET", "/whoami", Fault(503, "not yet"))
        await deck.type("8")
        await deck.until(lambda: deck.view is View.CONTEXTS)
        deck.gateway.fail("GET", "/whoami", None)
        await deck.type("<ctrl+r>")
        await deck.until(lambda: deck.app.state.is_whole)
        assert deck.view is View.CONTEXTS


async def test_recorded_call_is_put_into_the_playground() -> None:
    async with watching() as deck:
        deck.gateway.scene.servers["weather"] = FakeMcp(
            tools=[
                {"name": "get_forecast", "inputSchema": {"type": "object", "properties": {"city": {"type": "string"}}}}
            ]
        )
        deck.gateway.say(*morning("weather", ONE))
        await deck.sees("get_alerts")
        await deck.type("r")
        await deck.until(lambda: deck.view is View.PLAYGROUND)
        await deck.sees("Playground", "get_forecast", "Bergen")
        await deck.gateway.watched(0)


async def test_a_recording_says_how_it_lies_and_where_something_is_missing() -> None:
    talk = list(morning("weather", ONE))
    away = msgspec.structs.replace(
        talk[-1], number=talk[-1].number + 1, sender=Sender.GATEWAY, kind=Kind.GAP, error="away", duration=185.0
    )
    elsewhere = [msgspec.structs.replace(each, replica="other/1") for each in morning("weather", TWO)]
    made = scene()
    made.recordings["weather"] = [*talk, away, *elsewhere]
    async with deck_on(made) as deck:
        await deck.type(":recording weather<enter>")
        await deck.sees("complete", "encrypted at rest since", "1 gap", "away (3m)")
        ledger = deck.app.traffic_view.ledger
        assert sum(len(each.messages) for each in ledger.exchanges) == len([*talk, *elsewhere])
