"""The server side of HTTP/1.1 as callbacks: one Protocol per connection, no task per request.

Shared by the gateway's lane and the sidecar. Parses with httptools (llhttp), which loads with this module alone. Knows
nothing of MCP: a whole request goes to a handler as an `Exchange`, which is where the answer is written.
"""

import asyncio
import re
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Final, cast

import httptools
import msgspec

type Headers = list[tuple[bytes, bytes]]

REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}
_SEPARATOR: Final = b"\r\n\r\n"
_CHUNK_SIZE = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]*;[^\r\n]{0,256})?\r\n")
_HEX_START = re.compile(rb"[0-9a-fA-F]{1,8}(?:[ \t]*;[^\r\n]{0,256})?\r?")
_LENGTH_LINE = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_LONGEST_LENGTH: Final = 16  # digits of a Content-Length, and the end of its line
_MOST_NAMES: Final = 1024
_LINGER: Final = 2.0  # seconds that a refused client's bytes are still read
_PIPELINE_BYTES: Final = 64 * 1024  # what may wait behind a request that is being answered, before reading pauses


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what a client may send. Bytes, except `header_count`."""

    head: int = 32 * 1024
    header_count: int = 128
    body: int = 4 * 1024 * 1024


DEFAULT_LIMITS: Final = Limits()


class Request:
    """One request, whole. Header names are lower case; duplicates stand in their order.

    shape: what it shares with the connection's next requests, where their heads differ in the body's length alone.
    """

    __slots__ = ("body", "headers", "is_http10", "keep_alive", "method", "path", "query", "shape", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.path = ""
        self.query = b""
        self.headers: Headers = []
        self.body = b""
        self.keep_alive = True
        self.is_http10 = False
        self.shape: Noted | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; None when it is absent."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Likeness:
    """A head that was read and found good. A message needs no parser if it has the same, whatever its Content-Length.

    One side of a connection says one head again and again. Only digits may differ, where those of the length were, so
    that nothing passes that the parser would not take.
    """

    __slots__ = ("_after", "_before", "_head", "_whole", "digits")

    def __init__(self, head: bytes, length: re.Match[bytes]) -> None:
        self._before, self._after, self.digits = head[: length.start(1)], head[length.end(1) :], length[1]
        self._head, self._whole = head, len(head) + int(length[1])

    @classmethod
    def of(cls, head: bytes) -> "Likeness | None":
        """head: to its empty line, that line too. None where it names no length."""
        length = _LENGTH_LINE.search(head)
        return None if length is None else cls(head, length)

    def split(self, data: bytes) -> tuple[bytes, bytes] | None:
        """The digits and the body of data, where that is one message with this head, whole and nothing else."""
        if data.startswith(self._head):  # most often the length is the same too
            return (self.digits, data[len(self._head) :]) if len(data) == self._whole else None
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + _LONGEST_LENGTH)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        body = data[end + len(after) :]
        return (digits, body) if len(body) == int(digits) else None


class Noted:
    """What requests with the same head share. `note` is the handler's own: what it concluded from that head."""

    __slots__ = ("note",)

    def __init__(self) -> None:
        self.note: object = None


class Shape(Noted):
    """What a connection's requests have in common while their heads are alike."""

    __slots__ = ("_first", "_likeness", "_limit")

    def __init__(self, likeness: Likeness, request: Request, limit: int) -> None:
        super().__init__()
        self._likeness, self._limit = likeness, limit
        self._first = (request.method, request.target, request.path, request.query, request.headers)

    def request(self, data: bytes) -> Request | None:
        """The one request that data is; None where it is not of this shape."""
        found = self._likeness.split(data)
        if found is None or len(found[1]) > self._limit:
            return None
        request = Request.__new__(Request)
        request.method, request.target, request.path, request.query, headers = self._first
        digits, request.body = found
        if digits != self._likeness.digits:
            headers = [(name, digits if name == b"content-length" else value) for name, value in headers]
        request.headers, request.shape = headers, self
        request.keep_alive, request.is_http10 = True, False
        return request


class Exchange:
    """One request and its answer. Exactly one of `respond`, or `start` with writes and `finish`; `abort` at any time.

    `on_leave` is called when the client goes before the answer ended; `on_pause` and `on_resume` when it reads too
    slowly, and again fast enough. All three may be set until the answer has ended.
    """

    __slots__ = (
        "_chunked",
        "_head",
        "_left",
        "connection",
        "has_ended",
        "has_started",
        "on_leave",
        "on_pause",
        "on_resume",
        "request",
        "sent",
        "status",
    )

    def __init__(self, connection: "Connection", request: Request) -> None:
        self.connection = connection
        self.request = request
        self.status = 0
        self.sent = 0  # bytes of body
        self.has_started = False
        self.has_ended = False
        self.on_leave: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self._head: bytes = b""  # held back to leave with the first bytes of the body
        self._chunked = False
        self._left = -1  # bytes of a body with a stated length that are still owed

    @property
    def peer(self) -> str:
        """The client's address, as the socket has it."""
        return self.connection.peer

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        """The whole answer in one write."""
        request = self.request
        if request.method == "HEAD" or request.is_http10 or not request.keep_alive or status < 200 or status == 204:
            self.start(status, headers, length=len(body))
            if body and request.method != "HEAD":
                self.write(body)
            else:
                self._left = 0
            self.finish()
            return
        self.has_started, self.status, self.sent = True, status, len(body)
        lines = [_status_line(status)]
        for name, value in headers:
            lines += (name, b": ", value, b"\r\n")
        connection = self.connection
        lines += (b"content-length: %d\r\n" % len(body), connection.date(), b"\r\n\r\n", body)
        connection.transport.write(b"".join(lines))
        self._end()
        connection.exchange_ended(self)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        """The head; it leaves with the first `write`, `flush` or `finish`. Without a length the body is chunked."""
        self.has_started, self.status = True, status
        lines = [_status_line(status)[:-2], *[b"%b: %b" % pair for pair in headers]]
        if length is not None:
            self._left = length
            if status >= 200 and status != 204:
                lines.append(b"content-length: %d" % length)
        elif self.request.is_http10:
            self.request.keep_alive = False
        else:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        lines.append(self.connection.date())
        if not self.request.keep_alive:
            lines.append(b"connection: close")
        elif self.request.is_http10:
            lines.append(b"connection: keep-alive")
        lines.append(b"\r\n")
        self._head = b"\r\n".join(lines)

    def write(self, chunk: bytes) -> None:
        """Body bytes, as they are. Raises RuntimeError beyond a stated length: that would corrupt the connection."""
        if not chunk or self.has_ended:
            return
        self.sent += len(chunk)
        if self._chunked:
            chunk = b"%b%x\r\n%b\r\n" % (self._head, len(chunk), chunk)
        else:
            if self._left >= 0:
                self._left -= len(chunk)
                if self._left < 0:
                    raise RuntimeError("the answer is longer than its content-length")
            chunk = self._head + chunk if self._head else chunk
        self._head = b""
        self.connection.transport.write(chunk)

    def flush(self) -> None:
        """Send the head now, before there is any body: a stream's client waits for it."""
        if self._head and not self.has_ended:
            self.connection.transport.write(self._head)
            self._head = b""

    def finish(self) -> None:
        """The answer is complete. One that is shorter than its stated length is cut instead."""
        if self.has_ended:
            return
        if self._left > 0:
            self.abort()
            return
        if self._chunked:
            self.connection.transport.write(self._head + b"0\r\n\r\n")
        elif self._head:
            self.connection.transport.write(self._head)
        self._head = b""
        self._end()
        self.connection.exchange_ended(self)

    def abort(self) -> None:
        """Cut the connection, so that a truncated answer never looks like a whole one."""
        if not self.has_ended:
            self._end()
            self.connection.transport.abort()

    def left(self) -> None:
        """The connection is gone. Called by it alone."""
        if not self.has_ended:
            leave = self.on_leave
            self._end()
            if leave is not None:
                leave()

    def _end(self) -> None:
        self.has_ended = True
        self.on_leave = self.on_pause = self.on_resume = None


class Connection(asyncio.Protocol):
    """One client's connection. Requests that come pipelined are answered one after the other, in order.

    on_request: called with each whole request. on_open and on_close: for who counts or closes connections.
    """

    def __init__(
        self,
        on_request: Callable[[Exchange], None],
        limits: Limits = DEFAULT_LIMITS,
        *,
        on_open: Callable[["Connection"], None] | None = None,
        on_close: Callable[["Connection"], None] | None = None,
    ) -> None:
        self.transport: asyncio.Transport = _NO_TRANSPORT
        self.exchange: Exchange | None = None
        self.is_closing = False
        self._is_leaving = False
        self.peer = ""
        self._on_request, self._limits = on_request, limits
        self._on_open, self._on_close = on_open, on_close
        self._buffer = bytearray()
        self._request: Request | None = None
        self._head = b""
        self._shape: Shape | None = None
        self._needed = 0  # body bytes still to come
        self._chunks: _Chunks | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._length: bytes | None = None
        self._encoding: bytes | None = None
        self._expects = False
        self._is_ambiguous = False  # a framing header came twice
        self._advancing = False
        self._lingering: asyncio.TimerHandle | None = None
        self.sweeps = 0  # for who looks at all connections now and then: looks since the last request was whole

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own has no base class in common
        address = transport.get_extra_info("peername")
        self.peer = address[0] if isinstance(address, tuple) else ""
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            return
        if self._shape is not None and not self._buffer and self.exchange is None and self._request is None:
            request = self._shape.request(data)
            if request is not None and not self.is_closing:
                self.sweeps = 0
                self.exchange = exchange = Exchange(self, request)
                self._on_request(exchange)
                return
        self._buffer += data
        if self.exchange is None:
            self._advance()
        elif len(self._buffer) > _PIPELINE_BYTES:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        exchange, self.exchange, self.is_closing = self.exchange, None, True
        self._buffer.clear()
        if self._lingering is not None:
            self._lingering.cancel()
        if exchange is not None:
            exchange.left()
        if self._on_close is not None:
            self._on_close(self)

    def pause_writing(self) -> None:
        if self.exchange is not None and self.exchange.on_pause is not None:
            self.exchange.on_pause()

    def resume_writing(self) -> None:
        if self.exchange is not None and self.exchange.on_resume is not None:
            self.exchange.on_resume()

    # the handler's side

    def exchange_ended(self, exchange: Exchange) -> None:
        self.exchange = None
        if not exchange.request.keep_alive or self.is_closing:
            self.is_closing = True
            if self._lingering is None:
                self.transport.close()
            return
        if self._buffer:
            self.transport.resume_reading()
            self._advance()

    def leave(self) -> None:
        """The answer to the next request tells the client that it is the last one here."""
        self._is_leaving, self._shape = True, None

    def close_when_idle(self) -> None:
        """No further request is read; the one under way is answered first."""
        self.is_closing = True
        if self.exchange is None:
            self.transport.close()
        else:
            self.exchange.request.keep_alive = False

    def refuse(self, status: int, sentence: str) -> None:
        """Answer what has come, or is to come, with an error and close. Not while a request is being answered."""
        self._refuse(_Refusal(status, sentence))

    @property
    def received(self) -> int | None:
        """Bytes that have come of a request that is not whole yet; None between two requests, and within an answer."""
        if self.exchange is not None or (self._request is None and not self._buffer):
            return None
        return len(self._buffer) + len(self._head) + (self._chunks.size if self._chunks is not None else 0)

    def date(self) -> bytes:
        return _clock.line()

    # parsing

    def accepts(self, buffer: bytearray) -> bool | None:  # noqa: ARG002 - for who overrides it
        """Whether the request that begins here is ours: None to ask again with more bytes, False to hand it over."""
        return True

    def hand_over(self, received: bytes) -> None:
        """A request that `accepts` refused begins the bytes received. Who overrides `accepts` takes it from here."""
        raise NotImplementedError

    def explain(self, status: int, sentence: str) -> tuple[bytes, bytes]:  # noqa: ARG002 - for who overrides it
        """What the client of a request that can't be read is told: a media type, and the body."""
        return b"text/plain; charset=utf-8", sentence.encode()

    def _advance(self) -> None:
        if self._advancing:  # an answer that was given at once: the loop below goes on
            return
        self._advancing = True
        try:
            while self._buffer and self.exchange is None and not self.is_closing:
                if not (self._read_body() if self._request is not None else self._read_head()):
                    return
        except _Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._advancing = False

    def _read_head(self) -> bool:
        """Whether it got on; otherwise more bytes are needed."""
        buffer = self._buffer
        if buffer[0] in b"\r\n":  # RFC 9112, 2.2: an empty line before a request is passed over
            del buffer[0]
            return True
        ours = self.accepts(buffer)
        if ours is None:
            if len(buffer) > self._limits.head:
                raise _Refusal(431, "the request line is too long")
            return False
        if not ours:
            received = bytes(buffer)
            buffer.clear()
            self.is_closing = True
            self.hand_over(received)
            return False
        end = buffer.find(_SEPARATOR, 0, self._limits.head)
        if end < 0:
            if len(buffer) >= self._limits.head:
                raise _Refusal(431, f"the head exceeds {self._limits.head} bytes")
            return False
        head = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._parse_head(head)
        return True

    def _parse_head(self, head: bytes) -> None:
        if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
            raise _Refusal(400, "a bare CR or LF stands in the head")
        if b"\n " in head or b"\n\t" in head:
            raise _Refusal(400, "a header is folded over lines")
        request, self._head = Request(), head
        self._request = request
        self._length = self._encoding = None
        self._expects = self._is_ambiguous = False
        parser = self._parser or httptools.HttpRequestParser(self)
        self._parser = parser
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._parser = None  # an offer to upgrade is declined by answering in HTTP/1.1
        except httptools.HttpParserError as error:
            raise _Refusal(400, f"the head is not HTTP/1.1: {error}") from error
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise _Refusal(505, f"HTTP/{version} is not spoken here")
        request.method = parser.get_method().decode()
        request.is_http10 = version == "1.0"
        request.path, request.query = _split(request.target)
        self._settle_body(request)

    def _settle_body(self, request: Request) -> None:
        connection = (request.header(b"connection") or b"").lower()
        request.keep_alive = b"close" not in connection and (not request.is_http10 or b"keep-alive" in connection)
        if len(request.headers) > self._limits.header_count:
            raise _Refusal(431, f"there are more than {self._limits.header_count} headers")
        if len(request.values(b"host")) != 1 and not request.is_http10:
            raise _Refusal(400, "a request names exactly one Host")
        is_chunked = self._encoding is not None
        if is_chunked and (self._length is not None or (self._encoding or b"").lower() != b"chunked"):
            self._is_ambiguous = True
        if self._is_ambiguous or (is_chunked and request.is_http10):
            raise _Refusal(400, "the body's framing is ambiguous")
        if is_chunked:
            self._chunks = _Chunks(self._limits.body)
            self._parser = None  # it waits for a body that we read ourselves
        elif self._length is not None:
            if not self._length.isdigit() or len(self._length) > 15:
                raise _Refusal(400, "Content-Length is not a number")
            self._needed = int(self._length)
            if self._needed > self._limits.body:
                raise _Refusal(413, f"the body exceeds {self._limits.body} bytes")
        if self._needed == 0 and self._chunks is None:
            self._hand_in(b"")
        elif self._expects and not self._buffer:
            self.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def _read_body(self) -> bool:
        if self._chunks is not None:
            body = self._chunks.feed(self._buffer)
            if body is None:
                return False
            self._chunks = None
            self._hand_in(body)
            return True
        if len(self._buffer) < self._needed:
            return False
        body = bytes(self._buffer[: self._needed])
        del self._buffer[: self._needed]
        self._needed = 0
        if self._parser is not None:
            self._parser.feed_data(body)  # it stands at the next message afterwards
        self._hand_in(body)
        return True

    def _hand_in(self, body: bytes) -> None:
        request, self._request = self._request, None
        assert request is not None  # noqa: S101 - a body is read only behind a head
        request.body = body
        self.sweeps = 0
        if self._is_leaving:
            request.keep_alive = False
        self._remember(request)
        exchange = self.exchange = Exchange(self, request)
        self._on_request(exchange)

    def _remember(self, request: Request) -> None:
        """What the next request probably looks like. Not beside a stream, which may rest here for days."""
        head, self._head, self._shape = self._head, b"", None
        is_plain = request.body and request.keep_alive and not request.is_http10 and not self._expects
        likeness = Likeness.of(head) if is_plain and self._encoding is None else None
        if request.method == "GET":
            self._parser = None  # a kilobyte that a stream does not need
        if likeness is not None:
            self._shape = request.shape = Shape(likeness, request, self._limits.body)

    def _refuse(self, refusal: "_Refusal") -> None:
        """Answer and close: after a head that cannot be trusted, nothing on this connection can be.

        What still comes is read and dropped for a moment: closing on it would reset the connection, and the client
        would lose the answer (RFC 9112, 9.6).
        """
        self._lingering = asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)
        request = Request()
        request.keep_alive = False
        self._buffer.clear()
        exchange = self.exchange = Exchange(self, request)
        media_type, body = self.explain(refusal.status, refusal.sentence)
        exchange.respond(refusal.status, [(b"content-type", media_type)], body)
        if self.transport.can_write_eof():
            self.transport.write_eof()

    # httptools' side

    def on_url(self, url: bytes) -> None:
        if self._request is not None:
            self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = _names.get(name) or _lower(name)
        if self._request is None:
            return
        value = value.rstrip(b" \t")  # llhttp takes off what stands before a value only (RFC 9110, 5.5)
        self._request.headers.append((name, value))
        if name == b"content-length":
            self._is_ambiguous |= self._length is not None
            self._length = value
        elif name == b"transfer-encoding":
            self._is_ambiguous |= self._encoding is not None
            self._encoding = value
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects = True


class _Refusal(Exception):
    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence


class _Chunks:
    """A chunked body, read from the front of a buffer. Trailers are read and dropped."""

    def __init__(self, limit: int) -> None:
        self._body = bytearray()
        self._limit = limit
        self._needed = -1  # -1: a size line comes next; -2: trailers do

    @property
    def size(self) -> int:
        return len(self._body)

    def feed(self, buffer: bytearray) -> bytes | None:
        """The whole body once its end is there, else None."""
        while True:
            if self._needed == -2:
                return bytes(self._body) if self._skip_trailer(buffer) else None
            if self._needed < 0 and not self._read_size(buffer):
                return None
            if self._needed == -2:
                continue
            if len(buffer) < self._needed + 2:
                return None
            if buffer[self._needed : self._needed + 2] != b"\r\n":
                raise _Refusal(400, "a chunk is longer than it says")
            self._body += buffer[: self._needed]
            del buffer[: self._needed + 2]
            self._needed = -1

    def _read_size(self, buffer: bytearray) -> bool:
        found = _CHUNK_SIZE.match(buffer)
        if found is None:
            if buffer and not _HEX_START.fullmatch(buffer):
                raise _Refusal(400, "a chunk has no size")
            return False
        size = int(found[1], 16)
        del buffer[: found.end()]
        if len(self._body) + size > self._limit:
            raise _Refusal(413, f"the body exceeds {self._limit} bytes")
        self._needed = size or -2
        return True

    def _skip_trailer(self, buffer: bytearray) -> bool:
        while True:
            end = buffer.find(b"\r\n", 0, 8192)
            if end < 0:
                if len(buffer) >= 8192:
                    raise _Refusal(431, "the trailer is too long")
                return False
            del buffer[: end + 2]
            if end == 0:
                return True


class _Clock:
    """The Date header, worked out once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        second = int(time.time())
        if second != self._second:
            self._second, self._line = second, b"date: " + formatdate(second, usegmt=True).encode()
        return self._line


_names: dict[bytes, bytes] = {}  # as they came -> in lower case: of all names that come, few are new


def _lower(name: bytes) -> bytes:
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    _names[name] = lower = name.lower()
    return lower


@cache
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b\r\n" % (status, REASONS.get(status, b"Status"))


def _split(target: bytes) -> tuple[str, bytes]:
    path, _, query = target.partition(b"?")
    return path.decode("latin-1"), query


class _NoTransport(asyncio.Transport):
    """Before a connection is made, and so that the field has one type."""


_NO_TRANSPORT: Final = _NoTransport()
_clock = _Clock()
