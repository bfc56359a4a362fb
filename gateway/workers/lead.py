"""The lead's side of the link: tells followers where requests go, and takes in what they did.

Knows nothing of how a worker is started, nor of the door by which followers send their clients on.
"""

import asyncio
import contextlib
import logging
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from gateway.core.routes import Routes, RoutingTable
from gateway.services.audit import AuditLog
from gateway.services.client_info import ClientInfo
from gateway.services.counts import Counts
from gateway.services.live import Live
from gateway.services.sessions import Sessions
from gateway.wire.names import AdapterName
from gateway.workers.words import LINK, Change, Ended, Table, framed, heard_from_follower

TICK: Final = 1.0  # seconds between two looks at what nobody tells of by itself
GAUGES: Final = frozenset({"in_flight", "streams"})  # which go with their worker; what was counted stays

log = logging.getLogger(__name__)


class Lead:
    """Made by `leading`. `publish` is to be called when something may have changed.

    is_weighed: whether policies have a say. listened: adapters that somebody listens to.
    """

    def __init__(
        self,
        routes: Routes,
        sessions: Sessions,
        audit: AuditLog,
        *,
        is_weighed: Callable[[], bool],
        listened: Callable[[], frozenset[AdapterName]],
    ) -> None:
        self._routes, self._sessions, self._audit = routes, sessions, audit
        self._is_weighed, self._listened = is_weighed, listened
        self._writers: set[asyncio.StreamWriter] = set()
        self._counters: dict[asyncio.StreamWriter, Counter[str]] = {}
        self._retired: Counter[str] = Counter()  # of followers that have gone
        self._told: tuple[RoutingTable | None, bool, frozenset[AdapterName]] = None, False, frozenset()
        self._gone = asyncio.Event()
        sessions.on_end = lambda session, uid: self._tell(framed(Ended([(session, uid)])))

    def counted(self) -> Counter[str]:
        """What all followers have counted together, by the counters' names."""
        return sum(self._counters.values(), self._retired.copy())

    def publish(self) -> None:
        """To every follower, where something has changed."""
        now = self._routes.table, self._is_weighed(), self._listened()
        if now != self._told:
            self._told = now
            self._tell(self._table())

    async def followers_gone(self, seconds: float) -> None:
        """Until none is left, or so long: what they have in hand ends with the instances."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._writers:
                    self._gone.clear()
                    await self._gone.wait()

    async def keep_telling(self) -> None:
        """Until cancelled."""
        while True:
            await asyncio.sleep(TICK)
            self.publish()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One follower, until it goes."""
        self._writers.add(writer)
        writer.write(self._table() + framed(Ended(list(self._sessions.ended))))
        under_way: dict[Live, Counts] = {}  # what goes with it
        try:
            while True:
                report = await heard_from_follower(reader)
                self._counters[writer] = Counter(report.counters)
                for record in report.audit:
                    (self._audit.record if record.principal else self._audit.record_stranger)(record)
                for change in report.changes:
                    self._take(change, under_way)
        except EOFError:
            log.info("a worker has gone")
        finally:
            self._writers.discard(writer)
            last = self._counters.pop(writer, Counter())
            self._retired += Counter({name: count for name, count in last.items() if name not in GAUGES})
            for live, held in under_way.items():
                live.count(Counts() - held)
                self._sessions.touch(live)
            self._gone.set()
            writer.close()

    def _take(self, change: Change, under_way: dict[Live, Counts]) -> None:
        sessions, client = self._sessions, ClientInfo(*change.client)
        if change.session is not None:
            live = sessions.session(
                change.session, change.adapter, change.endpoint, change.principal, change.era, client, change.opened_at
            )
        else:
            live = sessions.group(
                change.adapter, change.endpoint, change.principal, change.era, client, change.opened_at
            )
        live.opened_at, live.used_at = min(live.opened_at, change.opened_at), max(live.used_at, change.used_at)
        if client.name:
            live.client = client
        live.count(change.counts)
        if change.counts.errors:
            live.last_error, live.last_error_at = change.last_error, change.last_error_at
        live.pace.waiting += change.durations
        live.pace.fold()
        held = under_way.pop(live, Counts()) + Counts(in_flight=change.counts.in_flight, streams=change.counts.streams)
        if held != Counts():
            under_way[live] = held
        sessions.touch(live)
        if change.is_closed:
            sessions.drop(live)

    def _table(self) -> bytes:
        table = self._routes.table
        routes = [*table.routes.values(), *table.tools.values()]
        return framed(Table(routes, self._is_weighed(), sorted(self._listened())))

    def _tell(self, message: bytes) -> None:
        for writer in self._writers:
            writer.write(message)


@asynccontextmanager
async def leading(lead: Lead, folder: Path) -> AsyncIterator[None]:
    """While followers can reach it in this folder."""
    server = await asyncio.start_unix_server(lead.serve, sock=unix_listener(folder / LINK))
    async with server, asyncio.TaskGroup() as tasks:
        telling = tasks.create_task(lead.keep_telling(), name="tell followers of what has changed")
        yield
        telling.cancel()


def unix_listener(path: Path) -> socket.socket:
    """In a folder that only this user can enter; one that an earlier process has left goes. Raises OSError."""
    path.unlink(missing_ok=True)
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        listener.bind(str(path))
        listener.listen(1024)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
