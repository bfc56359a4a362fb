"""The live MCP sessions that pass through here, and what each of them does. Keeps no payload and tells nobody.

Stands on the path of every call: one look-up and a few additions, no wait, no formatting. A legacy session is the
upstream's own; a modern client has none, and neither has a legacy one at a server without sessions: their calls are
grouped by principal, client and adapter, and the group ends when it has been idle for a while.
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Final

from gateway.core.access import Principal
from gateway.core.ports import Asking
from gateway.core.routes import Endpoint
from gateway.services.audit import Recorder
from gateway.services.client_info import UNKNOWN, ClientInfo, of_initialize, of_modern
from gateway.services.ended import Ended
from gateway.services.live import Call, Key, Live, Series
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

GROUP_IDLE: Final = 300.0  # seconds after which a modern client counts as gone
SESSION_IDLE: Final = 24 * 3600.0  # the upstream ends its idle sessions, and may not say so
FORGOTTEN: Final = 1800.0  # of a session whose principal has too many: it makes room for another one
LOOK_AGAIN: Final = 10.0
SLOW: Final = 2.0  # seconds after which an initialize without an answer is shown
MOST: Final = 100_000  # live sessions that are kept
MOST_CLIENTS: Final = 50  # programs of one principal at one adapter that are told apart: a name costs nothing


class SessionLedger:
    """core.ports.Accounts. Who derives from it tells of what `touch` and `drop` hear."""

    def __init__(self, *, audit: Recorder | None = None, clock: Callable[[], float] = time.time) -> None:
        self.audit, self.clock = audit, clock
        self.ended = Ended()
        self._live: dict[Key, Live] = {}
        self._by_id: dict[str, Live] = {}
        self._latest: dict[tuple[str, str], ClientInfo] = {}  # whose calls at what adapter: the client heard of last
        self._groups: Counter[tuple[str, str]] = Counter()  # of whose calls at what adapter
        self._sessions: Counter[str] = Counter()  # by principal
        self._full_until: dict[str, float] = {}  # principals with as many as they may have, until it is looked at again
        self._alive: set[str] = set()  # uids of instances, and names of adapters
        self._dirty: list[Live] = []
        self._beginning: dict[Call, None] = {}  # each an initialize without an answer, the oldest first
        self._look: asyncio.TimerHandle | None = None

    def opened(
        self, session: bytes | None, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        body: bytes | None, *, asking: Asking | None = None, request_id: bytes = b"",
        is_stream: bool = False,
    ) -> Call:  # fmt: skip
        now = self.clock()
        live: Live | None = None
        client = UNKNOWN
        if era is Era.MODERN:
            client = self._client(principal, adapter, body, of_modern)
            live = self.group(adapter, endpoint, principal, era, client, now)
        elif session is not None:
            live = self.session(session, adapter, endpoint, principal, era, UNKNOWN, now)
        else:
            client = self._client(principal, adapter, body, of_initialize)
            if body is None:  # no initialize: none will be learned
                live = self.group(adapter, endpoint, principal, era, client, now)
        series = Series(self, live, adapter, endpoint, principal, era, client)
        call = Call(series, is_stream, now, asking, request_id)
        if live is None:
            self._beginning[call] = None
            self._look = self._look or asyncio.get_running_loop().call_later(SLOW, self.look_at_beginnings)
        return call

    def settled(self, call: Call) -> None:
        self._beginning.pop(call, None)

    def look_at_beginnings(self) -> None:
        """Goes by itself. Those that take long are shown from now on."""
        now = self.clock()
        for call in list(self._beginning):
            if now - call.opened_at < SLOW:
                break
            del self._beginning[call]
            call.waits()
        again = self._beginning
        self._look = asyncio.get_running_loop().call_later(SLOW, self.look_at_beginnings) if again else None

    def has_room(self, principal: Principal, most: int) -> bool:
        """Sessions that nobody has used for a while do not count: few clients say that they are gone."""
        if self._sessions[principal.id] < most:
            return True
        now = self.clock()
        if now < self._full_until.get(principal.id, 0.0):
            return False
        for live in list(self._live.values()):
            if live.principal.id == principal.id and live.session is not None and live.is_idle(now, FORGOTTEN):
                self.drop(live)
        if self._sessions[principal.id] < most:
            self._full_until.pop(principal.id, None)
            return True
        self._full_until[principal.id] = now + LOOK_AGAIN
        return False

    def is_ended(self, session: bytes, endpoint: Endpoint) -> bool:
        return (session, endpoint.uid) in self.ended

    def session(
        self, session: bytes, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        client: ClientInfo, now: float,
    ) -> Live:  # fmt: skip
        """A legacy session, known from now on."""
        key = (session, endpoint.uid)
        return self._live.get(key) or self._add(
            Live(key, adapter, endpoint, principal=principal, era=era, session=session, client=client, now=now)
        )

    def group(
        self, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era, client: ClientInfo, now: float
    ) -> Live:
        """Calls without a session. Its instance is the one that was asked last."""
        live = self._live.get((principal.id, adapter, client, era))
        if live is not None:
            live.endpoint = endpoint
            return live
        if client is not UNKNOWN and self._groups[principal.id, adapter] >= MOST_CLIENTS:
            return self.group(adapter, endpoint, principal, era, UNKNOWN, now)
        key = (principal.id, adapter, client, era)
        return self._add(
            Live(key, adapter, endpoint, principal=principal, era=era, session=None, client=client, now=now)
        )

    def touch(self, live: Live) -> None:
        """It changed: it is told of in time."""
        if not live.is_dirty:
            live.is_dirty = True
            self._dirty.append(live)

    def closed(self, live: Live) -> None:
        """Its server or its client has ended it."""
        self.drop(live)

    def drop(self, live: Live) -> bool:
        """Whether it was still kept."""
        if self._live.get(live.key) is not live:
            return False
        del self._live[live.key], self._by_id[live.id]
        live.is_kept = False
        self._count(live, -1)
        return True

    def keep(self, alive: set[str]) -> None:
        """Only those of these instances and adapters."""
        if self._alive <= alive:  # most changes are no end of anything
            self._alive = alive
            return
        self._alive = alive
        for live in list(self._live.values()):
            if (live.adapter if live.session is None else live.endpoint.uid) not in alive:
                self.drop(live)
        self.ended.forget(alive)
        for known in [known for known in self._latest if known[1] not in alive]:
            del self._latest[known]

    async def run(self) -> None:
        """Lets idle ones go. Until cancelled."""
        while True:
            await asyncio.sleep(GROUP_IDLE / 10)
            self.sweep()

    def sweep(self) -> None:
        now = self.clock()
        for live in list(self._live.values()):
            patience = SESSION_IDLE if live.session is not None else GROUP_IDLE
            if live.is_idle(now, patience):
                self.drop(live)

    def counts(self) -> dict[tuple[str, str], int]:
        """How many are live, by adapter and era."""
        found: dict[tuple[str, str], int] = {}
        for live in self._live.values():
            found[live.adapter, live.era] = found.get((live.adapter, live.era), 0) + 1
        return found

    def held(self, uid: str) -> int:
        """Sessions that an instance has, and calls that it has in hand, by its endpoint's uid."""
        return sum(
            live.in_flight + live.streams + (live.session is not None)
            for live in self._live.values()
            if live.endpoint.uid == uid
        )

    # within

    def _add(self, live: Live) -> Live:
        if len(self._live) >= MOST:
            self.drop(next(iter(self._live.values())))
        self._live[live.key] = self._by_id[live.id] = live
        self._count(live, 1)
        return live

    def _count(self, live: Live, step: int) -> None:
        whose = live.principal.id
        if live.session is None:
            self._groups[whose, live.adapter] += step
            if not self._groups[whose, live.adapter]:
                del self._groups[whose, live.adapter]
            return
        self._sessions[whose] += step
        if not self._sessions[whose]:
            del self._sessions[whose]
            self._full_until.pop(whose, None)

    def _client(
        self,
        principal: Principal,
        adapter: AdapterName,
        body: bytes | None,
        said: Callable[[bytes, ClientInfo], ClientInfo],
    ) -> ClientInfo:
        """said: what a body says, or else what was known before."""
        known = self._latest.get((principal.id, adapter), UNKNOWN)
        client = known if body is None else said(body, known)
        if client == known:  # one copy for all sessions of a program
            return known
        if len(self._latest) >= MOST:
            self._latest.clear()
        self._latest[principal.id, adapter] = client
        return client
