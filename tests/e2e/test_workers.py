"""Several workers on one port: real processes, any of which may get a client's next connection, or die."""

import asyncio
import os
import signal
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.certificates import localhost_certificate, trusting
from tests.support.gateways import ROLES, Gateway, gateway
from tests.support.programs import PYTHON, gone, program
from tests.support.sidecar_process import McpClient, scripted, text_of

pytestmark = pytest.mark.timeout(300)

CONNECTIONS = 12  # a kernel that deals them out has each worker get one, but once in a few thousand runs


@asynccontextmanager
async def several(data: Path, *options: str) -> AsyncIterator[tuple[Gateway, str]]:
    """Two workers, if nothing else is said, and a server with one process for all its sessions."""
    command, *args = scripted("--era", "legacy")
    async with gateway(data, "--workers", "2", *options) as house:
        stdio = {"command": command, "args": args}
        url = await house.deploy("many", stdio=stdio, session={"isolation": "shared"})
        yield house, url


def workers(house: Gateway) -> list[psutil.Process]:
    """The lead first, which alone has children."""
    return sorted(psutil.Process(house.program.pid).children(), key=lambda each: -len(each.children()))


async def fresh_call(session: McpClient, url: str) -> httpx.Response:
    """A call on a connection of its own, which goes to any worker."""
    async with httpx.AsyncClient(timeout=30) as http:
        client = McpClient(http, url)
        client.session = session.session
        return await client.call("pid")


async def opened(url: str) -> McpClient:
    async with httpx.AsyncClient(timeout=30) as http:
        client = McpClient(http, url)
        assert (await client.initialize()).status_code == 200
        return client


async def until(house: Gateway, path: str, wanted: Any) -> Any:
    """What workers report comes within seconds."""
    async with asyncio.timeout(30):
        while not wanted(found := await house.client.get(path)):  # noqa: ASYNC110 - another process raises no event
            await asyncio.sleep(0.1)
        return found


@pytest.mark.parametrize("number", ["2", "3"])
async def test_any_worker_serves_any_session_and_together_they_count_right(tmp_path: Path, number: str) -> None:
    async with several(tmp_path / "data", "--workers", number) as (house, url):
        client = await opened(url)
        answers = [await fresh_call(client, url) for _ in range(CONNECTIONS)]
        assert {each.status_code for each in answers} == {200}
        assert len({text_of(each.json()) for each in answers}) == 1
        calls = CONNECTIONS + 2  # initialize and initialized
        found = await until(house, "/sessions/live", lambda it: [each["calls"] for each in it.json()] == [calls])
        live = found.json()[0]
        assert (live["inFlight"], live["streams"], live["adapter"]) == (0, 0, "many")
        assert live["clientName"]
        metrics = (await house.client.get("/metrics")).text
        assert f"mcpdeck_requests_total {calls}" in metrics
        assert 'mcpdeck_sessions{adapter="many",era="legacy"} 1' in metrics


async def test_session_that_is_ended_is_ended_at_every_worker(tmp_path: Path) -> None:
    async with several(tmp_path / "data") as (house, url):
        client = await opened(url)
        [live] = (await until(house, "/sessions/live", lambda it: it.json())).json()
        assert (await house.client.delete(f"/sessions/live/{live['id']}")).status_code == 204
        async with asyncio.timeout(30):
            while {(await fresh_call(client, url)).status_code for _ in range(CONNECTIONS)} != {404}:
                pass


async def test_what_only_the_lead_can_do_is_done_whichever_worker_is_asked(tmp_path: Path) -> None:
    """Management, /mcp, and a client of another era than the server's."""
    async with several(tmp_path / "data", "--workers", "3") as (house, url):
        for _ in range(CONNECTIONS):
            async with httpx.AsyncClient(base_url=house.url, timeout=30) as http:
                assert (await http.get("/adapters")).json()[0]["name"] == "many"
                assert (await McpClient(http, f"{house.url}/mcp").initialize()).status_code == 200
                answer = await McpClient(http, url).modern("tools/call", {"name": "pid", "arguments": {}})
                assert answer.status_code == 200, answer.text
                assert "result" in answer.text
                assert (await http.get("/readyz")).status_code == 200
        requests = 3 * CONNECTIONS  # each initialize, its notification, and the modern call
        await until(house, "/metrics", lambda it: f"mcpdeck_requests_total {requests}\n" in it.text)


async def test_who_watches_an_adapter_hears_of_calls_at_every_worker(tmp_path: Path) -> None:
    async with several(tmp_path / "data") as (house, url):
        client = await opened(url)
        async with house.client.stream("GET", "/adapters/many/traffic", timeout=60) as traffic:
            assert traffic.status_code == 200
            lines = traffic.aiter_lines()
            await anext(lines)
            answers = [await fresh_call(client, url) for _ in range(CONNECTIONS)]
            assert {each.status_code for each in answers} == {200}
            heard = 0
            async with asyncio.timeout(30):
                async for line in lines:
                    heard += line.startswith("data:") and '"method":"tools/call"' in line.replace(" ", "")
                    if heard == CONNECTIONS:
                        break


@pytest.mark.parametrize("victim", [0, 1], ids=["lead", "follower"])
async def test_worker_that_is_killed_is_replaced_and_sessions_go_on(tmp_path: Path, victim: int) -> None:
    async with several(tmp_path / "data") as (house, url):
        client = await opened(url)
        before = text_of((await fresh_call(client, url)).json())
        killed = workers(house)[victim]
        killed.kill()
        await house.program.hear(r"worker \d ended \(-9\)")
        async with asyncio.timeout(60):
            while not await _is_whole(house, killed):  # noqa: ASYNC110 - another process raises no event
                await asyncio.sleep(0.1)
        await house.ready("many")
        answers = [await fresh_call(client, url) for _ in range(CONNECTIONS)]
        assert {text_of(each.json()) for each in answers} == {before}


async def _is_whole(house: Gateway, killed: psutil.Process) -> bool:
    """Two workers, and the control plane answers whomever one asks."""
    if len(living := [each for each in workers(house) if each != killed]) < 2:
        return False
    try:
        for _ in range(CONNECTIONS):
            async with httpx.AsyncClient(timeout=5) as http:
                if (await http.get(f"{house.url}/readyz")).status_code != 200:
                    return False
    except httpx.TransportError:
        return False
    return len(living) == 2


async def test_stop_ends_streams_and_answers_what_is_under_way_at_every_worker(tmp_path: Path) -> None:
    async with several(tmp_path / "data") as (house, url):
        clients = [await opened(url) for _ in range(CONNECTIONS)]
        left = psutil.Process(house.program.pid).children(recursive=True)
        async with asyncio.TaskGroup() as tasks:
            listening = [tasks.create_task(_listen(client, url)) for client in clients]
            calls = [tasks.create_task(_slow_call(client, url)) for client in clients]
            await until(
                house,
                "/sessions/live",
                lambda it: [(each["streams"], each["inFlight"]) for each in it.json()] == [(1, 1)] * CONNECTIONS,
            )
            assert await house.program.stop() == 0
        assert all(each.result() for each in listening)
        assert {each.result() for each in calls} == {200}
        assert not await gone(left)


async def _listen(client: McpClient, url: str) -> bool:
    """Whether the stream came to a proper end."""
    headers = client.session | {"Accept": "text/event-stream"}
    async with httpx.AsyncClient(timeout=None) as http, http.stream("GET", url, headers=headers) as answer:
        assert answer.status_code == 200
        async for _ in answer.aiter_bytes():
            pass
    return True


async def _slow_call(client: McpClient, url: str) -> int:
    async with httpx.AsyncClient(timeout=60) as http:
        own = McpClient(http, url)
        own.session = client.session
        return (await own.call("later", seconds=4)).status_code


async def test_each_worker_serves_tls_and_http2_and_the_certificate_that_is_there_now(tmp_path: Path) -> None:
    tls = localhost_certificate(tmp_path)
    argv = [PYTHON, "-m", "gateway", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--workers", "2"]
    argv += ["--tls-certificate", str(tls.certfile), "--tls-key", str(tls.keyfile), "--dev-roles", ROLES]
    async with program(argv) as running:
        port = (await running.hear(r"mcpdeck gateway listening on https://127.0.0.1:(\d+)"))[1]
        await _each_way(port, trusting(tls))
        localhost_certificate(tmp_path)
        running.process.send_signal(signal.SIGHUP)
        async with asyncio.timeout(60):
            while sum("new connections get the certificate" in line for line in running.lines) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        await _each_way(port, trusting(tls))
        assert await running.stop() == 0


async def _each_way(port: str, context: ssl.SSLContext) -> None:
    """Management and the data plane, by both versions of HTTP, at every worker."""
    for number in range(CONNECTIONS):
        async with httpx.AsyncClient(verify=context, http2=number % 2 == 0, timeout=30) as http:
            answer = await http.get(f"https://localhost:{port}/adapters")
            assert (answer.status_code, answer.json()) == (200, [])
            assert answer.http_version == ("HTTP/2" if number % 2 == 0 else "HTTP/1.1")
            client = McpClient(http, f"https://localhost:{port}/adapters/none/mcp")
            assert (await client.initialize()).status_code == 404


async def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async with several(tmp_path / "data") as (house, _):
        left: Sequence[psutil.Process] = psutil.Process(house.program.pid).children(recursive=True)
        os.kill(house.program.pid, signal.SIGKILL)
        assert not await gone(left)


async def test_what_is_wrong_with_a_worker_ends_the_gateway_before_it_has_begun(tmp_path: Path) -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(AssertionError, match="no issuer says who they are")):
        async with gateway(tmp_path / "data", "--workers", "2", bind="0.0.0.0:0"):
            pass


async def test_worker_that_waits_for_a_lead_that_can_not_start_ends_with_it(tmp_path: Path) -> None:
    """`--drain`: how long it would be waited for, beyond the time that this test has."""
    argv = [PYTHON, "-m", "gateway", "--bind", "127.0.0.1:0", "--data-dir", str(tmp_path / "data"), "--workers", "2"]
    argv += ["--backend", "kubernetes", "--dev-roles", ROLES, "--drain", "3600"]
    async with program(argv, env={"KUBECONFIG": str(tmp_path / "none"), "KUBERNETES_SERVICE_HOST": ""}) as running:
        assert await running.process.wait() == 1, running.lines


async def test_a_policy_holds_at_every_worker(tmp_path: Path) -> None:
    async with several(tmp_path / "data") as (house, url):
        client = await opened(url)
        assert {(await fresh_call(client, url)).status_code for _ in range(CONNECTIONS)} == {200}
        rules = [{"name": "r", "when": 'tool.name == "pid"', "effect": "deny", "reason": "not today"}]
        answer = await house.client.post("/policies", json={"name": "p", "rules": rules})
        assert answer.status_code == 201, answer.text
        async with asyncio.timeout(30):  # other workers hear of it a moment later
            while not all([is_denied(await fresh_call(client, url)) for _ in range(CONNECTIONS)]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        assert (await house.client.delete("/policies/p")).status_code == 204
        async with asyncio.timeout(30):
            while any([is_denied(await fresh_call(client, url)) for _ in range(CONNECTIONS)]):  # noqa: ASYNC110
                await asyncio.sleep(0.01)


def is_denied(answer: httpx.Response) -> bool:
    return "not today" in text_of(answer.json())
