"""What a vault must keep between two steps of a sign-in, and what it must never do twice, wherever it keeps it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.core.sharing import Apart, Shelf, Vault
from gateway.stores.redis_vault import RedisVault
from tests.support.redis import RedisServer, needs_redis
from tests.support.vaults import KEYS, redis_vault, vaults

THINGS = Shelf("thing", 60.0, 1000)
OTHERS = Shelf("other", 60.0, 1000)

type Pair = tuple[Vault, Vault]


@pytest.fixture(params=["memory", pytest.param("redis", marks=needs_redis)])
async def pair(request: pytest.FixtureRequest) -> AsyncIterator[Pair]:
    """As two replicas have it."""
    async with vaults(request.param) as both:
        yield both


async def test_what_one_puts_the_other_finds_and_takes_once(pair: Pair) -> None:
    one, two = pair
    await one.put(THINGS, "name", b"value")
    assert await two.find(THINGS, "name") == b"value"
    assert await two.take(THINGS, "name") == b"value"
    assert await one.take(THINGS, "name") is None
    assert await one.find(THINGS, "name") is None


async def test_of_all_who_take_it_at_one_moment_one_gets_it(pair: Pair) -> None:
    await pair[0].put(THINGS, "name", b"value")
    async with asyncio.TaskGroup() as tasks:
        taking = [tasks.create_task(pair[number % 2].take(THINGS, "name")) for number in range(20)]
    found = [task.result() for task in taking]
    assert sorted(found, key=bool) == [None] * 19 + [b"value"]


async def test_what_is_large_comes_back_whole(pair: Pair) -> None:
    value = bytes(range(256)) * 400
    await pair[0].put(THINGS, "name", value)
    assert await pair[1].take(THINGS, "name") == value


async def test_a_name_is_one_shelfs_alone(pair: Pair) -> None:
    one, _ = pair
    await one.put(THINGS, "name", b"value")
    assert await one.take(OTHERS, "name") is None
    assert await one.turn(OTHERS, "name", word="", then="x") is None
    assert await one.take(THINGS, "name") == b"value"


@pytest.mark.parametrize("name", ["", "é", "\ud800", "a:b", "*", "x" * 5000, "\x00"])
async def test_a_name_that_somebody_made_up_is_not_found_and_hurts_nothing(pair: Pair, name: str) -> None:
    one, _ = pair
    assert await one.find(THINGS, name) is None
    assert await one.take(THINGS, name) is None
    assert await one.turn(THINGS, name, word=name, then="x") is None


async def test_who_says_the_right_word_has_the_turn_and_names_the_next_word(pair: Pair) -> None:
    one, two = pair
    await one.put(THINGS, "name", b"first", word="a")
    assert await two.turn(THINGS, "name", word="a", then="b") == b"first"
    assert await one.turn(THINGS, "name", word="b", then="c", value=b"second") == b"second"
    assert await two.find(THINGS, "name") == b"second"
    assert await two.turn(THINGS, "name", word="c", then="d") == b"second"


@pytest.mark.parametrize("word", ["a", "", "never"])
async def test_who_says_another_word_ends_it_for_everybody(pair: Pair, word: str) -> None:
    one, two = pair
    await one.put(THINGS, "name", b"value", word="a")
    await one.turn(THINGS, "name", word="a", then="b")
    assert await two.turn(THINGS, "name", word=word, then="thief's") is None
    assert await one.turn(THINGS, "name", word="b", then="c") is None
    assert await one.find(THINGS, "name") is None


async def test_a_word_said_twice_at_one_moment_ends_it_for_both(pair: Pair) -> None:
    for number in range(20):
        name = f"name-{number}"
        await pair[0].put(THINGS, name, b"value", word="a")
        async with asyncio.TaskGroup() as tasks:
            turning = [
                tasks.create_task(vault.turn(THINGS, name, word="a", then=then))
                for vault, then in zip(pair, ("b", "c"), strict=True)
            ]
        assert [task.result() for task in turning].count(None) >= 1
        for vault, word in ((pair[0], "b"), (pair[1], "c")):
            assert await vault.turn(THINGS, name, word=word, then="d") is None


async def test_everything_ends_in_time_and_a_turn_prolongs_nothing(pair: Pair) -> None:
    one, two = pair
    brief = Shelf("brief", 0.3, 10)
    await one.put(brief, "kept", b"value")
    await one.put(brief, "turned", b"value", word="0")
    turns = 0
    async with asyncio.timeout(20):
        while await two.turn(brief, "turned", word=str(turns), then=str(turns + 1)) is not None:
            turns += 1
            await asyncio.sleep(0.01)  # the clock is Redis' own
        while await two.find(brief, "kept") is not None:  # noqa: ASYNC110 - the same
            await asyncio.sleep(0.01)
    assert turns
    assert await one.take(brief, "kept") is None


async def test_a_full_shelf_forgets_the_oldest_and_no_other_shelfs(pair: Pair) -> None:
    one, two = pair
    small = Shelf("small", 60.0, 3)
    await one.put(THINGS, "old", b"value")
    for number in range(5):
        await pair[number % 2].put(small, str(number), b"%d" % number)
        await later()
    assert [await two.find(small, str(number)) for number in range(5)] == [None, None, b"2", b"3", b"4"]
    assert await one.take(THINGS, "old") == b"value"


async def later() -> None:
    """Redis tells milliseconds apart, no less."""
    await asyncio.sleep(0.002)


async def test_what_was_taken_takes_no_room(pair: Pair) -> None:
    one, two = pair
    small = Shelf("small", 60.0, 2)
    await one.put(small, "stays", b"value")
    for number in range(5):
        await one.put(small, str(number), b"value", word="a")
        assert await two.take(small, str(number)) == b"value"
    await one.put(small, "ended", b"value", word="a")
    assert await two.turn(small, "ended", word="wrong", then="x") is None
    await one.put(small, "last", b"value")
    assert await two.find(small, "stays") == b"value"


@needs_redis
async def test_nothing_in_redis_can_be_read() -> None:
    server = RedisServer()
    secrets = (b"the-handle", b"the-value", b"the-word", b"next-word")
    async with server.running(), redis_vault(server) as vault:
        await vault.put(THINGS, "the-handle", b"the-value" * 100, word="the-word")
        await vault.turn(THINGS, "the-handle", word="the-word", then="next-word")
        redis: Any = vault._redis
        keys = [key async for key in redis.scan_iter()]
        there = keys + [await redis.get(key) for key in keys if key.count(b":") == 3]
        there += [each for key in keys if key.count(b":") == 2 for each in await redis.zrange(key, 0, -1)]
        assert len(there) == 4
        assert not [secret for secret in secrets if any(secret in each for each in there)]
        assert all([await redis.pttl(key) > 0 for key in keys])


@needs_redis
async def test_who_writes_into_redis_can_forge_neither_a_word_nor_a_place() -> None:
    server = RedisServer()
    async with server.running(), redis_vault(server) as vault:
        redis: Any = vault._redis
        await vault.put(THINGS, "mine", b"mine", word="mine")
        await vault.put(THINGS, "theirs", b"theirs", word="theirs")
        (mine,) = [key async for key in redis.scan_iter() if await _opens(vault, key, b"mine")]
        (theirs,) = [key async for key in redis.scan_iter() if await _opens(vault, key, b"theirs")]
        told, other = await redis.get(mine), await redis.get(theirs)
        await redis.set(theirs, told, keepttl=True)
        with pytest.raises(Apart, match=r"seal\.keys"):
            await vault.take(THINGS, "theirs")
        await redis.set(theirs, told[:32] + other[32:], keepttl=True)
        with pytest.raises(Apart, match=r"seal\.keys"):
            await vault.turn(THINGS, "theirs", word="mine", then="x")
        await redis.set(theirs, b"", keepttl=True)
        with pytest.raises(Apart):
            await vault.find(THINGS, "theirs")


async def _opens(vault: RedisVault, key: bytes, value: bytes) -> bool:
    redis: Any = vault._redis
    return key.count(b":") == 3 and vault._open(await redis.get(key), key.decode()) == value


@needs_redis
async def test_a_replica_without_the_key_says_so_and_loses_nothing() -> None:
    server = RedisServer()
    new = b"n" * 32
    async with server.running(), redis_vault(server, [new, *KEYS]) as ahead, redis_vault(server) as behind:
        await ahead.put(THINGS, "a", b"value", word="w")
        await behind.put(THINGS, "b", b"value")
        assert await ahead.take(THINGS, "b") == b"value"
        for attempt in (behind.take(THINGS, "a"), behind.turn(THINGS, "a", word="w", then="x")):
            with pytest.raises(Apart, match=r"all need the same seal\.keys"):
                await attempt
        behind._seals.renew([new, *KEYS])
        assert await behind.turn(THINGS, "a", word="w", then="x") == b"value"
        assert await ahead.take(THINGS, "a") == b"value"


@needs_redis
async def test_without_redis_every_step_says_so_and_goes_on_when_it_is_back() -> None:
    server = RedisServer()
    async with redis_vault(server) as vault:
        for attempt in (
            vault.put(THINGS, "a", b""),
            vault.find(THINGS, "a"),
            vault.take(THINGS, "a"),
            vault.turn(THINGS, "a", word="", then=""),
        ):
            with pytest.raises(Apart, match="Redis"):
                await attempt
        async with server.running():
            await vault.put(THINGS, "a", b"value")
            assert await vault.take(THINGS, "a") == b"value"
        async with server.running():
            assert await vault.take(THINGS, "a") is None
