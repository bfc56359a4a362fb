"""What a recording holds, as people are told of it, and calls of several replicas."""

from datetime import UTC, datetime
from typing import Any

from gateway.wire.traffic import Kind, RecordingPart, Sender, TrafficMessage
from mcpdeck.traffic.exporting import har, jsonl, pytest
from mcpdeck.traffic.kept import in_short, in_words, missing
from mcpdeck.traffic.recording import calls

AT = datetime(2026, 11, 25, 12, 1, 9, tzinfo=UTC)


def part(**more: Any) -> RecordingPart:
    base: dict[str, Any] = {"since": AT, "messages": 1204, "bytes": 300_000, "at_rest": True, "bytes_at_rest": 90_000}
    return RecordingPart(**base | more)


def message(number: int, **more: Any) -> TrafficMessage:
    base: dict[str, Any] = {
        "number": number, "at": AT, "adapter": "weather", "sender": Sender.CLIENT, "kind": Kind.REQUEST,
        "method": "tools/call", "target": "get_forecast", "size": 9,
        "payload": {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": "get_forecast"}},
    }  # fmt: skip
    return TrafficMessage(**base | more)


def gap(**more: Any) -> TrafficMessage:
    return message(9, sender=Sender.GATEWAY, kind=Kind.GAP, method="", target="", payload=None, size=0, **more)


def test_a_recording_in_short_says_how_it_lies_since_when_and_what_is_missing() -> None:
    clock = AT.astimezone().strftime("%d %b %H:%M:%S")
    assert in_short([part()]) == f"encrypted at rest since {clock}, 1,204 messages"
    assert in_short([part(at_rest=False, since=None, messages=0)]) == "in memory alone, 0 messages"
    both = [part(gaps=1), part(at_rest=False, messages=1, lost=2, trouble="recordings can't be kept in /x: no space")]
    assert in_short(both) == (
        f"some of it in memory alone since {clock}, 1,205 messages, of 2 replicas, 1 gap, 2 not kept, "
        "recordings can't be kept in /x: no space"
    )


def test_each_replica_has_a_line() -> None:
    one, two, three = in_words(
        [
            part(replica="a/1", gaps=2),
            part(replica="b/2", at_rest=False, messages=1, lost=1),
            RecordingPart(replica="c", trouble="did not answer"),
        ]
    )
    assert one.startswith("a/1: 1,204 messages since ")
    assert one.endswith("(300K), encrypted on the gateway's disk (90K), 2 gaps")
    assert two.endswith("in the gateway's memory alone, with which they end, 1 message not kept on the disk")
    assert three == "c: did not answer"


def test_a_gap_says_why_how_much_and_for_how_long() -> None:
    assert missing(gap(error="the gateway was stopped", duration=185.0)) == "the gateway was stopped (3m)"
    assert missing(gap(error="lost", lost=2, duration=0.0, replica="a/1")) == "a/1: lost: 2 messages"


def test_each_replica_numbers_by_itself_and_gaps_are_no_calls() -> None:
    kept = [
        message(1, replica="a"),
        message(1, replica="b"),
        gap(error="away", duration=1.0),
        message(2, replica="b", sender=Sender.SERVER, kind=Kind.RESPONSE, answers=1, payload={"result": "of b"}),
        message(2, replica="a", sender=Sender.SERVER, kind=Kind.RESPONSE, answers=1, payload={"result": "of a"}),
    ]
    found = calls(kept)
    assert [(each.request.replica, each.response and each.response.payload) for each in found] == [
        ("a", {"result": "of a"}),
        ("b", {"result": "of b"}),
    ]
    assert jsonl(kept).count("\n") == 5
    assert har(kept, url="http://x").count('"method": "POST"') == 2
    pytest(kept, url="http://x", file="f.py")
