"""What replicas must be able to tell each other, whatever carries it."""

import asyncio
import signal
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Protocol

import pytest

from gateway.core.errors import Forbidden
from gateway.core.sharing import NOBODY, Apart, Quota, Shared, Unreachable
from gateway.stores.redis_shared import RedisShared, open_redis
from gateway.stores.shared_memory import Common
from tests.support.redis import REDIS, RedisServer, needs_redis

KEYS = [b"k" * 32]
TTL = 1.5


class Rows:
    """core.sharing.Table over dictionaries; `until` waits for what it is told."""

    def __init__(self) -> None:
        self.own: dict[str, bytes] = {}
        self.theirs: dict[tuple[str, str], bytes] = {}
        self._news = asyncio.Event()

    def rows(self) -> Iterable[str]:
        return tuple(self.own)

    def row(self, name: str) -> bytes | None:
        return self.own.get(name)

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        self.theirs.pop((replica, name), None)
        if value is not None:
            self.theirs[replica, name] = value
        self._news.set()

    def lost(self, replica: str) -> None:
        for key in [key for key in self.theirs if key[0] == replica]:
            del self.theirs[key]
        self._news.set()

    async def until(self, is_so: Callable[[dict[tuple[str, str], bytes]], bool]) -> None:
        async with asyncio.timeout(20):
            while not is_so(self.theirs):
                self._news.clear()
                await self._news.wait()


class Replica:
    def __init__(self, shared: Shared) -> None:
        self.shared, self.table, self.lasting = shared, Rows(), Rows()
        shared.join("things", self.table)
        shared.join("ends", self.lasting, lasts=True)

    def put(self, name: str, value: bytes | None) -> None:
        self._put("things", self.table, name, value)

    def put_lasting(self, name: str, value: bytes | None) -> None:
        self._put("ends", self.lasting, name, value)

    def _put(self, kind: str, table: Rows, name: str, value: bytes | None) -> None:
        table.own.pop(name, None)
        if value is not None:
            table.own[name] = value
        self.shared.stir(kind, name)


class Place(Protocol):
    async def replica(self) -> Replica:
        """One more that shares; the others have heard of it when this returns."""

    async def kill(self, replica: Replica) -> None:
        """Without a word."""


class MemoryPlace:
    def __init__(self, stack: AsyncExitStack) -> None:
        self._common, self._stack = Common(), stack

    async def replica(self) -> Replica:
        return Replica(await self._stack.enter_async_context(self._common.replica()))

    async def kill(self, replica: Replica) -> None:
        self._common.drop(replica.shared.name)


class RedisPlace:
    def __init__(self, url: str, tasks: asyncio.TaskGroup) -> None:
        self._url, self._tasks = url, tasks
        self._running: dict[str, asyncio.Task[None]] = {}
        self._there: list[RedisShared] = []

    async def replica(self) -> Replica:
        up: asyncio.Future[Replica] = asyncio.get_running_loop().create_future()
        task = self._tasks.create_task(self._run(up))
        replica = await up
        self._running[replica.shared.name] = task
        await reached(replica.shared)
        for other in self._there:
            await heard_of(other, replica.shared.name)
            await heard_of(replica.shared, other.name)
        assert isinstance(replica.shared, RedisShared)
        self._there.append(replica.shared)
        return replica

    async def _run(self, up: asyncio.Future[Replica]) -> None:
        async with open_redis(self._url, KEYS, ttl=TTL) as shared:
            up.set_result(Replica(shared))
            shared.leave = _no_word  # type: ignore[method-assign]
            await shared.run()

    async def kill(self, replica: Replica) -> None:
        self._running[replica.shared.name].cancel()
        self._there = [each for each in self._there if each is not replica.shared]

    def close(self) -> None:
        for each in self._running.values():
            each.cancel()


async def _no_word() -> None:
    """Killed."""


async def reached(shared: Shared) -> None:
    async with asyncio.timeout(20):
        while shared.trouble:  # noqa: ASYNC110 - a state without an event
            await asyncio.sleep(0.01)


async def heard_of(shared: Shared, name: str) -> None:
    async with asyncio.timeout(20):
        while name not in shared.others:  # noqa: ASYNC110 - a state without an event
            await asyncio.sleep(0.01)


@asynccontextmanager
async def in_memory() -> AsyncIterator[Place]:
    async with AsyncExitStack() as stack:
        yield MemoryPlace(stack)


@asynccontextmanager
async def in_redis() -> AsyncIterator[Place]:
    server = RedisServer()
    async with server.running(), asyncio.TaskGroup() as tasks:
        place = RedisPlace(server.url, tasks)
        try:
            yield place
        finally:
            place.close()


PLACES = [pytest.param(in_memory, id="memory"), pytest.param(in_redis, id="redis", marks=needs_redis)]


@pytest.fixture(params=PLACES)
async def place(request: pytest.FixtureRequest) -> AsyncIterator[Place]:
    async with request.param() as found:
        yield found


async def test_a_row_is_seen_by_the_others_changes_and_goes(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    name = one.shared.name
    one.put("a", b"1")
    await two.table.until(lambda theirs: theirs == {(name, "a"): b"1"})
    one.put("a", b"2")
    one.put("b", b"x" * 5000)
    await two.table.until(lambda theirs: theirs == {(name, "a"): b"2", (name, "b"): b"x" * 5000})
    one.put("a", None)
    await two.table.until(lambda theirs: set(theirs) == {(name, "b")})
    assert one.table.theirs == {}


async def test_who_comes_late_is_told_what_there_is(place: Place) -> None:
    one = await place.replica()
    one.put("a", b"1")
    await one.shared.told()
    two = await place.replica()
    await two.table.until(lambda theirs: theirs == {(one.shared.name, "a"): b"1"})
    assert two.shared.others == [one.shared.name]


async def test_what_is_told_is_told_when_it_says_so(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    one.put("a", b"1")
    assert await one.shared.told()
    await two.table.until(lambda theirs: (one.shared.name, "a") in theirs)


async def test_the_rows_of_a_killed_replica_go(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    one.put("a", b"1")
    await two.table.until(bool)
    await place.kill(one)
    await two.table.until(lambda theirs: not theirs)
    assert two.shared.others == []


async def test_what_lasts_outlives_who_wrote_it(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    one.put_lasting("session", b"ended")
    await two.lasting.until(lambda theirs: theirs == {(NOBODY, "session"): b"ended"})
    await place.kill(one)
    await heard_nothing_of(two.shared, one.shared.name)
    three = await place.replica()
    await three.lasting.until(lambda theirs: theirs == {(NOBODY, "session"): b"ended"})


async def heard_nothing_of(shared: Shared, name: str) -> None:
    async with asyncio.timeout(20):
        while name in shared.others:  # noqa: ASYNC110 - a state without an event
            await asyncio.sleep(0.01)


async def test_one_replica_can_be_told_and_asked(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    told: asyncio.Queue[bytes] = asyncio.Queue()
    two.shared.listen("news", told.put_nowait)

    async def answer(body: bytes) -> bytes:
        if body == b"no":
            raise Forbidden("not you")
        return body * 2

    two.shared.serve("twice", answer)
    one.shared.tell(two.shared.name, "news", b"hello")
    async with asyncio.timeout(20):
        assert await told.get() == b"hello"
    assert await one.shared.ask(two.shared.name, "twice", b"ab") == b"abab"
    with pytest.raises(Forbidden, match="not you"):
        await one.shared.ask(two.shared.name, "twice", b"no")


async def test_a_replica_that_is_gone_can_not_be_asked(place: Place) -> None:
    one = await place.replica()
    with pytest.raises(Unreachable):
        await one.shared.ask("0123456789abcdef", "twice", b"")


async def test_calls_of_all_replicas_count_together(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    quota = [Quota("ann echo", concurrent=2)]
    assert await one.shared.take("1", quota) is None
    assert await two.shared.take("2", quota) is None
    spent = await one.shared.take("3", quota)
    assert spent is not None
    assert spent.at == 0
    two.shared.give("2")
    await taken(one.shared, "4", quota)


async def taken(shared: Shared, lease: str, quotas: list[Quota]) -> None:
    """What was given back, or has expired, can be taken again."""
    async with asyncio.timeout(20):
        while await shared.take(lease, quotas) is not None:  # noqa: ASYNC110 - a state without an event
            await asyncio.sleep(0.01)


async def test_a_rate_is_one_for_all_replicas_and_says_when_to_come_again(place: Place) -> None:
    one, two = await place.replica(), await place.replica()
    quota = [Quota("bob echo", per_minute=2)]
    assert await one.shared.take("1", quota) is None
    assert await two.shared.take("2", quota) is None
    spent = await one.shared.take("3", quota)
    assert spent is not None
    assert 0 < spent.seconds <= 30


async def test_all_quotas_of_a_call_are_taken_or_none(place: Place) -> None:
    one = await place.replica()
    narrow, wide = Quota("narrow", concurrent=1), Quota("wide", concurrent=2)
    assert await one.shared.take("1", [narrow]) is None
    spent = await one.shared.take("2", [wide, narrow])
    assert spent is not None
    assert spent.at == 1
    assert await one.shared.take("3", [wide]) is None
    assert await one.shared.take("4", [wide]) is None
    assert await one.shared.take("5", [wide]) is not None


@needs_redis
async def test_what_a_killed_replica_held_is_free_again() -> None:
    async with in_redis() as place:
        one, two = await place.replica(), await place.replica()
        quota = [Quota("ann echo", concurrent=1)]
        assert await one.shared.take("1", quota) is None
        assert await two.shared.take("2", quota) is not None
        await place.kill(one)
        await taken(two.shared, "3", quota)


@needs_redis
async def test_a_call_keeps_its_place_for_longer_than_a_lease() -> None:
    async with in_redis() as place:
        one, two, three = await place.replica(), await place.replica(), await place.replica()
        quota = [Quota("ann echo", concurrent=1)]
        assert await one.shared.take("1", quota) is None
        await place.kill(three)
        await heard_nothing_of(two.shared, three.shared.name)  # a lease's time has passed
        assert await two.shared.take("2", quota) is not None


@needs_redis
async def test_redis_goes_and_comes_back_empty_and_all_is_told_again() -> None:
    server = RedisServer()
    async with asyncio.TaskGroup() as tasks:
        place = RedisPlace(server.url, tasks)
        async with server.running() as first:
            one, two = await place.replica(), await place.replica()
            one.put("a", b"1")
            one.put_lasting("session", b"ended")
            await two.table.until(bool)
            await first.stop(signal.SIGKILL)
            await in_trouble(one.shared)
            await in_trouble(two.shared)
            assert not await one.shared.told()
            with pytest.raises(Apart, match="Redis"):
                await one.shared.take("1", [Quota("q", concurrent=1)])
            assert two.table.theirs == {(one.shared.name, "a"): b"1"}, "what was known is known"
            one.put("b", b"2")
        async with server.running():
            await two.table.until(lambda theirs: len(theirs) == 2)
            await reached(one.shared)
            await reached(two.shared)
            three = await place.replica()
            await three.table.until(lambda theirs: len(theirs) == 2)
            await three.lasting.until(bool)
            assert await one.shared.take("1", [Quota("q", concurrent=1)]) is None
            place.close()
    assert isinstance(one.shared, RedisShared)
    assert one.shared.reconnects == 1
    assert "mcpdeck_redis_reconnects_total 1" in list(one.shared.metrics())


async def in_trouble(shared: Shared) -> None:
    async with asyncio.timeout(20):
        while not shared.trouble:  # noqa: ASYNC110 - a state without an event
            await asyncio.sleep(0.01)


@needs_redis
async def test_rows_and_words_in_redis_are_sealed() -> None:
    from redis.asyncio import Redis

    assert REDIS is not None
    server = RedisServer()
    async with server.running(), asyncio.TaskGroup() as tasks, Redis.from_url(server.url) as redis:
        place = RedisPlace(server.url, tasks)
        one, two = await place.replica(), await place.replica()
        one.put("a", b"the secret")
        await two.table.until(bool)
        key = f"mcpdeck:rows:{one.shared.name}:things"
        kept = await redis.hgetall(key)
        assert kept
        assert not any(
            b"secret" in bytes(each, "latin-1") if isinstance(each, str) else b"secret" in each
            for each in kept.values()
        )
        assert await redis.pttl(key) > 0
        await redis.hset(key, "forged", b"p" + b"x" * 60)
        await redis.publish("mcpdeck:all", b"forged")
        three = await place.replica()
        await three.table.until(bool)
        assert set(three.table.theirs) == {(one.shared.name, "a")}
        place.close()
