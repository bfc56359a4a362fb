"""Watched messages as exchanges, rows, lines and commands. No gateway, no screen."""

import shlex
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from gateway.wire.traffic import Kind, TrafficMessage
from mcpdeck.model.folding import FoldLine, foldable, lines_of
from mcpdeck.model.words import ASCII, UNICODE
from mcpdeck.traffic import exporting
from mcpdeck.traffic.as_command import curl_command, mcpdeck_command
from mcpdeck.traffic.columns import lasted, offset, standing, status_text, took, traffic_table
from mcpdeck.traffic.filter import Filter
from mcpdeck.traffic.ledger import Exchange, Ledger, Rule
from mcpdeck.traffic.parts import PartName, part_lines
from mcpdeck.traffic.rows import Grouping, Row, arranged
from tests.support.fake_gateway import NOW
from tests.support.said import Conversation, morning


def ledger_of(*messages: TrafficMessage, **more: Any) -> Ledger:
    ledger = Ledger(**more)
    for message in messages:
        ledger.take(message)
    return ledger


def rows_of(ledger: Ledger, grouping: Grouping = Grouping.CALL) -> list[Row]:
    return arranged(ledger, grouping, lambda exchange: f"session {exchange.first.session}")


def told(rows: list[Row]) -> list[str]:
    call = next(column for column in traffic_table(is_fine=True).columns if column.id == "call")
    return [call.cell(row, NOW).text for row in rows]


def text_of(lines: Any) -> list[str]:
    return ["".join(cell.text for cell in line.cells) for line in lines]


def test_request_waits_until_its_response_makes_it_whole() -> None:
    talk = Conversation()
    request = talk.asks("tools/call", "get_forecast")
    ledger = ledger_of(request)
    (exchange,) = ledger.exchanges
    assert exchange.is_open
    assert standing(exchange).word == "…"
    assert took(exchange, request.at + timedelta(seconds=2)) == "2.0s"
    ledger.take(talk.answers(request, after=0.041))
    assert len(ledger) == 1
    assert not exchange.is_open
    assert (status_text(exchange, UNICODE), took(exchange, NOW)) == ("ok", "41ms")


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"rpc_error": {"code": -32602, "message": "no"}}, "✖ -32602"),
        ({"error": "no such place"}, "✖ tool"),
        ({"error": "the gateway timed out", "status": 504}, "✖ 504"),
        ({"status": 404}, "✖ 404"),
        ({"kind": Kind.HTTP, "error": "no response came"}, "✖ no answer"),
        ({"result": {"resultType": "input_required"}}, "asks"),
        ({}, "ok"),
    ],
)
def test_how_it_went_is_told_in_a_word(fields: dict[str, Any], word: str) -> None:
    talk = Conversation()
    request = talk.asks("tools/call")
    (exchange,) = ledger_of(request, talk.answers(request, fields.pop("result", None), **fields)).exchanges
    assert status_text(exchange, UNICODE) == word


def test_what_comes_in_the_course_of_a_call_is_under_it_and_its_rounds_too() -> None:
    talk = Conversation()
    call = talk.asks("tools/call", "book")
    progress = talk.tells("notifications/progress", {"progress": 1, "total": 3}, under=call.number)
    other = talk.asks("ping")
    asked = talk.asks("elicitation/create", back=True, under=call.number)
    again = talk.asks("tools/call", "book", follows=call.number)
    third = talk.asks("tools/call", "book", follows=again.number)
    ledger = ledger_of(call, progress, other, asked, again, third)
    assert told(rows_of(ledger)) == [
        "tools/call book [3 rounds]",
        "├ progress 1/3",
        "├ elicitation/create",
        "├ tools/call book (again)",
        "└ tools/call book (again)",
        "ping",
    ]


def test_flat_rows_are_messages_as_they_came() -> None:
    talk = Conversation()
    one, two = talk.asks("tools/list"), talk.asks("ping")
    ledger = ledger_of(one, two, talk.answers(two), talk.answers(one))
    rows = rows_of(ledger, Grouping.FLAT)
    assert [(row.begun.method, row.is_answer) for row in rows if row.begun] == [
        ("tools/list", False), ("ping", False), ("ping", True), ("tools/list", True),
    ]  # fmt: skip
    assert [offset(row.delta) for row in rows] == ["", "+50", "+41", "+41"]


def test_sessions_stand_one_after_the_other_under_their_names() -> None:
    ada, bea = Conversation(session="a"), Conversation(session="b", number=100)
    messages = [ada.asks("ping"), bea.asks("ping"), ada.asks("tools/list")]
    rows = rows_of(ledger_of(*messages), Grouping.SESSION)
    assert [row.text or (row.begun.method if row.begun else "") for row in rows] == [
        "session a", "ping", "tools/list", "session b", "ping",
    ]  # fmt: skip


def test_a_message_that_comes_twice_is_one() -> None:
    message = Conversation().asks("ping")
    ledger = ledger_of(message)
    assert ledger.take(message) is None
    assert len(ledger) == 1


def test_numbers_of_another_process_mean_other_messages() -> None:
    old, new = Conversation(), Conversation()
    ledger = ledger_of(old.asks("tools/list"))
    ledger.hear_from("another")
    first = new.asks("ping")
    ledger.take(first)
    ledger.take(new.answers(first))
    assert [exchange.first.method for exchange in ledger.exchanges] == ["tools/list", "ping"]
    assert [exchange.is_open for exchange in ledger.exchanges] == [True, False]


def test_the_oldest_go_and_what_was_under_them_stands_by_itself() -> None:
    talk = Conversation()
    call = talk.asks("tools/call", "slow")
    child = talk.tells("notifications/progress", under=call.number)
    ledger = ledger_of(call, child, capacity=2)
    ledger.take(talk.asks("ping"))
    assert ledger.fallen == 1
    assert told(rows_of(ledger)) == ["progress", "ping"]
    late = ledger.take(talk.answers(call))
    assert late is not None
    assert late.first.method == "tools/call"  # its request is gone, so that it stands for itself


def test_large_payloads_make_room_for_new_ones() -> None:
    talk = Conversation()
    ledger = ledger_of(*(talk.asks("tools/call", size=600) for _ in range(5)), capacity_bytes=1500)
    assert (len(ledger), ledger.fallen) == (2, 3)


def test_ten_thousand_are_held_and_no_more() -> None:
    talk = Conversation()
    ledger = ledger_of(*(talk.asks("ping") for _ in range(10_500)))
    assert (len(ledger), ledger.fallen) == (10_000, 500)
    assert len(rows_of(ledger)) == 10_000


def test_call_and_response_together_are_what_a_filter_wants() -> None:
    talk = Conversation()
    request = talk.asks("tools/call", "get_forecast", {"arguments": {"city": "Oslo"}})
    response = talk.answers(request, error="no such place", after=0.7)
    assert Filter("oslo status:error >500ms").keeps_any([request, response])
    assert not Filter("oslo status:error").keeps_any([request])
    assert not Filter("oslo !status:error").keeps_any([request, response])
    assert Filter("method:tools/* oslo 'no such'").bare_words == ["oslo", "no such"]


def test_call_stays_for_a_child_that_is_wanted() -> None:
    ledger = ledger_of(*morning("weather", "s-1"))
    wanted = Filter("method:elicitation/create")
    for exchange in ledger.exchanges:
        exchange.is_kept = wanted.keeps_any(exchange.messages)
    assert told(rows_of(ledger)) == ["tools/call get_forecast", "└ elicitation/create"]


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0.0004, "0.4ms"), (0.041, "41ms"), (0.9996, "1.0s"), (6.24, "6.2s"), (99.96, "1m39s"), (192, "3m12s")],
)
def test_lengths_of_time_are_short(seconds: float, text: str) -> None:
    assert lasted(seconds) == text


def test_json_folds_and_texts_of_several_lines_are_lines() -> None:
    value = {"a": {"b": [1, True, None, "x"]}, "text": "one\n\ttwo", "empty": {}}
    assert text_of(lines_of(value, folded=(), glyphs=UNICODE)) == [
        "▾ {3}",
        "  ▾ a",
        "    ▾ b [4]",
        "        [0]: 1",
        "        [1]: true",
        "        [2]: null",
        '        [3]: "x"',
        "    text: │",
        "      one",
        "          two",
        "    empty: {0}",
    ]
    assert text_of(lines_of(value, folded={"$.a"}, glyphs=ASCII))[:2] == ["v {3}", "  > a {1}"]
    assert list(foldable(value)) == [("$", 0), ("$.a", 1), ("$.a.b", 2)]


def test_endless_depth_ends() -> None:
    value: Any = 1
    for _ in range(500):
        value = [value]
    assert len(list(lines_of(value, folded=(), glyphs=UNICODE))) < 100


def part(exchange: Exchange, name: PartName) -> str:
    lines: list[FoldLine] = list(part_lines(exchange, name, folded=(), now=NOW, glyphs=UNICODE))
    return "\n".join(text_of(lines))


def test_parts_of_an_exchange_say_what_they_are_called() -> None:
    found = list(ledger_of(*morning("weather", "s-1")).exchanges)
    call = found[2]
    assert "1 value hidden" in part(call, PartName.REQUEST)
    assert 'city: "Oslo"' in part(call, PartName.REQUEST)
    assert "  2° and rain until noon" in part(call, PartName.RESPONSE)
    assert "POST /adapters/weather/mcp" in part(call, PartName.HEADERS)
    assert "mcp-protocol-version: 2025-11-25" in part(call, PartName.HEADERS)
    assert '{"jsonrpc":"2.0","id":2' in part(call, PartName.RAW)
    assert "elicitation/create  ok" in part(call, PartName.TIMING)
    assert "✖ no region 'XX' (-32602)" in part(next(it for it in found if it.error), PartName.RESPONSE)
    assert "none yet" in part(found[-1], PartName.RESPONSE)


def test_large_messages_are_shown_as_far_as_they_are_there() -> None:
    talk = Conversation()
    (cut,) = ledger_of(talk.asks("tools/call", payload=None, excerpt='{"a":"' + "x" * 70_000, size=4_200_000)).exchanges
    assert "4.2M bytes, of which the first 66K are shown" in part(cut, PartName.REQUEST)
    assert max(map(len, part(cut, PartName.REQUEST).split("\n"))) < 500
    (gone,) = ledger_of(talk.asks("tools/call", payload=None, size=40_000_000)).exchanges
    assert "too large to be shown" in part(gone, PartName.REQUEST)


def test_call_is_told_as_a_command_and_as_curl() -> None:
    request = Conversation().asks("tools/call", "say", {"name": "say", "arguments": {"text": "it's $HOME; rm"}})
    words = shlex.split(mcpdeck_command(request, context="prod"))
    assert words[:6] == ["mcpdeck", "--context", "prod", "call", "weather", "say"]
    assert msgspec.json.decode(words[7]) == {"text": "it's $HOME; rm"}
    line = curl_command(request, url="https://mcp.example.com")
    assert "https://mcp.example.com/adapters/weather/mcp" in shlex.split(line)
    assert msgspec.json.decode(shlex.split(line)[-1]) == request.payload
    assert "Bearer $MCPDECK_TOKEN" in line
    assert mcpdeck_command(Conversation().asks("tools/list"), context="prod") == ""


def test_messages_become_files_by_their_kind() -> None:
    messages = list(morning("weather", "s-1"))
    assert exporting.jsonl(messages).count("\n") == len(messages)
    entries = msgspec.json.decode(exporting.har(messages, url="http://x"))["log"]["entries"]
    assert [entry["comment"] for entry in entries][:2] == ["initialize", "tools/list"]
    text, left = exporting.pytest(messages, url="http://x", file="test_w.py")
    assert "get_alerts" in text
    assert {each.call.request.method for each in left} >= {"initialize"}
    with pytest.raises(ValueError, match="of one adapter"):
        exporting.pytest([*messages, Conversation("other").asks("ping")], url="http://x", file="f.py")


def test_what_servers_say_is_one_line_in_a_row() -> None:
    talk = Conversation()
    message = talk.asks("tools/call", "a\nb\x1b[31m", id="x\x1b]0;t\x07y")
    ledger = ledger_of(message)
    ledger.rule("here", is_gap=False)
    for row in rows_of(ledger):
        for column in traffic_table(ASCII, is_fine=True).columns:
            assert column.cell(row, NOW).text.isprintable()
    assert isinstance(list(ledger)[1], Rule)
