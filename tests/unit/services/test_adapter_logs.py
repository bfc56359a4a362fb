"""Logs for many readers over one read of each instance: past and present, merged, bounded, closed when nobody reads."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from datetime import timedelta
from typing import Any, Self

import pytest

from gateway.core.errors import NotFound, UpstreamBroke
from gateway.core.observed import NOTHING
from gateway.services import logs as module
from gateway.services.logs import Logs, Wish, open_logs
from gateway.wire.names import AdapterName, InstanceName
from mcpdeck.logbook import parse_line
from tests.support.gateway_fakes import NOW, WEATHER, FakeBackend

ZERO, FIRST = InstanceName("weather-0"), InstanceName("weather-1")


@pytest.fixture(name="backend")
async def _backend() -> FakeBackend:
    return FakeBackend()


@pytest.fixture(name="logs")
async def _logs(backend: FakeBackend) -> AsyncIterator[Logs]:
    async with open_logs(backend, ring=10, queue=10) as logs:
        yield logs


class Follower:
    """Somebody who follows, line by line."""

    def __init__(self, logs: Logs, **wish: Any) -> None:
        self.chunks: AsyncGenerator[bytes] = logs.follow(WEATHER, Wish(**wish))
        self._waiting: list[str] = []

    async def __aenter__(self) -> Self:
        self._waiting += (await anext(self.chunks)).decode().splitlines()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.chunks.aclose()

    async def lines(self, count: int) -> list[str]:
        async with asyncio.timeout(10):
            while len(self._waiting) < count:
                self._waiting += (await anext(self.chunks)).decode().splitlines()
        taken, self._waiting = self._waiting[:count], self._waiting[count:]
        return taken

    async def end(self) -> list[str]:
        async with asyncio.timeout(10):
            return self._waiting + [line async for chunk in self.chunks for line in chunk.decode().splitlines()]


async def text(logs: Logs, **wish: Any) -> list[str]:
    asked = Wish(**wish)
    return (await logs.read(logs.chosen(WEATHER, 3, asked.instance), asked)).decode().splitlines()


# What there is


async def test_the_last_lines_of_an_instance(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "one", "two", "three")
    assert await text(logs) == ["one", "two", "three"]
    assert await text(logs, tail=2) == ["two", "three"]
    assert await text(logs, tail=0) == []
    assert await text(logs, tail=None, since=NOW + timedelta(seconds=1)) == ["two", "three"]
    assert await text(logs, instance="weather-0", tail=1) == ["three"]


async def test_of_the_life_before(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "now")
    backend.before[ZERO] = ["it was all going so well", "Killed"]
    assert await text(logs, previous=True) == ["it was all going so well", "Killed"]


async def test_merged_by_time_with_names_and_times_that_the_deck_reads(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "zero at 0", "zero at 1")
    await backend.say(FIRST, "one at 0", "one at 1", "one at 2")
    lines = await text(logs, instance="all", timestamps=True, tail=4)
    assert lines == [
        "[weather-1] 2026-11-24T12:00:00.000000Z one at 0",
        "[weather-0] 2026-11-24T12:00:01.000000Z zero at 1",
        "[weather-1] 2026-11-24T12:00:01.000000Z one at 1",
        "[weather-1] 2026-11-24T12:00:02.000000Z one at 2",
    ]
    parsed = parse_line(lines[1])
    assert (parsed.instance, parsed.stamp, parsed.text) == (ZERO, "2026-11-24T12:00:01.000000Z", "zero at 1")


async def test_an_instance_that_starts_has_no_log_and_one_that_never_will_is_not_found(
    logs: Logs, backend: FakeBackend
) -> None:
    assert logs.chosen(WEATHER, 1, "0") == logs.chosen(WEATHER, 1, "weather-0") == []
    assert logs.chosen(WEATHER, 1, "all") == []
    for wanted in ("1", "weather-1", "other-0", "x", "9999999999", ""):
        with pytest.raises(NotFound, match="none yet, of 1"):
            logs.chosen(WEATHER, 1, wanted)
    await backend.say(FIRST, "left over from when there were two")
    assert logs.chosen(WEATHER, 1, "1") == [FIRST]


# Following


async def test_a_follower_gets_what_there_is_and_what_comes(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "one", "two")
    async with Follower(logs, tail=1) as reader:
        assert await reader.lines(1) == ["two"]
        await backend.say(ZERO, "three")
        await backend.say(ZERO, "four", "five")
        assert await reader.lines(3) == ["three", "four", "five"]


async def test_many_followers_are_one_read_upstream(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "one", "two")
    async with Follower(logs) as first:
        await backend.say(ZERO, "three")
        assert await first.lines(3) == ["one", "two", "three"]
        async with Follower(logs, tail=2) as late, Follower(logs, tail=None, since=NOW + timedelta(seconds=2)) as later:
            await backend.say(ZERO, "four")
            assert await late.lines(3) == ["two", "three", "four"]
            assert await later.lines(2) == ["three", "four"]
        assert await first.lines(1) == ["four"]
    assert (backend.reads, backend.follows) == (1, 1)


async def test_a_late_reader_who_wants_more_than_the_ring_has_asks_upstream_and_misses_nothing(
    logs: Logs, backend: FakeBackend
) -> None:
    await backend.say(ZERO, *(f"old {n}" for n in range(50)))
    async with Follower(logs, tail=5) as first, Follower(logs, tail=40) as late:
        assert await late.lines(40) == [f"old {n}" for n in range(10, 50)]
        await backend.say(ZERO, "new")
        assert (await late.lines(1), (await first.lines(6))[-1]) == (["new"], "new")
    assert backend.follows == 1


async def test_nothing_is_read_upstream_once_nobody_follows(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "one")
    async with Follower(logs) as first, Follower(logs) as second:
        await first.lines(1)
        await second.chunks.aclose()
        assert logs.taps == 1
        await backend.say(ZERO, "two")
        assert await first.lines(1) == ["two"]
    assert logs.taps == 0
    async with Follower(logs) as again:
        assert await again.lines(2) == ["one", "two"]
        await backend.say(ZERO, "three")
        assert await again.lines(1) == ["three"]
    assert backend.follows == 2


async def test_a_slow_reader_loses_the_oldest_lines_and_is_told_how_many(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "start")
    async with Follower(logs) as slow, Follower(logs) as quick:
        await slow.lines(1)
        for n in range(25):
            await backend.say(ZERO, f"line {n}")
            assert (await quick.lines(2 if n == 0 else 1))[-1] == f"line {n}"
        heard = await slow.lines(11)
        assert heard[0] == "… 15 lines were dropped here: they came faster than they were read"
        assert heard[1:] == [f"line {n}" for n in range(15, 25)]


async def test_an_instance_that_comes_later_is_followed_too(logs: Logs, backend: FakeBackend) -> None:
    async with Follower(logs, instance="all", tail=0) as reader:
        await backend.say(ZERO, "zero")
        logs.observed({WEATHER: NOTHING})
        assert await reader.lines(1) == ["[weather-0] zero"]
        await backend.say(FIRST, "first")
        logs.observed({WEATHER: NOTHING})
        assert await reader.lines(1) == ["[weather-1] first"]
        await backend.say(ZERO, "again")
        assert await reader.lines(1) == ["[weather-0] again"]


async def test_a_starting_instance_is_followed_from_its_first_line(logs: Logs, backend: FakeBackend) -> None:
    async with Follower(logs, tail=1) as reader:
        await backend.say(FIRST, "another's")
        await backend.say(ZERO, "one", "two")
        logs.observed({WEATHER: NOTHING})
        assert await reader.lines(2) == ["one", "two"]


async def test_followers_of_an_adapter_that_is_deleted_have_heard_all(logs: Logs, backend: FakeBackend) -> None:
    await backend.say(ZERO, "one")
    logs.observed({WEATHER: NOTHING, AdapterName("other"): NOTHING})
    async with Follower(logs) as reader:
        await backend.say(ZERO, "last words")
        await reader.lines(2)
        logs.observed({AdapterName("other"): NOTHING})
        assert await reader.end() == []
    assert logs.taps == 0


async def test_followers_of_an_adapter_that_is_not_known_yet_stay(logs: Logs, backend: FakeBackend) -> None:
    async with Follower(logs) as reader:
        logs.observed({AdapterName("other"): NOTHING})
        await backend.say(ZERO, "one")
        logs.observed({AdapterName("other"): NOTHING, WEATHER: NOTHING})
        assert await reader.lines(1) == ["one"]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (UpstreamBroke("the node is gone"), "… the log of weather-0 broke off: the node is gone"),
        (RuntimeError("password"), "… the log of weather-0 broke off: see the gateway's own log"),
    ],
)
async def test_a_log_that_breaks_off_is_said_and_taken_up_again(
    logs: Logs, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch, error: Exception, said: str
) -> None:
    monkeypatch.setattr(module, "RETRY", 0.01)
    await backend.say(ZERO, "one")
    async with Follower(logs) as reader:
        await backend.say(ZERO, "two")
        assert await reader.lines(2) == ["one", "two"]
        backend.log_errors.append(error)
        await backend.say(ZERO, "three")
        assert await reader.lines(2) == ["three", said]
        await backend.say(ZERO, "four")
        assert await reader.lines(1) == ["four"]
    assert backend.follows == 2


async def test_a_log_that_can_not_be_read_is_said(
    logs: Logs, backend: FakeBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise UpstreamBroke("the node is gone")

    await backend.say(ZERO, "one")
    monkeypatch.setattr(backend, "read", broken)
    async with Follower(logs, tail=0) as reader:
        assert await reader.lines(1) == ["… the log of weather-0 broke off: the node is gone"]


async def test_closing_ends_readers_and_reads(backend: FakeBackend) -> None:
    await backend.say(ZERO, "one")
    async with open_logs(backend) as logs:
        reader = Follower(logs)
        async with reader:
            await reader.lines(1)
            logs.close()
            assert await reader.end() == []
    assert backend.open_follows == 0
