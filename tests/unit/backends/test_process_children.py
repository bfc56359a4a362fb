"""The local backend with real processes: what reaches a child, what ends it, and what is left when anything dies."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import psutil
import pytest

from gateway.backends.process import ProcessBackend
from gateway.core.desired import Desired
from gateway.core.errors import GatewayError
from gateway.core.observed import Instance, Observed
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import AdapterSpec, Isolation, Phase, SecretReference, SessionPolicy
from tests.support.desired import desired, stdio_spec
from tests.support.local_backend import (
    PATIENT,
    QUICK,
    WEATHER,
    are_ready,
    endpoint_of,
    gone,
    has_failed,
    kill,
    local_backend,
    mcp_client,
    only,
    processes_of,
    uids,
    until,
)
from tests.support.programs import Program, program
from tests.support.sidecar_process import scripted, text_of

WEATHER_0 = InstanceName("weather-0")


@pytest.fixture
async def backend(tmp_path: Path) -> AsyncIterator[ProcessBackend]:
    async with local_backend(tmp_path) as made:
        yield made


def spec(*flags: str, **fields: Any) -> AdapterSpec:
    return stdio_spec("weather", *scripted(*flags), **fields)


# what reaches a child


async def test_a_child_has_the_short_environment_and_its_adapters_own(tmp_path: Path) -> None:
    environ = dict(os.environ) | {"GATEWAY_ONLY": "no", "PASSED_ON": "yes", "MCPDECK_SECRET_GITHUB_TOKEN": "abc"}
    wanted = spec(
        environment_variables={"OWN": "1", "LANG": "de_DE"},
        secret_environment={"GITHUB": SecretReference(secret="github", key="token")},
    )
    async with local_backend(tmp_path, environ=environ, passed=["PASSED_ON"]) as backend:
        await backend.apply([desired(wanted)])
        async with with_a_session(backend) as (_, child):
            found = child.environ()
    told = {"OWN": "1", "LANG": "de_DE", "GITHUB": "abc", "PASSED_ON": "yes"}
    assert {name: found.get(name) for name in told} == told
    assert not {"GATEWAY_ONLY", "MCPDECK_SECRET_GITHUB_TOKEN", "VIRTUAL_ENV", "PYTEST_CURRENT_TEST"} & found.keys()


async def test_what_an_adapter_sets_for_its_own_python_does_not_reach_the_sidecars(backend: ProcessBackend) -> None:
    nowhere = {"PYTHONPATH": "/nowhere", "PYTHONHOME": "/nowhere", "PYTHONSTARTUP": "/nowhere"}
    await backend.apply([desired(spec(environment_variables=nowhere))])  # the server runs with -E
    await until(backend, are_ready(1))


async def test_arguments_arrive_as_they_are_and_no_shell_reads_them(backend: ProcessBackend) -> None:
    code = "import sys; print(sys.argv[1:], file=sys.stderr)"
    odd = ["$(touch x)", "a b", "", "--", "-n", "'", '"', "\n", "ü", ";"]
    await backend.apply([desired(stdio_spec("weather", sys.executable, "-c", code, *odd))])
    await until(backend, has_failed("CrashLoopBackOff"))
    lines = await backend.logs.read(WEATHER_0, tail=None, since=None)
    assert repr(odd) in [line.text for line in lines]


@asynccontextmanager
async def with_a_session(backend: ProcessBackend) -> AsyncIterator[list[psutil.Process]]:
    """The sidecar and the server's process, which stays for a session."""
    instance = only(await until(backend, are_ready(1)))
    async with mcp_client(instance) as client:
        await client.initialize()
        pid = int(text_of((await client.call("pid")).json()))
        yield [processes_of(instance.uid)[0], psutil.Process(pid)]


async def test_a_child_works_in_a_folder_of_its_own(backend: ProcessBackend, tmp_path: Path) -> None:
    await backend.apply([desired(spec())])
    async with with_a_session(backend) as found:
        assert {Path(each.cwd()) for each in found} == {tmp_path / "work" / "weather"}


async def test_children_have_groups_of_their_own_so_that_ctrl_c_is_the_gateways_alone(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec())])
    async with with_a_session(backend) as found:
        assert all(os.getpgid(each.pid) != os.getpgid(0) and os.getsid(each.pid) != os.getsid(0) for each in found)


async def test_a_child_inherits_its_socket_and_nothing_else_of_the_gateways(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec(replica_count=2))])
    for instance in (await until(backend, are_ready(2))).instances:
        sidecar = processes_of(instance.uid)[0]
        listening = [each.laddr.port for each in sidecar.net_connections() if each.status == psutil.CONN_LISTEN]
        assert listening == [endpoint_of(instance).port]


# shared servers and those of the other era


async def test_a_shared_server_is_not_initialized_by_the_gateways_question(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec(session=SessionPolicy(isolation=Isolation.SHARED)))])
    instance = only(await until(backend, are_ready(1)))
    assert endpoint_of(instance).eras == {"legacy"}
    lines = await backend.logs.read(WEATHER_0, tail=None, since=None)
    assert not any('"initialize"' in line.text for line in lines)


async def test_a_server_of_both_eras_is_said_to_speak_both(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec("--era", "dual"))])
    assert endpoint_of(only(await until(backend, are_ready(1)))).eras == {"legacy", "modern"}


async def test_a_tool_server_is_ready_when_it_answers_anything(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec("--hangs-on-initialize"), is_tool=True)])
    assert endpoint_of(only(await until(backend, are_ready(1)))).eras == frozenset()


# what goes wrong


async def test_a_command_that_is_not_there_fails_with_what_to_do(backend: ProcessBackend) -> None:
    await backend.apply([desired(stdio_spec("weather", "uvx", environment_variables={"PATH": "/nowhere"}))])
    failed = only(await until(backend, has_failed("CommandNotFound")))
    assert failed.message == "'uvx' is not on the gateway's PATH: pip install uv"
    assert (failed.restarts, failed.endpoint) == (0, None)


async def test_a_server_that_takes_no_handshake_is_not_ready(tmp_path: Path) -> None:
    haste = msgspec.structs.replace(QUICK, handshake=0.2, start=0.2)
    async with local_backend(tmp_path, patience=haste) as backend:
        await backend.apply([desired(spec("--hangs-on-initialize"))])
        failed = only(await until(backend, has_failed("Unresponsive")))
    assert "did not answer within 0.2 s" in failed.message


async def test_a_sidecar_that_hangs_is_killed_and_started_anew(tmp_path: Path) -> None:
    haste = msgspec.structs.replace(QUICK, answer=0.5, unresponsive=3)
    async with local_backend(tmp_path, patience=haste) as backend:
        await backend.apply([desired(spec())])
        first = only(await until(backend, are_ready(1)))
        kill(first, signal.SIGSTOP)
        stumbles = only(await until(backend, lambda seen: seen.instances[0].reason == "Unresponsive"))
        assert (stumbles.uid, stumbles.phase) == (first.uid, Phase.FAILED)
        second = only(await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid]))
        assert second.restarts >= 1  # a slow machine may make the new one look hung as well
        await gone([first.uid])


async def test_a_killed_sidecar_leaves_none_of_its_servers_behind(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec("--outlives-stdin"))])
    first = only(await until(backend, are_ready(1)))
    assert len(processes_of(first.uid)) >= 2
    kill(first)
    await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [first.uid])
    assert processes_of(first.uid) == []


async def test_what_a_server_started_apart_goes_with_it(backend: ProcessBackend, tmp_path: Path) -> None:
    daemon = "import subprocess, sys; subprocess.Popen(['sleep', '3600'], start_new_session=True); sys.exit(1)"
    await backend.apply([desired(stdio_spec("weather", sys.executable, "-c", daemon))])
    failed = await until(backend, has_failed("CrashLoopBackOff"))
    uid = failed.instances[0].uid
    assert any(each.name() == "sleep" for each in processes_of(uid))
    await backend.apply([])
    await gone([uid])


def are_ready_after(restarts: int) -> Callable[[Observed], bool]:
    return lambda seen: are_ready(1)(seen) and seen.instances[0].restarts == restarts


async def test_restarts_are_counted(backend: ProcessBackend) -> None:
    await backend.apply([desired(spec())])
    for restarts in range(4):
        kill(only(await until(backend, are_ready_after(restarts))))
    await until(backend, are_ready_after(4))


async def test_an_instance_that_waits_for_its_next_start_says_how_it_ended(tmp_path: Path) -> None:
    long = msgspec.structs.replace(QUICK, first_restart=3600, longest_restart=3600)
    async with local_backend(tmp_path, patience=long) as backend:
        await backend.apply([desired(spec())])
        first = only(await until(backend, are_ready(1)))
        kill(first)
        failed = only(await until(backend, lambda seen: "last words" in seen.instances[0].message))
        assert (failed.phase, failed.reason, failed.restarts) == (Phase.FAILED, "CrashLoopBackOff", 1)
        assert failed.message.startswith("it was killed by SIGKILL after ")
        assert "got {" in failed.message
        assert (failed.uid, failed.endpoint) == (first.uid, None)
        await backend.apply([desired(spec(environment_variables={"MENDED": "1"}))])
        await until(backend, are_ready_after(1))  # what was changed is tried at once


async def test_a_server_that_comes_back_by_itself_is_ready_again(backend: ProcessBackend, tmp_path: Path) -> None:
    switch = tmp_path / "switch"
    code = f"import os, runpy, sys; sys.exit(1) if not os.path.exists({str(switch)!r}) else runpy.run_path(sys.argv.pop(), run_name='__main__')"
    *python, server = scripted()
    await backend.apply([desired(stdio_spec("weather", *python, "-c", code, server))])
    failed = only(await until(backend, has_failed("CrashLoopBackOff")))
    await asyncio.to_thread(switch.touch)
    ready = only(await until(backend, are_ready(1)))
    assert (ready.uid, ready.reason, ready.message) == (failed.uid, "", "")


async def test_an_instance_that_will_not_go_is_killed_after_a_grace(tmp_path: Path) -> None:
    async with local_backend(tmp_path, patience=msgspec.structs.replace(QUICK, grace=0.3)) as backend:
        await backend.apply([desired(spec(replica_count=2))])
        _, leaving = (await until(backend, are_ready(2))).instances
        kill(leaving, signal.SIGSTOP)
        await backend.apply([desired(spec(replica_count=1))])
        await until(backend, are_ready(1))
        assert processes_of(leaving.uid) == []


async def test_a_full_table_of_files_is_no_end_of_the_gateway(
    backend: ProcessBackend, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(24, "Too many open files")

    with monkeypatch.context() as patch:
        patch.setattr("socket.create_server", refuse)
        await backend.apply([desired(spec())])
        failed = only(await until(backend, has_failed("CannotStart")))
    assert "Too many open files" in failed.message
    await until(backend, are_ready(1))


# the end of the gateway


async def test_nothing_is_left_when_the_backend_closes(tmp_path: Path) -> None:
    async with local_backend(tmp_path) as backend:
        await backend.apply(
            [desired(spec(replica_count=2)), desired(stdio_spec("other", *scripted("--outlives-stdin")))]
        )
        started = uids(await until(backend, are_ready(2)))
        started += uids(await until(backend, are_ready(1), adapter=AdapterName("other")))
    assert [processes_of(uid) for uid in started] == [[], [], []]
    assert list((tmp_path / "run").glob("*.json")) == []
    assert (tmp_path / "logs" / "weather-1").is_dir()


async def test_closing_in_the_middle_of_a_start_leaves_nothing(tmp_path: Path) -> None:
    async with local_backend(tmp_path) as backend:
        await backend.apply([desired(spec(replica_count=3))])
        await backend.changed()
        seen = await until(backend, lambda seen: all(each.uid for each in seen.instances) and seen.instances)
    assert [processes_of(uid) for uid in uids(seen)] == [[], [], []]


async def test_an_exception_of_whoever_uses_it_leaves_nothing(tmp_path: Path) -> None:
    started: list[str] = []

    async def use() -> None:
        async with local_backend(tmp_path) as backend:
            await backend.apply([desired(spec())])
            started.extend(uids(await until(backend, are_ready(1))))
            raise LookupError

    with pytest.raises(ExceptionGroup):
        await use()
    assert [processes_of(uid) for uid in started] == [[]]


async def test_a_second_gateway_on_the_same_folder_is_refused(backend: ProcessBackend, tmp_path: Path) -> None:
    with pytest.raises(GatewayError, match=f"another gateway \\(process {os.getpid()}\\) uses the data folder"):
        async with local_backend(tmp_path):
            pass


# kill -9


class Host:
    """A process that runs a backend alone."""

    def __init__(self, running: Program) -> None:
        self.running = running

    async def apply(self, *wanted: Desired) -> None:
        assert self.running.process.stdin is not None
        self.running.process.stdin.write(msgspec.json.encode(wanted) + b"\n")
        await self.running.process.stdin.drain()

    async def ready(self, count: int) -> list[Instance]:
        """So many instances of `weather` that are ready."""
        async with asyncio.timeout(PATIENT):
            while True:
                self.running._news.clear()
                found = self.observed()
                if len(found) == count and all(each.is_ready for each in found):
                    return found
                await self.running._news.wait()

    def observed(self) -> list[Instance]:
        told = [line for line in self.running.lines if line.startswith("{")]
        if not told:
            return []
        return msgspec.convert(json.loads(told[-1]).get("weather", []), list[Instance])


@asynccontextmanager
async def host(folder: Path) -> AsyncIterator[Host]:
    argv = [sys.executable, "-W", "ignore", "-m", "tests.support.backend_host", str(folder)]
    async with program(argv, stdin=asyncio.subprocess.PIPE) as running:
        yield Host(running)


@asynccontextmanager
async def survivors(folder: Path, *wanted: Desired, count: int) -> AsyncIterator[list[Instance]]:
    """Instances whose gateway was killed."""
    async with host(folder) as doomed:
        await doomed.apply(*wanted)
        found = await doomed.ready(count)
        await doomed.running.stop(signal.SIGKILL)
        yield found


async def test_children_survive_kill_9_and_their_sessions_with_them(tmp_path: Path) -> None:
    wanted = desired(spec(replica_count=2))
    async with survivors(tmp_path, wanted, count=2) as before, mcp_client(before[0]) as client:
        await client.initialize()
        pid = text_of((await client.call("pid")).json())
        async with local_backend(tmp_path) as backend:
            await backend.apply([wanted])
            assert backend.observed(WEATHER).instances == tuple(before)
            await until(backend, are_ready(2))
            assert text_of((await client.call("pid")).json()) == pid
            await backend.apply([])
            await gone([each.uid for each in before])


async def test_an_adopted_child_that_dies_is_noticed_and_started_anew(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (before,), local_backend(tmp_path) as backend:
        await backend.apply([desired(spec())])
        kill(before)
        after = only(await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [before.uid]))
        assert after.restarts == 1


async def test_an_adopted_child_that_is_no_longer_wanted_so_is_rolled_over(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (before,), local_backend(tmp_path) as backend:
        await backend.apply([desired(spec(environment_variables={"NEW": "1"}))])
        assert [each.is_ready for each in backend.observed(WEATHER).instances] == [True]
        await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [before.uid])
        await gone([before.uid])


async def test_what_was_deleted_while_no_gateway_ran_ends_and_its_log_goes(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (before,), local_backend(tmp_path) as backend:
        await backend.apply([])
        async with asyncio.timeout(PATIENT):
            async for _ in backend.logs.follow(WEATHER_0, (0, 0)):
                pass  # until the log is removed
        assert processes_of(before.uid) == []


async def test_what_was_adopted_ends_with_the_gateway_that_adopted_it(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (before,):
        async with local_backend(tmp_path) as backend:
            await backend.changed()
        assert processes_of(before.uid) == []


async def test_children_without_a_record_are_found_by_their_mark_and_killed(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec("--outlives-stdin")), count=1) as (before,):
        for record in await asyncio.to_thread(lambda: list((tmp_path / "run").glob("*.json"))):
            await asyncio.to_thread(record.write_text, "no record")
        async with local_backend(tmp_path):
            assert processes_of(before.uid) == []


async def test_a_server_whose_sidecar_died_with_the_gateway_is_killed(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec("--outlives-stdin")), count=1) as (before,):
        kill(before)
        async with local_backend(tmp_path) as backend:
            assert processes_of(before.uid) == []
            await backend.apply([desired(spec())])
            await until(backend, are_ready(1))


async def test_a_gateway_with_another_folder_leaves_them_alone(tmp_path: Path) -> None:
    async with survivors(tmp_path / "one", desired(spec()), count=1) as (before,):
        async with local_backend(tmp_path / "other"):
            assert len(processes_of(before.uid)) >= 1
        async with local_backend(tmp_path / "one"):
            pass


async def test_lines_that_were_said_while_no_gateway_ran_are_kept_with_their_times(tmp_path: Path) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (before,), mcp_client(before) as client:
        await client.initialize()
        await client.call("echo", text="into-the-void")
        async with local_backend(tmp_path) as backend:
            async with asyncio.timeout(PATIENT):
                async for line in backend.logs.follow(WEATHER_0, (0, 0)):
                    if "into-the-void" in line.text:
                        break
            assert (await backend.logs.end(WEATHER_0))[0] == 1


async def test_kill_9_in_the_middle_of_a_roll_out_is_rolled_on(tmp_path: Path) -> None:
    new = desired(spec("--mute"))
    async with host(tmp_path) as doomed:
        await doomed.apply(desired(spec()))
        (before,) = await doomed.ready(1)
        await doomed.apply(new)
        await doomed.running.hear(r'"Starting".*"Ready"')
        rolling = doomed.observed()
        await doomed.running.stop(signal.SIGKILL)
        async with local_backend(tmp_path) as backend:
            await backend.apply([new])
            assert sorted(uids(backend.observed(WEATHER))) == sorted(each.uid for each in rolling)
            await backend.apply([desired(spec(environment_variables={"NEW": "1"}))])
            await until(backend, lambda seen: are_ready(1)(seen) and uids(seen) != [before.uid])
            await gone([each.uid for each in rolling])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_a_gateway_that_is_stopped_leaves_nothing(tmp_path: Path, number: signal.Signals) -> None:
    async with host(tmp_path) as stopped:
        await stopped.apply(desired(spec("--outlives-stdin", replica_count=2)))
        found = await stopped.ready(2)
        assert await stopped.running.stop(number) == 0
        assert [processes_of(each.uid) for each in found] == [[], []]


async def test_a_second_gateway_says_whose_folder_it_is(tmp_path: Path) -> None:
    async with host(tmp_path) as first:
        await first.running.hear("{")
        async with host(tmp_path) as second:
            await second.running.hear(
                f"refused: another gateway \\(process {first.running.pid}\\) uses the data folder"
            )


# other machines


async def test_ends_are_seen_without_pidfds_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async with survivors(tmp_path, desired(spec()), count=1) as (adopted,):
        monkeypatch.setattr("gateway.backends.process.child._pidfd", lambda pid: None)
        async with local_backend(tmp_path) as backend:
            await backend.apply([desired(spec())])
            kill(adopted)
            kill(only(await until(backend, are_ready_after(1))))
            await until(backend, are_ready_after(2))


def test_the_loop_may_be_uvloops(tmp_path: Path) -> None:
    uvloop = pytest.importorskip("uvloop")

    async def live() -> None:
        async with local_backend(tmp_path) as backend:
            await backend.apply([desired(spec())])
            kill(only(await until(backend, are_ready_after(0))))
            await until(backend, are_ready_after(1))

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(live())
