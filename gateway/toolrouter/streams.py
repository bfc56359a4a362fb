"""A handshake-era client's event streams: what adapters say to it, with ids that lead back to whoever said it.

An adapter's own request ids and event ids mean nothing at /mcp, where several adapters choose them freely. Each is made
to name its adapter and session; sealed ids of sessions make that safe, as they open for their principal alone.
"""

import base64
import binascii
import re
from typing import Final

import msgspec

from gateway.core.ports import Exchange
from gateway.toolrouter.replies import Stream
from gateway.wire import envelope, sse
from gateway.wire.names import AdapterName

_SEPARATOR: Final = "~"
_PLAIN: Final = "."  # before an id that stands in a marked one as it is
_PLAIN_ID: Final = re.compile(rb"[\w-]{1,64}")
_ID_LINE: Final = re.compile(rb"\nid(?:: ?([^\n]*))?(?=\n)")
_ODD_ID_LINE: Final = re.compile(rb"\nid(?!: [\w-]{1,64}\n)")
_LISTS_CHANGED: Final = frozenset(
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
    }
)


class Source(msgspec.Struct, frozen=True):
    """Who says something: an adapter, in a session with it, "" where it has none."""

    adapter: AdapterName
    session: bytes = b""


def marked(event: sse.Event, source: Source) -> bytes | None:
    """An adapter's event as the client gets it; None for what the catalog tells of instead."""
    data = event.data
    if data and b'"method"' in data:
        message = envelope.parse(data)
        if isinstance(message, dict):
            if envelope.method(message) in _LISTS_CHANGED:
                return None
            raw_id = envelope.raw_id(message)
            if raw_id is not None and "method" in message:
                data = envelope.line(message | {"id": envelope.raw(mark(source, raw_id))})
    return _block(event, data, source)


class Marking:
    """An adapter's events on their way to a client, in chunks cut anywhere.

    What is whole events that hold no request, and tell of no changed list, is not taken apart: only ids are marked.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._plainly = b"\nid: %b" % mark_of(source).encode() + _PLAIN.encode()
        self._decoder = sse.Decoder()

    def fed(self, chunk: bytes) -> bytes:
        """Raises ValueError when an event grows past any limit."""
        if needs_no_look(chunk):
            return self._passed(chunk)
        end = chunk.rfind(b"\n\n", 0, max(chunk.find(b'"id"'), 0)) + 2  # of what comes before a response, mostly
        if end > 1 and needs_no_look(chunk[:end]):
            return self._passed(chunk[:end]) + self._looked_at(chunk[end:])
        return self._looked_at(chunk)

    def _passed(self, chunk: bytes) -> bytes:
        """What an event begins or ends of is kept together, and looked at."""
        if chunk.endswith(b"\n\n") and self._decoder.is_between_events:
            return self.with_ids(chunk)
        begun = b""
        if not self._decoder.is_between_events:
            end = chunk.find(b"\n\n") + 2
            begun, chunk = self._looked_at(chunk[:end]), chunk[end:]
            if not self._decoder.is_between_events:
                return begun + self._looked_at(chunk)
        end = chunk.rfind(b"\n\n") + 2
        whole = self.with_ids(chunk[:end]) if end > 1 else b""
        rest = self._looked_at(chunk[end:] if end > 1 else chunk)
        return begun + whole + rest

    def with_ids(self, events: bytes) -> bytes:
        """Whole events with nothing changed but their ids."""
        if events.startswith(b"id"):
            return self._marked(b"\n" + events)[1:]
        return self._marked(events) if b"\nid" in events else events

    def _marked(self, events: bytes) -> bytes:
        if _ODD_ID_LINE.search(events) is None:
            return events.replace(b"\nid: ", self._plainly)
        return _ID_LINE.sub(lambda found: b"\nid: " + mark(self._source, found[1] or b"").encode(), events)

    def _looked_at(self, chunk: bytes) -> bytes:
        blocks = (marked(event, self._source) for event in self._decoder.feed(chunk))
        return b"".join(block for block in blocks if block is not None)


def needs_no_look(chunk: bytes) -> bool:
    """Whether nothing in it is a request, or tells of a changed list. \\u: a key may be written so."""
    return not (b'"id"' in chunk or b"list_changed" in chunk or b"\r" in chunk or b"\\u" in chunk)


def mark(source: Source, raw: bytes) -> str:
    """An id that names its source. raw: the source's own, as JSON."""
    return mark_of(source) + _text(raw)


def mark_of(source: Source) -> str:
    """What all its ids begin with."""
    return f"{source.adapter}{_SEPARATOR}{source.session.decode('latin-1')}{_SEPARATOR}"


def unmarked(text: str) -> tuple[Source, bytes] | None:
    """The reverse. None for an id that was never made here."""
    parts = text.split(_SEPARATOR)
    if len(parts) != 3:
        return None
    adapter, session, encoded = parts
    try:
        if encoded.startswith(_PLAIN):
            raw = encoded[1:].encode()
            if not _PLAIN_ID.fullmatch(raw):
                return None
        else:
            raw = base64.b64decode(encoded + "=" * (-len(encoded) % 4), altchars=b"-_", validate=True)
        return Source(AdapterName(adapter), session.encode("latin-1")), raw
    except (binascii.Error, UnicodeEncodeError, ValueError):
        return None


class ClientStream(Stream):
    """The GET stream of a session."""

    def __init__(self, exchange: Exchange) -> None:
        super().__init__(exchange)
        self.exchange = exchange

    def pass_on(self, event: sse.Event, source: Source) -> None:
        block = marked(event, source)
        if block is not None:
            self.raw(block)


def _block(event: sse.Event, data: bytes | None, source: Source) -> bytes:
    lines = []
    if event.event:
        lines.append(f"event: {event.event}".encode())
    if event.id is not None:
        lines.append(f"id: {mark(source, event.id.encode())}".encode())
    if event.retry is not None:
        lines.append(b"retry: %d" % event.retry)
    if data is not None:
        lines += [b"data: " + line for line in data.split(b"\n")]
    return b"\n".join(lines) + b"\n\n" if lines else b":\n\n"


def _text(raw: bytes) -> str:
    if _PLAIN_ID.fullmatch(raw):
        return _PLAIN + raw.decode()
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
