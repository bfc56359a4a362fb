"""What a follower counts, as its lead has it: added up, given back when the follower goes, and held no longer than that."""

import asyncio
import gc
from collections.abc import AsyncIterator, Callable
from typing import cast

import pytest

from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.services.audit import AuditLog
from gateway.services.events import Hub
from gateway.services.live import Call, Live
from gateway.services.sessions import Sessions
from gateway.wire.mcp import Era
from gateway.wire.names import InstanceName
from gateway.wire.resources import LiveSession
from gateway.workers.follower import Entries, Reporting
from gateway.workers.lead import Lead
from gateway.workers.words import Report, framed
from tests.support.gateway_fakes import ADA, ADMIN, WEATHER, FakeBackend, desired

ENDPOINT = Endpoint(InstanceName("weather-0"), "u", "127.0.0.1", 9)


class Writer:
    """asyncio.StreamWriter, as far as a lead uses it. Nobody reads what it is told."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...


class World:
    """A lead, and a follower whose reports reach it when a test says so."""

    def __init__(self) -> None:
        routes = Routes()
        routes.table = RoutingTable({WEATHER: Route(WEATHER, desired().ownership)})
        self.sessions = Sessions(routes, FakeBackend(), hub=Hub())
        self.lead = Lead(routes, self.sessions, AuditLog(""), is_weighed=lambda: False, listened=frozenset)
        self.follower, self.reader = Reporting(Entries()), asyncio.StreamReader()

    def call(self, session: bytes = b"s-1") -> Call:
        return self.follower.opened(session, WEATHER, ENDPOINT, ADA, Era.LEGACY, None)

    async def report(self, is_heard: Callable[[], object]) -> None:
        self.reader.feed_data(framed(Report(1, {}, self.follower.changes(), [])))
        async with asyncio.timeout(10):
            while not is_heard():  # noqa: ASYNC110 - the lead says nothing to whom it hears
                await asyncio.sleep(0)

    def seen(self) -> list[LiveSession]:
        return self.sessions.visible(ADMIN)


@pytest.fixture(name="world")
async def _world() -> AsyncIterator[World]:
    world = World()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(world.lead.serve(world.reader, cast("asyncio.StreamWriter", Writer())))
        yield world
        world.reader.feed_eof()


async def test_changes_of_one_session_are_told_once_and_add_up(world: World) -> None:
    first, second = world.call(), world.call()
    await world.report(world.seen)
    assert (world.seen()[0].calls, world.seen()[0].in_flight) == (0, 2)
    first.ended(status=200, bytes_in=10, bytes_out=20)
    second.ended(status=500, bytes_in=1, bytes_out=2)
    await world.report(lambda: world.seen()[0].calls)
    (shown,) = world.seen()
    assert (shown.calls, shown.in_flight, shown.errors, shown.bytes_in, shown.bytes_out) == (2, 0, 1, 11, 22)
    assert world.follower.changes() == []


async def test_what_a_follower_has_in_hand_goes_with_it(world: World) -> None:
    world.call().ended(status=200, bytes_in=10, bytes_out=20)
    world.call()
    world.follower.opened(b"s-1", WEATHER, ENDPOINT, ADA, Era.LEGACY, None, is_stream=True)
    await world.report(world.seen)
    assert (world.seen()[0].in_flight, world.seen()[0].streams) == (1, 1)
    world.reader.feed_eof()
    await world.lead.followers_gone(10)
    assert (world.seen()[0].calls, world.seen()[0].in_flight, world.seen()[0].streams) == (1, 0, 0)


async def test_session_that_is_over_is_held_by_nobody(world: World) -> None:
    for number in range(10):
        _passed(world.call(b"over-%d" % number))
    world.call(b"another")
    await world.report(world.seen)
    world.sessions.tell()
    gc.collect()
    kept = [each for each in gc.get_objects() if isinstance(each, Live) and (each.session or b"").startswith(b"over-")]
    assert kept == []


def _passed(call: Call) -> None:
    call.ended(status=200, bytes_in=0, bytes_out=0)
    call.closed()
