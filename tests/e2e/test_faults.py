"""Faults beneath and beside a gateway of real processes: clients see no more of them than they must.

Every fault with a thousand sessions: `tests/bench/faults_bench.py`, whose figures stand in docs/limits.md.
"""

import asyncio
import signal
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import httpx
import psutil
import pytest

from tests.support import faults
from tests.support.faults import CUT, OK, Rig, rigged
from tests.support.gateways import ROLES, gateway
from tests.support.programs import PYTHON, gone, program
from tests.support.sidecar_process import McpClient, scripted, text_of

pytestmark = pytest.mark.timeout(300)

SESSIONS = 40
MANY, STREAMS = 1000, 200


@pytest.fixture
async def rig(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path, SESSIONS) as running:
        yield running


@pytest.fixture
async def crowded(tmp_path: Path) -> AsyncIterator[Rig]:
    async with rigged(tmp_path, MANY) as running:
        yield running


SEEN = {
    "mid-json": CUT,
    "mid-sse": "200 upstream-broke",
    "before the first byte": "502 upstream-broke",
    "reset": "502 upstream-broke",
    "half-closed": "502 upstream-broke",
    "hung": "504 upstream-slow",
    "slow": OK,
}


async def test_call_that_fails_fails_alone_and_says_what_happened(rig: Rig) -> None:
    for fault, outcome in SEEN.items():
        seen = await faults.of_a_call(rig, fault)
        assert seen.struck == Counter({outcome: SESSIONS // 10}), fault
        assert set(seen.others) == {OK}, fault
        assert seen.lost == 0, fault


async def test_server_that_is_away_costs_its_calls_and_no_session(rig: Rig) -> None:
    seen = await faults.refused(rig)
    assert set(seen.struck) == {"502 upstream-broke"}
    assert seen.lost == 0
    killed = await faults.killed_server(rig)
    assert set(killed.struck) <= {"502 upstream-broke", OK}
    assert killed.lost == 0


async def test_gateway_that_is_told_to_stop_answers_ends_streams_and_the_next_one_goes_on(crowded: Rig) -> None:
    seen = await faults.terminated(crowded, STREAMS)
    assert set(seen.struck) == {OK}
    assert seen.others == Counter({"stream ended properly": STREAMS})
    assert seen.lost == 0


async def test_gateway_that_is_killed_costs_what_was_in_hand_and_no_session(crowded: Rig) -> None:
    seen = await faults.killed_gateway(crowded)
    assert set(seen.struck) == {CUT}
    assert seen.lost == 0


async def test_keys_that_rotate_cost_nothing(rig: Rig) -> None:
    seen = await faults.rotated(rig)
    assert set(seen.struck) == set(seen.others) == {OK}
    assert seen.lost == 0


async def test_gateway_without_file_descriptors_left_serves_whom_it_has_resumes_and_loses_no_session(
    tmp_path: Path,
) -> None:
    """As many connections as there may be files, and more; then fewer again."""
    async with program([PYTHON, "-m", "tests.support.faulty_server"]) as server:
        upstream = (await server.hear(r"^(http://\S+)$"))[1]
        argv = [PYTHON, "-m", "gateway", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data")]
        command = "ulimit -n 100; exec " + " ".join(f"'{word}'" for word in [*argv, "--dev-roles", ROLES])
        async with program(["/bin/sh", "-c", command]) as running:
            url = (await running.hear(r"mcpdeck gateway listening on (http://\S+)"))[1]
            async with httpx.AsyncClient(base_url=url, timeout=30) as http:
                assert (await http.post("/adapters", json={"name": "x", "url": upstream})).status_code == 201
                while (await http.get("/adapters/x/status")).json()["readyReplicas"] != 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            async with httpx.AsyncClient(timeout=30) as http:
                client = McpClient(http, f"{url}/adapters/x/mcp")
                assert (await client.initialize()).status_code == 200
            port = httpx.URL(url).port
            hold = [await _connected(port) for _ in range(150)]
            opened = [each for each in hold if each is not None]
            assert running.process.returncode is None
            first, last = await _heard(*opened[0]), await _heard(*opened[-1])
            for _, writer in opened:
                writer.transport.abort()
            assert (first, last) == (b"HTTP/1.1", b"")  # who was accepted is served, who came too late is not
            async with asyncio.timeout(60):
                while not await _is_answered(client, url):  # noqa: ASYNC110 - another process raises no event
                    await asyncio.sleep(0.1)
            assert psutil.Process(running.pid).num_fds() < 100
            assert await running.stop() == 0


async def _connected(port: int | None) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
    try:
        return await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return None


async def _heard(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
    """The first bytes that answer a request on this connection; none where it is closed or left waiting."""
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
    try:
        return await asyncio.wait_for(reader.read(8), 5)
    except (ConnectionError, TimeoutError):
        return b""


async def _is_answered(client: McpClient, url: str) -> bool:
    try:
        async with httpx.AsyncClient(timeout=5) as http:
            own = McpClient(http, f"{url}/adapters/x/mcp")
            own.session = client.session
            return (await own.call("x")).status_code == 200
    except httpx.TransportError:
        return False


async def test_session_of_a_real_process_that_dies_goes_on_where_its_adapter_resurrects(tmp_path: Path) -> None:
    async with gateway(tmp_path / "data") as house:
        command, *args = scripted("--era", "legacy")
        stdio = {"command": command, "args": args}
        url = await house.deploy("x", stdio=stdio, session={"isolation": "shared", "resurrect": True})
        async with httpx.AsyncClient(timeout=60) as http:
            client = McpClient(http, url)
            assert (await client.initialize()).status_code == 200
            before = int(text_of((await client.call("pid")).json()))
            victim = psutil.Process(before).parent()
            assert victim is not None
            fallen = [victim, *victim.children(recursive=True)]
            async with asyncio.TaskGroup() as tasks:
                hanging = tasks.create_task(client.call("hang"))
                while (await house.client.get("/sessions/live")).json()[0]["inFlight"] < 1:  # noqa: ASYNC110
                    await asyncio.sleep(0.02)
                victim.send_signal(signal.SIGKILL)
            lost = hanging.result()
            assert (lost.status_code, lost.json()["error"]["data"]["code"]) == (502, "call-lost")
            assert not await gone(fallen)
            answer = await client.call("pid")
            assert answer.status_code == 200
            assert int(text_of(answer.json())) != before
