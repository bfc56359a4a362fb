"""What every store must do. A new one is added by one more line in `STORES`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import msgspec
import pytest

from gateway.core.desired import Revision
from gateway.core.errors import Conflict, GatewayError, NotFound, PreconditionFailed
from gateway.core.ports import Store
from gateway.stores.memory import MemoryStore
from gateway.stores.sqlite import open_sqlite
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec, SecretReference
from tests.support.desired import THEN, desired, stdio_spec

WEATHER = AdapterName("weather")


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Store]:
    yield MemoryStore()


@asynccontextmanager
async def sqlite(folder: Path) -> AsyncIterator[Store]:
    async with open_sqlite(folder / "state.db") as store:
        yield store


STORES: dict[str, Callable[[Path], AbstractAsyncContextManager[Store]]] = {"memory": memory, "sqlite": sqlite}


@pytest.fixture(params=STORES)
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with STORES[request.param](tmp_path) as opened:
        yield opened


async def test_what_was_put_is_read_back_whole(store: Store) -> None:
    spec = AdapterSpec(
        name="crm",
        url="https://crm.example.com/mcp?x=ü",
        headers={"authorization": SecretReference(secret="crm", key="token")},
        environment_variables={"A": "\n\x01 'ß'"},
        description="d" * 4096,
        required_roles=["Sales"],
    )
    stored = await store.put(desired(spec, restarted_at=THEN), expect=None)
    assert stored == msgspec.structs.replace(desired(spec, restarted_at=THEN), revision=stored.revision)
    assert await store.get(AdapterName("crm")) == stored
    assert await store.list() == [stored]


async def test_unknown_names_are_not_there(store: Store) -> None:
    assert await store.get(WEATHER) is None
    assert list(await store.list()) == []


async def test_all_are_listed_by_name(store: Store) -> None:
    for name in ("b", "a-2", "a", "a-10"):
        await store.put(desired(stdio_spec(name)), expect=None)
    assert [each.name for each in await store.list()] == ["a", "a-10", "a-2", "b"]


async def test_a_name_is_created_once(store: Store) -> None:
    first = await store.put(desired(), expect=None)
    with pytest.raises(Conflict, match="'weather' exists already"):
        await store.put(desired(created_by="eve"), expect=None)
    assert await store.get(WEATHER) == first


async def test_the_revision_that_was_read_can_be_replaced_once(store: Store) -> None:
    first = await store.put(desired(), expect=None)
    second = await store.put(desired(stdio_spec(description="new")), expect=first.revision)
    with pytest.raises(PreconditionFailed, match=f"at revision {second.revision}, not {first.revision}"):
        await store.put(desired(stdio_spec(description="newer")), expect=first.revision)
    assert await store.get(WEATHER) == second


async def test_what_is_not_there_can_be_neither_replaced_nor_deleted(store: Store) -> None:
    with pytest.raises(NotFound):
        await store.put(desired(), expect=Revision(1))
    with pytest.raises(NotFound):
        await store.delete(WEATHER, expect=None)
    with pytest.raises(NotFound):
        await store.delete(WEATHER, expect=Revision(1))
    assert await store.get(WEATHER) is None


async def test_deleting_checks_the_revision_where_one_is_given(store: Store) -> None:
    first = await store.put(desired(), expect=None)
    second = await store.put(desired(), expect=first.revision)
    with pytest.raises(PreconditionFailed):
        await store.delete(WEATHER, expect=first.revision)
    await store.delete(WEATHER, expect=second.revision)
    assert await store.get(WEATHER) is None


async def test_revisions_grow_over_all_adapters_and_over_deletion(store: Store) -> None:
    one = await store.put(desired(stdio_spec("one")), expect=None)
    two = await store.put(desired(stdio_spec("two")), expect=None)
    await store.delete(AdapterName("two"), expect=None)
    again = await store.put(desired(stdio_spec("two")), expect=None)
    later = await store.put(desired(stdio_spec("one")), expect=one.revision)
    revisions = [one.revision, two.revision, again.revision, later.revision]
    assert revisions == sorted(set(revisions))
    with pytest.raises(PreconditionFailed):
        await store.delete(AdapterName("two"), expect=two.revision)


async def test_of_many_writers_of_one_revision_one_wins(store: Store) -> None:
    first = await store.put(desired(), expect=None)
    won: list[str] = []

    async def write(name: str) -> None:
        try:
            stored = await store.put(desired(stdio_spec(description=name)), expect=first.revision)
        except PreconditionFailed:
            return
        won.append(stored.spec.description)

    async with asyncio.TaskGroup() as tasks:
        for number in range(20):
            tasks.create_task(write(str(number)))
    found = await store.get(WEATHER)
    assert found is not None
    assert won == [found.spec.description]


async def test_of_many_creators_of_one_name_one_wins(store: Store) -> None:
    outcomes: list[GatewayError | None] = []

    async def create() -> None:
        try:
            await store.put(desired(), expect=None)
        except GatewayError as error:
            outcomes.append(error)
        else:
            outcomes.append(None)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(20):
            tasks.create_task(create())
    assert [type(each) for each in outcomes if each is not None] == [Conflict] * 19
