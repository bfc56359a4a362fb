"""The live MCP sessions that pass through this gateway, and what each of them does. Keeps no payload.

Stands on the path of every call: one look-up and a few additions, no wait, no formatting. A legacy session is the
upstream's own; a modern client has none, and neither has a legacy one at a server without sessions: their calls are
grouped by principal, client and adapter, and the group ends when it has been idle for a while.
"""

import asyncio
import logging
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, GatewayError, NotFound, Unsupported
from gateway.core.observed import Observed
from gateway.core.ports import Asking, Backend, Tokens
from gateway.core.routes import Endpoint, Route, Routes
from gateway.core.sharing import Shared
from gateway.services.audit import Recorder
from gateway.services.client_info import UNKNOWN, ClientInfo, of_initialize, of_modern
from gateway.services.elsewhere import Elsewhere
from gateway.services.entries import Audience
from gateway.services.events import Hub
from gateway.services.live import Call, Key, Live, Series
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import LiveSession

PACE: Final = 1.0  # seconds between two events of one session
MOST_AT_ONCE: Final = 1000  # sessions that are told of in one go; the others follow a second later
GROUP_IDLE: Final = 300.0  # seconds after which a modern client counts as gone
SESSION_IDLE: Final = 24 * 3600.0  # the upstream ends its idle sessions, and may not say so
FORGOTTEN: Final = 1800.0  # of a session whose principal has too many: it makes room for another one
LOOK_AGAIN: Final = 10.0
MOST: Final = 100_000  # live sessions that are kept
MOST_CLIENTS: Final = 50  # programs of one principal at one adapter that are told apart: a name costs nothing
MOST_ENDED: Final = 100_000

log = logging.getLogger(__name__)


class Sessions:
    """core.ports.Accounts, and what callers may see and end. Give `observed` to the reconciler as a listener.

    backend: who tells an instance that a session is over; without one nobody does. tokens: where adapters' access
    tokens are had.
    """

    def __init__(
        self,
        routes: Routes,
        backend: Backend | None,
        *,
        hub: Hub,
        audit: Recorder | None = None,
        tokens: Tokens | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._routes, self._backend, self._hub, self._tokens = routes, backend, hub, tokens
        self.audit, self.clock = audit, clock
        self.on_drop: Callable[[str], None] = _forget  # is told of the ids of those that are gone
        self.on_end: Callable[[bytes, str], None] = _overlook  # of those that were ended here: own id, instance's uid
        self._live: dict[Key, Live] = {}
        self._by_id: dict[str, Live] = {}
        self._latest: dict[tuple[str, str], ClientInfo] = {}  # whose calls at what adapter: the client heard of last
        self._groups: Counter[tuple[str, str]] = Counter()  # of whose calls at what adapter
        self._sessions: Counter[str] = Counter()  # by principal
        self._full_until: dict[str, float] = {}  # principals with as many as they may have, until it is looked at again
        self._ended: dict[tuple[bytes, str], None] = {}  # in the order in which they were ended
        self._alive: set[str] = set()  # uids of instances, and names of adapters
        self._dirty: list[Live] = []
        self._timer: asyncio.TimerHandle | None = None
        self._elsewhere: Elsewhere | None = None

    def share(self, shared: Shared) -> None:
        """There are other replicas: their sessions are shown as well, and can be ended from here."""
        self._elsewhere = Elsewhere(shared, self)

    # The data plane

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
        return Call(series, is_stream, now, asking, request_id)

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
        return (session, endpoint.uid) in self._ended

    def session(
        self, session: bytes, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        client: ClientInfo, now: float,
    ) -> Live:  # fmt: skip
        """A legacy session, known from now on."""
        key = (session, endpoint.uid)
        live = self._live.get(key)
        if live is None:
            live = self._add(
                Live(key, adapter, endpoint, principal=principal, era=era, session=session, client=client, now=now)
            )
            if client is UNKNOWN and self._elsewhere is not None:
                self._inherit(live, self._elsewhere.last_of(live.id))
        return live

    def _inherit(self, live: Live, last: LiveSession | None) -> None:
        """Its client said its name to a replica that may be gone by now."""
        if last is not None and last.client_name and live.client is UNKNOWN:
            live.client = ClientInfo(last.client_name, last.client_version, last.protocol_version)
            live.opened_at = min(live.opened_at, last.opened_at.timestamp())

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
        """It changed: who listens hears of it within a second."""
        if not live.is_dirty:
            live.is_dirty = True
            self._dirty.append(live)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(PACE, self.tell)

    def closed(self, live: Live) -> None:
        """Its server or its client has ended it."""
        self.drop(live)

    def drop(self, live: Live) -> None:
        if self._live.get(live.key) is live:
            del self._live[live.key], self._by_id[live.id]
            live.is_kept = False
            self._count(live, -1)
            if self._elsewhere is not None:
                self._elsewhere.tell(live.id)
            self.on_drop(live.id)
        self._tell_of(live.id)

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

    # What goes by itself

    def tell(self) -> None:
        """The present form of what changed, to who listens. Goes by itself, a second after a change."""
        self._timer = None
        waiting = [live for live in self._dirty if self._by_id.get(live.id) is live]  # who is gone waits for no turn
        due, self._dirty = waiting[:MOST_AT_ONCE], waiting[MOST_AT_ONCE:]
        for live in due:
            live.is_dirty = False
            self.show(live)
        if self._dirty:
            self._timer = asyncio.get_running_loop().call_later(PACE, self.tell)

    def show(self, live: Live) -> None:
        if self._elsewhere is not None:
            self._elsewhere.tell(live.id)
        self._tell_of(live.id)

    def observed(self, adapters: Mapping[AdapterName, Observed]) -> None:
        """What runs has changed: sessions of instances that are gone are gone, and so are those of adapters."""
        self.keep({instance.uid for each in adapters.values() for instance in each.instances} | adapters.keys())

    def keep(self, alive: set[str]) -> None:
        """Only those of these instances and adapters."""
        if self._elsewhere is not None:
            self._elsewhere.keep(alive)
            for session_id in self._elsewhere.of_adapters(alive - self._alive):
                self._tell_of(session_id)
        if self._alive <= alive:  # most changes are no end of anything
            self._alive = alive
            return
        self._alive = alive
        for live in list(self._live.values()):
            if (live.adapter if live.session is None else live.endpoint.uid) not in alive:
                self.drop(live)
        for key in [key for key in self._ended if key[1] not in alive]:
            del self._ended[key]
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

    # services.elsewhere.Own

    def ids(self) -> list[str]:
        return list(self._by_id)

    def shown_here(self, session_id: str) -> LiveSession | None:
        live = self._by_id.get(session_id)
        return live.shown(self.clock()) if live is not None else None

    def changed_elsewhere(self, session_id: str) -> None:
        self._tell_of(session_id)

    def left_elsewhere(self, last: LiveSession) -> None:
        live = self._by_id.get(last.id)
        if live is not None:
            self._inherit(live, last)

    def ended_elsewhere(self, session: bytes, uid: str) -> None:
        self.mark_ended(session, uid)
        self.on_end(session, uid)
        live = self._live.get((session, uid))
        if live is not None:
            self.drop(live)

    async def end_here(self, session_id: str) -> None:
        live = self._by_id.get(session_id)
        if live is None:
            raise _no_session(session_id)
        await self._end(live)

    # Callers

    def visible(self, principal: Principal, adapter: str | None = None) -> list[LiveSession]:
        """Those of adapters that the caller may write, and its own; by id. adapter: only its."""
        now = self.clock()
        found = {
            live.id: live.shown(now)
            for live in self._live.values()
            if adapter in (None, live.adapter) and self._admits(principal, live.adapter, live.principal.id)
        }
        if self._elsewhere is not None:
            for session_id in self._elsewhere.ids():
                shown = self._elsewhere.with_others(session_id, found.get(session_id))
                if shown and adapter in (None, shown.adapter) and self._admits_to(principal, shown):
                    found[session_id] = shown
        return [found[session_id] for session_id in sorted(found)]

    def one(self, principal: Principal, session_id: str) -> LiveSession:
        """Raises NotFound, Forbidden."""
        shown = self._shown_anywhere(session_id)
        if shown is None:
            raise _no_session(session_id)
        if not self._admits_to(principal, shown):
            raise Forbidden("a session is for its own user, and for who may change its adapter")
        return shown

    def is_known(self, session_id: str) -> bool:
        """Here, or at another replica."""
        return session_id in self._by_id or bool(self.replicas(session_id))

    def replicas(self, session_id: str) -> list[str]:
        """The others that know a session."""
        return self._elsewhere.replicas(session_id) if self._elsewhere is not None else []

    async def end(self, principal: Principal, session_id: str) -> None:
        """Its id is refused from now on, at every replica, and its server is told.

        Raises NotFound, Forbidden, Unsupported, and Unreachable where only a replica that can't be asked has it.
        """
        self.one(principal, session_id)
        live = self._by_id.get(session_id)
        if live is not None:
            await self._end(live)
        elif self._elsewhere is not None:
            await self._elsewhere.end(session_id)

    async def _end(self, live: Live) -> None:
        if live.session is None:
            raise Unsupported(
                "these are calls without a session, each of which stands by itself: there is nothing to end; "
                "to keep the caller out, change the adapter's requiredRoles"
            )
        self.mark_ended(live.session, live.endpoint.uid)
        self.on_end(live.session, live.endpoint.uid)
        self.drop(live)
        if self._elsewhere is not None:
            await self._elsewhere.was_ended(live.session, live.endpoint.uid)
        if self._backend is None:
            return
        route = self._routes.table.routes.get(live.adapter)
        try:
            await self._backend.end_session(live.endpoint, live.session, self._shown(route, live.principal))
        except GatewayError as error:  # ended here all the same
            log.info("session %s of %s was ended; its server did not hear of it: %s", live.id, live.adapter, error)

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

    def _shown(self, route: Route | None, whose: Principal) -> Sequence[tuple[bytes, bytes]]:
        """What a call to an adapter must carry besides."""
        if route is None:
            return ()
        authorization = self._tokens.last(route.grant, whose) if route.grant and self._tokens else None
        return route.headers if authorization is None else (*route.headers, (b"authorization", authorization))

    @property
    def ended(self) -> list[tuple[bytes, str]]:
        """Sessions that were ended here, by their own id and their instance's uid."""
        return list(self._ended)

    def mark_ended(self, session: bytes, uid: str) -> None:
        """Its id is refused from now on."""
        if len(self._ended) >= MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session, uid] = None

    def _shown_anywhere(self, session_id: str) -> LiveSession | None:
        here = self.shown_here(session_id)
        return here if self._elsewhere is None else self._elsewhere.with_others(session_id, here)

    def _tell_of(self, session_id: str) -> None:
        """Who listens hears of it as it is now."""
        shown = self._shown_anywhere(session_id)
        if shown is None:
            self._hub.hide_session(session_id)
        else:
            self._hub.show_session(shown)

    def _admits_to(self, principal: Principal, shown: LiveSession) -> bool:
        return self._admits(principal, AdapterName(shown.adapter), shown.principal)

    def _admits(self, principal: Principal, adapter: AdapterName, user: str) -> bool:
        route = self._routes.table.routes.get(adapter)
        return route is not None and Audience(route.ownership, user).admits(principal)


def _no_session(session_id: str) -> NotFound:
    return NotFound(f"there is no live session '{session_id}'; see: mcpdeck sessions list")


def _forget(session_id: str) -> None:
    """Nobody wants to know."""


def _overlook(session: bytes, uid: str) -> None:
    """Nobody wants to know."""
