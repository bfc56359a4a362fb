"""Server-sent events as bytes: writing one, and finding the whole ones in a stream. (HTML Living Standard, 9.2.)"""

import re
from collections.abc import Iterator

import msgspec

_LINE = re.compile(rb"\r\n|\n|\r")
_BLANK_LINE = re.compile(rb"(?>\r\n|\n|\r)(?>\r\n|\n|\r)")  # atomic, or one \r\n would pass for two ends of lines
_LONGEST_BLANK_LINE = 4
_RETRY_DIGITS = 9


class Event(msgspec.Struct, frozen=True):
    """One event. `data` is None in a comment or a bare `retry`/`id` block, which carries no message."""

    data: bytes | None = None
    event: str = ""
    id: str | None = None
    retry: int | None = None


def encode(data: bytes, event: str = "message", event_id: str | None = None) -> bytes:
    """An event whose data is one line of JSON. Raises ValueError if it is not one line."""
    if b"\n" in data or b"\r" in data:
        raise ValueError("event data spans lines; encode JSON without line breaks")
    head = f"event: {event}\n" if event else ""
    if event_id is not None:
        head += f"id: {event_id}\n"
    return b"%bdata: %b\n\n" % (head.encode(), data)


def comment(text: str = "") -> bytes:
    return f": {text}\n\n".encode()


class Decoder:
    """Feeds on chunks cut anywhere, gives whole events. Holds at most `limit` bytes of an unfinished one.

    A chunk that ends in a carriage return may leave its line feed to the next: that one then opens an empty block.
    """

    def __init__(self, limit: int = 16 * 1024 * 1024) -> None:
        self._buffer = bytearray()
        self._searched = 0
        self._limit = limit

    @property
    def is_between_events(self) -> bool:
        """Whether nothing of an unfinished event is held."""
        return not self._buffer

    def feed(self, chunk: bytes) -> Iterator[Event]:
        """Raises ValueError when an event grows past the limit."""
        self._buffer += chunk
        while found := _BLANK_LINE.search(self._buffer, self._searched):
            block = bytes(self._buffer[: found.start()])
            del self._buffer[: found.end()]
            self._searched = 0
            if block := block.strip(b"\r\n"):
                yield parse(block)
        self._searched = max(0, len(self._buffer) - _LONGEST_BLANK_LINE + 1)
        if len(self._buffer) > self._limit:
            raise ValueError(f"an SSE event exceeds {self._limit} bytes")


def parse(block: bytes) -> Event:
    """One block between blank lines as an event."""
    data: list[bytes] = []
    event, event_id, retry = "", None, None
    for line in _LINE.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        match field:
            case b"data":
                data.append(value)
            case b"event":
                event = value.decode(errors="replace")
            case b"id" if b"\0" not in value:
                event_id = value.decode(errors="replace")
            case b"retry" if value.isdigit() and len(value) <= _RETRY_DIGITS:
                retry = int(value)
            case _:
                pass
    return Event(b"\n".join(data) if data else None, event, event_id, retry)
