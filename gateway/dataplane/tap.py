"""An answer's bytes as the messages in them, for who listens: JSON bodies, and events wherever chunks cut them.

Holds one message at most, and of a large one its beginning. Understands no message and changes no byte.
"""

import logging
import re
from collections.abc import Callable, Iterator
from typing import Final

from gateway.core.overhearing import Headers, Listener
from gateway.wire import sse

WHOLE: Final = 128 * 1024  # bytes of a message that is held whole: what hiding its secrets takes is the loop's time
BEGINNING: Final = 64 * 1024  # bytes that are held of a larger one
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")  # as wire.sse has it
_TAIL: Final = 3
_EVENT_STREAM: Final = b"text/event-stream"

log = logging.getLogger(__name__)


class Guarded:
    """core.overhearing.Listener around another one: if that fails, it is left out, and the call goes on."""

    __slots__ = ("_listener",)

    def __init__(self, listener: Listener) -> None:
        self._listener: Listener | None = listener

    def asked(self) -> None:
        self._tell(lambda it: it.asked())

    def answering(self, status: int, headers: Headers) -> None:
        self._tell(lambda it: it.answering(status, headers))

    def said(self, data: bytes, size: int) -> None:
        self._tell(lambda it: it.said(data, size))

    def ended(self, status: int, problem: str = "") -> None:
        self._tell(lambda it: it.ended(status, problem))

    def _tell(self, tell: Callable[[Listener], None]) -> None:
        if self._listener is None:
            return
        try:
            tell(self._listener)
        except Exception:  # a listener's fault is not the call's
            self._listener = None
            log.exception("what a call says could not be listened to; the call goes on")


class Ear:
    """One exchange's."""

    __slots__ = ("_body", "_events", "_listener", "_size")

    def __init__(self, listener: Listener) -> None:
        self._listener = listener
        self._events: Events | None = None
        self._body = bytearray()
        self._size = 0

    def head(self, status: int, headers: Headers) -> None:
        told = dict(headers)
        if told.get(b"content-type", b"").lower().startswith(_EVENT_STREAM) and b"content-encoding" not in told:
            self._events = Events()
        self._listener.answering(status, headers)

    def join(self, status: int, *, is_within: bool) -> None:
        """An event stream that has begun before. is_within: what comes next is the rest of an event."""
        self._events = Events(is_within=is_within)
        self._listener.answering(status, ())

    def feed(self, chunk: bytes) -> None:
        if self._events is not None:
            for data, size in self._events.feed(chunk):
                self._listener.said(data, size)
            return
        self._size += len(chunk)
        hold(self._body, chunk, self._size)

    def end(self, status: int, problem: str = "") -> None:
        if self._size:
            self._listener.said(bytes(self._body), self._size)
        self._listener.ended(status, problem)


class Events:
    """An event stream cut anywhere. is_within: begin behind the end of the event that is under way."""

    __slots__ = ("_event", "_is_skipping", "_size", "_tail")

    def __init__(self, *, is_within: bool = False) -> None:
        self._event = bytearray()  # what is held of the one under way
        self._size = 0  # how much there was of it
        self._tail = b""  # its last bytes
        self._is_skipping = is_within

    def feed(self, chunk: bytes) -> Iterator[tuple[bytes, int]]:
        """The data of each event that ends here, and how large it is: framing included where it is not held whole."""
        while chunk:
            found = _BLANK_LINE.search(self._tail + chunk)
            if found is None:
                self._take(chunk)
                return
            end = found.end() - len(self._tail)
            self._take(chunk[:end])
            chunk = chunk[end:]
            yield from self._finished()

    def _take(self, part: bytes) -> None:
        self._size += len(part)
        self._tail = (self._tail + part)[-_TAIL:]
        hold(self._event, part, self._size)

    def _finished(self) -> Iterator[tuple[bytes, int]]:
        block, size, is_skipped = bytes(self._event).strip(b"\r\n"), self._size, self._is_skipping
        self._event.clear()
        self._size, self._tail, self._is_skipping = 0, b"", False
        data = sse.parse(block).data if block and not is_skipped else None
        if data:
            yield data, len(data) if size <= WHOLE else size


def hold(held: bytearray, part: bytes, size: int) -> None:
    """Take in one more part of what has that size by now."""
    if size <= WHOLE:
        held += part
    else:
        del held[BEGINNING:]
        held += part[: BEGINNING - len(held)]


def held(message: bytes) -> bytes:
    """What is told of a message that is whole."""
    return message if len(message) <= WHOLE else message[:BEGINNING]
