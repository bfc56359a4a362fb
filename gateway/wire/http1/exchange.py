"""One request's answer on its way out: whole at once, or a head and then its body as it comes. Waits for nothing."""

import asyncio
import time
from collections.abc import Callable, Iterable
from email.utils import formatdate
from functools import cache
from http import HTTPStatus
from typing import Final, Protocol

from gateway.wire.http1.request import Request

REASONS: Final = {status.value: status.phrase.encode() for status in HTTPStatus}


class Wire(Protocol):
    """What an answer is written to: a connection."""

    transport: asyncio.Transport
    peer: str

    def exchange_ended(self, exchange: "Exchange") -> None: ...


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

    def __init__(self, connection: Wire, request: Request) -> None:
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
        self.respond_alike(status, head_lines(status, headers), b"", body)

    def respond_alike(self, status: int, head: bytes, last: bytes, body: bytes) -> None:
        """As `respond`, to a request that is the first of a `shape` or a later one, if its connection is to be kept.

        head: of `head_lines`, and after a line break the name of one more, whose value is last.
        """
        self.has_started, self.status, self.sent = True, status, len(body)
        connection = self.connection
        connection.transport.write(
            b"%b%b\r\ncontent-length: %d\r\n%b\r\n\r\n%b" % (head, last, len(body), clock.line(), body)
        )
        self.has_ended = True
        self.on_leave = self.on_pause = self.on_resume = None
        connection.exchange_ended(self)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        """The head; it leaves with the first `write`, `flush` or `finish`. Without a length the body is chunked."""
        self.has_started, self.status = True, status
        lines = [_status_line(status), *[b": ".join(pair) for pair in headers]]
        if length is not None:
            self._left = length
            if status >= 200 and status != 204:
                lines.append(b"content-length: %d" % length)
        elif self.request.is_http10:
            self.request.keep_alive = False
        else:
            self._chunked = True
            lines.append(b"transfer-encoding: chunked")
        lines.append(clock.line())
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


class Clock:
    """The Date header, worked out once a second."""

    def __init__(self) -> None:
        self._second = 0
        self._line = b""

    def line(self) -> bytes:
        now = time.time()
        if not self._second <= now < self._second + 1:
            self._second = second = int(now)
            self._line = b"date: " + formatdate(second, usegmt=True).encode()
        return self._line


clock: Final = Clock()


def head_lines(status: int, headers: Iterable[tuple[bytes, bytes]]) -> bytes:
    """An answer's head, but for the lines that frame its body, and the date."""
    return b"\r\n".join([_status_line(status), *[b": ".join(pair) for pair in headers]])


@cache
def _status_line(status: int) -> bytes:
    return b"HTTP/1.1 %d %b" % (status, REASONS.get(status, b"Status"))
