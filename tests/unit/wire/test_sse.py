"""Server-sent events as bytes."""

import pytest
from hypothesis import given
from hypothesis import strategies as some

from gateway.wire import sse
from gateway.wire.sse import Decoder, Event

WORDS = some.text(some.characters(blacklist_characters="\r\n\0", codec="utf-8"))
ENDS = some.sampled_from([["\n", "\r\n"], ["\r"]])  # a bare \r before a \n would be one end, not two


@some.composite
def streams(draw: some.DrawFn) -> tuple[bytes, list[Event]]:
    """A stream, and the events in it."""
    stream, events = "", []
    end = some.sampled_from(draw(ENDS))
    for words, name in draw(some.lists(some.tuples(WORDS, some.text("abc-", max_size=4)), max_size=5)):
        lines = [f"event: {name}"] * bool(name) + [f"data: {words}"]
        stream += "".join(line + draw(end) for line in lines) + draw(end)
        events.append(Event(words.encode(), name))
    return stream.encode(), events


@given(streams(), some.data())
def test_the_same_events_come_out_however_the_stream_is_cut(
    made: tuple[bytes, list[Event]], data: some.DataObject
) -> None:
    stream, events = made
    places = sorted(data.draw(some.lists(some.integers(0, len(stream)))))
    decoder, found = Decoder(), []
    for begin, end in zip([0, *places], [*places, len(stream)], strict=True):
        found += list(decoder.feed(stream[begin:end]))
    assert found == events


@given(some.binary(max_size=300))
def test_any_bytes_are_survived(stream: bytes) -> None:
    for event in Decoder().feed(stream + b"\n\n"):
        assert event.data is None or b"\n" not in event.event.encode()


@given(WORDS.map(str.encode), WORDS)
def test_what_is_encoded_is_decoded(data: bytes, event_id: str) -> None:
    assert list(Decoder().feed(sse.encode(data, "change", event_id))) == [Event(data, "change", event_id)]


def test_an_event_is_named_message_where_nothing_else_is_said() -> None:
    assert sse.encode(b"{}") == b"event: message\ndata: {}\n\n"
    assert sse.encode(b"{}", event="") == b"data: {}\n\n"


@pytest.mark.parametrize("data", [b"a\nb", b"a\rb"])
def test_data_of_several_lines_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="spans lines"):
        sse.encode(data)


def test_lines_of_data_are_joined() -> None:
    assert list(Decoder().feed(b"data: a\ndata:b\ndata\n\n")) == [Event(b"a\nb\n")]


def test_only_one_space_after_the_colon_is_taken_away() -> None:
    assert list(Decoder().feed(b"data:  a\n\n")) == [Event(b" a")]


def test_a_priming_event_has_an_id_a_retry_and_empty_data() -> None:
    assert list(Decoder().feed(b"id: 7/1\nretry: 100\ndata: \n\n")) == [Event(b"", "", "7/1", 100)]


def test_a_comment_carries_no_message() -> None:
    assert list(Decoder().feed(sse.comment("keep-alive"))) == [Event()]
    assert sse.comment() == b": \n\n"


@pytest.mark.parametrize(
    "block", [b"id: a\0b", b"retry: soon", b"retry: -1", b"retry: 1234567890", b"unknown: x", b"unknown", b": x"]
)
def test_fields_without_meaning_are_passed_over(block: bytes) -> None:
    assert sse.parse(block) == Event()


def test_blank_lines_between_events_are_no_events() -> None:
    assert list(Decoder().feed(b"\n\n\r\n\ndata: a\n\n\n\n\n\r\r\r")) == [Event(b"a")]


def test_an_unfinished_event_waits_for_its_end() -> None:
    decoder = Decoder()
    assert list(decoder.feed(b"data: a\r\n\r")) == [Event(b"a")]
    assert list(decoder.feed(b"\ndata: b\n")) == []
    assert list(decoder.feed(b"\n")) == [Event(b"b")]


def test_an_event_beyond_the_limit_is_an_error() -> None:
    decoder = Decoder(limit=10)
    assert list(decoder.feed(b"data: 2345")) == []
    with pytest.raises(ValueError, match="exceeds 10 bytes"):
        list(decoder.feed(b"6"))


def test_the_limit_is_for_each_event() -> None:
    decoder = Decoder(limit=10)
    assert list(decoder.feed(b"data: 1\n\n" * 100)) == [Event(b"1")] * 100


def test_a_decoder_knows_whether_it_stands_between_events() -> None:
    decoder = Decoder()
    assert decoder.is_between_events
    assert list(decoder.feed(b"data: 1")) == []
    assert not decoder.is_between_events
    assert list(decoder.feed(b"\n\n")) == [Event(b"1")]
    assert decoder.is_between_events
