"""Traffic in the terminal's hands: filtered, exported, planned to be played again, compared. No gateway is asked."""

import ast
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.cli.traffic_lines import line_of
from mcpdeck.traffic.difference import differences
from mcpdeck.traffic.filter import Filter
from mcpdeck.traffic.har import archive
from mcpdeck.traffic.recording import Call, calls, read, written
from mcpdeck.traffic.replaying import compared, plan
from mcpdeck.traffic.tests_made import pytest_file

AT = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def asked(number: int = 1, **more: Any) -> TrafficMessage:
    params = {"name": "get_forecast", "arguments": {"city": "Oslo"}, "_meta": {"progressToken": 1}}
    base: dict[str, Any] = {
        "number": number, "at": AT, "adapter": "weather", "instance": "weather-0", "session": "s-1", "principal": "bea",
        "sender": Sender.CLIENT, "kind": Kind.REQUEST, "method": "tools/call", "target": "get_forecast", "id": number,
        "verb": "POST", "size": 120, "headers": {"user-agent": "cursor"},
        "payload": {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": params},
    }  # fmt: skip
    return TrafficMessage(**base | more)


def answered(number: int = 2, **more: Any) -> TrafficMessage:
    base: dict[str, Any] = {
        "number": number, "at": AT, "adapter": "weather", "session": "s-1", "sender": Sender.SERVER,
        "kind": Kind.RESPONSE, "method": "tools/call", "target": "get_forecast", "id": number - 1,
        "answers": number - 1, "duration": 0.25, "status": 200, "size": 4000, "verb": "POST",
        "payload": {"jsonrpc": "2.0", "id": 1, "result": {"content": [{"type": "text", "text": "rain"}]}},
    }  # fmt: skip
    return TrafficMessage(**base | more)


REQUEST, RESPONSE = asked(), answered()
FAILED = answered(error="no city", status=200)


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("", [REQUEST, RESPONSE, FAILED]),
        ("method:tools/*", [REQUEST, RESPONSE, FAILED]),
        ("method:TOOLS", [REQUEST, RESPONSE, FAILED]),
        ("method:resources/*", []),
        ("tool:get_* kind:response", [RESPONSE, FAILED]),
        ("from:client", [REQUEST]),
        ("status:error", [FAILED]),
        ("status:ok", [RESPONSE]),
        ("status:2xx !status:error", [RESPONSE]),
        ("status:404", []),
        (">200ms", [RESPONSE, FAILED]),
        ("duration:<=0.25s", [RESPONSE, FAILED]),
        (">1s", []),
        ("size:>1k", [RESPONSE, FAILED]),
        ("oslo", [REQUEST]),
        ("!oslo", [RESPONSE, FAILED]),
        ("'no city'", [FAILED]),
        ("session:s- user:bea", [REQUEST]),
        ("status:404,ok", [RESPONSE]),
        ("!status:ok,error", [REQUEST]),
        ("-status:ok,error", [REQUEST]),
        ("status:ok,error", [RESPONSE, FAILED]),
        ("method:prompts/*,tools/* kind:request,notification", [REQUEST]),
        ("duration:<1ms,>200ms", [RESPONSE, FAILED]),
        ("oslo|bergen", [REQUEST]),
        ("id:1 era:", [REQUEST, RESPONSE, FAILED]),
    ],
)
def test_filters_keep_what_they_say(text: str, kept: list[TrafficMessage]) -> None:
    assert [each for each in (REQUEST, RESPONSE, FAILED) if Filter(text).keeps(each)] == kept


@pytest.mark.parametrize(
    "text",
    [
        "colour:red",
        "status:bad",
        ">long",
        "size:>3ms",
        "duration:5",
        "'open",
        "status:",
        "size:,",
        "era:old",
        "kind:request,bad",
    ],
)
def test_a_filter_that_means_nothing_says_what_there_is(text: str) -> None:
    with pytest.raises(ValueError, match=r"wanted|there are|quotation"):
        Filter(text)


def test_recordings_are_read_as_they_were_written_and_a_broken_line_is_named() -> None:
    lines = [written(each) for each in (REQUEST, RESPONSE)]
    assert list(read([*lines, b"\n"])) == [REQUEST, RESPONSE]
    with pytest.raises(ValueError, match="line 2 is no recorded message"):
        list(read([lines[0], b'{"number": "x"}']))


def test_text_of_a_recording_is_plain_when_it_is_read() -> None:
    (message,) = read([written(asked(target="x\x1b[31mred"))])
    assert message.target == "xred"


def test_calls_have_their_responses() -> None:
    (one, two) = calls([REQUEST, RESPONSE, asked(3)])
    assert one == Call(REQUEST, RESPONSE)
    assert (two.response, two.ended_at) == (None, AT)


def test_differences_are_told_path_by_path() -> None:
    before = {"a": 1, "b": [1, 2], "c": True, "gone": "x" * 500, "same": {"deep": None}}
    after = {"a": 1, "b": [1, 3, 4], "c": 1, "new": {}, "same": {"deep": None}}
    found = {each.path: (each.before, each.after) for each in differences(before, after)}
    assert found.keys() == {"b[1]", "b[2]", "c", "gone", "new"}
    assert (found["b[1]"], found["b[2]"], found["new"]) == (("2", "3"), ("", "4"), ("", "{}"))
    assert len(found["gone"][0]) < 200
    assert list(differences(before, after, ignored={"b", "c", "gone", "new"})) == []


@pytest.mark.parametrize(
    ("request_", "response", "reason"),
    [
        (asked(method="initialize"), RESPONSE, "the connection's own"),
        (asked(redacted=1), RESPONSE, "hidden when it was recorded"),
        (asked(payload=None, excerpt="{"), RESPONSE, "too large"),
        (asked(follows=7), RESPONSE, "takes up another call"),
        (REQUEST, None, "its response was not recorded"),
        (REQUEST, answered(redacted=2), "a part of its response was hidden"),
    ],
)
def test_what_can_not_be_made_again_is_left_out_with_the_reason(
    request_: TrafficMessage, response: TrafficMessage | None, reason: str
) -> None:
    steps, left = plan([Call(request_, response)])
    assert steps == []
    assert reason in left[0].reason


def test_a_step_is_compared_but_for_what_belongs_to_its_era() -> None:
    ((step,), _) = plan(calls([REQUEST, RESPONSE]))
    assert step.params == {"name": "get_forecast", "arguments": {"city": "Oslo"}}
    same = {"content": [{"type": "text", "text": "rain"}], "resultType": "complete", "_meta": {"x": 1}}
    assert compared(step, same, seconds=0.1).is_same
    other = compared(step, {"content": [{"type": "text", "text": "snow"}]})
    assert [(each.path, each.before, each.after) for each in other.changes] == [
        ("result.content[0].text", '"rain"', '"snow"')
    ]
    assert compared(step, {"content": [{"type": "text", "text": "snow"}]}, ignored=["text"]).is_same
    assert not compared(step, None, error="no such tool (-32602)").is_same


def test_a_recorded_error_is_expected_again() -> None:
    failed = answered(payload={"id": 1, "error": {"code": -32602, "message": "no such tool"}})
    ((step,), _) = plan([Call(REQUEST, failed)])
    assert compared(step, None, error="no such tool (-32602)").is_same
    assert not compared(step, {}).is_same


def test_an_archive_has_an_entry_per_call_with_all_that_har_requires() -> None:
    (whole, lone) = archive(calls([REQUEST, RESPONSE, asked(3)]), url="http://here", version="1")["log"]["entries"]
    assert whole["request"]["url"] == "http://here/adapters/weather/mcp"
    assert (whole["time"], whole["response"]["status"], whole["comment"]) == (250.0, 200, "tools/call get_forecast")
    assert msgspec.json.decode(whole["response"]["content"]["text"]) == RESPONSE.payload
    assert (lone["response"]["status"], lone["_error"]) == (0, "no response was recorded")
    for entry in (whole, lone):
        assert {"startedDateTime", "time", "request", "response", "cache", "timings"} <= entry.keys()
        assert {"method", "url", "httpVersion", "cookies", "headers", "queryString"} <= entry["request"].keys()
        assert {"status", "statusText", "content", "redirectURL"} <= entry["response"].keys()


def test_a_pytest_file_is_python_and_nothing_that_was_recorded_becomes_code() -> None:
    nasty = '\'); import os; os.abort() #\n"""'
    params = {"name": nasty, "arguments": {nasty: [nasty, None, True, 1.5]}}
    request_ = asked(target=nasty, payload={"id": 1, "method": "tools/call", "params": params})
    steps, _ = plan([Call(request_, RESPONSE)])
    text = pytest_file(steps, adapter="weather", url="http://here", file="test_x.py")
    tree = ast.parse(text)
    (listed,) = [
        node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "CALLS"
    ]
    assert isinstance(listed, ast.List)
    (case,) = listed.elts
    assert isinstance(case, ast.Call)
    assert isinstance(case.args[0], ast.Starred)
    method, told, expected = ast.literal_eval(case.args[0].value)
    assert (method, told) == ("tools/call", params)
    assert expected == {"content": [{"type": "text", "text": "rain"}]}
    with pytest.raises(ValueError, match="DNS label"):
        pytest_file(steps, adapter='x"""', url="http://here", file="test_x.py")


def test_lines_for_people_tell_who_said_what_and_how_it_went() -> None:
    assert line_of(REQUEST).endswith("s-1      →  tools/call get_forecast  #1  120 B")
    assert line_of(RESPONSE).endswith("s-1      ←  tools/call get_forecast  #1  ok  250.0 ms  3.9 KiB")
    assert line_of(FAILED).endswith("error  250.0 ms  3.9 KiB  no city")
    assert "\x1b" not in line_of(answered(error="x\x1b[2J", status=502, size=5_000_000, duration=2.0))
