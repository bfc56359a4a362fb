"""Tools and toolsets in every store that keeps them: beside adapters, in tables of their own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.core.errors import Conflict
from gateway.core.ports import Store
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.stores.kinds import TOOLS, TOOLSETS
from gateway.stores.memory import MemoryStore
from gateway.stores.sqlite import open_sqlite
from gateway.wire.names import AdapterName
from gateway.wire.tools import Drift, ToolDefinition, ToolsetSpec, ToolSpec, ToolView
from tests.support.desired import THEN, desired

type Stores = tuple[Store, Store[DesiredTool], Store[DesiredToolset]]

KINDS = pytest.mark.parametrize("kind", ["memory", "sqlite"])


@asynccontextmanager
async def stores(kind: str, folder: Path) -> AsyncIterator[Stores]:
    if kind == "memory":
        yield MemoryStore(), MemoryStore(TOOLS), MemoryStore(TOOLSETS)
        return
    async with open_sqlite(folder / "state.db") as adapters:
        yield adapters, adapters.beside(TOOLS), adapters.beside(TOOLSETS)


def tool(name: str = "weather") -> DesiredTool:
    definition = ToolDefinition(tool={"name": name, "inputSchema": {"type": "object"}, "type": "http"}, path="/x")
    view = ToolView(name="forecast", pinned_arguments={"units": "metric", "deep": [{"a": 1.5}]})
    spec = ToolSpec(name=name, url="http://127.0.0.1:1/", tool_definition=definition, view=view)
    return DesiredTool(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)


def toolset(name: str = "weather") -> DesiredToolset:
    spec = ToolsetSpec(name=name, tools=["a*"], exclude=["b/*"], discovery=True, drift=Drift.BLOCK, token_budget=9)
    return DesiredToolset(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)


@KINDS
async def test_each_kind_is_read_back_whole_and_names_may_be_alike(kind: str, tmp_path: Path) -> None:
    async with stores(kind, tmp_path) as (adapters, tools, toolsets):
        await adapters.put(desired(), expect=None)
        stored = await tools.put(tool(), expect=None)
        set_of = await toolsets.put(toolset(), expect=None)
        assert stored == msgspec.structs.replace(tool(), revision=stored.revision)
        assert await tools.list() == [stored]
        assert await toolsets.get(AdapterName("weather")) == set_of
        await adapters.delete(AdapterName("weather"), expect=None)
        assert await tools.get(AdapterName("weather")) == stored


@KINDS
async def test_a_refusal_names_the_kind(kind: str, tmp_path: Path) -> None:
    async with stores(kind, tmp_path) as (_, tools, toolsets):
        await tools.put(tool(), expect=None)
        await toolsets.put(toolset(), expect=None)
        with pytest.raises(Conflict, match="tool 'weather' exists already"):
            await tools.put(tool(), expect=None)
        with pytest.raises(Conflict, match="toolset 'weather' exists already"):
            await toolsets.put(toolset(), expect=None)


async def test_a_file_from_before_there_were_tools_gets_their_tables(tmp_path: Path) -> None:
    import sqlite3

    from gateway.stores.sqlite import MIGRATIONS

    path = tmp_path / "state.db"
    old = sqlite3.connect(path, isolation_level=None)
    for statement in MIGRATIONS[0]:
        old.execute(statement)
    old.execute("PRAGMA user_version = 1")
    old.close()
    async with open_sqlite(path) as adapters:
        assert await adapters.beside(TOOLS).list() == []
        assert await adapters.beside(TOOLSETS).list() == []
