"""Live sessions as the data plane tells of them: what counts, what goes, who sees and ends them."""

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, NotFound, Unsupported, UpstreamBroke
from gateway.core.observed import NOTHING, Observed, status_of
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.services import ended, ledger
from gateway.services import sessions as module
from gateway.services.audit import open_audit
from gateway.services.events import Hub
from gateway.services.ledger import GROUP_IDLE, SESSION_IDLE
from gateway.services.sessions import Sessions
from gateway.wire.audit import AuditRecord, read_line
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName, PrincipalId
from gateway.wire.resources import LiveSession
from tests.support.gateway_fakes import (
    ADA,
    ADMIN,
    BEA,
    EVE,
    NOW,
    WEATHER,
    FakeBackend,
    Listener,
    desired,
    instance,
    stdio,
    words,
)

ONE, TWO = (Endpoint(InstanceName(f"weather-{n}"), f"uid-{n}", "127.0.0.1", 9000 + n) for n in (0, 1))
INITIALIZE = msgspec.json.encode(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {"protocolVersion": "2025-11-25", "clientInfo": {"name": "claude-code", "version": "2.1"}},
    }
)


def modern(name: str = "cursor") -> bytes:
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientInfo": {"name": name, "version": "3"},
    }
    return msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": {"_meta": meta}})


class Desk:
    """Sessions of one adapter that forecasters may read, with a clock that a test turns."""

    def __init__(self, **options: Any) -> None:
        self.now = NOW.timestamp()
        self.backend, self.hub, self.routes = FakeBackend(), Hub(), Routes()
        wanted = desired(stdio(required_roles=["forecasters"]))
        self.hub.show_adapter(wanted, status_of(wanted, NOTHING, now=NOW))
        route = Route(WEATHER, wanted.ownership, headers=((b"x-key", b"secret"),))
        self.routes.table = RoutingTable({WEATHER: route})
        self.subject = Sessions(self.routes, self.backend, hub=self.hub, clock=lambda: self.now, **options)
        self.see(ONE, TWO)

    def see(self, *endpoints: Endpoint) -> None:
        """These run, and no others."""
        running = [instance(each.instance, uid=each.uid) for each in endpoints]
        self.subject.observed({WEATHER: Observed(instances=tuple(running))})

    def initialize(self, session: bytes = b"s-1", who: Principal = BEA, endpoint: Endpoint = ONE) -> None:
        call = self.subject.opened(None, WEATHER, endpoint, who, Era.LEGACY, INITIALIZE)
        call.learned(session)
        call.ended(status=200, bytes_in=100, bytes_out=200)

    def call(self, session: bytes | None = b"s-1", who: Principal = BEA, endpoint: Endpoint = ONE, **more: Any) -> None:
        call = self.subject.opened(session, WEATHER, endpoint, who, Era.LEGACY, None)
        call.ended(**({"status": 200, "bytes_in": 10, "bytes_out": 20} | more))

    def only(self, who: Principal = ADMIN) -> LiveSession:
        found = self.subject.visible(who)
        assert len(found) == 1, found
        return found[0]


@pytest.fixture(name="desk")
async def _desk() -> Desk:
    return Desk()


async def test_a_legacy_session_is_known_from_what_initialize_said(desk: Desk) -> None:
    desk.initialize()
    live = desk.only()
    assert (live.client_name, live.client_version, live.protocol_version) == ("claude-code", "2.1", "2025-11-25")
    assert (live.adapter, live.instance, live.era, live.principal) == ("weather", "weather-0", "legacy", "bea")
    assert (live.calls, live.bytes_in, live.bytes_out) == (1, 100, 200)
    assert "s-1" not in msgspec.json.encode(live).decode()


async def test_an_initialize_that_takes_long_is_seen_and_becomes_its_session(desk: Desk) -> None:
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, INITIALIZE)
    desk.subject.look_at_beginnings()
    assert desk.subject.visible(ADMIN) == []
    desk.now += 5
    desk.subject.look_at_beginnings()
    live = desk.only()
    assert (live.client_name, live.in_flight, live.calls) == ("claude-code", 1, 0)
    assert live.oldest_call_at is not None
    assert (live.last_used_at - live.oldest_call_at).total_seconds() == 0
    call.learned(b"s-1")
    session = desk.only()
    assert session.id != live.id
    assert session.in_flight == 1
    call.ended(status=200, bytes_in=100, bytes_out=200)
    assert (desk.only().calls, desk.only().in_flight) == (1, 0)


async def test_an_initialize_that_fails_after_long_is_one_call_that_failed(desk: Desk) -> None:
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, INITIALIZE)
    desk.now += 5
    desk.subject.look_at_beginnings()
    call.ended(status=504, bytes_in=1, bytes_out=1, problem="no answer within 120 s")
    live = desk.only()
    assert (live.calls, live.in_flight, live.errors, live.last_error) == (1, 0, 1, "no answer within 120 s")


async def test_an_initialize_among_calls_without_a_session_leaves_them_alone(desk: Desk) -> None:
    desk.call(None)
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, INITIALIZE)
    desk.now += 5
    desk.subject.look_at_beginnings()
    call.learned(b"s-1")
    call.ended(status=200, bytes_in=1, bytes_out=1)
    assert sorted(each.calls for each in desk.subject.visible(ADMIN)) == [1, 1]


async def test_calls_errors_and_streams_are_counted(desk: Desk) -> None:
    desk.initialize()
    desk.now += 5
    stream = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None, is_stream=True)
    under_way = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None)
    desk.call(status=500)
    live = desk.only()
    assert (live.calls, live.in_flight, live.streams, live.errors) == (2, 1, 1, 1)
    assert (live.last_used_at - live.opened_at).total_seconds() == 5
    under_way.ended(status=0, bytes_in=1, bytes_out=0)
    stream.ended(status=0, bytes_in=0, bytes_out=1000)  # its client left: how a stream ends
    live = desk.only()
    assert (live.calls, live.in_flight, live.streams, live.errors) == (3, 0, 0, 2)
    assert live.bytes_out == 200 + 20 + 1000


async def test_what_an_adapter_says_went_wrong_is_the_last_error_without_its_secrets(desk: Desk) -> None:
    desk.initialize()
    call = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None)
    call.ended(status=200, bytes_in=1, bytes_out=1, problem="no access with password=hunter2hunter2 (-32603)")
    live = desk.only()
    assert live.errors == 1
    assert live.last_error.startswith("no access with password=")
    assert "hunter2" not in live.last_error


async def test_the_same_id_on_another_instance_is_another_session(desk: Desk) -> None:
    desk.initialize(endpoint=ONE)
    desk.initialize(endpoint=TWO)
    assert len({each.id for each in desk.subject.visible(ADMIN)}) == 2


async def test_a_session_from_before_the_gateway_started_is_taken_up(desk: Desk) -> None:
    desk.call(b"from-before")
    assert desk.only().client_name == ""


async def test_modern_calls_are_grouped_by_principal_client_and_adapter(desk: Desk) -> None:
    for name, endpoint in (("cursor", ONE), ("cursor", TWO), ("codex", ONE)):
        call = desk.subject.opened(None, WEATHER, endpoint, BEA, Era.MODERN, modern(name))
        call.ended(status=200, bytes_in=1, bytes_out=1)
    desk.subject.opened(None, WEATHER, ONE, ADA, Era.MODERN, modern()).ended(status=200, bytes_in=1, bytes_out=1)
    found = {(each.principal, each.client_name): each for each in desk.subject.visible(ADMIN)}
    assert {key: each.calls for key, each in found.items()} == {
        ("bea", "cursor"): 2,
        ("bea", "codex"): 1,
        ("ada", "cursor"): 1,
    }
    assert found["bea", "cursor"].instance == "weather-1"
    assert found["bea", "cursor"].protocol_version == "2026-07-28"


async def test_a_modern_call_whose_body_is_not_at_hand_counts_for_the_client_heard_of_last(desk: Desk) -> None:
    for body in (modern(), None, b"{broken", modern()[:-1]):
        call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, body)
        call.ended(status=200, bytes_in=1, bytes_out=1)
    assert (desk.only().client_name, desk.only().calls) == ("cursor", 4)


async def test_a_server_without_sessions_has_its_callers_grouped(desk: Desk) -> None:
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, INITIALIZE)
    call.ended(status=200, bytes_in=1, bytes_out=1)
    desk.call(None)
    live = desk.only()
    assert (live.client_name, live.calls, live.in_flight, live.era) == ("claude-code", 2, 0, "legacy")


async def test_a_session_ends_when_its_server_says_so(desk: Desk) -> None:
    desk.initialize()
    call = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None)
    call.closed()
    call.ended(status=404, bytes_in=1, bytes_out=1)
    assert desk.subject.visible(ADMIN) == []


async def test_sessions_of_an_instance_that_is_gone_are_gone(desk: Desk) -> None:
    desk.initialize(b"s-1", endpoint=ONE)
    desk.initialize(b"s-2", endpoint=TWO)
    desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern()).ended(status=200, bytes_in=1, bytes_out=1)
    desk.see(TWO)
    assert sorted((each.instance, each.era) for each in desk.subject.visible(ADMIN)) == [
        ("weather-0", "modern"),
        ("weather-1", "legacy"),
    ]
    desk.subject.observed({})
    assert desk.subject.visible(ADMIN) == []


async def test_idle_ones_go_but_none_with_something_under_way(desk: Desk) -> None:
    desk.initialize()
    desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern()).ended(status=200, bytes_in=1, bytes_out=1)
    stream = desk.subject.opened(b"s-2", WEATHER, ONE, BEA, Era.LEGACY, None, is_stream=True)
    desk.now += GROUP_IDLE + 1
    desk.subject.sweep()
    assert [each.era for each in desk.subject.visible(ADMIN)] == ["legacy", "legacy"]
    desk.now += SESSION_IDLE
    desk.subject.sweep()
    assert desk.only().streams == 1
    stream.ended(status=200, bytes_in=0, bytes_out=0)


async def test_there_is_a_bound_on_what_is_kept(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "MOST", 10)
    monkeypatch.setattr(ended, "MOST", 10)
    for number in range(50):
        desk.call(b"s-%d" % number)
    assert len(desk.subject.visible(ADMIN)) == 10
    for live in desk.subject.visible(ADMIN):
        await desk.subject.end(ADMIN, live.id)
    desk.call(b"another")
    await desk.subject.end(ADMIN, desk.only().id)
    assert len(desk.subject.ended) == 10
    assert desk.subject.is_ended(b"another", ONE)


async def test_a_client_that_changes_its_name_all_the_time_fills_nothing(desk: Desk) -> None:
    for number in range(500):
        call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern(f"client-{number}"))
        call.ended(status=200, bytes_in=1, bytes_out=1)
    seen = desk.subject.visible(ADMIN)
    assert len(seen) == ledger.MOST_CLIENTS + 1
    assert sum(each.calls for each in seen) == 500
    desk.now += GROUP_IDLE + 1
    desk.subject.sweep()
    assert not desk.subject._groups


# Who sees, who ends


async def test_users_see_their_own_and_writers_see_all(desk: Desk) -> None:
    kim = Principal(PrincipalId("kim"), roles=frozenset({"forecasters"}))
    desk.initialize(b"s-1", BEA)
    desk.initialize(b"s-2", kim)
    assert len(desk.subject.visible(ADA)) == len(desk.subject.visible(ADMIN)) == 2
    assert desk.only(BEA).principal == "bea"
    assert desk.only(kim).principal == "kim"
    assert desk.subject.visible(EVE) == []
    assert desk.subject.visible(ADMIN, "other") == []
    hers = desk.only(BEA).id
    assert desk.subject.one(ADA, hers).principal == "bea"
    with pytest.raises(Forbidden):
        desk.subject.one(kim, hers)
    with pytest.raises(NotFound):
        desk.subject.one(ADMIN, "nosuch")


async def test_an_ended_session_is_refused_and_its_server_is_told(desk: Desk) -> None:
    desk.initialize()
    assert not desk.subject.is_ended(b"s-1", ONE)
    await desk.subject.end(BEA, desk.only().id)
    assert desk.subject.is_ended(b"s-1", ONE)
    assert not desk.subject.is_ended(b"s-1", TWO)
    assert desk.backend.ended == [(ONE, b"s-1", ((b"x-key", b"secret"),))]
    assert desk.subject.visible(ADMIN) == []
    desk.see(TWO)
    assert not desk.subject.ended


async def test_a_session_is_ended_here_also_when_its_server_does_not_answer(desk: Desk) -> None:
    desk.initialize()
    desk.backend.end_error = UpstreamBroke("refused")
    await desk.subject.end(ADMIN, desk.only().id)
    assert desk.subject.is_ended(b"s-1", ONE)


async def test_nobody_ends_anothers_session(desk: Desk) -> None:
    desk.initialize(who=ADA)
    with pytest.raises(Forbidden):
        await desk.subject.end(BEA, desk.only().id)
    assert not desk.subject.is_ended(b"s-1", ONE)


async def test_calls_without_a_session_have_nothing_to_end(desk: Desk) -> None:
    desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern()).ended(status=200, bytes_in=1, bytes_out=1)
    with pytest.raises(Unsupported, match="requiredRoles"):
        await desk.subject.end(ADMIN, desk.only().id)


# Who hears


async def test_many_changes_of_one_session_are_one_event(desk: Desk) -> None:
    async with Listener(desk.hub, ADMIN) as reader:
        await reader.snapshot()
        desk.initialize()
        for _ in range(1000):
            desk.call()
        desk.subject.tell()
        change = await reader.change()
        assert words([change]) == [f"added Session {desk.only().id}"]
        assert change.resource is not None
        assert change.resource["calls"] == 1001
        desk.call()
        desk.subject.tell()
        assert (await reader.change()).type == "modified"
        await desk.subject.end(ADMIN, desk.only().id)
        assert (await reader.change()).type == "deleted"


async def test_a_change_is_told_by_itself(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", 0.001)
    async with Listener(desk.hub, ADMIN) as reader:
        await reader.snapshot()
        desk.initialize()
        assert (await reader.change()).kind == "Session"
        desk.call()
        assert (await reader.change()).type == "modified"


async def test_what_does_not_fit_into_one_go_is_told_in_the_next(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PACE", 0.001)
    monkeypatch.setattr(module, "MOST_AT_ONCE", 3)
    async with Listener(desk.hub, ADMIN) as reader:
        await reader.snapshot()
        for number in range(10):
            desk.initialize(b"s-%d" % number)
        heard = {(await reader.change()).name for _ in range(10)}
    assert heard == {each.id for each in desk.subject.visible(ADMIN)}


async def test_who_is_gone_keeps_nobody_waiting(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sessions that come and go faster than they are told of would pile up otherwise."""
    monkeypatch.setattr(module, "MOST_AT_ONCE", 1)
    for number in range(5):
        desk.initialize(b"s-%d" % number)
        await desk.subject.end(ADMIN, desk.only().id)
    desk.initialize(b"s-9")
    desk.subject.tell()
    assert not desk.subject._dirty


async def test_a_session_that_was_gone_before_anybody_heard_of_it_is_never_told(desk: Desk) -> None:
    desk.initialize()
    await desk.subject.end(ADMIN, desk.only().id)
    desk.subject.tell()
    async with Listener(desk.hub, ADMIN) as reader:
        assert len(await reader.snapshot()) == 2


async def test_every_call_is_audited_where_that_is_asked_for(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    async with open_audit(str(path)) as audit:
        desk = Desk(audit=audit)
        call = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None)
        desk.now += 0.25
        call.ended(status=200, bytes_in=7, bytes_out=11)
    record = msgspec.json.decode(read_line(path.read_bytes().splitlines()[0]).record, type=AuditRecord)
    assert record == AuditRecord(
        at=NOW,
        action="mcp.call",
        principal="bea",
        principal_name="Bea",
        target="weather",
        instance="weather-0",
        status=200,
        duration=0.25,
        bytes_in=7,
        bytes_out=11,
    )


async def test_counts_are_by_adapter_and_era(desk: Desk) -> None:
    desk.initialize(b"s-1")
    desk.initialize(b"s-2")
    desk.subject.opened(None, AdapterName("other"), ONE, BEA, Era.MODERN, None).ended(
        status=200, bytes_in=0, bytes_out=0
    )
    assert desk.subject.counts() == {("weather", "legacy"): 2, ("other", "modern"): 1}


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b'"initialize"', b'{"method":"initialize","params":{"clientInfo":7}}', b'{"method":"initialize"}'],
)
async def test_a_strange_initialize_names_no_client(desk: Desk, body: bytes) -> None:
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, body)
    call.learned(b"s-1")
    assert desk.only().client_name == ""


async def test_what_a_client_says_of_itself_is_cut(desk: Desk) -> None:
    call = desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern("x" * 10_000))
    call.ended(status=200, bytes_in=0, bytes_out=0)
    assert len(desk.only().client_name) == 256


async def test_idle_ones_go_by_themselves(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger, "GROUP_IDLE", 0.01)
    desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern()).ended(status=200, bytes_in=1, bytes_out=1)
    desk.subject.tell()
    async with Listener(desk.hub, ADMIN) as reader, asyncio.TaskGroup() as group:
        assert len(await reader.snapshot()) == 3
        desk.now += 1
        running = group.create_task(desk.subject.run())
        assert (await reader.change()).type == "deleted"
        running.cancel()


class Asked:
    """core.ports.Asking, of which a series sees the body."""

    peer = "127.0.0.1"

    def __init__(self, body: bytes = b"{}") -> None:
        self.request = Request()
        self.request.body = body


async def test_the_next_call_of_a_session_is_entered_without_being_looked_for() -> None:
    desk = Desk()
    series = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None).series
    again = series.opened(Asked(), b"r-2")
    assert again is not None
    assert [session.in_flight for session in desk.subject.visible(BEA)] == [2]
    again.ended(status=200, bytes_in=1, bytes_out=2)
    (session,) = desk.subject.visible(BEA)
    assert (session.calls, session.in_flight, session.bytes_out) == (1, 1, 2)


async def test_no_next_call_of_a_session_that_is_gone() -> None:
    desk = Desk()
    series = desk.subject.opened(b"s-1", WEATHER, ONE, BEA, Era.LEGACY, None).series
    desk.subject.ended_elsewhere(b"s-1", ONE.uid)
    assert series.opened(Asked(), b"r-2") is None
    assert desk.subject.opened(None, WEATHER, ONE, BEA, Era.LEGACY, INITIALIZE).series.opened(Asked(), b"r") is None


async def test_next_calls_of_a_modern_client_are_its_own_while_they_say_the_same_name() -> None:
    desk = Desk()
    series = desk.subject.opened(None, WEATHER, ONE, BEA, Era.MODERN, modern()).series
    other_place = modern().replace(b'"_meta"', b'"a":1,"_meta"').replace(b"}}}", b'},"progressToken":2}}')
    for body in (modern(), modern().replace(b'"id":1', b'"id":12'), other_place):
        assert series.opened(Asked(body), b"r") is not None
    (group,) = desk.subject.visible(BEA)
    assert group.in_flight == 4
    beside = modern("codex").replace(b'"id"', b'"x":' + modern() + b',"id"')
    for body in (modern("codex"), b"{}", modern() + modern(), beside):
        assert series.opened(Asked(body), b"r") is None
