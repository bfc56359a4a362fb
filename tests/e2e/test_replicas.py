"""Many sessions over replicas: each stays where it began, none is lost, and the death of one instance ends only its own."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.support.gateways import Gateway, gateway
from tests.support.programs import gone
from tests.support.sidecar_process import McpClient, scripted, text_of

pytestmark = pytest.mark.timeout(600)  # five thousand calls by a client that takes its time

REPLICAS, SESSIONS, CALLS = 3, 200, 5000
AT_ONCE = 32


@asynccontextmanager
async def replicated(data: Path) -> AsyncIterator[tuple[Gateway, str]]:
    """Three instances of a server with one process for all its sessions, whose tool `pid` says which one answers."""
    command, *args = scripted("--era", "legacy")
    async with gateway(data) as house:
        url = await house.deploy(
            "many",
            stdio={"command": command, "args": args},
            replicaCount=REPLICAS,
            session={"isolation": "shared"},
        )
        yield house, url


async def opened(http: httpx.AsyncClient, url: str, count: int) -> list[McpClient]:
    clients = [McpClient(http, url) for _ in range(count)]

    async def one(client: McpClient) -> None:
        answer = await client.initialize()
        assert answer.status_code == 200, answer.text
        assert client.session, "a session id was wanted"

    await _each(clients, one)
    return clients


async def _each(clients: Sequence[McpClient], do: Any) -> None:
    """A few at once, as many as a busy team."""
    room = asyncio.Semaphore(AT_ONCE)

    async def within(client: McpClient) -> None:
        async with room:
            await do(client)

    async with asyncio.TaskGroup() as tasks:
        for client in clients:
            tasks.create_task(within(client))


async def test_every_call_of_a_session_is_on_one_instance_and_nothing_is_lost(tmp_path: Path) -> None:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with replicated(tmp_path / "data") as (_, url), httpx.AsyncClient(timeout=60, limits=limits) as http:
        clients = await opened(http, url, SESSIONS)
        homes: list[set[str]] = []

        async def call(client: McpClient) -> None:
            homes.append({text_of((await client.call("pid")).json()) for _ in range(CALLS // SESSIONS)})

        await _each(clients, call)
    assert all(len(home) == 1 for home in homes)
    spread = Counter(next(iter(home)) for home in homes)
    assert len(spread) == REPLICAS
    assert min(spread.values()) > SESSIONS // REPLICAS // 2, spread


async def test_death_of_an_instance_ends_its_own_sessions_and_no_other(tmp_path: Path) -> None:
    limits = httpx.Limits(max_connections=AT_ONCE)
    async with replicated(tmp_path / "data") as (house, url), httpx.AsyncClient(timeout=60, limits=limits) as http:
        clients = await opened(http, url, 30)
        homes = [int(text_of((await client.call("pid")).json())) for client in clients]
        victim = psutil.Process(homes[0]).parent()
        assert victim is not None
        fallen = [victim, *victim.children(recursive=True)]
        victim.kill()
        assert not await gone(fallen)
        await _until_lost(clients[0])
        answers = [await client.call("pid") for client in clients]
        for home, answer in zip(homes, answers, strict=True):
            if home == homes[0]:
                assert answer.status_code == 404
                assert answer.json()["error"]["data"]["code"] == "session-lost"
                assert answer.json()["id"] is not None
            else:
                assert int(text_of(answer.json())) == home
        await house.ready("many", replicas=REPLICAS)
        again = await clients[0].initialize()
        assert again.status_code == 200
        assert (await clients[0].call("pid")).status_code == 200


async def _until_lost(client: McpClient) -> None:
    """An instance that only fails to answer keeps its sessions (502); once it is known to be gone they are (404)."""
    async with asyncio.timeout(30):
        while (answer := await client.call("pid")).status_code != 404:
            assert answer.status_code in (502, 503), answer.text


async def test_sessions_outlive_the_gateway(tmp_path: Path) -> None:
    async with httpx.AsyncClient(timeout=60) as http:
        command, *args = scripted("--era", "legacy")
        async with gateway(tmp_path / "data") as first:
            url = await first.deploy("many", stdio={"command": command, "args": args}, replicaCount=2)
            port = httpx.URL(url).port
            clients = await opened(http, url, 8)
            homes = [text_of((await client.call("pid")).json()) for client in clients]
            left = first.program.children()
            first.program.process.kill()
            await first.program.process.wait()
            assert len(left) >= 2
            assert all(child.is_running() for child in left)
            async with gateway(tmp_path / "data", bind=f"127.0.0.1:{port}") as second:
                await second.ready("many", replicas=2)
                answers = [await client.call("pid") for client in clients]
                assert [text_of(each.json()) for each in answers if each.status_code == 200] == homes, answers[0].text
                assert await second.program.stop() == 0
            assert not await gone(left)
