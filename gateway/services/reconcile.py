"""What is wanted becomes what is: tells the backend, and publishes what it sees as routes, statuses and events.

Level-triggered and idempotent: each pass compares everything, so that a lost signal, a failure or a crash leaves work
to do and nothing else. Stores nothing and starts nothing itself.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Final

import msgspec

from gateway.core.desired import Desired
from gateway.core.errors import GatewayError
from gateway.core.observed import Observed, route_of, status_of
from gateway.core.ports import Backend, Store, WatchedStore
from gateway.core.routes import Route, Routes, RoutingTable
from gateway.services.events import Hub
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterStatus

PERIOD: Final = 30.0  # seconds between passes that nobody asked for
BOUND: Final = 60.0  # seconds that a store or a backend may take
FIRST_DELAY: Final = 0.5  # seconds before a failed pass is tried again; doubles each time
LONGEST_DELAY: Final = 30.0

log = logging.getLogger(__name__)

type Listener = Callable[[Mapping[AdapterName, Observed]], None]


class _Published(msgspec.Struct, frozen=True):
    desired: Desired
    observed: Observed
    status: AdapterStatus
    route: Route


class Reconciler:
    """listeners: are told after each change what is observed of the adapters that there are; they must not wait."""

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        routes: Routes,
        hub: Hub,
        listeners: Sequence[Listener] = (),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        period: float = PERIOD,
    ) -> None:
        self._store, self._backend = store, backend
        self._routes, self._hub, self._listeners = routes, hub, tuple(listeners)
        self._clock, self._period = clock, period
        self._kicked = asyncio.Event()
        self._desired: Mapping[AdapterName, Desired] | None = None
        self._forgotten: set[AdapterName] = set()
        self._published: dict[AdapterName, _Published] = {}
        self._has_published = False
        self.trouble = "nothing has been read from the store yet"  # a sentence; empty while all is well

    async def run(self) -> None:
        """Until cancelled. Whatever fails is said in the log and tried again."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._keep_reconciling(), name="reconcile")
            group.create_task(self._keep_trying("backend", self._observe), name="observe the backend")
            if isinstance(self._store, WatchedStore):
                group.create_task(self._keep_trying("store", self._heed), name="watch the store")

    def kick(self) -> None:
        """Something was written: reconcile now."""
        self._kicked.set()

    def forget(self, name: AdapterName) -> None:
        """Something was deleted: its route is gone when this returns, whatever a pass under way has read."""
        self._forgotten.add(name)  # for a pass under way
        if self._desired is not None:
            self._desired = MappingProxyType({each: it for each, it in self._desired.items() if each != name})
            self._publish()
        self.kick()

    def status(self, desired: Desired) -> AdapterStatus:
        known = self._published.get(desired.name)
        if known is not None and known.desired.revision == desired.revision:
            return known.status
        return status_of(desired, self._backend.observed(desired.name), now=self._clock())

    def statuses(self) -> Mapping[AdapterName, AdapterStatus]:
        """Of all adapters, as last published."""
        return {name: each.status for name, each in self._published.items()}

    async def reconcile(self) -> None:
        """One pass. Raises what the store or the backend raise; what could be read is published all the same."""
        self._forgotten.clear()  # what was deleted before this line is not in the list below
        async with asyncio.timeout(BOUND):
            listed = await self._store.list()
        self._desired = MappingProxyType({desired.name: desired for desired in listed})
        self._publish()
        async with asyncio.timeout(BOUND):
            await self._backend.apply([each for each in listed if each.name not in self._forgotten])
        self._publish()

    async def _keep_reconciling(self) -> None:
        failures = 0
        while True:
            self._kicked.clear()
            try:
                await self.reconcile()
            except Exception as error:  # noqa: BLE001 - a store or backend that fails must not end the gateway
                failures += 1
                self.trouble = _say("reconcile", error, failures)
            else:
                failures, self.trouble = 0, ""
            await self._kick_or(delay(failures) if failures else self._period)

    async def _kick_or(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._kicked.wait()

    async def _keep_trying(self, what: str, step: Callable[[], Awaitable[None]]) -> None:
        failures = 0
        while True:
            try:
                await step()
                failures = 0
            except Exception as error:  # noqa: BLE001 - as above
                failures += 1
                _say(what, error, failures)
                await asyncio.sleep(delay(failures))

    async def _observe(self) -> None:
        await self._backend.changed()
        if self._desired is not None:
            self._publish()

    async def _heed(self) -> None:
        assert isinstance(self._store, WatchedStore)  # noqa: S101 - asked before this was started
        await self._store.changed()
        self.kick()

    def _publish(self) -> None:
        """No await in here: the table, the statuses and the events change together."""
        assert self._desired is not None  # noqa: S101 - its callers wait for the first list
        before, now = self._published, self._clock()
        self._published = {
            name: self._seen(desired, before.get(name), now)
            for name, desired in self._desired.items()
            if name not in self._forgotten
        }
        changed = [each for name, each in self._published.items() if each is not before.get(name)]
        gone = before.keys() - self._published.keys()
        if not changed and not gone and self._has_published:  # that there is nothing is news as well, once
            return
        self._has_published = True
        self._routes.table = RoutingTable({name: each.route for name, each in self._published.items()})
        for each in changed:
            if not each.desired.is_tool:  # those are shown as tools, by services.tools
                self._hub.show_adapter(each.desired, each.status)
        for name in sorted(gone):
            self._hub.hide_adapter(name)
        observed = {name: each.observed for name, each in self._published.items()}
        for listener in self._listeners:
            listener(observed)

    def _seen(self, desired: Desired, before: _Published | None, now: datetime) -> _Published:
        observed = self._backend.observed(desired.name)
        if before is not None and before.desired == desired and before.observed == observed:
            return before
        previous = before.status if before else None
        status = status_of(desired, observed, now=now, previous=previous)
        return _Published(desired, observed, status, route_of(desired, observed))


def delay(failures: int) -> float:
    """Seconds to wait after that many failures in a row."""
    return min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** min(failures - 1, 16))


def _say(what: str, error: Exception, failures: int) -> str:
    """In the log, with a trace only where nobody foresaw it. Returns the sentence for a reader of `/readyz`."""
    is_foreseen = isinstance(error, GatewayError | TimeoutError | OSError)
    sentence = f"{what}: {str(error) or type(error).__name__}; trying again"
    log.warning("%s in %.1f s", sentence, delay(failures), exc_info=None if is_foreseen else error)
    return sentence if is_foreseen else f"{what}: failed, see the gateway's log; trying again"
