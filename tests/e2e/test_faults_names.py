"""A name server that is gone or hangs, under a gateway of real processes: what it costs, and whom."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import httpx
import pytest

from tests.support.faults import OK, rigged
from tests.support.gateways import Gateway, gateway
from tests.support.name_server import NameServer, name_server, needs_mounts
from tests.support.programs import PYTHON, program
from tests.support.sidecar_process import McpClient

pytestmark = [pytest.mark.timeout(300), needs_mounts]

SESSIONS = 1000
HOLES = 12  # names whose look-ups hang: more than asyncio's own pool has threads, and than libuv looks up at once


@asynccontextmanager
async def housed(tmp_path: Path) -> AsyncIterator[tuple[NameServer, Gateway, int]]:
    """The third: the port of a server that has its sessions from whoever says so, at 127.0.0.1."""
    async with name_server() as names, program([PYTHON, "-m", "tests.support.faulty_server"]) as server:
        port = int((await server.hear(r"^http://127\.0\.0\.1:(\d+)/mcp$"))[1])
        within = partial(names.seen_by, tmp_path)
        async with gateway(tmp_path / "data", "--drain", "1", within=within) as house:
            yield names, house, port


async def answered(client: McpClient) -> bool:
    return (await client.call("x")).status_code == 200


async def test_name_server_that_is_gone_ends_nothing_and_whose_name_was_never_had_is_told_so(tmp_path: Path) -> None:
    async with housed(tmp_path) as (names, house, port), httpx.AsyncClient(timeout=30) as http:
        names.addresses["known.test"] = "127.0.0.1"
        url = await house.deploy("known", url=f"http://known.test:{port}/mcp")
        kept = McpClient(http, url)
        assert (await kept.initialize()).status_code == 200
        names.addresses.clear()

        answer = await house.client.post("/adapters", json={"name": "late", "url": f"http://late.test:{port}/mcp"})
        assert answer.status_code == 201
        status = await house.failed("late")
        assert status["instances"][0]["reason"] == "NameNotResolved"
        refused = await McpClient(http, house.mcp("late")).initialize()
        assert refused.status_code == 503
        assert "late.test has no address" in refused.json()["error"]["message"]
        assert refused.headers["retry-after"]

        assert await answered(kept)
        async with httpx.AsyncClient(timeout=30) as another:  # a connection that is not there yet
            fresh = McpClient(another, url)
            assert (await fresh.initialize()).status_code == 200
            assert await answered(fresh)

        names.addresses["late.test"] = "127.0.0.1"
        await house.ready("late")
        assert (await McpClient(http, house.mcp("late")).initialize()).status_code == 200


async def test_name_server_that_goes_and_hangs_is_seen_by_none_of_a_thousand_sessions(tmp_path: Path) -> None:
    async with name_server() as names:
        names.addresses["known.test"] = "127.0.0.1"
        within = partial(names.seen_by, tmp_path)
        async with rigged(tmp_path, SESSIONS, host="known.test", within=within) as rig:
            names.addresses.clear()
            assert Counter(await rig.calls([""] * SESSIONS)) == Counter({OK: SESSIONS})
            names.silent = ("",)
            assert Counter(await rig.calls([""] * SESSIONS)) == Counter({OK: SESSIONS})


async def test_name_server_that_hangs_holds_up_no_other_adapter_no_other_name_and_no_stop(tmp_path: Path) -> None:
    """A look-up would last longer than the test's patience: whoever waited for one would fail it."""
    async with housed(tmp_path) as (names, house, port), httpx.AsyncClient(timeout=30) as http:
        names.silent = (".hole.test",)
        names.addresses["there.test"] = "127.0.0.1"
        plain = McpClient(http, await house.deploy("plain", url=f"http://127.0.0.1:{port}/mcp"))
        assert (await plain.initialize()).status_code == 200
        holes = [f"h{number}" for number in range(HOLES)]
        async with asyncio.TaskGroup() as tasks:
            for name in holes:
                spec = {"name": name, "url": f"http://{name}.hole.test:{port}/mcp"}
                tasks.create_task(house.client.post("/adapters", json=spec))
        await names.until_asked(*(f"{name}.hole.test" for name in holes))

        there = McpClient(http, await house.deploy("there", url=f"http://there.test:{port}/mcp"))
        assert (await there.initialize()).status_code == 200
        assert await answered(there)
        assert await answered(plain)
        assert (await house.failed("h0"))["instances"][0]["reason"] == "NameNotResolved"
        refused = await McpClient(http, house.mcp("h0")).initialize()
        assert refused.status_code == 503
        assert "h0.hole.test has no address" in refused.json()["error"]["message"]

        names.silent = ()
        names.addresses |= {f"{name}.hole.test": "127.0.0.1" for name in holes}
        for name in holes:
            await house.ready(name)
        names.silent = ("",)
        spec = {"name": "last", "url": f"http://last.test:{port}/mcp"}
        assert (await house.client.post("/adapters", json=spec)).status_code == 201
        await names.until_asked("last.test")
        assert await house.program.stop() == 0


async def test_gateway_that_begins_without_a_name_server_says_whom_it_can_not_find(tmp_path: Path) -> None:
    async with housed(tmp_path) as (names, house, port):
        names.addresses["known.test"] = "127.0.0.1"
        await house.deploy("known", url=f"http://known.test:{port}/mcp")
        await house.deploy("plain", url=f"http://127.0.0.1:{port}/mcp")
        await house.program.stop()
        names.addresses.clear()
        within = partial(names.seen_by, tmp_path)
        async with gateway(tmp_path / "data", within=within) as next_one, httpx.AsyncClient(timeout=30) as http:
            await next_one.ready("plain")
            assert (await McpClient(http, next_one.mcp("plain")).initialize()).status_code == 200
            await next_one.failed("known")
            refused = await McpClient(http, next_one.mcp("known")).initialize()
            assert (refused.status_code, "known.test" in refused.text) == (503, True)
            names.addresses["known.test"] = "127.0.0.1"
            await next_one.ready("known")
