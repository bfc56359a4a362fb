"""Sessions of two replicas in one process: what each shows of the other's, and who may end what."""

from collections.abc import AsyncIterator

import msgspec
import pytest

from gateway.core.access import Ownership, Principal
from gateway.core.errors import Forbidden, NotFound, Unsupported
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.core.sharing import Unreachable
from gateway.services import elsewhere
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.stores.shared_memory import Common, MemoryShared
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName, PrincipalId

WEATHER = AdapterName("weather")
AT = Endpoint(InstanceName("weather-0"), "uid-0", "127.0.0.1", 1)
ANN, EVE = (Principal(PrincipalId(name), roles=frozenset({"mcp.user"})) for name in ("ann", "eve"))


class House:
    """One replica's sessions."""

    def __init__(self, shared: MemoryShared) -> None:
        routes = Routes()
        ownership = Ownership("olaf", frozenset({"mcp.user"}))
        routes.table = RoutingTable({WEATHER: Route(WEATHER, ownership, endpoints=(AT,))})
        self.shared = shared
        self.now = 1000.0
        self.sessions = Sessions(routes, None, hub=Hub(), clock=lambda: self.now)
        self.sessions.share(shared)
        self.owner = Principal(PrincipalId(ownership.created_by))

    def call(self, session: bytes | None = b"s1", principal: Principal = ANN, **said: bytes) -> None:
        call = self.sessions.opened(session, WEATHER, AT, principal, Era.LEGACY, said.get("body"))
        call.ended(status=200, bytes_in=3, bytes_out=5)
        self.sessions.tell()


@pytest.fixture
async def houses() -> AsyncIterator[tuple[House, House]]:
    common = Common()
    async with common.replica() as one, common.replica() as two:
        yield House(one), House(two)


async def test_a_session_elsewhere_is_shown_to_those_who_may_see_it(houses: tuple[House, House]) -> None:
    one, two = houses
    one.call()
    (seen,) = two.sessions.visible(two.owner)
    assert (seen.calls, seen.bytes_out, seen.principal) == (1, 5, "ann")
    assert [each.id for each in two.sessions.visible(ANN)] == [seen.id]
    assert two.sessions.visible(EVE) == []
    assert two.sessions.visible(two.owner, "other") == []
    with pytest.raises(Forbidden):
        two.sessions.one(EVE, seen.id)


async def test_a_session_at_both_is_one_with_the_numbers_of_both(houses: tuple[House, House]) -> None:
    one, two = houses
    one.call()
    two.now = 2000.0
    two.call()
    two.call()
    for house in houses:
        (seen,) = house.sessions.visible(house.owner)
        assert (seen.calls, seen.bytes_in) == (3, 9)
        assert (seen.opened_at.timestamp(), seen.last_used_at.timestamp()) == (1000.0, 2000.0)


INITIALIZE = (
    b'{"method":"initialize","params":{"clientInfo":{"name":"codex","version":"0.61"},"protocolVersion":"2025-11-25"}}'
)


def begins(house: House, session: bytes = b"s1") -> None:
    call = house.sessions.opened(None, WEATHER, AT, ANN, Era.LEGACY, INITIALIZE)
    call.learned(session)
    call.ended(status=200, bytes_in=1, bytes_out=1)
    house.sessions.tell()


@pytest.mark.parametrize("is_early", [True, False])
async def test_a_session_keeps_its_clients_name_when_the_replica_goes_that_heard_it(*, is_early: bool) -> None:
    common = Common()
    async with common.replica() as later:
        two = House(later)
        two.now = 2000.0
        async with common.replica() as first:
            begins(House(first))
            if is_early:
                two.call()
        if not is_early:
            two.call()
        (seen,) = two.sessions.visible(two.owner)
    assert (seen.client_name, seen.client_version, seen.protocol_version) == ("codex", "0.61", "2025-11-25")
    assert seen.opened_at.timestamp() == 1000.0


async def test_of_sessions_that_left_only_so_many_names_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(elsewhere, "MOST_LEFT", 1)
    common = Common()
    async with common.replica() as later:
        two = House(later)
        async with common.replica() as first:
            one = House(first)
            begins(one, b"s1")
            begins(one, b"s2")
        two.call(b"s1")
        two.call(b"s2")
        assert sorted(each.client_name for each in two.sessions.visible(two.owner)) == ["", "codex"]


async def test_a_session_that_is_ended_is_refused_everywhere(houses: tuple[House, House]) -> None:
    one, two = houses
    one.call()
    (seen,) = two.sessions.visible(two.owner)
    with pytest.raises(Forbidden):
        await two.sessions.end(EVE, seen.id)
    await two.sessions.end(two.owner, seen.id)
    assert one.sessions.is_ended(b"s1", AT)
    assert two.sessions.is_ended(b"s1", AT)
    assert one.sessions.visible(one.owner) == two.sessions.visible(two.owner) == []
    with pytest.raises(NotFound):
        await two.sessions.end(two.owner, seen.id)


async def test_calls_without_a_session_can_not_be_ended_from_elsewhere_either(houses: tuple[House, House]) -> None:
    one, two = houses
    one.call(None)
    (seen,) = two.sessions.visible(two.owner)
    with pytest.raises(Unsupported, match="calls without a session"):
        await two.sessions.end(two.owner, seen.id)


async def test_a_replica_that_starts_later_knows_what_was_ended() -> None:
    common = Common()
    async with common.replica() as first:
        one = House(first)
        one.call()
        (seen,) = one.sessions.visible(one.owner)
        await one.sessions.end(one.owner, seen.id)
    async with common.replica() as later:
        assert House(later).sessions.is_ended(b"s1", AT)


async def test_sessions_of_a_replica_that_is_gone_are_gone(houses: tuple[House, House]) -> None:
    one, two = houses
    one.call()
    (seen,) = two.sessions.visible(two.owner)
    assert two.sessions.is_known(seen.id)
    del one.sessions  # what follows is told to the other alone
    common: Common = one.shared._common
    common.drop(one.shared.name)
    assert two.sessions.visible(two.owner) == []
    assert not two.sessions.is_known(seen.id)
    with pytest.raises(Unreachable):
        await two.shared.ask(one.shared.name, "end a session", msgspec.json.encode(seen.id))
