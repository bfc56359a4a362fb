"""The loop from what is wanted to routes, statuses and events: each change, each failure, each race."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.core.desired import Desired
from gateway.core.errors import GatewayError, UpstreamBroke
from gateway.core.observed import Observed
from gateway.core.routes import Routes
from gateway.services import reconcile
from gateway.services.events import Hub
from gateway.services.reconcile import Reconciler, delay
from gateway.stores.memory import MemoryStore
from gateway.wire.names import AdapterName
from gateway.wire.resources import Phase
from tests.support.gateway_fakes import ADMIN, NOW, WEATHER, FakeBackend, Listener, desired, instance, stdio, words


class Loop:
    """A reconciler over a memory store, and whoever listens to it."""

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store, self.backend = store or MemoryStore(), FakeBackend()
        self.routes, self.hub = Routes(), Hub()
        self.heard: list[dict[AdapterName, Observed]] = []
        self.subject = Reconciler(
            self.store,
            self.backend,
            routes=self.routes,
            hub=self.hub,
            listeners=[lambda adapters: self.heard.append(dict(adapters))],
            clock=lambda: NOW,
        )

    async def put(self, wanted: Desired) -> Desired:
        before = await self.store.get(wanted.name)
        return await self.store.put(wanted, expect=before.revision if before else None)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        async with asyncio.timeout(20), asyncio.TaskGroup() as group:
            task = group.create_task(self.subject.run())
            yield
            task.cancel()


@pytest.fixture(name="loop")
def _loop() -> Loop:
    return Loop()


@pytest.fixture(name="_impatient")
def _impatience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "FIRST_DELAY", 0.001)


async def test_what_is_wanted_is_applied_and_published(loop: Loop) -> None:
    stored = await loop.put(desired())
    loop.backend.see("weather", instance())
    await loop.subject.reconcile()
    assert loop.backend.applied == [[stored]]
    route = loop.routes.table.routes[WEATHER]
    assert [each.instance for each in route.endpoints] == ["weather-0"]
    assert loop.subject.status(stored).phase is Phase.READY
    assert loop.heard[-1].keys() == {"weather"}


async def test_a_pass_without_a_change_publishes_nothing(loop: Loop) -> None:
    await loop.put(desired())
    await loop.subject.reconcile()
    table, heard = loop.routes.table, len(loop.heard)
    await loop.subject.reconcile()
    assert loop.routes.table is table
    assert len(loop.heard) == heard


async def test_a_change_that_the_backend_sees_is_published_without_a_pass(loop: Loop) -> None:
    await loop.put(desired())
    async with loop.running(), Listener(loop.hub, ADMIN) as reader:
        await loop.backend.applies(1)
        await reader.snapshot()
        for phase in (Phase.STARTING, Phase.READY, Phase.FAILED):
            loop.backend.see("weather", instance(phase=phase, reason="" if phase is Phase.READY else "Reason"))
            change = await reader.change()
            assert change.type == "status"
            assert change.resource is not None
            assert change.resource["phase"] == phase
        assert loop.routes.table.ready(WEATHER) == ()
        assert len(loop.backend.applied) == 1


async def test_a_kick_reconciles_at_once(loop: Loop) -> None:
    async with loop.running(), Listener(loop.hub, ADMIN) as reader:
        await loop.backend.applies(1)
        assert await reader.snapshot() == []
        await loop.put(desired())
        loop.subject.kick()
        assert words([await reader.change()]) == ["added Adapter weather"]
        await loop.backend.applies(2)


async def test_an_adapter_is_pending_before_the_backend_has_heard_of_it(loop: Loop) -> None:
    loop.backend.apply_error = UpstreamBroke("no")
    stored = await loop.put(desired())
    with pytest.raises(UpstreamBroke):
        await loop.subject.reconcile()
    assert loop.subject.status(stored).phase is Phase.PENDING
    assert WEATHER in loop.routes.table.routes


async def test_what_is_forgotten_has_no_route_any_more(loop: Loop) -> None:
    await loop.put(desired())
    await loop.put(desired(stdio("other")))
    await loop.subject.reconcile()
    await loop.store.delete(WEATHER, expect=None)
    loop.subject.forget(WEATHER)
    assert loop.routes.table.routes.keys() == {"other"}
    assert loop.heard[-1].keys() == {"other"}
    await loop.subject.reconcile()
    assert [each.name for each in loop.backend.applied[-1]] == ["other"]


class SlowStore(MemoryStore):
    """A list that was read before, and arrives after, something is deleted."""

    def __init__(self) -> None:
        super().__init__()
        self.has_read, self.may_answer = asyncio.Event(), asyncio.Event()

    async def list(self) -> Sequence[Desired]:
        listed = await super().list()
        self.has_read.set()
        await self.may_answer.wait()
        return listed


async def test_a_pass_under_way_does_not_bring_back_what_is_deleted_meanwhile() -> None:
    store = SlowStore()
    loop = Loop(store)
    await loop.put(desired())
    async with asyncio.timeout(10), asyncio.TaskGroup() as group:
        under_way = group.create_task(loop.subject.reconcile())
        await store.has_read.wait()
        await store.delete(WEATHER, expect=None)
        loop.subject.forget(WEATHER)
        store.may_answer.set()
        await under_way
    assert loop.routes.table.routes == {}
    assert loop.backend.applied == [[]]
    await loop.put(desired())
    await loop.subject.reconcile()
    assert WEATHER in loop.routes.table.routes


async def test_a_deleted_adapter_stays_away_while_the_store_fails(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    await loop.put(desired())
    await loop.subject.reconcile()
    loop.subject.forget(WEATHER)

    async def broken() -> Sequence[Desired]:
        raise GatewayError("disk is gone")

    monkeypatch.setattr(loop.store, "list", broken)
    with pytest.raises(GatewayError):
        await loop.subject.reconcile()
    loop.backend.see("weather", instance())
    await loop.subject._observe()
    assert loop.routes.table.routes == {}


@pytest.mark.usefixtures("_impatient")
async def test_a_failing_backend_is_tried_again_and_kills_nothing(loop: Loop, caplog: pytest.LogCaptureFixture) -> None:
    loop.backend.apply_error = UpstreamBroke("the cluster does not answer")
    async with loop.running():
        await loop.backend.applies(3)
        assert loop.subject.trouble == "reconcile: the cluster does not answer; trying again"
        loop.backend.apply_error = RuntimeError("password is hunter2")
        await loop.backend.applies(5)
        assert loop.subject.trouble == "reconcile: failed, see the gateway's log; trying again"
        loop.backend.apply_error = None
        await loop.backend.applies(6)
        loop.subject.kick()
        await loop.backend.applies(7)
        assert loop.subject.trouble == ""
    assert "hunter2" in caplog.text
    assert "the cluster does not answer; trying again" in caplog.text


@pytest.mark.usefixtures("_impatient")
async def test_a_failing_watch_is_tried_again(loop: Loop, monkeypatch: pytest.MonkeyPatch) -> None:
    real, failures = loop.backend.changed, [RuntimeError("broken"), OSError("gone")]

    async def changed() -> None:
        if failures:
            raise failures.pop()
        await real()

    monkeypatch.setattr(loop.backend, "changed", changed)
    await loop.put(desired())
    async with loop.running(), Listener(loop.hub, ADMIN) as reader:
        await loop.backend.applies(1)
        await reader.snapshot()
        loop.backend.see("weather", instance())
        while not loop.routes.table.ready(WEATHER):
            await reader.change()
    assert not failures


def test_delays_double_up_to_a_bound() -> None:
    assert [delay(failures) for failures in (1, 2, 3, 4)] == [0.5, 1.0, 2.0, 4.0]
    assert delay(7) == delay(10_000) == 30.0


class TellingStore(MemoryStore):
    """A store that others write to, and that says so."""

    def __init__(self) -> None:
        super().__init__()
        self.written = asyncio.Event()

    async def changed(self) -> None:
        await self.written.wait()
        self.written.clear()


async def test_a_write_of_another_is_reconciled_when_the_store_says_so() -> None:
    store = TellingStore()
    loop = Loop(store)
    async with loop.running():
        await loop.backend.applies(1)
        await loop.put(desired())
        store.written.set()
        await loop.backend.applies(2)
        assert WEATHER in loop.routes.table.routes


async def test_a_write_of_another_is_reconciled_in_time_when_the_store_says_nothing() -> None:
    loop = Loop()
    loop.subject._period = 0.001
    async with loop.running():
        await loop.backend.applies(1)
        await loop.put(desired())
        await loop.backend.applies(len(loop.backend.applied) + 2)
        assert WEATHER in loop.routes.table.routes


async def test_conditions_keep_their_times_while_nothing_changes(loop: Loop) -> None:
    times: list[Any] = [NOW]
    loop.subject._clock = lambda: times[-1]
    stored = await loop.put(desired())
    await loop.subject.reconcile()
    times.append(NOW.replace(hour=13))
    loop.backend.see("weather", instance(phase=Phase.STARTING, message="still"))
    await loop.subject.reconcile()
    ready = loop.subject.status(stored).conditions[0]
    assert (ready.status, ready.last_transition_time) == ("False", NOW)
    loop.backend.see("weather", instance())
    await loop.subject.reconcile()
    ready, progressing = loop.subject.status(stored).conditions
    assert (ready.status, ready.last_transition_time) == ("True", times[-1])
    assert (progressing.status, progressing.last_transition_time) == ("False", times[-1])
