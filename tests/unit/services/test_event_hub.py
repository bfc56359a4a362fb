"""/events: snapshot, resume, permissions that change, and readers that are slow."""

import asyncio
from datetime import timedelta

import msgspec

from gateway.core.desired import Desired
from gateway.core.observed import NOTHING, status_of
from gateway.services.events import Hub
from gateway.wire.resources import AdapterStatus, LiveSession, Phase
from tests.support.gateway_fakes import ADA, ADMIN, BEA, EVE, NOW, Listener, desired, stdio, words


def status(wanted: Desired, **fields: object) -> AdapterStatus:
    return msgspec.structs.replace(status_of(wanted, NOTHING, now=NOW), **fields)


def show(hub: Hub, name: str = "weather", *, owner: str = "ada", reason: str = "", **fields: object) -> Desired:
    wanted = desired(stdio(name, **fields), owner=owner)
    hub.show_adapter(wanted, status(wanted, reason=reason))
    return wanted


def session(number: int = 0, principal: str = "bea", adapter: str = "weather", calls: int = 0) -> LiveSession:
    return LiveSession(
        id=f"session-{number}",
        adapter=adapter,
        instance=f"{adapter}-0",
        era="legacy",
        principal=principal,
        opened_at=NOW,
        last_used_at=NOW + timedelta(seconds=calls),
        calls=calls,
    )


async def test_a_fresh_reader_gets_a_snapshot_and_then_changes() -> None:
    hub = Hub()
    show(hub, "zephyr")
    show(hub)
    async with Listener(hub, ADMIN) as reader:
        assert words(await reader.snapshot()) == [
            "added Adapter weather",
            "status Adapter weather",
            "added Adapter zephyr",
            "status Adapter zephyr",
        ]
        show(hub, description="new")
        change = await reader.change()
        assert words([change]) == ["modified Adapter weather"]
        assert change.resource is not None
        assert change.resource["description"] == "new"
        show(hub, description="new", reason="CrashLoop")
        assert words([await reader.change()]) == ["status Adapter weather"]
        hub.hide_adapter("weather")
        assert words([await reader.change()]) == ["deleted Adapter weather"]


async def test_an_empty_gateway_says_that_it_is_empty() -> None:
    async with Listener(Hub(), ADMIN) as reader:
        assert await reader.snapshot() == []


async def test_saying_the_same_again_is_no_event() -> None:
    hub = Hub()
    show(hub)
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
        show(hub)
        hub.hide_adapter("never-there")
        show(hub, reason="CrashLoop")
        assert words([await reader.change()]) == ["status Adapter weather"]


async def test_a_reader_that_comes_back_hears_what_it_missed_and_no_more() -> None:
    hub = Hub()
    show(hub, "first")
    show(hub, "second")
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
    show(hub, "third")
    hub.hide_adapter("first")
    show(hub, "second", reason="CrashLoop")
    async with Listener(hub, ADMIN, reader.last_event_id) as back:
        heard = [await back.change() for _ in range(4)]
        assert words(heard) == [
            "added Adapter third",
            "status Adapter third",
            "deleted Adapter first",
            "status Adapter second",
        ]
    async with Listener(hub, ADMIN, back.last_event_id) as again:
        show(hub, "fourth")
        assert words([await again.change()]) == ["added Adapter fourth"]


async def test_a_reader_cut_off_in_the_middle_of_a_snapshot_begins_anew() -> None:
    hub = Hub()
    show(hub, "first")
    show(hub, "second")
    async with Listener(hub, ADMIN) as reader:
        await reader.change()
        assert reader.last_event_id == ""
        await reader.snapshot()
        assert reader.last_event_id != ""


async def test_an_id_of_another_gateway_another_user_or_of_nobody_leads_to_a_snapshot() -> None:
    hub, other = Hub(), Hub()
    show(hub)
    show(other)
    async with Listener(other, ADMIN) as elsewhere, Listener(hub, ADA) as somebody_else:
        await elsewhere.snapshot()
        await somebody_else.snapshot()
    for strange in (elsewhere.last_event_id, somebody_else.last_event_id, "17", "x-1", "-", "é-٣"):
        async with Listener(hub, ADMIN, strange) as reader:
            assert words(await reader.snapshot()) == ["added Adapter weather", "status Adapter weather"]


async def test_an_id_from_the_future_leads_to_a_snapshot() -> None:
    hub = Hub()
    show(hub)
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
    stamp, _, number = reader.last_event_id.partition("-")
    async with Listener(hub, ADMIN, f"{stamp}-{int(number) + 1}") as reader:
        assert len(await reader.snapshot()) == 2


async def test_everybody_sees_only_what_they_may_read() -> None:
    hub = Hub()
    show(hub, "mine", required_roles=["Forecasters"], environment_variables={"KEY": "secret"})
    show(hub, "others", owner="kim")
    async with Listener(hub, ADA) as owner, Listener(hub, BEA) as reader, Listener(hub, EVE) as stranger:
        mine = await owner.snapshot()
        read = await reader.snapshot()
        assert words(mine) == words(read) == ["added Adapter mine", "status Adapter mine"]
        assert mine[0].resource is not None
        assert read[0].resource is not None
        assert mine[0].resource["environmentVariables"] == {"KEY": "secret"}
        assert read[0].resource["environmentVariables"] == {"KEY": None}
        assert await stranger.snapshot() == []


async def test_what_can_no_longer_be_read_is_deleted_and_what_can_be_again_is_added() -> None:
    hub = Hub()
    show(hub, required_roles=["forecasters"])
    async with Listener(hub, BEA) as reader, Listener(hub, ADA) as owner:
        await reader.snapshot()
        await owner.snapshot()
        show(hub, required_roles=["pilots"])
        assert words([await reader.change()]) == ["deleted Adapter weather"]
        assert words([await owner.change()]) == ["modified Adapter weather"]
        show(hub, required_roles=["pilots"], reason="CrashLoop")  # none of the reader's business
        show(hub, required_roles=["forecasters"], reason="CrashLoop")
        assert words([await reader.change(), await reader.change()]) == [
            "added Adapter weather",
            "status Adapter weather",
        ]


async def test_a_reader_that_comes_back_hears_of_a_permission_lost_in_between() -> None:
    hub = Hub()
    show(hub, required_roles=["forecasters"])
    show(hub, "secret")
    async with Listener(hub, BEA) as reader:
        await reader.snapshot()
    show(hub, required_roles=["pilots"])
    show(hub, required_roles=["sailors"])
    hub.hide_adapter("secret")
    show(hub, "open", required_roles=["forecasters"])
    async with Listener(hub, BEA, reader.last_event_id) as back:
        assert words([await back.change(), await back.change()]) == ["deleted Adapter weather", "added Adapter open"]


async def test_a_deletion_of_what_one_never_could_read_is_not_told() -> None:
    hub = Hub()
    show(hub, "secret")
    async with Listener(hub, BEA) as reader:
        await reader.snapshot()
        hub.hide_adapter("secret")
        show(hub, "open", required_roles=["forecasters"])
        assert words([await reader.change()]) == ["added Adapter open"]


async def test_a_slow_reader_is_told_the_last_state_once() -> None:
    hub = Hub()
    show(hub)
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
        for number in range(10_000):
            show(hub, description=str(number))
        change = await reader.change()
        assert change.resource is not None
        assert change.resource["description"] == "9999"
        hub.hide_adapter("weather")
        assert words([await reader.change()]) == ["deleted Adapter weather"]


async def test_a_reader_behind_what_is_remembered_begins_anew_and_keeps_no_ghosts() -> None:
    hub = Hub(remembered=2)
    show(hub, "stays")
    show(hub, "goes")
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
        hub.hide_adapter("goes")
        for number in range(3):
            show(hub, f"brief-{number}")
            hub.hide_adapter(f"brief-{number}")
        assert words(await reader.snapshot()) == [
            "deleted Adapter goes",
            "added Adapter stays",
            "status Adapter stays",
        ]
        show(hub, "new")
        assert words([await reader.change()]) == ["added Adapter new"]


async def test_what_is_remembered_of_the_gone_is_bounded() -> None:
    hub = Hub(remembered=10)
    for number in range(1000):
        show(hub, f"brief-{number}")
        hub.hide_adapter(f"brief-{number}")
    assert len(hub._entries) == 10


async def test_an_adapter_made_anew_while_nobody_looked_is_told_as_it_is() -> None:
    hub = Hub()
    show(hub, description="old")
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
        hub.hide_adapter("weather")
        show(hub, description="new")
        change = await reader.change()
        assert change.type == "modified"
        assert change.resource is not None
        assert change.resource["description"] == "new"


async def test_sessions_are_for_their_user_and_for_who_may_change_the_adapter() -> None:
    hub = Hub()
    show(hub, required_roles=["forecasters", "pilots"])
    hub.show_session(session(1, "bea"))
    hub.show_session(session(2, "kim"))
    async with Listener(hub, ADA) as owner, Listener(hub, BEA) as reader:
        assert words(await owner.snapshot())[2:] == ["added Session session-1", "added Session session-2"]
        assert words(await reader.snapshot())[2:] == ["added Session session-1"]
        hub.show_session(session(2, "kim", calls=1))
        hub.show_session(session(1, "bea", calls=1))
        assert words([await reader.change()]) == ["modified Session session-1"]
        show(hub, required_roles=["pilots"])
        heard = [await reader.change(), await reader.change()]
        assert words(heard) == ["deleted Adapter weather", "deleted Session session-1"]
        hub.hide_session("session-2")
        assert "deleted Session session-2" in words([await owner.change() for _ in range(3)])


async def test_a_session_of_an_adapter_that_is_gone_is_not_shown() -> None:
    hub = Hub()
    show(hub)
    hub.show_session(session(1))
    hub.hide_adapter("weather")
    hub.show_session(session(1))
    async with Listener(hub, ADMIN) as reader:
        assert await reader.snapshot() == []


async def test_a_silent_stream_is_kept_alive_by_comments() -> None:
    hub = Hub(keep_alive=0.01)
    chunks = hub.follow(ADMIN)
    heard = [await anext(chunks) for _ in range(4)]
    assert heard[0].startswith(b": ")
    assert heard[1].startswith(b"event: synced\n")
    assert heard[2:] == [b": \n\n", b": \n\n"]
    await chunks.aclose()


async def test_closing_ends_every_stream_and_a_reader_that_leaves_is_forgotten() -> None:
    hub = Hub()
    async with Listener(hub, ADMIN) as reader:
        await reader.snapshot()
        assert hub.readers == 1
        waiting = asyncio.Event()

        async def read_on() -> None:
            waiting.set()
            async for _ in reader.chunks:
                pass

        async with asyncio.timeout(10), asyncio.TaskGroup() as group:
            group.create_task(read_on())
            await waiting.wait()
            hub.close()
    assert hub.readers == 0


async def test_a_large_snapshot_comes_in_pieces() -> None:
    hub = Hub()
    for number in range(300):
        show(hub, f"adapter-{number}", description="x" * 1000)
    chunks = hub.follow(ADMIN)
    await anext(chunks)
    first = await anext(chunks)
    assert 64 * 1024 <= len(first) < 80 * 1024
    await chunks.aclose()


async def test_a_phase_is_told_as_the_contract_spells_it() -> None:
    hub = Hub()
    wanted = desired()
    hub.show_adapter(wanted, status(wanted, phase=Phase.ROLLING))
    async with Listener(hub, ADMIN) as reader:
        told = (await reader.snapshot())[1]
        assert told.resource is not None
        assert told.resource["phase"] == "Rolling"


async def test_a_reader_that_comes_back_hears_that_an_adapter_is_another_users_now() -> None:
    hub = Hub()
    show(hub, owner="ada")
    async with Listener(hub, ADA) as reader:
        await reader.snapshot()
    hub.hide_adapter("weather")
    show(hub, owner="kim")
    async with Listener(hub, ADA, reader.last_event_id) as back:
        assert words([await back.change()]) == ["deleted Adapter weather"]
