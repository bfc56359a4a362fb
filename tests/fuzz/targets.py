"""What is fuzzed: each target takes any bytes and raises where something comes out that never may. Starts no loop.

The first byte of most inputs says where the rest is cut, since whatever reads a stream must not care how it comes.
"""

import contextlib
import json
import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple, cast

import h11
import msgspec
from msgspec import Raw

from gateway.bridge.sealing import Sealed, Seals
from gateway.core import inbound
from gateway.core.access import Ownership, Principal
from gateway.core.affinity import Binding, Sealer
from gateway.core.errors import GatewayError
from gateway.core.inbound import Legacy, Modern, Rejection
from gateway.core.routes import Endpoint, Route
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.deadlines import Deadlines
from gateway.dataplane.events import Progress
from gateway.dataplane.heads import client_headers, identity_lines, session_in, upstream_opening, upstream_request
from gateway.wire import envelope, jsonrpc, mcp, sse, toolnames
from gateway.wire.envelope import Unreadable
from gateway.wire.hosts import Hosts, host_name
from gateway.wire.http1 import Headers, Likeness, Limits, head_lines
from gateway.wire.http1.reading import Reader
from gateway.wire.http1.request import Refusal, Request
from gateway.wire.names import AdapterName, InstanceName, PrincipalId, parse_adapter_name, split_instance_name
from gateway.wire.resources import Timeouts
from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.traffic.filter import Filter
from sidecar.framing import LineSplitter, TooLong

ADAPTER, ANN, EVE = AdapterName("x"), PrincipalId("ann"), PrincipalId("eve")
LIMITS: Final = Limits(head=512, header_count=8, body=512)  # which inputs of 1 KiB go beyond
_AGAIN: Final = Limits(head=1024, header_count=8, body=512)
_MOST_PIECES: Final = 48
KEY: Final = bytes(range(32))
NOW: Final = 1_800_000_000
SEALER: Final = Sealer([KEY])
SEALS: Final = Seals([KEY])
_LINE_LIMIT: Final = 64
_EVENT_LIMIT: Final = 1 << 20
_NO_LINE: Final = (b"\r", b"\n", b"\0")


def cut(data: bytes) -> Iterator[bytes]:
    """The rest of data in pieces; how long they are, its first byte says. Not so many that they take all the time."""
    if not data:
        return
    rest = data[1:]
    size = max(data[0] or len(data), len(rest) // _MOST_PIECES)
    for start in range(0, len(rest), size):
        yield rest[start : start + size]


# requests


class Read(NamedTuple):
    method: str
    target: bytes
    headers: tuple[tuple[bytes, bytes], ...]
    body: bytes
    is_http10: bool
    keep_alive: bool


class Seen(NamedTuple):
    """What became of a client's bytes. status: of the refusal that ended them. rest: what was read of no request."""

    requests: list[Read]
    status: int | None
    rest: bytes


NEXT: Final = b"GET /next HTTP/1.1\r\nHost: next\r\n\r\n"


def requests(data: bytes) -> None:
    """However a client's bytes are cut, they are the same requests; and no other server sees others in them."""
    seen = _requests(data[1:2] and [data[1:]])
    whole, status, rest = seen
    pieces, piecewise, _ = _requests(cut(data))
    assert (whole, status) == (pieces, piecewise), (seen, pieces, piecewise)
    assert status is not None or len(rest) <= LIMITS.head + LIMITS.body + 1024
    _compare_with_another(data[1:], whole)
    if (
        whole and whole[-1].keep_alive and status is None and not rest
    ):  # nothing behind a request is taken for a part of it
        more = _requests([data[1:] + NEXT])
        assert more.requests[:-1] == whole, more
        assert more.requests[-1].target == b"/next"
    for each in whole:
        assert each.target
        assert len(each.body) <= LIMITS.body
        assert not any(bad in part for pair in each.headers for part in pair for bad in _NO_LINE)
        assert sum(name in _FRAMING for name, _ in each.headers) <= 1
        written = _requests([_written(each)], _AGAIN)
        assert (written.status, written.rest, len(written.requests)) == (None, b"", 1), (each, written)
        assert _unframed(written.requests[0]) == _unframed(each)


def chunked(data: bytes) -> None:
    """As `requests`, of one whose body comes in chunks, and another one behind it."""
    requests(data[:1] + b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n" + data[1:])


def forwarded(data: bytes) -> None:
    """What an instance is sent is one request, to the byte, and nothing in it is the client's that is ours to say."""
    for request in _read([data[1:]], LIMITS)[0]:
        opening = upstream_opening(request, _ROUTE, _ENDPOINT, session=b"theirs", identity=_IDENTITY)
        sent = upstream_request(opening, request, request_id=b"own")
        seen, refusal = _others(sent)
        assert not refusal, (refusal, sent)
        [(method, target, headers, body)] = seen
        assert (method, body) == (request.method, request.body if method != "CONNECT" else b""), sent
        assert target.partition(b"?")[0] == b"/mcp"
        for name, wanted in _OWN.items():
            assert [value for key, value in headers if key == name] == [wanted], (name, headers)
        assert sum(key in _FRAMING for key, _ in headers) <= 1
        for _, value in headers:
            assert b"secret" not in value or b"secret" in data


_FRAMING: Final = (b"content-length", b"transfer-encoding")
_ENDPOINT: Final = Endpoint(InstanceName("x-0"), "uid", "127.0.0.1", 9)
_ROUTE: Final = Route(ADAPTER, Ownership("ann", frozenset()), (_ENDPOINT,), headers=((b"x-api-key", b"ours"),))
_IDENTITY: Final = identity_lines(Principal(ANN, "Ann", frozenset({"mcp.dev"})), "192.0.2.1", b"host", "https")
_OWN: Final = {
    b"host": b"127.0.0.1:9",
    b"x-api-key": b"ours",
    b"x-mcp-userid": b"ann",
    b"x-request-id": b"own",
    b"mcp-session-id": b"theirs",
}


def _read(pieces: Any, limits: Limits) -> tuple[list[Request], int | None, bytes]:
    reader, found = Reader(limits), list[Request]()
    try:
        for piece in pieces:
            reader.buffer.extend(piece)
            if reader.is_between:
                reader.skip_empty_lines()
            while reader.buffer and (request := reader.read()) is not None:
                found.append(request)
                _compare_alike(request, reader)
                reader.skip_empty_lines()
    except Refusal as refusal:
        return found, refusal.status, b""
    return found, None, bytes(reader.buffer) or (b"" if reader.is_between else b"a part")


def _requests(pieces: Any, limits: Limits = LIMITS) -> Seen:
    found, status, rest = _read(pieces, limits)
    read = [
        Read(each.method, each.target, tuple(each.headers), each.body, each.is_http10, each.keep_alive)
        for each in found
    ]
    return Seen(read, status, rest)


def _written(request: Read) -> bytes:
    """As somebody would write it who knows no chunks."""
    lines = [b"%b %b HTTP/1.%d" % (request.method.encode(), request.target, not request.is_http10)]
    lines += [b"%b: %b" % pair for pair in request.headers if pair[0] not in _FRAMING]
    if any(name in _FRAMING for name, _ in request.headers):
        lines.append(b"content-length: %d" % len(request.body))
    return b"\r\n".join(lines) + b"\r\n\r\n" + request.body


def _unframed(request: Read) -> Read:
    return request._replace(headers=tuple(pair for pair in request.headers if pair[0] not in _FRAMING))


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


def _compare_with_another(data: bytes, whole: list[Read]) -> None:
    """What h11 sees, which serves the other half of the port, we see; what it refuses, we do, but where it is told why."""
    others, refusal = _others(data)
    for ours, (method, target, headers, body) in zip(whole, others, strict=False):
        assert (ours.method, ours.target, ours.body) == (method, target, body), (ours, others)
        is_absolute = b"://" in target  # its host counts then, and h11 leaves Host as it came
        assert is_absolute or sorted(map(_as_h11_has_it, ours.headers)) == sorted(headers), (ours, headers)
    if refusal and len(whole) > len(others):
        assert _is_stricter(refusal, data), (refusal, whole[len(others)])


def _as_h11_has_it(header: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    name, value = header
    return name, value.lower() if name == b"transfer-encoding" else value


_WITHIN: Final = "behind a head: "
_BLANKS_BEFORE_EXTENSION: Final = re.compile(rb"[0-9a-fA-F][ \t]+;")


def _is_stricter(refusal: str, data: bytes) -> bool:
    """Whether h11 refuses there what a server is told to take: empty lines before a request (RFC 9112, 2.2), blanks
    before a chunk's extension (7.1.1), and framing among trailers, which frames nothing (RFC 9110, 6.5.1) and goes no
    further here."""
    if refusal.startswith(_WITHIN):
        refusal = refusal.removeprefix(_WITHIN)
        if any(word in refusal for word in ("Transfer-Encoding", "Content-Length")):
            return True
    if refusal == "no request line received":  # said of nothing but an empty one
        return True
    return refusal.startswith("illegal chunk header") and bool(_BLANKS_BEFORE_EXTENSION.search(data))


type Other = tuple[str, bytes, tuple[tuple[bytes, bytes], ...], bytes]


def _others(data: bytes) -> tuple[list[Other], str]:
    """The requests that h11 sees, and why it refuses what follows them; "" where it doesn't."""
    server, found = h11.Connection(h11.SERVER, max_incomplete_event_size=1 << 16), list[Other]()
    where = ""
    try:
        server.receive_data(data)
        while isinstance(event := server.next_event(), h11.Request):
            body, headers = b"", tuple((bytes(name), bytes(value)) for name, value in event.headers)
            where = _WITHIN
            while isinstance(part := server.next_event(), h11.Data):
                body += bytes(part.data)
            if not isinstance(part, h11.EndOfMessage):
                break
            found.append((event.method.decode(), event.target, headers, body))
            if event.http_version < b"1.1" or any(name == b"connection" for name, _ in headers):
                break  # it goes on with none behind those
            server.send(h11.Response(status_code=404, headers=[("content-length", "0")]))
            server.send(h11.EndOfMessage())
            server.start_next_cycle()
            where = ""
    except h11.RemoteProtocolError as error:
        return found, where + str(error)
    return found, ""


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
            _compare_with_client(status, client_headers(headers), told.body)
        assert not (is_back and told.outcome != "whole")


def _compare_with_client(status: int, headers: Headers, body: bytes) -> None:
    """What is written for a client of an instance's answer is for h11 that answer, and no other one behind it."""
    if status in (204, 304):
        return
    client = h11.Connection(h11.CLIENT)
    client.send(h11.Request(method="GET", target="/", headers=[("host", "a")]))
    client.send(h11.EndOfMessage())
    client.receive_data(b"%b\r\ncontent-length: %d\r\n\r\n%b" % (head_lines(status, headers), len(body), body))
    head, read = client.next_event(), b""
    assert isinstance(head, h11.Response), head
    assert (head.status_code, list(head.headers)[:-1]) == (status, headers), (head, headers)
    while isinstance(part := client.next_event(), h11.Data):
        read += bytes(part.data)
    assert isinstance(part, h11.EndOfMessage), part
    assert (read, client.trailing_data) == (body, (b"", False))


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
    assert dict(read[0][2])[b"content-length"] == likeness.values[likeness.length]


# streams and lines


def events(data: bytes) -> None:
    """However a stream is cut it holds the same events, and what may be put in between them breaks none."""
    whole = list(sse.Decoder(_EVENT_LIMIT).feed(data[1:]))
    decoder, progress, passed, put = sse.Decoder(_EVENT_LIMIT), Progress(), list[sse.Event](), bytearray()
    for piece in cut(data):
        passed += decoder.feed(piece)
        progress.feed(piece)
        put += piece + (b": comment\n\n" if progress.is_between_events else b"")
    said = [event for event in whole if event.data is not None]
    assert [event for event in passed if event.data is not None] == said
    assert [event for event in sse.Decoder(_EVENT_LIMIT).feed(bytes(put)) if event.data is not None] == said
    assert said == list(_dispatched(data[1:]))
    text = data[1:].translate(None, b"\r\n")
    (again,) = sse.Decoder(_EVENT_LIMIT).feed(sse.encode(text))
    assert again.data == text


def _dispatched(stream: bytes) -> Iterator[sse.Event]:
    """The events of a stream line by line, as the standard tells it. (HTML Living Standard, 9.2.6)"""
    data, event, event_id, retry = list[bytes](), "", None, None
    *ended, _ = re.split(rb"\r\n|\r|\n", stream)
    for line in ended:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if data:
                yield sse.Event(b"\n".join(data), event, event_id, retry)
            data, event, event_id, retry = [], "", None, None
        elif name == b"data":
            data.append(value)
        elif name == b"event":
            event = value.decode(errors="replace")
        elif name == b"id" and b"\0" not in value:
            event_id = value.decode(errors="replace")
        elif name == b"retry" and value.isdigit() and len(value) < 10:
            retry = int(value)


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
    inbound.tools_call(method, body)
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


# what people type


def filters(data: bytes) -> None:
    """Anything may be typed as a filter of traffic: it is one, or a sentence says why not; and it tells of any message."""
    text = data.decode(errors="replace")
    try:
        wanted = Filter(text)
    except ValueError:
        return
    for message in _MESSAGES:
        assert wanted.keeps(message) in (True, False)
    assert wanted or wanted.keeps_any(_MESSAGES)
    wanted.bare_words  # noqa: B018 - never raises


_AT: Final = datetime.fromtimestamp(NOW, UTC)
_MESSAGES: Final = (
    TrafficMessage(number=1, at=_AT, adapter="x", sender=Sender.CLIENT, kind=Kind.REQUEST, method="tools/call", id=7),
    TrafficMessage(
        number=2, at=_AT, adapter="x", sender=Sender.SERVER, kind=Kind.RESPONSE, answers=1, duration=0.5, error="no"
    ),
)


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
    for each in (
        requests, chunked, forwarded, answers, alike, events, lines, messages, classify, names, filters, sealed,
    )
}  # fmt: skip
