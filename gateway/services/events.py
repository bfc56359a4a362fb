"""Every change that a caller may see, as server-sent events: what a dashboard follows instead of polling.

Nothing is queued for a reader. What exists is kept in the order of its last change, and a reader, however slow, is told
the present form of all that changed since it was last told; what is gone is remembered for a while, and a reader behind
that begins anew with a snapshot. Decides nothing and asks nobody.
"""

import asyncio
import hashlib
import secrets
from collections import deque
from collections.abc import AsyncGenerator, Iterable, Iterator
from contextlib import suppress
from typing import Final

import msgspec

from gateway.core.access import Ownership, Principal, may_read, may_write
from gateway.core.desired import Desired
from gateway.wire import sse
from gateway.wire.resources import AdapterStatus, LiveSession

KEEP_ALIVE: Final = 15.0  # seconds between comments on a silent stream
REMEMBERED: Final = 4096  # how many of what is gone a reader that comes back is still told
_CHUNK: Final = 64 * 1024
_ADAPTER, _SESSION = "Adapter", "Session"

type _Key = tuple[str, str]  # kind and name


class Audience(msgspec.Struct, frozen=True):
    """Who sees something of an adapter. user: whose it is, for what only writers and that user see; "" for readers."""

    ownership: Ownership
    user: str = ""

    def admits(self, principal: Principal) -> bool:
        if not self.user:
            return may_read(principal, self.ownership)
        is_own = principal.id == self.user and may_read(principal, self.ownership)
        return is_own or may_write(principal, self.ownership)


class _Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as of its last change, `number`. `ever` is its audience with all roles that it ever had.

    resource, for_writers, status: JSON, encoded once for all readers; a status is empty where there is none.
    """

    key: _Key
    number: int
    created: int
    audience: Audience
    ever: Audience
    resource: bytes = b""
    for_writers: bytes = b""
    status: bytes = b""
    resource_number: int = 0
    status_number: int = 0
    is_gone: bool = False


class _Reader:
    """Somebody who listens: what it was told up to which number. told: what it believes to exist."""

    def __init__(self, principal: Principal, cursor: int, told: set[_Key]) -> None:
        self.principal, self.cursor, self.told = principal, cursor, told
        self.wake = asyncio.Event()


class Hub:
    """All there is to see. Whoever changes something says `show_…` or `hide_…`; saying the same twice is no change."""

    def __init__(self, *, remembered: int = REMEMBERED, keep_alive: float = KEEP_ALIVE) -> None:
        self._remembered, self._keep_alive = remembered, keep_alive
        self._secret = secrets.token_bytes(16)  # makes ids this process's own: another's lead to a snapshot
        self._number = 0
        self._horizon = 0  # what was gone by then is forgotten
        self._entries: dict[_Key, _Entry] = {}  # in the order of their last change
        self._gone: deque[tuple[_Key, int]] = deque()
        self._readers: set[_Reader] = set()
        self._is_closed = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    def show_adapter(self, desired: Desired, status: AdapterStatus) -> None:
        audience = Audience(desired.ownership)
        changed = self._show(
            (_ADAPTER, desired.name),
            audience,
            resource=msgspec.json.encode(desired.shown(to_writer=False)),
            for_writers=msgspec.json.encode(desired.shown(to_writer=True)),
            status=msgspec.json.encode(status),
        )
        if changed is not None and changed.audience != audience:
            self._move_sessions(desired.name, audience.ownership)

    def hide_adapter(self, name: str) -> None:
        self._hide((_ADAPTER, name))

    def show_session(self, session: LiveSession) -> None:
        """Nothing to see where its adapter is not, or no longer, shown."""
        adapter = self._entries.get((_ADAPTER, session.adapter))
        if adapter is None or adapter.is_gone:
            return self.hide_session(session.id)
        audience = Audience(adapter.audience.ownership, session.principal)
        encoded = msgspec.json.encode(session)
        self._show((_SESSION, session.id), audience, resource=encoded, for_writers=encoded)
        return None

    def hide_session(self, session_id: str) -> None:
        self._hide((_SESSION, session_id))

    async def follow(self, principal: Principal, last_event_id: str = "") -> AsyncGenerator[bytes]:
        """What was missed since that id, or a snapshot where the id says nothing here; then every change, until closed.

        Whole SSE events, several in one chunk where several are due.
        """
        reader = self._reader(principal, last_event_id)
        self._readers.add(reader)
        try:
            yield sse.comment("mcpdeck events")
            while not self._is_closed:
                reader.wake.clear()
                for chunk in _chunks(self._news(reader)):
                    yield chunk
                if not await self._is_woken(reader):
                    yield sse.comment()
        finally:
            self._readers.discard(reader)

    def close(self) -> None:
        """Every stream ends."""
        self._is_closed = True
        self._wake()

    # What exists

    def _show(
        self, key: _Key, audience: Audience, *, resource: bytes, for_writers: bytes, status: bytes = b""
    ) -> _Entry | None:
        """Returns the entry before, if there was one and it changed."""
        old = self._entries.get(key)
        if old is not None and old.is_gone:
            old = None
        is_resource_same = old is not None and old.for_writers == for_writers and old.audience == audience
        is_status_same = old is not None and old.status == status
        if is_resource_same and is_status_same:
            return None
        self._number += 1
        self._put(
            _Entry(
                key=key,
                number=self._number,
                created=old.created if old else self._number,
                audience=audience,
                ever=_widened(old.ever, audience) if old else audience,
                resource=resource,
                for_writers=for_writers,
                status=status,
                resource_number=old.resource_number if old and is_resource_same else self._number,
                status_number=old.status_number if old and is_status_same else self._number,
            )
        )
        return old

    def _hide(self, key: _Key) -> None:
        old = self._entries.get(key)
        if old is None or old.is_gone:
            return
        self._number += 1
        gone = _Entry(
            key=key, number=self._number, created=old.created, audience=old.audience, ever=old.ever, is_gone=True
        )
        self._put(gone)
        self._gone.append((key, gone.number))
        while len(self._gone) > self._remembered:
            self._forget(*self._gone.popleft())

    def _put(self, entry: _Entry) -> None:
        self._entries.pop(entry.key, None)  # so that it comes last
        self._entries[entry.key] = entry
        self._wake()

    def _forget(self, key: _Key, number: int) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.is_gone and entry.number == number:
            del self._entries[key]
            self._horizon = number

    def _move_sessions(self, adapter: str, ownership: Ownership) -> None:
        """Who may see an adapter has changed, and so has who sees its sessions."""
        for entry in [each for each in self._entries.values() if each.key[0] == _SESSION and not each.is_gone]:
            if msgspec.json.decode(entry.resource, type=LiveSession).adapter == adapter:
                audience = Audience(ownership, entry.audience.user)
                self._show(entry.key, audience, resource=entry.resource, for_writers=entry.for_writers)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake.set()

    async def _is_woken(self, reader: _Reader) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._keep_alive):
                return await reader.wake.wait()
        return False

    # What a reader is told

    def _reader(self, principal: Principal, last_event_id: str) -> _Reader:
        stamp, _, digits = last_event_id.partition("-")
        number = int(digits) if digits.isdecimal() and len(digits) < 16 else -1
        if stamp != self._stamp(principal) or not self._horizon <= number <= self._number:
            return _Reader(principal, -1, set())
        return _Reader(principal, number, {entry.key for entry in self._known_at(number, principal)})

    def _known_at(self, number: int, principal: Principal) -> Iterator[_Entry]:
        """What somebody may have known of at a number: rather too much, since a deletion told twice does no harm."""
        for entry in self._entries.values():
            was_there = entry.created <= number and not (entry.is_gone and entry.number <= number)
            if was_there and entry.ever.admits(principal):
                yield entry

    def _stamp(self, principal: Principal) -> str:
        """Of this process and this principal with these roles: to any other, an id says nothing."""
        said = "\0".join((principal.id, *sorted(principal.roles))).encode()
        return hashlib.blake2s(said, key=self._secret, digest_size=6).hexdigest()

    def _news(self, reader: _Reader) -> Iterator[bytes]:
        if reader.cursor < self._horizon:
            return self._snapshot(reader)
        changed: list[_Entry] = []
        for entry in reversed(self._entries.values()):
            if entry.number <= reader.cursor:
                break
            changed.append(entry)
        return self._changes(reader, changed[::-1])

    def _changes(self, reader: _Reader, changed: Iterable[_Entry]) -> Iterator[bytes]:
        """In the order of their numbers, so that each one's id says that all before it have been told."""
        stamp = self._stamp(reader.principal)
        for entry in changed:
            event_id = f"{stamp}-{entry.number}"
            if not entry.is_gone and entry.audience.admits(reader.principal):
                yield from _told(entry, reader, event_id)
            elif entry.key in reader.told:
                reader.told.discard(entry.key)
                yield _block("deleted", entry.key, event_id=event_id)
            reader.cursor = entry.number

    def _snapshot(self, reader: _Reader) -> Iterator[bytes]:
        """Only its end has an id: who hears but a part of it must begin again."""
        number = self._number
        seen = [each for each in self._entries.values() if not each.is_gone and each.audience.admits(reader.principal)]
        lost = reader.told - {entry.key for entry in seen}
        reader.told, reader.cursor = set(), -1
        for key in sorted(lost):
            yield _block("deleted", key)
        for entry in sorted(seen, key=lambda each: each.key):
            yield from _told(entry, reader, None)
        reader.cursor = number
        yield sse.encode(b"{}", "synced", f"{self._stamp(reader.principal)}-{number}")


class _Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ChangeEvent whose resource is encoded already."""

    type: str
    kind: str
    name: str
    resource: msgspec.Raw | None = None


def _told(entry: _Entry, reader: _Reader, event_id: str | None) -> Iterator[bytes]:
    """The last event of an entry has its id: who is cut off in between hears the whole entry again."""
    is_new = entry.key not in reader.told
    reader.told.add(entry.key)
    tells_status = bool(entry.status) and (is_new or entry.status_number > reader.cursor)
    if is_new or entry.resource_number > reader.cursor:
        own = entry.for_writers if may_write(reader.principal, entry.audience.ownership) else entry.resource
        word = "added" if is_new else "modified"
        yield _block(word, entry.key, own, event_id=None if tells_status else event_id)
    if tells_status:
        yield _block("status", entry.key, entry.status, event_id=event_id)


def _block(word: str, key: _Key, resource: bytes = b"", *, event_id: str | None = None) -> bytes:
    change = _Change(word, *key, msgspec.Raw(resource) if resource else None)
    return sse.encode(msgspec.json.encode(change), "change", event_id)


def _widened(ever: Audience, audience: Audience) -> Audience:
    roles = ever.ownership.required_roles | audience.ownership.required_roles
    return Audience(Ownership(audience.ownership.created_by, roles), audience.user)


def _chunks(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Several events in one write, but never the whole of a large snapshot in memory."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        if len(waiting) >= _CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
