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
_REWRITTEN: Final = re.compile(rb'"id"|list_changed|\r|\\u')  # \u: a key may be written so
_ID_LINE: Final = re.compile(rb"^id:? ?(.*)$", re.MULTILINE)
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


def needs_no_look(chunk: bytes) -> bool:
    """Whether it is whole events, none of which is a request or tells of a changed list."""
    return chunk.endswith(b"\n\n") and not _REWRITTEN.search(chunk)


def with_marked_ids(chunk: bytes, source: Source) -> bytes:
    """Whole events with nothing changed but their ids."""
    if not chunk.startswith(b"id") and b"\nid" not in chunk:
        return chunk
    return _ID_LINE.sub(lambda found: b"id: " + mark(source, found[1]).encode(), chunk)


def mark(source: Source, raw: bytes) -> str:
    """An id that names its source. raw: the source's own, as JSON."""
    return _SEPARATOR.join((source.adapter, source.session.decode("latin-1"), _text(raw)))


def unmarked(text: str) -> tuple[Source, bytes] | None:
    """The reverse. None for an id that was never made here."""
    parts = text.split(_SEPARATOR)
    if len(parts) != 3:
        return None
    adapter, session, encoded = parts
    try:
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
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")
