"""Where an event stream stands, whatever its chunks are cut into."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.dataplane.events import Progress
from gateway.wire import sse

LINE_ENDS = st.sampled_from([b"\n", b"\r\n"])


def fed(*chunks: bytes) -> Progress:
    progress = Progress()
    for chunk in chunks:
        progress.feed(chunk)
    return progress


@pytest.mark.parametrize(
    "stream", [b"", b"data: a\n\n", b"data: a\r\n\r\n", b"data: a\r\r", b": c\n\n", b"data: a\n\r\n"]
)
def test_after_a_blank_line_something_may_be_put_in(stream: bytes) -> None:
    assert fed(stream).is_between_events


@pytest.mark.parametrize("stream", [b"data", b"data: a", b"data: a\n", b"data: a\r\n", b"data: a\n\ndata: b\n"])
def test_within_an_event_nothing_may_be_put_in(stream: bytes) -> None:
    assert not fed(stream).is_between_events


@pytest.mark.parametrize("stream", [b"id: 1\ndata: a\n\n", b"data: a\nid:1\n\n", b"data: a\r\n\r\nid: 3\r\n"])
def test_an_id_is_seen_wherever_its_line_begins(stream: bytes) -> None:
    assert fed(stream).has_id
    assert fed(*(stream[index : index + 1] for index in range(len(stream)))).has_id


@pytest.mark.parametrize("stream", [b"data: id: 1\n\n", b"data: grid:2\n\n", b": id: 3\n\n"])
def test_an_id_within_a_line_is_none(stream: bytes) -> None:
    assert not fed(stream).has_id


@given(st.lists(st.binary(max_size=20), max_size=5), st.lists(st.integers(0, 200)), LINE_ENDS)
def test_how_a_stream_is_cut_changes_nothing(datas: list[bytes], cuts: list[int], end: bytes) -> None:
    lines = [b"data: " + data.replace(b"\n", b"").replace(b"\r", b"") + end + end for data in datas]
    whole = b"".join(lines)
    places = sorted({min(cut, len(whole)) for cut in cuts})
    pieces = [whole[start:stop] for start, stop in zip([0, *places], [*places, len(whole)], strict=True)]
    progress = fed(*pieces)
    assert progress.is_between_events
    assert progress.has_id == any(event.id is not None for event in sse.Decoder().feed(whole))
