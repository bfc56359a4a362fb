"""/events, logs and sessions through the application: what lasts, how it ends, and what its form is."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from datetime import UTC, datetime
from typing import Self

import msgspec
import pytest
from quart.typing import TestHTTPConnectionProtocol as Connection
from werkzeug.datastructures import Headers

from gateway.controlplane import door
from gateway.controlplane.streams import parse_since
from gateway.core.access import Principal
from gateway.core.errors import Invalid, Unauthenticated
from gateway.wire import sse
from gateway.wire.mcp import Era
from gateway.wire.resources import AdapterSpec, ChangeEvent, LiveSession, Page
from tests.support.gateway_fakes import (
    ADA,
    ADMIN,
    BEA,
    EVE,
    NOW,
    WEATHER,
    ControlPlane,
    control_plane,
    stdio,
    words,
)

READABLE = stdio(required_roles=["forecasters"])


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


class Stream:
    """One streaming answer, read as it comes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.decoder = sse.Decoder()
        self._events: list[sse.Event] = []
        self._lines: list[str] = []
        self.last_event_id = ""

    async def __aenter__(self) -> Self:
        await self.connection.__aenter__()
        await self.connection.send_complete()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.connection.disconnect()
        await self.connection.__aexit__(None, None, None)  # type: ignore[arg-type]

    @property
    def headers(self) -> Headers:
        found: Headers | None = self.connection.headers  # type: ignore[attr-defined]  # not of the protocol
        assert found is not None
        return found

    async def chunk(self) -> bytes:
        async with asyncio.timeout(10):
            return await self.connection.receive()

    async def change(self) -> ChangeEvent:
        event = await self.event()
        assert event.event == "change"
        return msgspec.json.decode(event.data or b"", type=ChangeEvent)

    async def event(self) -> sse.Event:
        while not self._events:
            self._events += [each for each in self.decoder.feed(await self.chunk()) if each.data is not None]
        event = self._events.pop(0)
        self.last_event_id = event.id or self.last_event_id
        return event

    async def lines(self, count: int) -> list[str]:
        while len(self._lines) < count:
            self._lines += (await self.chunk()).decode().splitlines()
        taken, self._lines = self._lines[:count], self._lines[count:]
        return taken


# Events


async def test_events_are_a_snapshot_and_then_what_happens(plane: ControlPlane) -> None:
    await plane.deploy()
    async with Stream(plane.stream("/events")) as stream:
        assert words([await stream.change(), await stream.change()]) == [
            "added Adapter weather",
            "status Adapter weather",
        ]
        assert (await stream.event()).event == "synced"
        headers = stream.headers
        assert headers["Content-Type"] == "text/event-stream"
        assert headers["X-Accel-Buffering"] == "no"
        assert "no-store" in headers["Cache-Control"]
        await plane.ask("PATCH", "/adapters/weather", ADA, json={"description": "new"})
        await plane.reconciler.reconcile()
        assert words([await stream.change()]) == ["modified Adapter weather"]
        await plane.ask("DELETE", "/adapters/weather", ADA)
        assert words([await stream.change()]) == ["deleted Adapter weather"]
    assert plane.hub.readers == 0


async def test_events_go_on_where_they_were_heard_last(plane: ControlPlane) -> None:
    await plane.deploy()
    async with Stream(plane.stream("/events")) as stream:
        while (await stream.event()).event != "synced":
            pass
    await plane.deploy(stdio("other"))
    async with Stream(plane.stream("/events", ADMIN, **{"Last-Event-ID": stream.last_event_id})) as stream:
        assert words([await stream.change()]) == ["added Adapter other"]


async def test_events_are_each_callers_own(plane: ControlPlane) -> None:
    await plane.deploy(READABLE)
    async with Stream(plane.stream("/events", EVE)) as stranger, Stream(plane.stream("/events", BEA)) as reader:
        assert (await stranger.event()).event == "synced"
        assert words([await reader.change()]) == ["added Adapter weather"]


async def test_a_stopping_gateway_ends_its_event_streams(plane: ControlPlane) -> None:
    async with Stream(plane.stream("/events")) as stream:
        assert (await stream.event()).event == "synced"
        plane.hub.close()
        assert await stream.chunk() == b""


class Expiring:
    """ports.Authenticator: lets anybody in until a test says that tokens have expired."""

    def __init__(self) -> None:
        self.has_expired = False

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        return Unauthenticated("expired") if self.has_expired else ADMIN

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        raise AssertionError


@pytest.mark.parametrize("path", ["/events", "/adapters/weather/logs?follow=true"])
async def test_a_stream_ends_when_its_readers_token_does(monkeypatch: pytest.MonkeyPatch, path: str) -> None:
    monkeypatch.setattr(door, "CHECK_AGAIN", 0.0)
    authenticator = Expiring()
    async with control_plane(authenticator=authenticator, keep_alive=0.01) as plane:
        await plane.deploy()
        await plane.backend.say("weather-0", "one")
        async with Stream(plane.stream(path)) as stream:
            await stream.chunk()
            authenticator.has_expired = True
            await plane.backend.say("weather-0", "more")
            while await stream.chunk():
                pass
        assert plane.hub.readers == plane.logs.taps == 0


async def test_a_log_ends_when_its_reader_may_read_no_longer(
    plane: ControlPlane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(door, "CHECK_AGAIN", 0.0)
    await plane.deploy(READABLE)
    await plane.backend.say("weather-0", "one")
    async with Stream(plane.stream("/adapters/weather/logs?follow=true", BEA)) as stream:
        assert await stream.lines(1) == ["one"]
        await plane.ask("PATCH", "/adapters/weather", ADA, json={"requiredRoles": []})
        await plane.backend.say("weather-0", "secret")
        assert await stream.chunk() == b""


# Logs


async def test_logs_are_plain_text_of_the_last_thousand_lines(plane: ControlPlane) -> None:
    await plane.deploy()
    await plane.backend.say("weather-0", *(str(n) for n in range(1500)))
    answer = await plane.ask("GET", "/adapters/weather/logs")
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    lines = answer.body.decode().splitlines()
    assert (len(lines), lines[0], lines[-1]) == (1000, "500", "1499")
    assert "X-Log-State" not in answer.headers


async def test_logs_of_a_starting_instance_are_empty_and_say_so(plane: ControlPlane) -> None:
    await plane.adapters.create(ADA, stdio())
    answer = await plane.ask("GET", "/adapters/weather/logs")
    assert (answer.status, answer.body, answer.headers["X-Log-State"]) == (200, b"", "starting")


async def test_logs_of_a_server_elsewhere_are_kept_elsewhere(plane: ControlPlane) -> None:
    await plane.adapters.create(ADA, AdapterSpec(name="github", url="https://github.example/mcp"))
    answer = await plane.ask("GET", "/adapters/github/logs")
    assert (answer.status, answer.body, answer.headers["X-Log-State"]) == (200, b"", "elsewhere")


async def test_logs_are_followed_until_the_reader_leaves(plane: ControlPlane) -> None:
    await plane.deploy(stdio(replica_count=2))
    await plane.backend.say("weather-0", "zero")
    await plane.backend.say("weather-1", "first")
    path = "/adapters/weather/logs?instance=all&follow=true&timestamps=true&tail=1"
    async with Stream(plane.stream(path)) as stream:
        assert await stream.lines(1) == ["[weather-1] 2026-11-24T12:00:00.000000Z first"]
        await plane.backend.say("weather-0", "more")
        assert await stream.lines(1) == ["[weather-0] 2026-11-24T12:00:01.000000Z more"]
        assert plane.logs.taps == 2
    assert plane.logs.taps == 0


async def test_a_previous_life_is_not_followed(plane: ControlPlane) -> None:
    await plane.deploy()
    await plane.backend.say("weather-0", "now")
    plane.backend.before = {**plane.backend.before}
    answer = await plane.ask("GET", "/adapters/weather/logs?previous=true&follow=true")
    assert (answer.status, answer.body) == (200, b"")


@pytest.mark.parametrize(
    ("query", "field"),
    [("tail=x", "tail"), ("tail=-1", "tail"), ("follow=maybe", "follow"), ("since=yesterday", "since")],
)
async def test_logs_asked_for_in_a_wrong_way_are_400(plane: ControlPlane, query: str, field: str) -> None:
    await plane.deploy()
    answer = await plane.ask("GET", f"/adapters/weather/logs?{query}")
    assert answer.status == 400
    assert field in answer.errors


async def test_logs_of_an_instance_that_will_never_be_are_404(plane: ControlPlane) -> None:
    await plane.deploy()
    answer = await plane.ask("GET", "/adapters/weather/logs?instance=7")
    assert answer.status == 404
    assert "'7'" in answer.json["detail"]


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-11-24T11:00:00Z", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("2026-11-24T12:00:00+01:00", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("2026-11-24T12:00:00 01:00", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("2026-11-24T11:00:00.000001", datetime(2026, 11, 24, 11, microsecond=1, tzinfo=UTC)),
        ("3600", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("60m", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("1h", datetime(2026, 11, 24, 11, tzinfo=UTC)),
        ("1d", datetime(2026, 11, 23, 12, tzinfo=UTC)),
        ("999999999d", datetime(1, 1, 1, tzinfo=UTC)),
    ],
)
def test_since_is_a_moment_or_how_long_ago(text: str, moment: datetime) -> None:
    assert parse_since(text, now=NOW) == moment


@pytest.mark.parametrize("text", ["-1", "1w", "1.5h", "25:00", "٣"])
def test_since_is_nothing_else(text: str) -> None:
    with pytest.raises(Invalid):
        parse_since(text, now=NOW)


# Sessions


async def talked(plane: ControlPlane, *sessions: bytes, who: Principal = BEA) -> None:
    endpoint = plane.routes.table.routes[WEATHER].endpoints[0]
    for session in sessions:
        call = plane.sessions.opened(session, WEATHER, endpoint, who, Era.LEGACY, None)
        call.ended(status=200, bytes_in=1, bytes_out=1)


async def test_sessions_are_listed_shown_and_ended(plane: ControlPlane) -> None:
    await plane.deploy(READABLE)
    await talked(plane, b"s-1")
    listed = msgspec.json.decode((await plane.ask("GET", "/sessions/live", ADA)).body, type=list[LiveSession])
    assert [each.adapter for each in listed] == ["weather"]
    path = f"/sessions/live/{listed[0].id}"
    assert (await plane.ask("GET", path, ADA)).json["calls"] == 1
    assert (await plane.ask("GET", "/adapters/weather/sessions", BEA)).json[0]["id"] == listed[0].id
    assert (await plane.ask("DELETE", path, EVE)).status == 403
    assert (await plane.ask("DELETE", path, BEA)).status == 204
    assert (await plane.ask("GET", path, ADA)).status == 404
    assert (await plane.ask("DELETE", path, ADA)).status == 404
    assert plane.sessions.is_ended(b"s-1", plane.routes.table.routes[WEATHER].endpoints[0])


async def test_session_is_drained_and_a_mistyped_wish_to_drain_cuts_nothing(plane: ControlPlane) -> None:
    await plane.deploy(READABLE)
    await talked(plane, b"s-1")
    (live,) = plane.sessions.visible(ADA)
    path = f"/sessions/live/{live.id}"
    for wrong in ("drain=soon", "drain=301", "drian=9"):
        assert (await plane.ask("DELETE", f"{path}?{wrong}", BEA)).status == 400
    assert not plane.sessions.is_ended(b"s-1", plane.routes.table.routes[WEATHER].endpoints[0])
    assert (await plane.ask("DELETE", f"{path}?drain=300", EVE)).status == 403
    assert (await plane.ask("DELETE", f"{path}?drain=300", BEA)).status == 204
    assert plane.sessions.is_ended(b"s-1", plane.routes.table.routes[WEATHER].endpoints[0])


async def test_sessions_come_in_pages_and_filtered(plane: ControlPlane) -> None:
    await plane.deploy(READABLE)
    await talked(plane, *(b"s-%d" % n for n in range(5)))
    await talked(plane, b"hers", who=ADA)
    seen: list[str] = []
    cursor: str | None = ""
    for _ in range(3):
        body = (await plane.ask("GET", f"/sessions/live?limit=2&cursor={cursor}")).body
        page = msgspec.json.decode(body, type=Page[LiveSession])
        seen += [each.id for each in page.items]
        cursor = page.next_cursor
    assert cursor is None
    assert seen == sorted(seen)
    assert len(set(seen)) == 6
    assert len((await plane.ask("GET", "/sessions/live?principal=ada")).json) == 1
    assert len((await plane.ask("GET", "/sessions/live?q=bea&era=legacy")).json) == 5
    assert (await plane.ask("GET", "/adapters/weather/sessions?instance=weather-9")).json == []
    assert (await plane.ask("GET", "/sessions/live?state=live")).status == 400


async def test_sessions_are_in_the_metrics(plane: ControlPlane) -> None:
    await plane.deploy()
    await talked(plane, b"s-1", b"s-2", who=ADMIN)
    assert b'mcpdeck_sessions{adapter="weather",era="legacy"} 2\n' in (await plane.ask("GET", "/metrics")).body
