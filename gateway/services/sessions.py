"""The live MCP sessions of this gateway, and of its other replicas: who is told of them, who may see them and end them.

What each of them does is in the ledger.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, GatewayError, NotFound, Unsupported
from gateway.core.observed import Observed
from gateway.core.ports import Backend, Tokens
from gateway.core.routes import Endpoint, Route, Routes
from gateway.core.sharing import Shared
from gateway.services.audit import Recorder
from gateway.services.client_info import UNKNOWN, ClientInfo
from gateway.services.elsewhere import Elsewhere
from gateway.services.entries import Audience
from gateway.services.events import Hub
from gateway.services.ledger import SessionLedger
from gateway.services.live import Live
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import LiveSession

PACE: Final = 1.0  # seconds between two events of one session
MOST_AT_ONCE: Final = 1000  # sessions that are told of in one go; the others follow a second later

log = logging.getLogger(__name__)


class Sessions(SessionLedger):
    """services.elsewhere.Own. Give `observed` to the reconciler as a listener.

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
        super().__init__(audit=audit, clock=clock)
        self._routes, self._backend, self._hub, self._tokens = routes, backend, hub, tokens
        self.on_drop: Callable[[str], None] = _forget  # is told of the ids of those that are gone
        self.on_end: Callable[[bytes, str], None] = _overlook  # of those that were ended here: own id, instance's uid
        self._timer: asyncio.TimerHandle | None = None
        self._elsewhere: Elsewhere | None = None

    def share(self, shared: Shared) -> None:
        """There are other replicas: their sessions are shown as well, and can be ended from here."""
        self._elsewhere = Elsewhere(shared, self)

    # The ledger

    def session(
        self, session: bytes, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        client: ClientInfo, now: float,
    ) -> Live:  # fmt: skip
        is_new = (session, endpoint.uid) not in self._live
        live = super().session(session, adapter, endpoint, principal, era, client, now)
        if is_new and self._elsewhere is not None:
            self._inherit(live, self._elsewhere.last_of(live.id))
        return live

    def touch(self, live: Live) -> None:
        """It changed: who listens hears of it within a second."""
        super().touch(live)
        if self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PACE, self.tell)

    def drop(self, live: Live) -> bool:
        was_kept = super().drop(live)
        if was_kept:
            if self._elsewhere is not None:
                self._elsewhere.tell(live.id)
            self.on_drop(live.id)
        self._tell_of(live.id)
        return was_kept

    def keep(self, alive: set[str]) -> None:
        if self._elsewhere is not None:
            self._elsewhere.keep(alive)
            for session_id in self._elsewhere.of_adapters(alive - self._alive):
                self._tell_of(session_id)
        super().keep(alive)

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
        self.ended.add((session, uid))
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
        self.ended.add((live.session, live.endpoint.uid))
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

    def _shown(self, route: Route | None, whose: Principal) -> Sequence[tuple[bytes, bytes]]:
        """What a call to an adapter must carry besides."""
        if route is None:
            return ()
        authorization = self._tokens.last(route.grant, whose) if route.grant and self._tokens else None
        return route.headers if authorization is None else (*route.headers, (b"authorization", authorization))

    def _inherit(self, live: Live, last: LiveSession | None) -> None:
        """Its client said its name to a replica that may be gone by now."""
        if last is not None and last.client_name and live.client is UNKNOWN:
            live.client = ClientInfo(last.client_name, last.client_version, last.protocol_version)
            live.opened_at = min(live.opened_at, last.opened_at.timestamp())

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
