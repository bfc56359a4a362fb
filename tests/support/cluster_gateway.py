"""A gateway's cluster half: store, backend and reconciler on a real cluster, and how to wait for what they see."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from gateway.backends.kubernetes.backend import KubernetesBackend, kubernetes_backend
from gateway.backends.kubernetes.shape import Shape
from gateway.cluster.api import Api
from gateway.cluster.desires import Desires, open_desires
from gateway.core.observed import Observed
from gateway.services.workloads import workloads
from gateway.stores.kubernetes import Stores, stores
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec, ResourceList, Resources, Stdio

RUNNER = "mcpdeck/runner:local"
SCRIPTED = (Path(__file__).parent / "stdio_servers" / "scripted.py").read_text(encoding="utf-8")
SMALL = Resources(
    requests=ResourceList(cpu="10m", memory="32Mi"),
    limits=ResourceList(cpu="1", memory="256Mi", ephemeral_storage="1Gi"),
)
PATIENCE = 60


def is_ready(seen: Observed) -> bool:
    return any(each.is_ready for each in seen.instances)


class ClusterHalf:
    """apply follows every change of the store, as the reconciler does."""

    def __init__(self, desires: Desires, kept: Stores, backend: KubernetesBackend) -> None:
        self.adapters = desires.adapters
        self.stores, self.store, self.backend = kept, kept.adapters, backend
        self.workloads = workloads(kept.adapters, kept.tools)
        self._news = asyncio.Condition()

    async def keep_applying(self) -> None:
        while True:
            await self.backend.apply(await self.workloads.list())
            async with self._news:
                self._news.notify_all()
            await self.stores.adapters.changed()

    async def keep_listening(self) -> None:
        while True:
            await self.backend.changed()
            async with self._news:
                self._news.notify_all()

    async def sees(self, name: str, what: Callable[[Observed], Any] = is_ready) -> Observed:
        """Waits until it is so. AssertionError with what there was instead."""
        adapter = AdapterName(name)
        try:
            async with asyncio.timeout(PATIENCE), self._news:
                await self._news.wait_for(lambda: what(self.backend.observed(adapter)))
        except TimeoutError:
            raise AssertionError(f"after {PATIENCE} s: {self.backend.observed(adapter)}") from None
        return self.backend.observed(adapter)


@asynccontextmanager
async def cluster_half(api: Api, shape: Shape | None = None, **options: Any) -> AsyncIterator[ClusterHalf]:
    async with (
        open_desires(api) as desires,
        kubernetes_backend(api, desires, shape or shape_of(), **options) as backend,
    ):
        half = ClusterHalf(desires, stores(api, desires), backend)
        async with asyncio.TaskGroup() as tasks:
            running = [tasks.create_task(half.keep_applying()), tasks.create_task(half.keep_listening())]
            try:
                yield half
            finally:
                for task in running:
                    task.cancel()


def shape_of(**fields: Any) -> Shape:
    told: dict[str, Any] = {"runner_image": RUNNER, "drain": 5, "grace": 2} | fields
    return Shape(**told)


def scripted_spec(name: str, *flags: str, **fields: Any) -> AdapterSpec:
    """A stdio server that behaves as it is told, in the runner's image."""
    stdio = Stdio(command="python3", args=["-c", SCRIPTED, *flags])
    told: dict[str, Any] = {"name": name, "stdio": stdio, "resources": SMALL} | fields
    return AdapterSpec(**told)
