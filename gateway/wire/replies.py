"""The answer to one HTTP request: JSON as long as nothing but the response comes, an SSE stream as soon as more does.

Knows HTTP/1.1's `Exchange` and no message's meaning. Once the client has left, everything said to a reply is dropped.
"""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.wire import sse
from gateway.wire.http1 import Exchange

type Header = tuple[bytes, bytes]

JSON: Final[Header] = (b"content-type", b"application/json")
_JSON_ONLY: Final = (JSON,)
STREAM_HEADERS: Final[tuple[Header, ...]] = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
QUIET_TICKS: Final = 3  # ticks without a word after which a stream says something, so that nobody takes it for dead
_UNREAD: Final = 8 * 1024 * 1024  # bytes that may wait for a client that does not read its stream


class Reply:
    """`on_leave` is called once when the client goes, or is cut off, before its answer ended.

    accepts_stream: whether the client takes text/event-stream; without it only `final` reaches it. on_pause: called
    with True when the client reads too slowly, with False when it has caught up or gone.
    """

    __slots__ = (
        "_exchange",
        "_is_paused",
        "_quiet",
        "accepts_json",
        "accepts_stream",
        "headers",
        "is_stream",
        "on_leave",
        "on_pause",
    )

    def __init__(self, exchange: Exchange, *, accepts_json: bool = True, accepts_stream: bool = True) -> None:
        self._exchange = exchange
        self.accepts_json = accepts_json
        self.accepts_stream = accepts_stream
        self.headers: tuple[Header, ...] = ()  # beside the content type's
        self.is_stream = False
        self.on_leave: Callable[[], None] | None = None
        self.on_pause: Callable[[bool], None] | None = None
        self._quiet = 0
        self._is_paused = False
        exchange.on_leave = self._left

    @property
    def is_open(self) -> bool:
        return not self._exchange.has_ended

    def final(self, message: bytes, status: int = 200) -> None:
        """The response. The status reaches a client only where no stream has begun."""
        exchange = self._exchange
        if exchange.has_ended:
            return
        self.on_leave = None  # it leads to the call, and that to this reply: a circle that would have to be collected
        if self.is_stream or not (self.accepts_json or status >= 400):
            self._write(sse.encode(message))
            self.finish()
        else:
            exchange.respond(status, (JSON, *self.headers) if self.headers else _JSON_ONLY, message)

    def event(self, message: bytes) -> None:
        """A message ahead of the response, or on a stream that has none."""
        if self._exchange.has_ended:
            return
        self._write(sse.encode(message))

    def open_stream(self) -> None:
        """Begin the stream before there is anything to say on it."""
        if not self.is_stream and self.is_open:
            self._start()
            self._exchange.flush()

    def finish(self) -> None:
        """The stream is complete."""
        self.on_leave = None
        if self.is_open:
            self._unpause()
            self._exchange.finish()

    def bare(self, status: int, headers: Iterable[Header] = ()) -> None:
        """An answer without a body."""
        if self.is_open:
            self._exchange.respond(status, headers)

    def tick(self) -> None:
        """A while has passed: a request that still waits becomes a stream, and a quiet stream gets a comment."""
        if self._exchange.has_ended or not self.accepts_stream:
            return
        self._quiet += 1
        if self._quiet >= QUIET_TICKS:
            self._write(sse.comment("waiting"))

    def _write(self, event: bytes) -> None:
        if not self.is_stream:
            self._start()
        self._quiet = 0
        self._exchange.write(event)
        if self._is_paused and self._exchange.connection.transport.get_write_buffer_size() > _UNREAD:
            self._exchange.abort()
            self._left()

    def _start(self) -> None:
        self.is_stream = True
        self._exchange.on_pause, self._exchange.on_resume = self._pause, self._unpause
        self._exchange.start(200, (*STREAM_HEADERS, *self.headers))

    def _pause(self) -> None:
        if not self._is_paused:
            self._is_paused = True
            if self.on_pause is not None:
                self.on_pause(True)

    def _unpause(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self.on_pause is not None:
                self.on_pause(False)

    def _left(self) -> None:
        self._unpause()
        leave, self.on_leave = self.on_leave, None
        if leave is not None:
            leave()


class BatchReply(Reply):
    """One answer for a 2025-03-26 batch. Each of its requests is answered by an event, the last of which ends the
    stream; a batch without requests is accepted with 202."""

    __slots__ = ("_awaited",)

    def __init__(self, exchange: Exchange, requests: int) -> None:
        super().__init__(exchange)
        self._awaited = requests

    def final(self, message: bytes, status: int = 200) -> None:  # noqa: ARG002 - a stream has one status
        self.event(message)
        self._awaited -= 1
        if self._awaited == 0:
            self.finish()

    def bare(self, status: int, headers: Iterable[Header] = ()) -> None:
        if self._awaited == 0:
            super().bare(status, headers)
