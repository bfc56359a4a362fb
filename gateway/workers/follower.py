"""A follower's side of the link: takes the lead's routes as they come, and reports what it did, every second.

While there is no lead, it goes on with the routes it has, and tries again.
"""

import asyncio
import contextlib
import itertools
import logging
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.routes import Routes, RoutingTable
from gateway.services.audit import Entry
from gateway.services.counts import Counts
from gateway.services.ledger import SessionLedger
from gateway.services.live import Key, Live
from gateway.services.pace import Pace
from gateway.wire.audit import AuditRecord
from gateway.wire.names import AdapterName
from gateway.workers.words import LINK, Change, Ended, Report, Table, framed, heard_from_lead

PERIOD: Final = 1.0  # seconds between two reports
RETRY: Final = 0.2  # seconds before a lead that is not there is looked for again
MOST_ENTRIES: Final = 100_000  # for the audit log, while there is no lead
MOST_DURATIONS: Final = 10_000

log = logging.getLogger(__name__)


class _Unfolded(Pace):
    """Keeps durations as they are, for the lead to count."""

    __slots__ = ()

    def fold(self) -> None:
        del self.waiting[:-MOST_DURATIONS]


class Reporting(SessionLedger):
    """Live sessions of this worker, whose changes are collected for the lead. Ends none by itself."""

    def __init__(self, entries: "Entries") -> None:
        super().__init__(audit=entries)
        self._told: dict[Key, Counts] = {}  # as the lead has them
        self._changed: dict[Key, Change] = {}

    def _add(self, live: Live) -> Live:
        live.pace = _Unfolded()
        return super()._add(live)

    def closed(self, live: Live) -> None:
        self._gather(live, is_closed=True)
        super().closed(live)

    def drop(self, live: Live) -> bool:
        if live.key in self._told:
            self._gather(live)
            del self._told[live.key]
        return super().drop(live)

    def changes(self) -> list[Change]:
        """Since the last time, each told once."""
        dirty, self._dirty = self._dirty, []
        for live in dirty:
            live.is_dirty = False
            if self._by_id.get(live.id) is live:
                self._gather(live)
        changed, self._changed = self._changed, {}
        return list(changed.values())

    def forget_told(self) -> None:
        """There is another lead, which has heard of nothing. What is counted anew is what is under way."""
        self._changed.clear()
        for live in self._live.values():
            self._told[live.key] = msgspec.structs.replace(Counts.of(live), in_flight=0, streams=0)
            if live.in_flight or live.streams:
                self.touch(live)

    def _gather(self, live: Live, *, is_closed: bool = False) -> None:
        counts, told = Counts.of(live), self._told.get(live.key, Counts())
        before = self._changed.get(live.key)
        durations, live.pace.waiting = live.pace.waiting, []
        change = Change(
            session=live.session,
            adapter=live.adapter,
            endpoint=live.endpoint,
            principal=live.principal,
            era=live.era,
            client=(live.client.name, live.client.version, live.client.protocol),
            opened_at=live.opened_at,
            used_at=live.used_at,
            counts=counts - told,
            last_error=live.last_error,
            last_error_at=live.last_error_at,
            durations=durations,
            is_closed=is_closed,
        )
        self._told[live.key] = counts
        self._changed[live.key] = change if before is None else _added(before, change)


class Entries:
    """services.audit.Recorder: keeps for the lead what is to be recorded."""

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque(maxlen=MOST_ENTRIES)

    def record(self, entry: Entry) -> None:
        self._entries.append(entry)

    def record_stranger(self, entry: AuditRecord) -> None:
        self._entries.append(entry)

    def taken(self) -> list[AuditRecord]:
        taken = [each if isinstance(each, AuditRecord) else each.record() for each in self._entries]
        self._entries.clear()
        return taken


class Following:
    """`run` until cancelled. counters: what this worker counts, by name. divert: is told of adapters whose clients are
    to go to the lead. `is_weighed`: policies have a say."""

    def __init__(
        self,
        number: int,
        folder: Path,
        routes: Routes,
        *,
        sessions: Reporting,
        entries: Entries,
        counters: Callable[[], dict[str, int]],
        divert: Callable[[frozenset[AdapterName]], None],
    ) -> None:
        self._number, self._folder, self._routes = number, folder, routes
        self._sessions, self._entries, self._counters, self._divert = sessions, entries, counters, divert
        self.is_weighed = False
        self.has_routes = asyncio.Event()

    async def run(self) -> None:
        for attempt in itertools.count():
            try:
                reader, writer = await asyncio.open_unix_connection(str(self._folder / LINK))
            except OSError as error:
                if attempt % 50 == 49:
                    log.warning("worker %d finds no lead: %s", self._number, error)
                await asyncio.sleep(RETRY)
                continue
            self._sessions.forget_told()
            try:
                await self._follow(reader, writer)
            finally:
                writer.close()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        async with asyncio.TaskGroup() as tasks:
            reporting = tasks.create_task(self._keep_reporting(writer), name="report to the lead")
            with contextlib.suppress(EOFError):
                while True:
                    self._heed(await heard_from_lead(reader))
            reporting.cancel()

    async def _keep_reporting(self, writer: asyncio.StreamWriter) -> None:
        while True:
            await asyncio.sleep(PERIOD)
            writer.write(self.report())
            with contextlib.suppress(ConnectionError):
                await writer.drain()

    def report(self) -> bytes:
        return framed(Report(self._number, self._counters(), self._sessions.changes(), self._entries.taken()))

    def _heed(self, message: Table | Ended) -> None:
        if isinstance(message, Ended):
            for session, uid in message.sessions:
                self._sessions.ended.add((session, uid))
            return
        self._routes.table = RoutingTable({route.adapter: route for route in message.routes})
        self.is_weighed = message.is_weighed
        self._divert(frozenset(message.listened))
        uids = {endpoint.uid for route in message.routes for endpoint in route.endpoints}
        self._sessions.keep(uids | {str(route.adapter) for route in message.routes})
        self.has_routes.set()


def _added(one: Change, other: Change) -> Change:
    """Two changes of one session as one."""
    return msgspec.structs.replace(
        other,
        counts=one.counts + other.counts,
        durations=one.durations + other.durations,
        is_closed=one.is_closed or other.is_closed,
    )
