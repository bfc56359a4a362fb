"""Five hundred adapters: one adapter's change costs one adapter's work, and a new gateway reads, but writes nothing."""

import asyncio
import json
import resource
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any

import pytest

from gateway.backends.kubernetes.workload import KINDS
from gateway.cluster.api import Api
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec
from tests.support import testcluster
from tests.support.cluster_gateway import ClusterHalf, cluster_half
from tests.support.desired import desired, stdio_spec
from tests.support.testcluster import namespace

MANY = 500
AT_ONCE = 8
PATIENCE = 300


class Counted:
    """calls: by verb; a watch is one call however long it lasts."""

    def __init__(self) -> None:
        self.calls: Counter[str] = Counter()

    def taken(self) -> dict[str, int]:
        seen, self.calls = self.calls, Counter()
        return dict(sorted(seen.items()))


@contextmanager
def counted(api: Api) -> Iterator[Counted]:
    counts, call = Counted(), api._call

    async def counting(method: str, path: str, *more: Any, **options: Any) -> Any:
        what = "watch" if (options.get("query") or {}).get("watch") else method.lower()
        counts.calls[what] += 1
        return await call(method, path, *more, **options)

    api._call = counting  # type: ignore[method-assign]
    try:
        yield counts
    finally:
        del api._call


@asynccontextmanager
async def alone(kubeconfig: Path) -> AsyncIterator[Api]:
    with testcluster.alone():
        async with namespace(kubeconfig, "scale") as api:
            yield api


async def deployed(half: ClusterHalf, count: int) -> None:
    slots = asyncio.Semaphore(AT_ONCE)

    async def one(number: int) -> None:
        async with slots:
            await half.store.put(desired(paused(number)), expect=None)

    async with asyncio.TaskGroup() as tasks:
        for number in range(count):
            tasks.create_task(one(number))
    await all_applied(half, count)
    await all_told(half, count)


async def all_applied(half: ClusterHalf, count: int) -> None:
    mirrors = half.backend.applier.mirrors
    async with asyncio.timeout(PATIENCE):
        while any(len(mirrors[kind].items) < count for kind in KINDS):  # noqa: ASYNC110 - of five watches
            await asyncio.sleep(0.05)


async def all_told(half: ClusterHalf, count: int) -> None:
    """Until the objects' statuses speak of what is desired now."""

    def told() -> int:
        items = half.adapters.mirror.items.values()
        return sum(each.status.get("observedGeneration") == each.metadata.generation for each in items)

    async with asyncio.timeout(PATIENCE):
        while told() < count or half.backend.statuses.is_busy or half.backend.queue.is_busy:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


def paused(number: int, **fields: Any) -> AdapterSpec:
    return stdio_spec(f"adapter-{number:03}", replica_count=0, **fields)


async def change(half: ClusterHalf, number: int, **fields: Any) -> None:
    name = AdapterName(f"adapter-{number:03}")
    known = await half.store.get(name)
    assert known is not None
    await half.store.put(desired(paused(number, **fields)), expect=known.revision)
    await all_told(half, MANY)


async def test_one_change_costs_the_same_among_five_hundred(
    kubeconfig: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    loop = asyncio.get_running_loop()
    async with alone(kubeconfig) as api:
        report: dict[str, Any] = {}
        with counted(api) as counts:
            async with cluster_half(api) as half:
                async with asyncio.timeout(PATIENCE):
                    await half.backend.events.synced.wait()  # which a start does not wait for
                counts.taken()
                began, memory = loop.time(), _memory()
                await deployed(half, MANY)
                report["deploy all"] = {"seconds": round(loop.time() - began, 1), "calls": counts.taken()}
                report["memory of all, MiB"] = round(_memory() - memory, 1)
                await change(half, 7, description="new")
                report["one description"] = counts.taken()
                await change(half, 7, environment_variables={"A": "1"})
                report["one variable"] = counts.taken()
                await change(half, 7, environment_variables={"A": "1"}, required_roles=["x"])
                report["one role"] = counts.taken()
            began = loop.time()
            async with cluster_half(api) as later:
                report["a new gateway reads all"] = {"seconds": round(loop.time() - began, 2)}
                await all_told(later, MANY)
                report["a new gateway reads all"]["calls"] = counts.taken()
        with capsys.disabled():
            print(f"\n{MANY} adapters: {json.dumps(report, indent=1)}")
    assert report["deploy all"]["calls"] == {"get": len(KINDS) * MANY, "patch": (len(KINDS) + 1) * MANY, "post": MANY}
    assert report["one description"] == {"patch": 2}  # the adapter, and its status
    assert report["one variable"] == {"patch": 3}  # and its StatefulSet
    assert set(report["a new gateway reads all"]["calls"]) == {"get", "watch"}


def _memory() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
