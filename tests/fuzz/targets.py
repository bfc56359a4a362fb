"""What is fuzzed: each target takes any bytes and raises where something comes out that never may. Starts no loop.

The first byte of most inputs says where the rest is cut, since whatever reads a stream must not care how it comes.
"""

import contextlib
import json
from collections.abc import Callable, Iterator
from typing import Any, Final, cast

import h11
import msgspec
from msgspec import Raw

from gateway.bridge.sealing import Sealed, Seals
from gateway.core import inbound
from gateway.core.affinity import Binding, Sealer
from gateway.core.errors import GatewayError
from gateway.core.inbound import Legacy, Modern, Rejection
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.deadlines import Deadlines
from gateway.dataplane.events import Progress
from gateway.dataplane.heads import client_headers, session_in
from gateway.wire import envelope, jsonrpc, mcp, sse, toolnames
from gateway.wire.envelope import Unreadable
from gateway.wire.hosts import Hosts, host_name
from gateway.wire.http1 import Headers, Likeness, Limits
from gateway.wire.http1.reading import Reader
from gateway.wire.http1.request import Refusal, Request
from gateway.wire.names import AdapterName, InstanceName, PrincipalId, parse_adapter_name, split_instance_name
from gateway.wire.resources import Timeouts
from sidecar.framing import LineSplitter, TooLong

ADAPTER, ANN, EVE = AdapterName("x"), PrincipalId("ann"), PrincipalId("eve")
LIMITS: Final = Limits(head=4096, header_count=16, body=4096)
KEY: Final = bytes(range(32))
NOW: Final = 1_800_000_000
SEALER: Final = Sealer([KEY])
SEALS: Final = Seals([KEY])
_LINE_LIMIT: Final = 64
_EVENT_LIMIT: Final = 1 << 20
_NO_LINE: Final = (b"\r", b"\n", b"\0")


def cut(data: bytes) -> Iterator[bytes]:
    """The rest of data in pieces; how long they are, its first byte says."""
    if not data:
        return
    size, rest = data[0] or len(data), data[1:]
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


# requests


type Read = tuple[str, bytes, tuple[tuple[bytes, bytes], ...], bytes]


def requests(data: bytes) -> None:
    """However a client's bytes are cut, they are the same requests; and no other server sees others in them."""
    whole, status, rest = _requests(data[1:2] and [data[1:]])
    pieces, piecewise, _ = _requests(cut(data))
    assert (whole, status) == (pieces, piecewise), (whole, status, pieces, piecewise)
    for request, other in zip(whole, _others(data[1:]), strict=False):
        assert request[0] == other[0] and request[3] == other[3], (request, other)  # noqa: PT018 - one sentence
    for _, target, headers, body in whole:
        assert target
        assert len(body) <= LIMITS.body
        assert not any(bad in part for pair in headers for part in pair for bad in _NO_LINE)
        assert sum(name in (b"content-length", b"transfer-encoding") for name, _ in headers) <= 1
    assert status is not None or len(rest) <= LIMITS.head + LIMITS.body + 1024


def _requests(pieces: Any) -> tuple[list[Read], int | None, bytes]:
    """The requests, the status of the refusal that ended them, and what was left over."""
    reader, found = Reader(LIMITS), list[Read]()
    try:
        for piece in pieces:
            reader.buffer.extend(piece)
            if reader.is_between:
                reader.skip_empty_lines()
            while reader.buffer and (request := reader.read()) is not None:
                found.append((request.method, request.target, tuple(request.headers), request.body))
                _compare_alike(request, reader)
                reader.skip_empty_lines()
    except Refusal as refusal:
        return found, refusal.status, b""
    return found, None, bytes(reader.buffer)


def _compare_alike(request: Request, reader: Reader) -> None:
    """What is read by its likeness alone is what the parser reads."""
    shape = reader.shape
    if shape is None:
        return
    length = len(request.body)
    lines = [b"%b: %b" % pair for pair in request.headers if pair[0] != b"content-length"]
    head = b"\r\n".join([request.method.encode() + b" " + request.target + b" HTTP/1.1", *lines, b""])
    again = shape.request(head + b"content-length: %d\r\n\r\n" % length + request.body)
    assert again is None or (again.method, again.target, again.body) == (request.method, request.target, request.body)


def _others(data: bytes) -> Iterator[tuple[str, bytes, tuple[tuple[bytes, bytes], ...], bytes]]:
    """The requests that h11 sees, which serves the other half of the port, while it is content."""
    server = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16)
    try:
        server.receive_data(data)
        while True:
            event = server.next_event()
            if not isinstance(event, h11.Request):
                return
            body, headers = b"", tuple(event.headers)
            while isinstance(part := server.next_event(), h11.Data):
                body += bytes(part.data)
            if not isinstance(part, h11.EndOfMessage):
                return
            yield event.method.decode(), event.target, headers, body
            server.send(h11.Response(status_code=200, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
    except h11.ProtocolError:
        return


# answers


class _Wire:
    """A transport and a pool in one, neither of which does anything."""

    def __init__(self) -> None:
        self.is_over = self.is_back = False

    def write(self, data: bytes) -> None: ...
    def get_write_buffer_size(self) -> int:
        return 0

    def get_extra_info(self, name: str) -> None: ...
    def abort(self) -> None:
        self.is_over = True

    close = abort

    def made(self, connection: UpstreamConnection) -> None: ...
    def lost(self, connection: UpstreamConnection) -> None: ...
    def take_back(self, connection: UpstreamConnection) -> None:
        self.is_back = True

    def send_again(self, *_: object) -> None: ...


class _Told:
    """connection.Answer that keeps what it is told, and what it may not have been told. (Its caller logs exceptions.)"""

    def __init__(self) -> None:
        self.head: tuple[int, Headers, int | None] | None = None
        self.body = b""
        self.outcome = ""
        self.wrong = ""

    on_whole = None

    def on_connection(self, connection: UpstreamConnection) -> bool:
        return True

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:
        if self.head is not None or self.outcome:
            self.wrong = "a second head"
        self.head = status, headers, length

    def on_body(self, chunk: bytes) -> None:
        if self.head is None or self.outcome:
            self.wrong = "a body without a head"
        self.body += chunk

    def on_read(self) -> None: ...
    def on_end(self) -> None:
        self._over("whole")

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        self._over("failed")

    def _over(self, outcome: str) -> None:
        if self.outcome:
            self.wrong = "a second end"
        self.outcome = outcome


ALIKE: Final = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"


def answers(data: bytes) -> None:
    """However an instance's bytes are cut and whatever it answered before, it is one answer, or a failure."""
    if len(data) < 2:
        return
    found = [_answered(pieces, before=before) for before in (False, True) for pieces in ([data[1:]], cut(data))]
    for told, is_back in found:
        first = found[0][0]
        assert not told.wrong, told.wrong
        assert told.outcome == first.outcome, (told.outcome, first.outcome)
        if told.outcome == "whole":
            assert (told.head, told.body) == (first.head, first.body)
            assert told.head is not None
            status, headers, length = told.head
            assert 200 <= status <= 599
            assert length is None or length == len(told.body)
            for pair in client_headers(headers):
                assert not any(bad in part for part in pair for bad in _NO_LINE), pair
        assert not (is_back and told.outcome != "whole")


def _answered(pieces: Any, *, before: bool) -> tuple[_Told, bool]:
    wire = _Wire()
    connection = UpstreamConnection(InstanceName("x-0"), cast("Any", wire), Deadlines())
    connection.transport = cast("Any", wire)
    if before:
        connection.send(b"GET / HTTP/1.1\r\n\r\n", _Told(), Timeouts())
        connection.data_received(ALIKE)
        wire.is_back = False
    told = _Told()
    connection.send(b"GET / HTTP/1.1\r\n\r\n", told, Timeouts())
    for piece in pieces:
        if wire.is_over or told.outcome:
            break
        connection.data_received(piece)
    if not wire.is_over and not told.outcome:
        connection.connection_lost(None)
    return told, wire.is_back


def alike(data: bytes) -> None:
    """A message that passes by its likeness to an earlier one is one that a parser takes, and the same."""
    head = b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\nX-B: 2\r\n\r\n"
    likeness = Likeness.of(head)
    assert likeness is not None
    message = data if data.startswith(b"POST ") else head[: data[0]] + data[1:] if data else b""
    found = likeness.split(message)
    if found is None or len(found) > LIMITS.body:
        return
    read, status, rest = _requests([message])
    assert (len(read), status, rest) == (1, None, b""), message
    assert read[0][3] == found
    assert dict(read[0][2])[b"content-length"] == likeness.digits


# streams and lines


def events(data: bytes) -> None:
    """However a stream is cut it holds the same events, and what may be put in between them breaks none."""
    whole = list(sse.Decoder(_EVENT_LIMIT).feed(data[1:]))
    decoder, progress, passed, put = sse.Decoder(_EVENT_LIMIT), Progress(), list[sse.Event](), b""
    for piece in cut(data):
        passed += decoder.feed(piece)
        progress.feed(piece)
        put += piece + (b": comment\n\n" if progress.is_between_events else b"")
    said = [event for event in whole if event.data is not None]
    assert [event for event in passed if event.data is not None] == said
    assert [event for event in sse.Decoder(_EVENT_LIMIT).feed(put) if event.data is not None] == said
    text = data[1:].translate(None, b"\r\n")
    (again,) = sse.Decoder(_EVENT_LIMIT).feed(sse.encode(text))
    assert again.data == text


def lines(data: bytes) -> None:
    """However a server's output is cut it holds the same lines, and none that is longer than the limit is kept."""
    splitter, found = LineSplitter(_LINE_LIMIT), list[bytes | TooLong]()
    for piece in cut(data):
        found += splitter.feed(piece)
    found += splitter.end()
    expected = [line for line in data[1:].split(b"\n") if line not in (b"", b"\r")]
    assert len(found) == len(expected)
    for line, wanted in zip(found, expected, strict=True):
        if len(wanted) > _LINE_LIMIT:
            assert line == TooLong(len(wanted))
        else:
            assert line == wanted.removesuffix(b"\r")


# messages


def messages(data: bytes) -> None:
    """What is read as a message stays that message when it is written, and its parts never raise."""
    message = envelope.parse(data)
    envelope.parse_batch(data)
    if isinstance(message, Unreadable):
        return
    line = envelope.line(message)
    assert b"\n" not in line
    assert b"\r" not in line
    assert _json(line) == _json(data)
    assert envelope.line(cast("envelope.Message", envelope.parse(line))) == line
    envelope.method(message)
    envelope.error_code(message)
    written = envelope.raw_id(message)
    number = envelope.number_of(written)
    assert number is None or number >= 0
    known = envelope.id_of(message.get("id"))
    assert known is None or isinstance(known, str | int | float)
    params, old = envelope.swap_meta(message.get("params"), "progressToken", Raw(b"7"))
    if old is not None:
        assert envelope.members(envelope.members(params)["_meta"])["progressToken"] == Raw(b"7")
    if written is not None and envelope.is_valid_id(written):
        jsonrpc.error(written, -1, "x")


def _json(data: bytes) -> Any:
    """For comparing only: members that came twice are what the last of them says, as msgspec has it."""
    try:
        return msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def classify(data: bytes) -> None:
    """Any method, version, session and body: a verdict, never an exception, and no session that could not be one."""
    parts = [*data.split(b"\x01", 3), b"", b"", b""]
    method, version, session, body = parts[0].decode("latin-1"), parts[1].decode("latin-1"), parts[2], parts[3]
    verdict = inbound.classify(method, version=version or None, session=session or None, body=body or None)
    match verdict:
        case Modern():
            assert method == "POST"
        case Legacy(session=found, is_initialize=opens):
            assert found is None or mcp.SESSION_ID.fullmatch(found)
            assert not (opens and found)
            assert opens == (method == "POST" and inbound.is_initialize(body))
        case Rejection():
            assert verdict.error.status >= 400
    raw_id = inbound.request_id(body)
    if raw_id is not None:
        json.loads(jsonrpc.error(raw_id, -1, "x"), strict=False)
    inbound.may_call_tools(method, body)
    inbound.is_token_in(body)


def names(data: bytes) -> None:
    """Names that pass are names; hosts and header values never raise."""
    text = data.decode("latin-1")
    try:
        name = parse_adapter_name(text)
        assert name.isascii()
        assert 0 < len(name) <= 52
        assert split_instance_name(f"{name}-0") == (name, 0)
    except ValueError:
        pass
    assert toolnames.EXPORTED.fullmatch(toolnames.fit(text))
    assert mcp.decode_header_value(mcp.encode_header_value(text)) == text
    with contextlib.suppress(ValueError):
        mcp.decode_header_value(text)
    host_name(text)
    Hosts(is_loopback=True).refusal(data, data)
    session_in(data)


# seals


class State(Sealed, frozen=True, array_like=True, kw_only=True):
    said: bytes


def sealed(data: bytes) -> None:
    """Nothing opens but what was sealed, for whom it was sealed. The input edits a genuine id, or stands for one."""
    binding, state = Binding("uid", b"theirs", NOW + 1), State(said=b"theirs", expires_at=NOW + 1)
    for genuine in (SEALER.seal(binding, ADAPTER, ANN), SEALS.seal(state, ADAPTER, ANN)):
        for text in (data, _edited(genuine, data)):
            for who in (ANN, EVE):
                opened = SEALER.open(text, ADAPTER, who, now=NOW)
                assert opened is None or (opened == binding and who == ANN)
                unsealed = SEALS.open(State, text, ADAPTER, who, now=NOW)
                assert unsealed is None or (unsealed == state and who == ANN)
            assert SEALER.open(text, AdapterName("y"), ANN, now=NOW) is None
            assert SEALS.open(Sealed, text, ADAPTER, ANN, now=NOW) is None
            assert SEALER.open(text, ADAPTER, ANN, now=NOW + 1) is None


def _edited(text: bytes, data: bytes) -> bytes:
    for place, put in zip(data[::2], data[1::2], strict=False):
        at = place % len(text)
        text = text[:at] + bytes([put]) + text[at + 1 :]
    return text


TARGETS: Final[dict[str, Callable[[bytes], None]]] = {
    each.__name__: each
    for each in (requests, answers, alike, events, lines, messages, classify, names, sealed)
}  # fmt: skip
