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

from gateway.core.access import Ownership, Principal
from gateway.core.desired import Desired
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.services.entries import Audience, Entry, Key, Reader, block, chunked, widened
from gateway.wire import sse
from gateway.wire.resources import AdapterStatus, LiveSession
from gateway.wire.tools import ToolsCost, ToolStatus

KEEP_ALIVE: Final = 15.0  # seconds between comments on a silent stream
REMEMBERED: Final = 4096  # how many of what is gone a reader that comes back is still told
_ADAPTER, _SESSION, _TOOL, _TOOLSET = "Adapter", "Session", "Tool", "Toolset"


class Hub:
    """All there is to see. Whoever changes something says `show_…` or `hide_…`; saying the same twice is no change."""

    def __init__(self, *, remembered: int = REMEMBERED, keep_alive: float = KEEP_ALIVE) -> None:
        self._remembered, self._keep_alive = remembered, keep_alive
        self._secret = secrets.token_bytes(16)  # makes ids this process's own: another's lead to a snapshot
        self._number = 0
        self._horizon = 0  # what was gone by then is forgotten
        self._entries: dict[Key, Entry] = {}  # in the order of their last change
        self._gone: deque[tuple[Key, int]] = deque()
        self._readers: set[Reader] = set()
        self._is_closed = False

    @property
    def readers(self) -> int:
        return len(self._readers)

    def show_adapter(self, desired: Desired, status: AdapterStatus) -> None:
        audience = Audience(desired.ownership)
        changed = self._show(
            (_ADAPTER, desired.name),
            audience,
            adapter=desired.name,
            resource=msgspec.json.encode(desired.shown(to_writer=False)),
            for_writers=msgspec.json.encode(desired.shown(to_writer=True)),
            status=msgspec.json.encode(status),
        )
        if changed is not None and changed.audience != audience:
            self._move_sessions(desired.name, audience.ownership)

    def hide_adapter(self, name: str) -> None:
        self._hide((_ADAPTER, name))

    def show_tool(self, desired: DesiredTool, status: ToolStatus) -> None:
        self._show(
            (_TOOL, desired.name),
            Audience(desired.ownership),
            adapter="",  # no session is a tool's
            resource=msgspec.json.encode(desired.shown(to_writer=False)),
            for_writers=msgspec.json.encode(desired.shown(to_writer=True)),
            status=msgspec.json.encode(status),
        )

    def show_toolset(self, desired: DesiredToolset, cost: ToolsCost) -> None:
        """cost: of all that is in it, for writers: readers may see but a part."""
        shown = desired.shown(to_writer=True)
        self._show(
            (_TOOLSET, desired.name),
            Audience(desired.ownership),
            adapter="",
            resource=msgspec.json.encode(shown),
            for_writers=msgspec.json.encode(msgspec.structs.replace(shown, cost=cost)),
        )

    def hide_toolset(self, name: str) -> None:
        self._hide((_TOOLSET, name))

    def hide_tool(self, name: str) -> None:
        self._hide((_TOOL, name))

    def show_session(self, session: LiveSession) -> None:
        """Nothing to see where its adapter is not, or no longer, shown."""
        adapter = self._entries.get((_ADAPTER, session.adapter))
        if adapter is None or adapter.is_gone:
            return self.hide_session(session.id)
        audience = Audience(adapter.audience.ownership, session.principal)
        encoded = msgspec.json.encode(session)
        key = (_SESSION, session.id)
        self._show(key, audience, adapter=session.adapter, resource=encoded, for_writers=encoded)
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
                for chunk in chunked(self._news(reader)):
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
        self,
        key: Key,
        audience: Audience,
        *,
        adapter: str,
        resource: bytes,
        for_writers: bytes,
        status: bytes = b"",
    ) -> Entry | None:
        """Returns the entry before, if there was one and it changed."""
        remembered = self._entries.get(key)
        old = None if remembered is None or remembered.is_gone else remembered
        is_resource_same = old is not None and old.for_writers == for_writers and old.audience == audience
        is_status_same = old is not None and old.status == status
        if is_resource_same and is_status_same:
            return None
        self._number += 1
        self._put(
            Entry(
                key=key,
                adapter=adapter,
                number=self._number,
                created=remembered.created if remembered else self._number,
                audience=audience,
                ever=widened(remembered.ever if remembered else (), audience),
                resource=resource,
                for_writers=for_writers,
                status=status,
                resource_number=old.resource_number if old and is_resource_same else self._number,
                status_number=old.status_number if old and is_status_same else self._number,
            )
        )
        return old

    def _hide(self, key: Key) -> None:
        old = self._entries.get(key)
        if old is None or old.is_gone:
            return
        self._number += 1
        gone = Entry(
            key=key,
            adapter=old.adapter,
            number=self._number,
            created=old.created,
            audience=old.audience,
            ever=old.ever,
            is_gone=True,
        )
        self._put(gone)
        self._gone.append((key, gone.number))
        while len(self._gone) > self._remembered:
            self._forget(*self._gone.popleft())

    def _put(self, entry: Entry) -> None:
        self._entries.pop(entry.key, None)  # so that it comes last
        self._entries[entry.key] = entry
        self._wake()

    def _forget(self, key: Key, number: int) -> None:
        entry = self._entries.get(key)
        if entry is not None and entry.is_gone and entry.number == number:
            del self._entries[key]
            self._horizon = number

    def _move_sessions(self, adapter: str, ownership: Ownership) -> None:
        """Who may see an adapter has changed, and so has who sees its sessions."""
        for entry in list(self._entries.values()):
            if entry.adapter == adapter and entry.key[0] == _SESSION and not entry.is_gone:
                audience = Audience(ownership, entry.audience.user)
                self._show(entry.key, audience, adapter=adapter, resource=entry.resource, for_writers=entry.for_writers)

    def _wake(self) -> None:
        for reader in self._readers:
            reader.wake.set()

    async def _is_woken(self, reader: Reader) -> bool:
        with suppress(TimeoutError):
            async with asyncio.timeout(self._keep_alive):
                return await reader.wake.wait()
        return False

    # What a reader is told

    def _reader(self, principal: Principal, last_event_id: str) -> Reader:
        stamp, _, digits = last_event_id.partition("-")
        number = int(digits) if digits.isdecimal() and len(digits) < 16 else -1
        if stamp != self._stamp(principal) or not self._horizon <= number <= self._number:
            return Reader(principal, -1, set())
        return Reader(principal, number, {entry.key for entry in self._known_at(number, principal)})

    def _known_at(self, number: int, principal: Principal) -> Iterator[Entry]:
        """What somebody may have known of at a number: rather too much, since a deletion told twice does no harm."""
        for entry in self._entries.values():
            was_there = entry.created <= number and not (entry.is_gone and entry.number <= number)
            if was_there and any(audience.admits(principal) for audience in entry.ever):
                yield entry

    def _stamp(self, principal: Principal) -> str:
        """Of this process and this principal with these roles: to any other, an id says nothing."""
        said = "\0".join((principal.id, *sorted(principal.roles))).encode()
        return hashlib.blake2s(said, key=self._secret, digest_size=6).hexdigest()

    def _news(self, reader: Reader) -> Iterator[bytes]:
        if reader.cursor < self._horizon:
            return self._snapshot(reader)
        changed: list[Entry] = []
        for entry in reversed(self._entries.values()):
            if entry.number <= reader.cursor:
                break
            changed.append(entry)
        return self._changes(reader, changed[::-1])

    def _changes(self, reader: Reader, changed: Iterable[Entry]) -> Iterator[bytes]:
        """In the order of their numbers, so that each one's id says that all before it have been told."""
        stamp = self._stamp(reader.principal)
        for entry in changed:
            event_id = f"{stamp}-{entry.number}"
            if not entry.is_gone and entry.audience.admits(reader.principal):
                yield from reader.heard(entry, event_id)
            elif entry.key in reader.told:
                reader.told.discard(entry.key)
                yield block("deleted", entry.key, event_id=event_id)
            reader.cursor = entry.number

    def _snapshot(self, reader: Reader) -> Iterator[bytes]:
        """Only its end has an id: who hears but a part of it must begin again."""
        number = self._number
        seen = [each for each in self._entries.values() if not each.is_gone and each.audience.admits(reader.principal)]
        lost = reader.told - {entry.key for entry in seen}
        reader.told, reader.cursor = set(), -1
        for key in sorted(lost):
            yield block("deleted", key)
        for entry in sorted(seen, key=lambda each: each.key):
            yield from reader.heard(entry, None)
        reader.cursor = number
        yield sse.encode(b"{}", "synced", f"{self._stamp(reader.principal)}-{number}")
