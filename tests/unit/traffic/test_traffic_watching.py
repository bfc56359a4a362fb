"""Who listens to what: bounds of readers and recordings, and a data plane without a tap while nobody wants one."""

import asyncio
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime
from typing import Any, Self

import msgspec
import pytest

from gateway.core.errors import Forbidden, NotFound
from gateway.core.observed import NOTHING
from gateway.core.overhearing import Talk, Tap
from gateway.core.recordings import InMemory, Kept, Missing, Which
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.dataplane.spoken import Asked
from gateway.services import recorders
from gateway.services import traffic as module
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.services.traffic import Traffic
from gateway.services.traffic_exchange import Heard
from gateway.services.traffic_readers import Reader, Wish
from gateway.services.traffic_recorder import Recorder
from gateway.wire import sse
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import Recording
from gateway.wire.traffic import Dropped, Kind, Sender, TrafficMessage
from tests.support.gateway_fakes import ADA, ADMIN, BEA, EVE, WEATHER, FakeBackend, desired, stdio

ENDPOINT = Endpoint(InstanceName("weather-0"), "uid-0", "127.0.0.1", 9000)
OWNERSHIP = desired(stdio(required_roles=["forecasters"])).ownership


class Plane:
    """core.overhearing.Tapped."""

    tap: Tap | None = None


class Desk:
    def __init__(self, **options: Any) -> None:
        self.routes, self.plane = Routes(), Plane()
        self.sessions = Sessions(self.routes, FakeBackend(), hub=Hub())
        self.traffic = Traffic(self.routes, self.sessions, **options)
        self.traffic.join(self.plane)
        self.publish(Route(WEATHER, OWNERSHIP))

    def publish(self, route: Route | None) -> None:
        self.routes.table = RoutingTable({} if route is None else {WEATHER: route})
        self.traffic.observed({} if route is None else {WEATHER: NOTHING})

    def publish_all(self, *routes: Route) -> None:
        self.routes.table = RoutingTable({route.adapter: route for route in routes})
        self.traffic.observed({route.adapter: NOTHING for route in routes})

    def session(self) -> str:
        call = self.sessions.opened(b"s-1", WEATHER, ENDPOINT, BEA, Era.LEGACY, None)
        call.ended(status=200, bytes_in=1, bytes_out=1)
        return call.session_id


def heard(number: int = 1, text: str = "", **more: Any) -> Heard:
    data = msgspec.json.encode({"jsonrpc": "2.0", "method": "x", "params": {"text": text}})
    base: dict[str, Any] = {
        "number": number, "at": datetime.fromtimestamp(number, UTC), "adapter": "weather", "session": "s",
        "sender": Sender.CLIENT, "kind": Kind.NOTIFICATION, "size": len(data), "era": "legacy",
    }  # fmt: skip
    return Heard(TrafficMessage(**base | more), data)


async def begun(stream: AsyncGenerator[bytes]) -> AsyncGenerator[bytes]:
    assert await anext(stream) == b": mcpdeck traffic\n\n"
    return stream


def numbers(chunks: list[bytes]) -> list[int | Dropped]:
    found: list[int | Dropped] = []
    for event in sse.Decoder().feed(b"".join(chunks)):
        assert event.data is not None
        if event.event == "dropped":
            found.append(msgspec.json.decode(event.data, type=Dropped))
        else:
            found.append(msgspec.json.decode(event.data, type=TrafficMessage).number)
    return found


async def test_there_is_no_tap_while_nobody_watches_and_nothing_records() -> None:
    desk = Desk()
    assert desk.plane.tap is None
    stream = await begun(desk.traffic.of_adapter(ADMIN, WEATHER))
    assert desk.plane.tap is desk.traffic
    assert desk.traffic.readers == 1
    await stream.aclose()
    assert desk.plane.tap is None
    desk.publish(Route(WEATHER, OWNERSHIP, recording=Recording(enabled=True)))
    assert desk.plane.tap is desk.traffic
    desk.publish(Route(WEATHER, OWNERSHIP))
    assert desk.plane.tap is None


async def test_of_an_adapter_only_the_sessions_that_are_watched_are_listened_to() -> None:
    desk = Desk()
    watched = desk.session()
    stream = await begun(desk.traffic.of_session(BEA, watched))

    def is_heard(session: bytes) -> bool:
        account = desk.sessions.opened(session, WEATHER, ENDPOINT, BEA, Era.LEGACY, None)
        talk = Talk(
            account=account,
            adapter=WEATHER,
            endpoint=ENDPOINT,
            principal=BEA,
            era=Era.LEGACY,
            asking=Asked(Request(), "127.0.0.1"),
            request_id=b"r",
        )
        return desk.traffic.listen(talk) is not None

    assert is_heard(b"s-1")
    assert not is_heard(b"s-2")
    await stream.aclose()
    assert not is_heard(b"s-1")


async def test_who_may_watch_is_asked_before_the_stream_and_again_while_it_lasts() -> None:
    desk = Desk()
    session = desk.session()
    with pytest.raises(Forbidden):
        desk.traffic.of_session(EVE, session)
    with pytest.raises(Forbidden, match="secrets"):
        desk.traffic.of_session(BEA, session, reveals=True)
    desk.traffic.of_session(ADA, session, reveals=True)  # the adapter's creator
    with pytest.raises(NotFound):
        desk.traffic.of_session(ADMIN, "none")
    with pytest.raises(Forbidden):
        await desk.traffic.recording(BEA, WEATHER)
    stream = await begun(desk.traffic.of_session(BEA, session))
    desk.publish(Route(WEATHER, desired(stdio(required_roles=["others"])).ownership))
    desk.traffic.tell(heard(session=session))
    assert b"you may not watch this any longer" in await anext(stream)
    with pytest.raises(StopAsyncIteration):
        await anext(stream)


TIME, SECRET = AdapterName("time"), AdapterName("secret")
EVES = Route(TIME, desired(stdio(required_roles=["forecasters"]), owner="eve").ownership)


async def test_who_watches_all_hears_what_they_may_change_and_of_the_rest_their_own() -> None:
    desk = Desk()
    hidden = Route(SECRET, desired(stdio(), owner="ada").ownership)
    desk.publish_all(Route(WEATHER, OWNERSHIP), hidden)
    bea, ada = await begun(desk.traffic.of_all(BEA)), await begun(desk.traffic.of_all(ADA))
    desk.traffic.tell(heard(1, principal="bea"))
    desk.traffic.tell(heard(2, principal="kim"))
    desk.traffic.tell(heard(3, adapter="secret", principal="bea"))
    assert numbers([await anext(bea)]) == [1]
    assert numbers([await anext(ada)]) == [1, 2, 3]
    await bea.aclose()
    await ada.aclose()


async def test_an_adapter_that_comes_is_watched_with_all_and_one_that_may_no_longer_be_read_is_not() -> None:
    desk = Desk(keep_alive=0.001)
    bea = await begun(desk.traffic.of_all(BEA))
    desk.publish_all(Route(WEATHER, OWNERSHIP), EVES)
    assert await anext(bea) == sse.comment()
    assert desk.traffic.listened == {WEATHER, TIME}
    desk.traffic.tell(heard(1, principal="bea"))
    desk.traffic.tell(heard(2, adapter="time", principal="bea"))
    desk.publish_all(EVES)
    assert numbers([await anext(bea)]) == [2]
    assert desk.traffic.listened == {TIME}
    await bea.aclose()
    assert desk.plane.tap is None


async def test_what_was_recorded_of_several_comes_in_the_order_in_which_it_was_said() -> None:
    desk = Desk()
    rule = Recording(enabled=True)
    desk.publish_all(Route(WEATHER, OWNERSHIP, recording=rule), Route(TIME, EVES.ownership, recording=rule))
    for number, adapter, who in (
        (1, "weather", "bea"),
        (2, "time", "bea"),
        (3, "weather", "kim"),
        (4, "weather", "bea"),
    ):
        desk.traffic.tell(heard(number, adapter=adapter, principal=who))
    bea = await begun(desk.traffic.of_all(BEA))
    assert numbers([await anext(bea)]) == [1, 2, 4]
    await bea.aclose()
    root = await begun(desk.traffic.of_all(ADMIN))
    assert numbers([await anext(root)]) == [1, 2, 3, 4]
    await root.aclose()


def test_of_what_another_replica_rendered_who_watches_several_has_what_they_may() -> None:
    wish = Wish(AdapterName(""), principal="bea", whole=frozenset({WEATHER}), own=frozenset({TIME}))
    reader, elsewhere = Reader(wish), Reader(Wish(WEATHER))
    for number, adapter, who in ((1, "weather", "kim"), (2, "time", "kim"), (3, "time", "bea"), (4, "secret", "bea")):
        elsewhere.put(heard(number, adapter=adapter, principal=who))
    for event in elsewhere.taken("there"):
        reader.put_event(event)
    reader.put_event(sse.encode(b'{"count":3}', "dropped"))
    assert numbers(list(reader.taken("here"))) == [1, 3, Dropped(3)]


async def test_a_silent_stream_is_kept_alive() -> None:
    desk = Desk(keep_alive=0.001)
    stream = await begun(desk.traffic.of_adapter(ADMIN, WEATHER))
    assert await anext(stream) == sse.comment()
    await stream.aclose()


async def test_a_session_that_ends_ends_the_stream(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LAST_WORDS", 0.001)
    desk = Desk()
    session = desk.session()
    stream = await begun(desk.traffic.of_session(ADMIN, session))
    await desk.sessions.end(ADMIN, session)
    async with asyncio.timeout(10):
        assert b"the session has ended" in await anext(stream)


async def test_conversations_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "CONVERSATIONS", 3)
    desk = Desk()
    for number in range(10):
        desk.traffic.conversation(str(number))
    assert len(desk.traffic._conversations) == 3


async def test_a_slow_reader_loses_the_oldest_and_is_told_how_many() -> None:
    reader = Reader(Wish(WEATHER), limit=3)
    for number in range(1, 11):
        reader.put(heard(number))
    assert numbers(list(reader.taken("x"))) == [Dropped(7), 8, 9, 10]
    reader.put(heard(11))
    assert numbers(list(reader.taken("x"))) == [11]


async def test_what_waits_is_bounded_in_bytes_as_well() -> None:
    reader = Reader(Wish(WEATHER), limit_bytes=10_000)
    for number in range(1, 11):
        reader.put(heard(number, text="x" * 3000))
    assert numbers(list(reader.taken("x"))) == [Dropped(7), 8, 9, 10]
    reader.put(heard(11, text="x" * 50_000))
    assert numbers(list(reader.taken("x"))) == [11]


async def test_what_comes_while_it_is_read_is_read_too() -> None:
    reader = Reader(Wish(WEATHER), limit=2)
    reader.put(heard(1))
    chunks = []
    for chunk in reader.taken("x"):
        chunks.append(chunk)
        if len(chunks) == 1:
            for number in range(2, 6):
                reader.put(heard(number))
    assert numbers(chunks) == [1, Dropped(2), 4, 5]


def test_wishes_choose() -> None:
    message = heard(session="a", principal="bea").message
    assert Wish(WEATHER).takes(message)
    assert Wish(WEATHER, session="a", principal="bea").takes(message)
    assert not Wish(WEATHER, session="b").takes(message)
    assert not Wish(WEATHER, principal="kim").takes(message)
    assert not Wish(AdapterName("other")).takes(message)


def recorder_of(rule: Recording, **more: Any) -> Recorder:
    return Recorder(Which(WEATHER), rule, InMemory(), **more)


def test_a_recording_keeps_the_last_messages_and_follows_its_rule() -> None:
    recorder = recorder_of(Recording(enabled=True, max_messages=5))
    for number in range(1, 11):
        recorder.take(heard(number, text="password=hunter2"))
    assert [each.number for each in recorder.kept(Wish(WEATHER))] == [6, 7, 8, 9, 10]
    assert all(b"hunter2" not in each.line for each in recorder.kept(Wish(WEATHER)))
    assert [each.number for each in recorder.kept(Wish(WEATHER), after=8)] == [9, 10]
    assert not list(recorder.kept(Wish(WEATHER, session="other")))
    recorder.follow(Recording(enabled=True, max_messages=2))
    assert [each.number for each in recorder.kept(Wish(WEATHER))] == [9, 10]


def test_a_recording_is_bounded_in_bytes_as_well() -> None:
    recorder = recorder_of(Recording(enabled=True, max_messages=10_000), limit_bytes=50_000)
    for number in range(1, 101):
        recorder.take(heard(number, text="x" * 10_000))
    kept = list(recorder.kept(Wish(WEATHER)))
    assert kept[-1].number == 100
    assert sum(len(each.line) for each in kept) <= 50_000


class SlowShelf(InMemory):
    """What it held before comes when the test says so."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[asyncio.Future[Sequence[Kept | Missing]]] = []

    def shelf(self, which: Which, most: int) -> Self:
        return self

    def past(self) -> asyncio.Future[Sequence[Kept | Missing]]:
        self.asked.append(asyncio.get_running_loop().create_future())
        return self.asked[-1]


async def test_a_slow_disk_holds_up_nobody_who_reads_and_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recorders, "PATIENCE", 0)
    shelf = SlowShelf()
    desk = Desk(recordings=shelf)
    desk.publish(Route(WEATHER, OWNERSHIP, recording=Recording(enabled=True, max_messages=4)))
    desk.traffic.tell(heard(10))

    async def read() -> list[TrafficMessage]:
        lines = await desk.traffic.recording(ADMIN, WEATHER)
        return [msgspec.json.decode(line, type=TrafficMessage) async for line in lines]

    gap, message = await read()
    assert (gap.kind, message.number) == ("gap", 10)
    assert "still being read" in gap.error
    desk.traffic.tell(heard(11))
    old = [Kept(number, float(number), "s", "p", b'{"number":%d}' % number) for number in (1, 2, 3)]
    (asked,) = shelf.asked
    asked.set_result([*old, Missing(9, 3.0, 9.0, "the gateway was away")])
    await asyncio.sleep(0)
    kept = desk.traffic._recorders.past(Wish(WEATHER), "")
    assert [each.number for each in kept] == [3, 9, 10, 11], "the oldest make room"
    assert len(shelf.asked) == 1


async def test_a_disk_that_can_not_be_read_leaves_what_is_in_memory() -> None:
    shelf = SlowShelf()
    recorder = Recorder(Which(WEATHER), Recording(enabled=True), shelf)
    recorder.take(heard(10))
    asked = recorder.recall()
    assert asked is shelf.asked[0]
    assert recorder.recall() is asked
    asked.set_exception(OSError("gone"))
    await asyncio.sleep(0)
    assert recorder.recall() is None
    assert [each.number for each in recorder.kept(Wish(WEATHER))] == [10]


def test_of_a_sample_sessions_are_kept_whole_or_not_at_all_and_modern_calls_one_by_one() -> None:
    recorder = recorder_of(Recording(enabled=True, max_messages=10_000, sample=0.25))
    for number in range(400):
        for _ in range(4):
            recorder.take(heard(session=f"s-{number}"))
    by_session = [each.session for each in recorder.kept(Wish(WEATHER))]
    assert {by_session.count(session) for session in by_session} == {4}
    assert 50 < len(set(by_session)) < 150
    recorder = recorder_of(Recording(enabled=True, max_messages=10_000, sample=0.25))
    for number in range(400):
        recorder.take(heard(era="modern", session="group", request_id=f"r-{number}"))
    assert 50 < len(list(recorder.kept(Wish(WEATHER)))) < 150
