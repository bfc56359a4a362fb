"""Bytes of answers as messages, wherever chunks cut them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.overhearing import Headers
from gateway.dataplane.tap import BEGINNING, WHOLE, Ear, Events, Guarded, held
from gateway.wire import sse

JSON = ((b"content-type", b"application/json"),)
STREAM = ((b"content-type", b"Text/Event-Stream; charset=utf-8"),)


class Heard:
    """core.overhearing.Listener."""

    def __init__(self) -> None:
        self.messages: list[tuple[bytes, int]] = []
        self.log: list[str] = []

    def asked(self) -> None:
        self.log.append("asked")

    def answering(self, status: int, headers: Headers) -> None:
        self.log.append(f"answering {status}")

    def said(self, data: bytes, size: int) -> None:
        self.messages.append((data, size))

    def ended(self, status: int, problem: str = "") -> None:
        self.log.append(f"ended {status} {problem}".rstrip())


def test_a_json_body_is_one_message_however_it_comes() -> None:
    heard = Heard()
    ear = Ear(heard)
    ear.head(200, JSON)
    for chunk in (b'{"jsonrpc":', b'"2.0"}', b""):
        ear.feed(chunk)
    ear.end(200)
    assert heard.messages == [(b'{"jsonrpc":"2.0"}', 17)]
    assert heard.log == ["answering 200", "ended 200"]


def test_an_answer_without_a_body_says_nothing() -> None:
    heard = Heard()
    ear = Ear(heard)
    ear.head(202, ())
    ear.end(202, "why")
    assert (heard.messages, heard.log) == ([], ["answering 202", "ended 202 why"])


def test_of_a_large_body_only_the_beginning_is_held() -> None:
    heard = Heard()
    ear = Ear(heard)
    ear.head(200, JSON)
    for _ in range(100):
        ear.feed(b"x" * 10_000)
    ear.end(200)
    assert heard.messages == [(b"x" * BEGINNING, 1_000_000)]


@given(
    st.lists(st.sampled_from(["one", '{"a": 1}', "x" * 50]), max_size=8),
    st.sampled_from(["\n", "\r\n", "\r"]),
    st.data(),
)
def test_events_are_whole_wherever_they_are_cut(texts: list[str], newline: str, data: st.DataObject) -> None:
    blocks = [sse.encode(text.encode(), event_id=str(number)) for number, text in enumerate(texts)]
    stream = b": hello\n\n".join([b"", *blocks]).replace(b"\n", newline.encode())
    events, found, place = Events(), [], 0
    while place < len(stream):
        end = place + data.draw(st.integers(1, 40))
        found += [message.decode() for message, size in events.feed(stream[place:end]) if size == len(message)]
        place = end
    assert found == texts


def test_who_joins_within_an_event_begins_with_the_next() -> None:
    events = Events(is_within=True)
    assert list(events.feed(b'half"}\n\ndata: whole\n\n')) == [(b"whole", 5)]


def test_of_a_large_event_the_beginning_is_held_and_the_next_one_is_whole() -> None:
    events = Events()
    assert list(events.feed(b"data: " + b"x" * WHOLE)) == []
    assert list(events.feed(b"x" * WHOLE)) == []
    (large, size), small = events.feed(b"\n\ndata: small\n\n")
    assert large.startswith(b"xxx")
    assert len(large) <= BEGINNING
    assert size > WHOLE
    assert small == (b"small", 5)


def test_compressed_streams_are_not_taken_apart() -> None:
    heard = Heard()
    ear = Ear(heard)
    ear.head(200, (*STREAM, (b"content-encoding", b"gzip")))
    ear.feed(b"\x1f\x8b\n\n")
    assert heard.messages == []


def test_a_stream_that_has_begun_is_joined() -> None:
    heard = Heard()
    ear = Ear(heard)
    ear.join(200, is_within=False)
    ear.feed(b"data: 1\n\n")
    assert heard.messages == [(b"1", 1)]


class Broken(Heard):
    def said(self, data: bytes, size: int) -> None:
        raise RuntimeError("a defect")


def test_a_listener_that_fails_is_left_out_and_said_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    broken = Broken()
    ear = Ear(Guarded(broken))
    ear.head(200, STREAM)
    ear.feed(b"data: 1\n\ndata: 2\n\n")
    ear.end(200)
    assert broken.log == ["answering 200"]
    assert [record.message for record in caplog.records] == [
        "what a call says could not be listened to; the call goes on"
    ]


def test_what_is_held_of_a_message_is_bounded() -> None:
    assert held(b"x" * WHOLE) == b"x" * WHOLE
    assert len(held(b"x" * (WHOLE + 1))) == BEGINNING
