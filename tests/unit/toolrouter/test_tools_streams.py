"""Ids that lead back to whoever said them, and what of a stream may pass without a look."""

import pytest

from gateway.toolrouter.streams import Marking, Source, mark, marked, needs_no_look, unmarked
from gateway.wire import sse
from gateway.wire.names import AdapterName

SOURCE = Source(AdapterName("x"), b"session")


@pytest.mark.parametrize("raw", [b"7", b'"a~b"', b'"\xc3\xbc"', b"-1.5", b""])
def test_an_id_comes_back_as_it_was_with_its_source(raw: bytes) -> None:
    assert unmarked(mark(SOURCE, raw)) == (SOURCE, raw)
    assert unmarked(mark(Source(AdapterName("x")), raw)) == (Source(AdapterName("x")), raw)


@pytest.mark.parametrize("text", ["", "7", "a~b", "a~b~c~d", "x~s~***", "x~s~a", "x~s~.\u00e9"])
def test_what_was_never_marked_here_leads_nowhere(text: str) -> None:
    assert unmarked(text) is None


def test_a_request_gets_an_id_of_its_own_and_an_event_too() -> None:
    asked = sse.Event(b'{"jsonrpc":"2.0","id":7,"method":"ping"}', "message", "3", 100)
    block = marked(asked, SOURCE)
    assert block is not None
    (event,) = sse.Decoder().feed(block)
    assert event.data == b'{"jsonrpc":"2.0","id":"%b","method":"ping"}' % mark(SOURCE, b"7").encode()
    assert (event.id, event.retry, event.event) == (mark(SOURCE, b"3"), 100, "message")


def test_a_response_and_a_notification_pass_as_they_are() -> None:
    for data in (
        b'{"jsonrpc":"2.0","id":7,"result":{"method":1}}',
        b'{"jsonrpc":"2.0","method":"x"}',
        b"not json method",
    ):
        assert marked(sse.Event(data), SOURCE) == b"data: %b\n\n" % data


def test_changed_lists_are_not_passed_on() -> None:
    assert marked(sse.Event(b'{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}'), SOURCE) is None


def test_a_priming_event_and_a_comment_pass() -> None:
    assert marked(sse.Event(b"", "", "1"), SOURCE) == b"id: %b\ndata: \n\n" % mark(SOURCE, b"1").encode()
    assert marked(sse.Event(), SOURCE) == b":\n\n"


@pytest.mark.parametrize(
    ("chunk", "passes"),
    [
        (b'event: message\ndata: {"jsonrpc":"2.0","method":"notifications/progress","params":{}}\n\n', True),
        (b": ping\n\n", True),
        (b'data: {"id":1,"result":{}}\n\n', False),
        (b'data: {"method":"ping","\\u0069d":1}\n\n', False),
        (b"id: 1\ndata: {}\n\n", True),
        (b"data: {}\nid: 1\n\n", True),
        (b'data: {"method":"notifications/tools/list_changed"}\n\n', False),
        (b"data: {}\r\n\r\n", False),
    ],
)
def test_only_what_needs_no_change_passes_without_a_look(chunk: bytes, passes: bool) -> None:
    assert needs_no_look(chunk) is passes


STREAMS = [
    b"event: message\nid: 3\ndata: {}\n\n",
    b"id: 3\ndata: {}\n\nid\ndata: 2\n\nid: \xc3\xbc\ndata: 3\n\n",
    b"data: {}\nid:4\n\n: ping\n\ndata: 1\n\nid: 5\ndata:\n\n",
    b"data: {}\n\n",
    b"data: {}\r\nid: 4\r\n\r\ndata: 1\r\n\r\n",
    b'id: 1\ndata: {"method":"notifications/progress"}\n\nid: 2\ndata: {"id":7,"method":"ping"}\n\nid: 3\ndata: 1\n\n',
    b'id: 1\ndata: {"method":"x"}\n\ndata: {"method":"notifications/tools/list_changed"}\n\nid: 9\ndata: {"id":7}\n\n',
    b"idle: 1\ndata: id: 3\n\n\nid: a b\ndata: {}\n\n",
]


@pytest.mark.parametrize("stream", STREAMS)
def test_however_a_stream_is_cut_it_reads_as_if_each_event_had_been_looked_at(stream: bytes) -> None:
    blocks = [marked(event, SOURCE) for event in sse.Decoder().feed(stream)]
    wanted = list(sse.Decoder().feed(b"".join(block for block in blocks if block is not None)))
    for first in range(len(stream) + 1):
        for second in range(first, len(stream) + 1):
            marking = Marking(SOURCE)
            cut = stream[:first], stream[first:second], stream[second:]
            passed = b"".join(marking.fed(chunk) for chunk in cut if chunk)
            assert [each for each in sse.Decoder().feed(passed) if each != sse.Event()] == [
                each for each in wanted if each != sse.Event()
            ], cut
