"""Adapters and tool servers run side by side: in no store do two of them keep one name, whoever writes when."""

import asyncio
from collections.abc import AsyncIterator, Awaitable
from pathlib import Path
from typing import Any

import pytest

from gateway.core.errors import Conflict
from gateway.core.ports import Store
from gateway.core.tools import DesiredTool
from gateway.services.adapters import Adapters
from gateway.services.tools import Tools
from gateway.stores.kinds import TOOLS
from gateway.stores.memory import MemoryStore
from gateway.stores.sqlite import open_sqlite
from gateway.wire.names import AdapterName
from gateway.wire.tools import ToolDefinition, ToolSpec
from tests.support.gateway_fakes import ADMIN, ControlPlane, control_plane, stdio

NAME = AdapterName("weather")
DEFINITION = ToolDefinition(tool={"name": NAME, "inputSchema": {"type": "object"}}, path="/run")
SERVER = ToolSpec(name=NAME, image_name="weather", image_version="1", tool_definition=DEFINITION)
REFERENCE = ToolSpec(name=NAME, adapter="other", tool_name="*")


class Meeting:
    """A store as replicas use it that write at once: two have found the name free before either writes, and both have
    written before either goes on."""

    def __init__(self, store: Store[Any], barrier: asyncio.Barrier) -> None:
        self._store, self._barrier, self._has_met = store, barrier, False
        self.get, self.list, self.delete = store.get, store.list, store.delete

    async def put(self, desired: Any, *, expect: Any) -> Any:
        if self._has_met:
            return await self._store.put(desired, expect=expect)
        self._has_met = True
        await self._barrier.wait()
        stored = await self._store.put(desired, expect=expect)
        await self._barrier.wait()
        return stored


class World:
    """calm: somebody who writes alone."""

    def __init__(self, plane: ControlPlane, adapters: Store, tools: Store[DesiredTool]) -> None:
        self.plane, self.stores = plane, (adapters, tools)
        barrier = asyncio.Barrier(2)
        self.calm = self._services(adapters, tools)
        self.adapters, _ = self._services(Meeting(adapters, barrier), tools)
        _, self.tools = self._services(adapters, Meeting(tools, barrier))

    def _services(self, adapters: Any, tools: Any) -> tuple[Adapters, Tools]:
        backend, reconciler, registry = self.plane.backend, self.plane.reconciler, self.plane.registry
        return (
            Adapters(adapters, backend, tools=tools, reconciler=reconciler),
            Tools(tools, adapters, backend, registry=registry, reconciler=reconciler),
        )

    async def kept(self) -> tuple[bool, ToolSpec | None]:
        """Whether there is an adapter, and what the tool is."""
        adapters, tools = self.stores
        tool = await tools.get(NAME)
        return await adapters.get(NAME) is not None, tool.spec if tool is not None else None


@pytest.fixture(params=["memory", "sqlite"])
async def world(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[World]:
    async with control_plane() as plane:
        if request.param == "memory":
            yield World(plane, MemoryStore(), MemoryStore(TOOLS))
            return
        async with open_sqlite(tmp_path / "state.db") as adapters:
            yield World(plane, adapters, adapters.beside(TOOLS))


async def refusals(*writes: Awaitable[object]) -> list[Conflict]:
    """Of writes that are made at once."""
    refused: list[Conflict] = []

    async def tried(write: Awaitable[object]) -> None:
        try:
            await write
        except Conflict as conflict:
            refused.append(conflict)

    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        for write in writes:
            tasks.create_task(tried(write))
    return refused


async def test_adapter_and_tool_server_made_in_one_instant_do_not_both_stay(world: World) -> None:
    refused = await refusals(world.adapters.create(ADMIN, stdio(NAME)), world.tools.create(ADMIN, SERVER))
    assert {str(each).split(" is named")[0] for each in refused} <= {"a tool server", "an adapter"}
    is_adapter, tool = await world.kept()
    assert len(refused) == 2 - is_adapter - (tool is not None)
    assert refused


async def test_tool_that_becomes_a_server_as_an_adapter_takes_its_name_is_what_it_was(world: World) -> None:
    adapters, tools = world.calm
    await adapters.create(ADMIN, stdio("other"))
    await tools.create(ADMIN, REFERENCE)
    refused = await refusals(world.adapters.create(ADMIN, stdio(NAME)), world.tools.replace(ADMIN, NAME, SERVER))
    is_adapter, tool = await world.kept()
    assert (is_adapter, tool) in [(True, REFERENCE), (False, REFERENCE), (False, SERVER)]
    assert refused


async def test_name_is_free_again_for_who_was_refused(world: World) -> None:
    await refusals(world.adapters.create(ADMIN, stdio(NAME)), world.tools.create(ADMIN, SERVER))
    adapters, tools = world.calm
    is_adapter, tool = await world.kept()
    if is_adapter:
        await adapters.delete(ADMIN, NAME)
    if tool is not None:
        await tools.delete(ADMIN, NAME)
    await tools.create(ADMIN, SERVER)
    assert await world.kept() == (False, SERVER)
