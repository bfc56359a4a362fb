"""All that a backend must run, as one store: adapters, and tools that are servers of their own."""

from collections.abc import Sequence

from gateway.core.desired import Desired, Revision
from gateway.core.ports import Store, WatchedStore
from gateway.core.tools import DesiredTool
from gateway.wire.names import AdapterName


class Workloads:
    """ports.Store, for who reads all of it. Writes go to the adapters. An adapter's name is not a tool's as well."""

    def __init__(self, adapters: Store, tools: Store[DesiredTool]) -> None:
        self._adapters, self._tools = adapters, tools

    async def list(self) -> Sequence[Desired]:
        adapters = await self._adapters.list()
        taken = {each.name for each in adapters}
        servers = [each.workload() for each in await self._tools.list() if each.name not in taken]
        return sorted([*adapters, *(each for each in servers if each is not None)], key=lambda each: each.name)

    async def get(self, name: AdapterName) -> Desired | None:
        return await self._adapters.get(name)

    async def put(self, desired: Desired, *, expect: Revision | None) -> Desired:
        return await self._adapters.put(desired, expect=expect)

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        await self._adapters.delete(name, expect=expect)


class WatchedWorkloads(Workloads):
    """ports.WatchedStore, where the adapters' store is one."""

    def __init__(self, adapters: WatchedStore, tools: Store[DesiredTool]) -> None:
        super().__init__(adapters, tools)
        self._watched = adapters

    async def changed(self) -> None:
        await self._watched.changed()


def workloads(adapters: Store, tools: Store[DesiredTool]) -> Workloads:
    return WatchedWorkloads(adapters, tools) if isinstance(adapters, WatchedStore) else Workloads(adapters, tools)
