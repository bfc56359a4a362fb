"""The live MCP sessions that pass through this gateway, and what each of them does. Keeps no payload.

Stands on the path of every call: one look-up and a few additions, no wait, no formatting. A legacy session is the
upstream's own; a modern client has none, and neither has a legacy one at a server without sessions: their calls are
grouped by principal, client and adapter, and the group ends when it has been idle for a while.
"""

import asyncio
import hashlib
import logging
import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Final

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, GatewayError, NotFound, Unsupported
from gateway.core.observed import Observed
from gateway.core.ports import Backend
from gateway.core.routes import Endpoint, Routes
from gateway.services.audit import AuditLog
from gateway.services.client_info import UNKNOWN, ClientInfo, of_initialize, of_modern
from gateway.services.events import Audience, Hub
from gateway.wire.audit import AuditRecord
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import LiveSession

PACE: Final = 1.0  # seconds between two events of one session
MOST_AT_ONCE: Final = 1000  # sessions that are told of in one go; the others follow a second later
GROUP_IDLE: Final = 300.0  # seconds after which a modern client counts as gone
SESSION_IDLE: Final = 24 * 3600.0  # the upstream ends its idle sessions, and may not say so
MOST: Final = 100_000  # live sessions that are kept
MOST_ENDED: Final = 100_000

log = logging.getLogger(__name__)

type _Key = tuple[bytes, str] | tuple[str, str, ClientInfo, Era]


class _Live:
    """One session or group under way. Times are seconds since the epoch."""

    __slots__ = (
        "adapter", "bytes_in", "bytes_out", "calls", "client", "endpoint", "era", "errors", "id", "in_flight",
        "is_dirty", "key", "opened_at", "principal", "session", "streams", "used_at",
    )  # fmt: skip

    def __init__(
        self, key: _Key, adapter: AdapterName, endpoint: Endpoint, *, principal: Principal, era: Era,
        session: bytes | None, client: ClientInfo, now: float,
    ) -> None:  # fmt: skip
        self.key, self.id = key, _digest(key)
        self.adapter, self.endpoint, self.principal, self.era = adapter, endpoint, principal, era
        self.session, self.client = session, client
        self.opened_at = self.used_at = now
        self.calls = self.in_flight = self.streams = self.errors = self.bytes_in = self.bytes_out = 0
        self.is_dirty = False

    def shown(self) -> LiveSession:
        return LiveSession(
            id=self.id,
            adapter=self.adapter,
            instance=self.endpoint.instance,
            era=self.era,
            principal=self.principal.id,
            principal_name=self.principal.name,
            client_name=self.client.name,
            client_version=self.client.version,
            protocol_version=self.client.protocol,
            opened_at=datetime.fromtimestamp(self.opened_at, UTC),
            last_used_at=datetime.fromtimestamp(self.used_at, UTC),
            calls=self.calls,
            in_flight=self.in_flight,
            streams=self.streams,
            errors=self.errors,
            bytes_in=self.bytes_in,
            bytes_out=self.bytes_out,
        )


class _Call:
    """core.ports.Account. `live` is None until a session id is known, and for a call that never gets one."""

    __slots__ = (
        "_adapter",
        "_client",
        "_endpoint",
        "_era",
        "_is_stream",
        "_live",
        "_opened_at",
        "_owner",
        "_principal",
    )

    def __init__(
        self, owner: "Sessions", live: _Live | None, adapter: AdapterName, endpoint: Endpoint, principal: Principal,
        era: Era, client: ClientInfo, is_stream: bool, now: float,
    ) -> None:  # fmt: skip
        self._owner, self._live, self._opened_at = owner, live, now
        self._adapter, self._endpoint, self._principal, self._era = adapter, endpoint, principal, era
        self._client, self._is_stream = client, is_stream
        if live is not None:
            self._begin(live)

    def _begin(self, live: _Live) -> None:
        live.used_at = self._opened_at
        if self._is_stream:
            live.streams += 1
        else:
            live.in_flight += 1
        self._owner.touch(live)

    def learned(self, session: bytes) -> None:
        if self._live is None:
            self._live = self._owner.session(
                session, self._adapter, self._endpoint, self._principal, self._era, self._client, self._opened_at
            )
            self._begin(self._live)

    def ended(self, *, status: int, bytes_in: int, bytes_out: int) -> None:
        owner, live, now = self._owner, self._live, self._owner.clock()
        if live is None:  # a server without sessions
            live = self._live = owner.group(
                self._adapter, self._endpoint, self._principal, self._era, self._client, now
            )
            self._begin(live)
        if self._is_stream:
            live.streams -= 1
        else:
            live.in_flight -= 1
            live.calls += 1
        if status >= 400 or (status == 0 and not self._is_stream):
            live.errors += 1
        live.bytes_in += bytes_in
        live.bytes_out += bytes_out
        live.used_at = now
        owner.touch(live)
        if owner.audit is not None:
            owner.audit.record(self._record(status, bytes_in, bytes_out, now))

    def closed(self) -> None:
        if self._live is not None and self._live.session is not None:
            self._owner.drop(self._live)

    def _record(self, status: int, bytes_in: int, bytes_out: int, now: float) -> AuditRecord:
        return AuditRecord(
            at=datetime.fromtimestamp(self._opened_at, UTC),
            action="mcp.stream" if self._is_stream else "mcp.call",
            principal=self._principal.id,
            principal_name=self._principal.name,
            target=self._adapter,
            instance=self._endpoint.instance,
            status=status,
            duration=round(now - self._opened_at, 6),
            bytes_in=bytes_in,
            bytes_out=bytes_out,
        )


class Sessions:
    """core.ports.Accounts, and what callers may see and end. Give `observed` to the reconciler as a listener."""

    def __init__(
        self,
        routes: Routes,
        backend: Backend,
        *,
        hub: Hub,
        audit: AuditLog | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._routes, self._backend, self._hub = routes, backend, hub
        self.audit, self.clock = audit, clock
        self._live: dict[_Key, _Live] = {}
        self._by_id: dict[str, _Live] = {}
        self._latest: dict[tuple[str, str], ClientInfo] = {}  # whose calls at what adapter: the client heard of last
        self._ended: dict[tuple[bytes, str], None] = {}  # in the order in which they were ended
        self._dirty: list[_Live] = []
        self._timer: asyncio.TimerHandle | None = None

    # The data plane

    def opened(
        self, session: bytes | None, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        body: bytes | None, *, is_stream: bool = False,
    ) -> _Call:  # fmt: skip
        now = self.clock()
        live: _Live | None = None
        client = UNKNOWN
        if era is Era.MODERN:
            client = self._modern_client(principal, adapter, body)
            live = self.group(adapter, endpoint, principal, era, client, now)
        elif session is not None:
            live = self.session(session, adapter, endpoint, principal, era, UNKNOWN, now)
        else:
            client = self._legacy_client(principal, adapter, body)
        return _Call(self, live, adapter, endpoint, principal, era, client, is_stream, now)

    def is_ended(self, session: bytes, endpoint: Endpoint) -> bool:
        return (session, endpoint.uid) in self._ended

    def session(
        self, session: bytes, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era,
        client: ClientInfo, now: float,
    ) -> _Live:  # fmt: skip
        """A legacy session, known from now on."""
        key = (session, endpoint.uid)
        return self._live.get(key) or self._add(
            _Live(key, adapter, endpoint, principal=principal, era=era, session=session, client=client, now=now)
        )

    def group(
        self, adapter: AdapterName, endpoint: Endpoint, principal: Principal, era: Era, client: ClientInfo, now: float
    ) -> _Live:
        """Calls without a session. Its instance is the one that was asked last."""
        key = (principal.id, adapter, client, era)
        live = self._live.get(key)
        if live is None:
            return self._add(
                _Live(key, adapter, endpoint, principal=principal, era=era, session=None, client=client, now=now)
            )
        live.endpoint = endpoint
        return live

    def touch(self, live: _Live) -> None:
        """It changed: who listens hears of it within a second."""
        if not live.is_dirty:
            live.is_dirty = True
            self._dirty.append(live)
            if self._timer is None:
                self._timer = asyncio.get_running_loop().call_later(PACE, self.tell)

    def drop(self, live: _Live) -> None:
        if self._live.get(live.key) is live:
            del self._live[live.key], self._by_id[live.id]
        self._hub.hide_session(live.id)

    def _add(self, live: _Live) -> _Live:
        if len(self._live) >= MOST:
            self.drop(next(iter(self._live.values())))
        self._live[live.key] = self._by_id[live.id] = live
        return live

    def _modern_client(self, principal: Principal, adapter: AdapterName, body: bytes | None) -> ClientInfo:
        known = self._latest.get((principal.id, adapter), UNKNOWN)
        return known if body is None else self._learn(principal, adapter, of_modern(body, known))

    def _legacy_client(self, principal: Principal, adapter: AdapterName, body: bytes | None) -> ClientInfo:
        known = self._latest.get((principal.id, adapter), UNKNOWN)
        return known if body is None else self._learn(principal, adapter, of_initialize(body, known))

    def _learn(self, principal: Principal, adapter: AdapterName, client: ClientInfo) -> ClientInfo:
        if client is not UNKNOWN:
            if len(self._latest) >= MOST:
                self._latest.clear()
            self._latest[principal.id, adapter] = client
        return client

    # What goes by itself

    def tell(self) -> None:
        """The present form of what changed, to who listens. Goes by itself, a second after a change."""
        self._timer = None
        due, self._dirty = self._dirty[:MOST_AT_ONCE], self._dirty[MOST_AT_ONCE:]
        for live in due:
            live.is_dirty = False
            if self._by_id.get(live.id) is live:
                self._hub.show_session(live.shown())
        if self._dirty:
            self._timer = asyncio.get_running_loop().call_later(PACE, self.tell)

    def observed(self, adapters: Mapping[AdapterName, Observed]) -> None:
        """What runs has changed: sessions of instances that are gone are gone, and so are those of adapters."""
        alive = {instance.uid for each in adapters.values() for instance in each.instances}
        for live in list(self._live.values()):
            is_gone = live.endpoint.uid not in alive if live.session is not None else live.adapter not in adapters
            if is_gone:
                self.drop(live)
        for key in [key for key in self._ended if key[1] not in alive]:
            del self._ended[key]
        for known in [known for known in self._latest if known[1] not in adapters]:
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
            if not live.in_flight and not live.streams and now - live.used_at > patience:
                self.drop(live)

    # Callers

    def visible(self, principal: Principal, adapter: str | None = None) -> list[LiveSession]:
        """Those of adapters that the caller may write, and its own; by id. adapter: only its."""
        seen = [
            live for live in self._live.values() if adapter in (None, live.adapter) and self._admits(principal, live)
        ]
        return sorted((live.shown() for live in seen), key=lambda each: each.id)

    def one(self, principal: Principal, session_id: str) -> LiveSession:
        """Raises NotFound, Forbidden."""
        return self._one(principal, session_id).shown()

    async def end(self, principal: Principal, session_id: str) -> None:
        """Its id is refused from now on, and its server is told. Raises NotFound, Forbidden, Unsupported."""
        live = self._one(principal, session_id)
        if live.session is None:
            raise Unsupported(
                "these are calls without a session, each of which stands by itself: there is nothing to end; "
                "to keep the caller out, change the adapter's requiredRoles"
            )
        self._mark_ended(live.session, live.endpoint)
        self.drop(live)
        route = self._routes.table.routes.get(live.adapter)
        try:
            await self._backend.end_session(live.endpoint, live.session, route.headers if route else ())
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

    def _mark_ended(self, session: bytes, endpoint: Endpoint) -> None:
        if len(self._ended) >= MOST_ENDED:
            del self._ended[next(iter(self._ended))]
        self._ended[session, endpoint.uid] = None

    def _one(self, principal: Principal, session_id: str) -> _Live:
        live = self._by_id.get(session_id)
        if live is None:
            raise NotFound(f"there is no live session '{session_id}'; see: mcpdeck sessions list")
        if not self._admits(principal, live):
            raise Forbidden("a session is for its own user, and for who may change its adapter")
        return live

    def _admits(self, principal: Principal, live: _Live) -> bool:
        route = self._routes.table.routes.get(live.adapter)
        return route is not None and Audience(route.ownership, live.principal.id).admits(principal)


def _digest(key: _Key) -> str:
    """The same on every replica; says nothing of the id that the client holds."""
    if isinstance(key[0], bytes):
        said = b"\0".join((key[0], str(key[1]).encode()))
    else:
        said = "\0".join(map(str, key)).encode(errors="surrogatepass")
    return hashlib.blake2s(said, person=b"session", digest_size=8).hexdigest()
