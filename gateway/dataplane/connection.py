"""One keep-alive HTTP/1.1 connection to an instance, as callbacks. One request at a time; a pool owns it meanwhile."""

import asyncio
import logging
import struct
import sys
from collections.abc import Callable
from typing import Final, Protocol, cast

import httptools

from gateway.core.errors import GatewayError, UpstreamBroke, UpstreamSlow
from gateway.dataplane.deadlines import Deadlines
from gateway.wire.http1 import Headers, Likeness, Noted
from gateway.wire.names import InstanceName
from gateway.wire.resources import Timeouts

MAX_HEAD: Final = 64 * 1024  # bytes of an answer's head, give or take one read
KEEP_IDLE: Final = 60.0  # seconds that an unused connection is kept, unless its server names fewer
_REPEATABLE: Final = (b"GET ", b"DELETE ")  # RFC 9110, 9.2.2

log = logging.getLogger(__name__)


class Known(Noted):
    """A head that an instance answered with before, and what whoever is told of it concluded from it, as its note."""

    __slots__ = ("headers", "is_good", "likeness", "status")

    def __init__(self, likeness: Likeness, status: int, headers: Headers) -> None:
        super().__init__()
        self.likeness, self.status, self.headers = likeness, status, headers
        self.is_good = 200 <= status < 300


class Answer(Protocol):
    """Who is told what an instance answers. No method may wait."""

    @property
    def on_whole(self) -> Callable[[Known, bytes], None] | None:
        """In place of on_head, on_body and on_end, of what is good and known. Its connection rests by then.

        None for who wants to hear those one by one.
        """

    def on_connection(self, connection: "UpstreamConnection") -> bool:
        """The request is about to go out on this one; False when nobody wants it any more."""

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:
        """headers: but those that frame the body. length: of it, None when only its end will tell."""

    def on_body(self, chunk: bytes) -> None: ...

    def on_read(self) -> None:
        """All that came with one read has been told, and there is more to come."""

    def on_end(self) -> None:
        """The answer is whole."""

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        """No answer, or not the whole of one. is_unsent: the instance never had the request."""


class Home(Protocol):
    """Where a connection rests between requests."""

    def made(self, connection: "UpstreamConnection") -> None: ...

    def take_back(self, connection: "UpstreamConnection") -> None: ...

    def lost(self, connection: "UpstreamConnection") -> None: ...

    def send_again(self, request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        """On a fresh connection."""


class UpstreamConnection(asyncio.Protocol):
    """`deadline` is what `Deadlines` watches: the first byte's, silence's, or old age's while it rests."""

    __slots__ = (
        "_answer",
        "_deadlines",
        "_ends",
        "_ends_at_eof",
        "_had_head",
        "_head_bytes",
        "_headers",
        "_home",
        "_instance",
        "_is_chunked",
        "_is_dirty",
        "_is_interim",
        "_is_safe",
        "_is_single",
        "_is_sound",
        "_is_whole",
        "_keep_idle",
        "_keeps",
        "_known",
        "_length",
        "_parser",
        "_request",
        "_timeouts",
        "_uses",
        "deadline",
        "transport",
    )

    def __init__(self, instance: InstanceName, home: Home, deadlines: Deadlines) -> None:
        self.transport: asyncio.Transport
        self.deadline = 0.0
        self._instance, self._home, self._deadlines = instance, home, deadlines
        self._parser = httptools.HttpResponseParser(self)
        self._answer: Answer | None = None
        self._request: bytes | None = None  # until the first byte of its answer
        self._timeouts = Timeouts()
        self._uses = 0
        self._keep_idle = KEEP_IDLE
        self._ends = 0.0  # when the whole answer has to be there
        self._is_sound = True
        self._is_safe = False
        self._headers: Headers = []
        self._known: Known | None = None
        self._is_single = False
        self._clear()

    def _clear(self) -> None:
        self._headers = []
        self._length: int | None = None
        self._head_bytes = 0
        self._is_chunked = self._is_interim = self._had_head = self._is_whole = False
        self._ends_at_eof = self._keeps = self._is_dirty = False

    # the caller's side

    def send(self, request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        if self._is_dirty:
            self._clear()
        self._answer, self._request, self._timeouts = answer, request, timeouts
        self._uses += 1
        first_byte = timeouts.first_byte
        self.deadline = self._deadlines.next + first_byte if first_byte else 0.0  # as `after`, without asking
        if timeouts.total:
            self._ends = self._deadlines.after(timeouts.total)
            self.deadline = min(self.deadline, self._ends)
        self.transport.write(request)

    def pause(self) -> None:
        """The client reads too slowly. Silence is not the instance's fault meanwhile."""
        self.transport.pause_reading()
        self.deadline = self._ends

    def resume(self) -> None:
        self.transport.resume_reading()
        self.deadline = self._silence()

    def cut(self) -> None:
        """Nobody wants the answer any more, and the instance is to know at once."""
        self._answer = None
        self.transport.abort()

    def leave(self) -> None:
        """Nobody waits for the answer any more; the request still goes out whole."""
        self._answer = None
        self.transport.close()

    def rest(self) -> None:
        """In the pool from now on."""
        self.deadline = self._deadlines.next + self._keep_idle

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self._deadlines.watch(self)
        self._home.made(self)

    def data_received(self, data: bytes) -> None:
        answer = self._answer
        if answer is None:  # bytes that nobody asked for: what comes next could not be told from them
            self.transport.abort()
            return
        self._request = None
        known = self._known
        if known is not None and not self._is_dirty:
            body = known.likeness.split(data)
            if body is not None:
                self._answer_alike(answer, known, body)
                return
        self._is_single, self._is_dirty = not self._is_dirty, True
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._fail(UpstreamBroke(f"instance '{self._instance}' changed to another protocol"))
        except httptools.HttpParserCallbackError as error:
            log.exception("the answer of instance '%s' could not be handled", self._instance)
            self._fail(UpstreamBroke(f"the answer of instance '{self._instance}' could not be handled: {error}"))
        except httptools.HttpParserError as error:
            if self._is_whole and self._answer is not None:  # what follows a whole answer is no second one
                self._is_sound = False
                self._end(answer)
                return
            self._fail(UpstreamBroke(f"instance '{self._instance}' answers something else than HTTP/1.1: {error}"))
        else:
            self._go_on(answer, data)

    def _go_on(self, answer: Answer, data: bytes) -> None:
        if self._answer is None:  # it was cut meanwhile
            return
        if self._is_whole:
            self._learn(data)
            self._end(answer)
        elif self._had_head:
            self.deadline = self._silence()
            answer.on_read()
        else:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD:
                self._fail(UpstreamBroke(f"the head of instance '{self._instance}' exceeds {MAX_HEAD} bytes"))

    def _answer_alike(self, answer: Answer, known: Known, body: bytes) -> None:
        """An answer that differs from an earlier one in its body and its length alone."""
        on_whole = answer.on_whole if known.is_good else None
        if on_whole is not None and not self.transport.get_write_buffer_size():
            self._answer, self._ends = None, 0.0
            self._home.take_back(self)
            on_whole(known, body)
            return
        self._keeps = True
        answer.on_head(known.status, known.headers, len(body))
        if self._answer is not None:
            answer.on_body(body)
            self._end(answer)

    def _learn(self, data: bytes) -> None:
        """After an answer that came with a single read: the next one may have the same head."""
        head = data[: data.find(b"\r\n\r\n") + 4]
        is_plain = self._is_single and self._keeps and self._is_sound and self._length == len(data) - len(head)
        likeness = Likeness.of(head) if is_plain else None
        self._known = None if likeness is None else Known(likeness, self._parser.get_status_code(), self._headers)

    def eof_received(self) -> None:
        """A server that closes a resting connection crosses the next request now and then. That one may go again.

        It is certain when the server has acknowledged nothing of it: its closing word acknowledges all it had.
        """
        if self._request is not None:
            self._is_safe = _unacknowledged(self.transport) >= len(self._request)

    def connection_lost(self, error: Exception | None) -> None:
        self._deadlines.forget(self)
        self._home.lost(self)
        answer, self._answer = self._answer, None
        if answer is None:
            return
        request = self._request
        if self._had_head and self._ends_at_eof and error is None:
            answer.on_end()
        elif request is not None and self._uses > 1 and (self._is_safe or request.startswith(_REPEATABLE)):
            self._home.send_again(request, answer, self._timeouts)
        else:
            part = "within its answer" if self._had_head else "before it answered"
            answer.on_failure(UpstreamBroke(f"instance '{self._instance}' broke off {part}"), is_unsent=False)

    # the deadlines' side

    def expired(self) -> None:
        if self._answer is None:
            self.transport.close()
        elif 0 < self._ends <= self._deadlines.now:
            seconds = self._timeouts.total
            self._fail(UpstreamSlow(f"instance '{self._instance}' did not finish its answer within {seconds:g} s"))
        elif self._had_head:
            seconds = self._timeouts.idle
            self._fail(UpstreamBroke(f"instance '{self._instance}' sent nothing for {seconds:g} s"))
        else:
            seconds = self._timeouts.first_byte
            self._fail(UpstreamSlow(f"instance '{self._instance}' did not answer within {seconds:g} s"))

    def _silence(self) -> float:
        """The deadline of what comes next within an answer."""
        deadline = self._deadlines.after(self._timeouts.idle)
        return min(deadline or self._ends, self._ends) if self._ends else deadline

    def _fail(self, error: GatewayError) -> None:
        answer, self._answer = self._answer, None
        self.transport.abort()
        if answer is not None:
            answer.on_failure(error, is_unsent=False)

    def _end(self, answer: Answer) -> None:
        self._answer, self._ends = None, 0.0
        if self._keeps and self._is_sound and not self.transport.get_write_buffer_size():
            self._home.take_back(self)
        else:
            self.transport.close()
        answer.on_end()

    # httptools' side

    def on_message_begin(self) -> None:
        if self._is_whole:  # a second answer to one request
            self._is_sound, self._headers = False, []

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.rstrip(b" \t")  # llhttp takes off what stands before a value only (RFC 9110, 5.5)
        if name == b"content-length":
            self._length = int(value)
        elif name == b"transfer-encoding":
            self._is_chunked = value.lower().endswith(b"chunked")
        else:
            self._headers.append((name, value))
        if name == b"keep-alive":
            self._keep_idle = _seconds_kept(value)

    def on_headers_complete(self) -> None:
        status = self._parser.get_status_code()
        if self._is_whole:
            return
        if status < 200:
            self._is_interim = True
            return
        if status > 599:  # RFC 9110, 15: there are five classes
            self._fail(UpstreamBroke(f"instance '{self._instance}' answers with a status of {status}"))
            return
        self._had_head = True
        self._keeps = self._parser.should_keep_alive()  # it answers for the next message once this one is complete
        if status in (204, 304):
            self._length = 0
        self._ends_at_eof = self._length is None and not self._is_chunked
        headers = self._headers
        if self._length is None:
            self._headers, self._known = [], None  # a stream may last for days
        if self._answer is not None:
            self._answer.on_head(status, headers, self._length)

    def on_body(self, chunk: bytes) -> None:
        if self._answer is None or self._is_whole:
            return
        if self._had_head:
            self._answer.on_body(chunk)
        else:  # RFC 9110, 15.2: an interim answer has none, and what follows this one can't be told from it
            self._fail(UpstreamBroke(f"instance '{self._instance}' sent a body with an interim answer"))

    def on_message_complete(self) -> None:
        if self._is_interim:
            self._clear()
            self._is_dirty, self._is_single = True, False
        else:
            self._is_whole = True


def _unacknowledged(transport: asyncio.Transport) -> int:
    """Bytes written that the peer's kernel has not acknowledged; 0 where the platform can't tell."""
    if sys.platform != "linux":
        return 0
    import fcntl
    import termios

    socket = transport.get_extra_info("socket")
    try:
        queued = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, b"\0" * 4)
    except OSError:
        return 0
    return int(struct.unpack("i", queued)[0]) + transport.get_write_buffer_size()


def _seconds_kept(value: bytes) -> float:
    """From `Keep-Alive: timeout=5`, with a second to spare."""
    for part in value.split(b","):
        name, _, number = part.strip().partition(b"=")
        if name.lower() == b"timeout" and number.isdigit():
            return min(KEEP_IDLE, max(0.5, int(number) - 1.0))
    return KEEP_IDLE
