"""What every backend must do with a desired state. A new one is added by one more `Rig` in `RIGS`."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.core.observed import NOTHING, Instance
from gateway.core.ports import Backend, LogSource
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import AdapterSpec, Phase, SecretReference
from tests.support.desired import THEN, desired, stdio_spec
from tests.support.local_backend import (
    are_ready,
    endpoint_of,
    has_failed,
    kill,
    local_backend,
    mcp_client,
    only,
    uids,
    until,
)
from tests.support.sidecar_process import scripted, text_of

WEATHER_0 = InstanceName("weather-0")


class Rig(msgspec.Struct):
    """A backend to be judged. spec: of the scripted server, with these fields. kill: an instance, from outside.

    held: what tests say is in hand, by uid.
    """

    backend: Backend
    logs: LogSource
    spec: Callable[..., AdapterSpec]
    kill: Callable[[Instance], None]
    held: dict[str, int]


@asynccontextmanager
async def process(folder: Path) -> AsyncIterator[Rig]:
    held: dict[str, int] = {}
    async with local_backend(folder, load=lambda uid: held.get(uid, 0)) as backend:
        yield Rig(backend, backend.logs, _scripted_spec, kill, held)


def _scripted_spec(*flags: str, **fields: Any) -> AdapterSpec:
    return stdio_spec("weather", *scripted(*flags), **fields)


RIGS: dict[str, Callable[[Path], AbstractAsyncContextManager[Rig]]] = {"process": process}


@pytest.fixture(params=RIGS)
async def rig(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Rig]:
    async with RIGS[request.param](tmp_path) as made:
        yield made


# becoming ready


async def test_an_adapter_becomes_ready_and_speaks_mcp_at_its_endpoint(rig: Rig) -> None:
    assert await rig.backend.refusal(rig.spec()) is None
    await rig.backend.apply([desired(rig.spec())])
    instance = only(await until(rig.backend, are_ready(1)))
    assert instance.name == WEATHER_0
    assert instance.started_at is not None
    async with mcp_client(instance) as client:
        await client.initialize()
        assert text_of((await client.call("echo", text="hello")).json()) == "hello"


@pytest.mark.parametrize(("flags", "eras"), [((), {"legacy"}), (("--era", "modern"), {"modern"})])
async def test_an_endpoint_says_which_eras_its_server_speaks(rig: Rig, flags: tuple[str, ...], eras: set[str]) -> None:
    await rig.backend.apply([desired(rig.spec(*flags))])
    assert endpoint_of(only(await until(rig.backend, are_ready(1)))).eras == eras


async def test_an_instance_that_starts_is_not_ready_before_its_server_answers(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec("--mute"))])
    instance = only(await until(rig.backend, lambda seen: seen.instances and seen.instances[0].endpoint))
    assert instance.phase is Phase.STARTING


async def test_replicas_have_names_uids_and_endpoints_of_their_own(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec(replica_count=3))])
    instances = (await until(rig.backend, are_ready(3))).instances
    assert [each.name for each in instances] == ["weather-0", "weather-1", "weather-2"]
    assert len({each.uid for each in instances}) == 3
    assert len({(endpoint_of(each).host, endpoint_of(each).port) for each in instances}) == 3
    assert all(endpoint_of(each).uid == each.uid for each in instances)


async def test_adapters_do_not_know_of_each_other(rig: Rig) -> None:
    other = AdapterName("weather-0")  # whose first instance is weather-0-0
    await rig.backend.apply([desired(rig.spec()), desired(msgspec.structs.replace(rig.spec(), name=other))])
    await until(rig.backend, are_ready(1))
    await until(rig.backend, are_ready(1), adapter=other)
    assert rig.logs.instances(AdapterName("weather")) == ["weather-0"]
    assert rig.logs.instances(other) == ["weather-0-0"]


# what does not restart, and what does


async def test_applying_the_same_again_changes_nothing(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    before = uids(await until(rig.backend, are_ready(2)))
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    await rig.backend.changed()
    assert uids(rig.backend.observed(AdapterName("weather"))) == before


async def test_words_and_permissions_restart_nothing(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    before = uids(await until(rig.backend, are_ready(1)))
    edited = rig.spec(
        description="new", required_roles=["sales"], timeouts=msgspec.structs.replace(rig.spec().timeouts, idle=9.0)
    )
    await rig.backend.apply([desired(edited)])
    await rig.backend.changed()
    assert uids(rig.backend.observed(AdapterName("weather"))) == before


async def test_a_changed_specification_is_rolled_out_without_a_moment_of_no_ready_instance(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    before = set(uids(await until(rig.backend, are_ready(2))))
    await rig.backend.apply([desired(rig.spec(replica_count=2, environment_variables={"NEW": "1"}))])

    def is_rolled(seen: Any) -> bool:
        assert sum(each.is_ready for each in seen.instances) >= 2
        return are_ready(2)(seen) and before.isdisjoint(uids(seen))

    await until(rig.backend, is_rolled)


async def test_an_asked_for_restart_is_a_roll_out(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    before = uids(await until(rig.backend, are_ready(1)))
    await rig.backend.apply([desired(rig.spec(), restarted_at=THEN + timedelta(seconds=1))])
    after = await until(rig.backend, lambda seen: are_ready(1)(seen) and uids(seen) != before)
    assert only(after).restarts == 0


async def test_a_change_that_never_gets_ready_leaves_the_old_instances_serving(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    before = set(uids(await until(rig.backend, are_ready(2))))
    await rig.backend.apply([desired(rig.spec("--no-such-flag", replica_count=2))])
    broken = await until(rig.backend, has_failed("CrashLoopBackOff"))
    assert before <= {each.uid for each in broken.instances if each.is_ready}
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    mended = await until(rig.backend, are_ready(2))
    assert set(uids(mended)) == before


# scaling and going


async def test_scaling_up_leaves_what_runs_and_scaling_down_takes_the_last(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    first = uids(await until(rig.backend, are_ready(1)))
    await rig.backend.apply([desired(rig.spec(replica_count=3))])
    more = uids(await until(rig.backend, are_ready(3)))
    assert more[:1] == first
    await rig.backend.apply([desired(rig.spec(replica_count=1))])
    assert uids(await until(rig.backend, are_ready(1))) == first


async def test_an_instance_that_is_scaled_away_stays_for_what_it_has_in_hand(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec(replica_count=2))])
    kept, leaving = (await until(rig.backend, are_ready(2))).instances
    rig.held[leaving.uid] = 1
    await rig.backend.apply([desired(rig.spec(replica_count=1))])
    seen = await until(rig.backend, lambda seen: seen.instances[-1].phase is Phase.STOPPING)
    async with mcp_client(seen.instances[-1]) as client:
        await client.initialize()
        assert text_of((await client.call("echo", text="still here")).json()) == "still here"
    del rig.held[leaving.uid]
    assert uids(await until(rig.backend, are_ready(1))) == [kept.uid]


async def test_zero_replicas_run_nothing(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    await until(rig.backend, are_ready(1))
    await rig.backend.apply([desired(rig.spec(replica_count=0))])
    await until(rig.backend, lambda seen: not seen.instances)


async def test_what_is_no_longer_wanted_is_gone_at_once_for_who_looks(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    await until(rig.backend, are_ready(1))
    await rig.backend.apply([])
    assert rig.backend.observed(AdapterName("weather")) == NOTHING


async def test_the_next_adapter_of_a_name_finds_nothing_of_the_one_before(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    before = uids(await until(rig.backend, are_ready(1)))
    await rig.backend.apply([])
    await rig.backend.apply([desired(rig.spec(), created_by="eve")])
    after = await until(rig.backend, are_ready(1))
    assert uids(after) != before
    assert await rig.logs.read(WEATHER_0, tail=None, since=None, previous=True) == []


# what goes wrong


async def test_an_instance_that_dies_is_started_anew_and_counted(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    first = only(await until(rig.backend, are_ready(1)))
    rig.kill(first)
    after = only(await until(rig.backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid]))
    assert after.restarts == 1


async def test_a_server_that_ends_at_once_fails_with_a_reason_and_its_last_words(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec("--no-such-flag"))])
    failed = await until(
        rig.backend, lambda seen: has_failed("CrashLoopBackOff")(seen) and "last words" in seen.instances[0].message
    )
    assert "exited (code 2)" in failed.instances[0].message
    assert "unrecognized arguments: --no-such-flag" in failed.instances[0].message


async def test_a_secret_that_is_not_there_is_said_and_waited_for(rig: Rig) -> None:
    wanted = SecretReference(secret="nowhere", key="token")
    await rig.backend.apply([desired(rig.spec(secret_environment={"TOKEN": wanted}))])
    failed = await until(rig.backend, has_failed("SecretMissing"))
    assert "'nowhere'" in failed.instances[0].message


# sessions


async def test_ending_a_session_ends_it_at_the_server(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    instance = only(await until(rig.backend, are_ready(1)))
    async with mcp_client(instance) as client:
        await client.initialize()
        session = client.session["mcp-session-id"].encode()
        await rig.backend.end_session(endpoint_of(instance), session, ())
        assert (await client.call("echo", text="?")).status_code == 404


async def test_ending_a_session_that_is_over_already_is_no_error(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    instance = only(await until(rig.backend, are_ready(1)))
    await rig.backend.end_session(endpoint_of(instance), b"unknown", ())


# logs


async def _say(instance: Instance, word: str) -> None:
    """The scripted server logs what it is sent."""
    async with mcp_client(instance) as client:
        await client.initialize()
        await client.call("echo", text=word)


async def _wait_for(rig: Rig, word: str) -> None:
    async with asyncio.timeout(60), aclosing(rig.logs.follow(WEATHER_0, (0, 0))) as lines:  # type: ignore[type-var]
        async for line in lines:
            if word in line.text:
                return


async def test_logs_are_read_from_their_end_or_from_a_time_on(rig: Rig) -> None:
    began = datetime.now(UTC) - timedelta(seconds=1)
    await rig.backend.apply([desired(rig.spec())])
    await _say(only(await until(rig.backend, are_ready(1))), "one-two-three")
    await _wait_for(rig, "one-two-three")
    lines = await rig.logs.read(WEATHER_0, tail=None, since=None)
    assert any("one-two-three" in line.text for line in lines)
    assert all(began <= line.at <= datetime.now(UTC) for line in lines)
    assert await rig.logs.read(WEATHER_0, tail=2, since=None) == lines[-2:]
    assert await rig.logs.read(WEATHER_0, tail=None, since=lines[-1].at) == [
        each for each in lines if each.at >= lines[-1].at
    ]
    assert await rig.logs.read(WEATHER_0, tail=None, since=datetime.now(UTC) + timedelta(hours=1)) == []
    assert [each.position for each in lines] == sorted(each.position for each in lines)


async def test_logs_are_followed_from_a_position_without_gap_or_repetition(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    instance = only(await until(rig.backend, are_ready(1)))
    await _say(instance, "before")
    await _wait_for(rig, "before")
    end = await rig.logs.end(WEATHER_0)
    past = await rig.logs.read(WEATHER_0, tail=None, since=None)
    await _say(instance, "after")
    followed = []
    async with asyncio.timeout(60), aclosing(rig.logs.follow(WEATHER_0, end)) as lines:  # type: ignore[type-var]
        async for line in lines:
            followed.append(line)
            if "after" in line.text:
                break
    assert not any("before" in line.text for line in followed)
    whole = await rig.logs.read(WEATHER_0, tail=None, since=None)
    assert [*past, *followed] == whole[: len(past) + len(followed)]


async def test_logs_of_the_life_before_a_restart_are_kept(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    first = only(await until(rig.backend, are_ready(1)))
    await _say(first, "in-my-first-life")
    await _wait_for(rig, "in-my-first-life")
    rig.kill(first)
    await until(rig.backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid])
    previous = await rig.logs.read(WEATHER_0, tail=None, since=None, previous=True)
    current = await rig.logs.read(WEATHER_0, tail=None, since=None)
    assert any("in-my-first-life" in line.text for line in previous)
    assert not any("in-my-first-life" in line.text for line in current)
    assert previous[-1].position < current[0].position


async def test_following_goes_on_over_a_restart(rig: Rig) -> None:
    await rig.backend.apply([desired(rig.spec())])
    first = only(await until(rig.backend, are_ready(1)))
    end = await rig.logs.end(WEATHER_0)
    rig.kill(first)
    second = only(await until(rig.backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid]))
    await _say(second, "in-my-second-life")
    async with asyncio.timeout(60), aclosing(rig.logs.follow(WEATHER_0, end)) as lines:  # type: ignore[type-var]
        async for line in lines:
            if "in-my-second-life" in line.text:
                break


async def test_an_instance_without_a_log_has_an_empty_one(rig: Rig) -> None:
    assert await rig.logs.read(InstanceName("nobody-0"), tail=10, since=None) == []
    assert await rig.logs.end(InstanceName("nobody-0")) == (0, 0)
    assert list(rig.logs.instances(AdapterName("nobody"))) == []
