"""A recording that several replicas have parts of: read as one, by time, each part named, and what can't be had told."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from gateway.core.errors import NotFound
from gateway.core.recordings import Kept
from gateway.core.routes import Route
from gateway.services import recordings_elsewhere
from gateway.services.recordings_elsewhere import merged, named
from gateway.stores.shared_memory import Common, MemoryShared
from gateway.wire.resources import Recording
from gateway.wire.traffic import TrafficMessage
from tests.support.gateway_fakes import ADMIN, WEATHER
from tests.unit.traffic.test_traffic_watching import OWNERSHIP, Desk, heard

RECORDS = Route(WEATHER, OWNERSHIP, recording=Recording(enabled=True))


def desk(shared: MemoryShared) -> Desk:
    found = Desk()
    found.traffic.share(shared)
    found.publish(RECORDS)
    return found


@asynccontextmanager
async def two() -> AsyncIterator[tuple[Desk, Desk, MemoryShared]]:
    """And what the first one is connected by."""
    common = Common()
    async with common.replica() as first, common.replica() as second:
        yield desk(first), desk(second), first


async def read(at: Desk, **more: Any) -> list[TrafficMessage]:
    lines = await at.traffic.recording(ADMIN, WEATHER, **more)
    return [msgspec.json.decode(line, type=TrafficMessage) async for line in lines]


async def test_a_recording_is_all_replicas_parts_by_time_each_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings_elsewhere, "PAGE", 1000)  # a few messages
    async with two() as (one, other, _):
        for number in range(1, 101):
            (one if number % 3 else other).traffic.tell(heard(number, text="x" * 100))
        for at in (one, other):
            found = await read(at)
            assert [each.number for each in found] == list(range(1, 101))
            names = {each.number % 3 == 0: each.replica for each in found}
            assert len(set(names.values())) == 2
            assert {each.replica for each in found} == set(names.values())
        assert await read(one, session="none") == []


async def test_a_gateway_that_is_alone_names_none() -> None:
    one = Desk()
    one.publish(RECORDS)
    one.traffic.tell(heard(1))
    assert [each.replica for each in await read(one)] == [""]
    (part,) = (await one.traffic.recording_status(ADMIN, WEATHER)).parts
    assert (part.replica, part.messages, part.gaps, part.at_rest, part.trouble) == ("", 1, 0, False, "")
    assert part.since is not None
    assert part.since.timestamp() == 1


async def test_a_part_that_can_not_be_had_is_a_gap_and_the_others_are_there() -> None:
    async with two() as (one, other, shared):
        one.traffic.tell(heard(1))
        other.traffic.tell(heard(2))
        (third,) = shared.others
        del shared._common.members[third].serving[recordings_elsewhere.READ]
        mine, gap = await read(one)
        assert mine.number == 1
        assert (gap.kind, gap.sender, gap.replica) == ("gap", "gateway", third)
        assert f"what replica {third} recorded can't be had" in gap.error


async def test_a_replica_that_goes_while_it_is_read_is_a_gap_behind_what_came(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recordings_elsewhere, "PAGE", 1)
    async with two() as (one, other, shared):
        for number in (1, 2, 3):
            other.traffic.tell(heard(number))
        lines = await one.traffic.recording(ADMIN, WEATHER)
        first = msgspec.json.decode(await anext(lines), type=TrafficMessage)
        assert first.number == 1
        shared._common.members.clear()
        (gap,) = [msgspec.json.decode(line, type=TrafficMessage) async for line in lines]
        assert gap.kind == "gap"
        assert gap.replica == first.replica


async def test_without_redis_one_hears_that_the_others_are_missing() -> None:
    async with two() as (one, _, shared):
        one.traffic.tell(heard(1))
        shared.trouble = "Redis can't be reached"
        mine, gap = await read(one)
        assert mine.number == 1
        assert "what other replicas recorded can't be had: Redis can't be reached" in gap.error
        own, others = (await one.traffic.recording_status(ADMIN, WEATHER)).parts
        assert own.messages == 1
        assert "Redis" in others.trouble


async def test_each_replica_says_how_much_it_holds() -> None:
    async with two() as (one, other, shared):
        one.traffic.tell(heard(1))
        for number in (2, 3):
            other.traffic.tell(heard(number))
        status = await other.traffic.recording_status(ADMIN, WEATHER)
        assert [each.messages for each in status.parts] == [2, 1]
        assert len({each.replica for each in status.parts}) == 2
        del shared._common.members[shared.name].serving[recordings_elsewhere.HELD]
        status = await other.traffic.recording_status(ADMIN, WEATHER)
        assert status.parts[1].trouble
        other.publish(Route(WEATHER, OWNERSHIP))
        with pytest.raises(NotFound):
            await other.traffic.recording_status(ADMIN, WEATHER)


async def test_parts_are_merged_by_time_and_each_stays_in_its_order() -> None:
    def part(name: str, *times: float) -> AsyncIterator[Kept]:
        kept = [Kept(number, at, "s", "p", b'{"x":1}') for number, at in enumerate(times)]
        return named(kept, name)

    found = [each async for each in merged([part("a", 1, 5, 4, 9), part("b"), part("c", 2, 3, 8)])]
    assert [each.at for each in found] == [1, 2, 3, 5, 4, 8, 9]
    assert msgspec.json.decode(found[0].line) == {"replica": "a", "x": 1}
