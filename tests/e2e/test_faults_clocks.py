"""Clocks that are wrong, or jump, under gateways of real processes: which sessions and tokens go on."""

import asyncio
import shutil
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from email.utils import parsedate_to_datetime
from pathlib import Path

import httpx
import pytest

from tests.support.clocks import Clock, needs_faketime
from tests.support.faults import ADAPTER, FIRST_BYTE, OK, Rig, called, rigged
from tests.support.gateways import Gateway, gateway
from tests.support.identified import ADA, identified
from tests.support.programs import PYTHON, program
from tests.support.sidecar_process import McpClient
from tests.support.wire_client import wire_client

pytestmark = [pytest.mark.timeout(300), needs_faketime]

SESSIONS = 20
MANY = 1000
LEEWAY = 60


@asynccontextmanager
async def replicas(tmp_path: Path, *ahead: int) -> AsyncIterator[list[Gateway]]:
    """Gateways with the same sealing keys before one server, whose clocks are so many seconds ahead."""
    async with AsyncExitStack() as stack:
        server = await stack.enter_async_context(program([PYTHON, "-m", "tests.support.faulty_server"]))
        upstream = (await server.hear(r"^(http://\S+)$"))[1]
        houses = list[Gateway]()
        for number, seconds in enumerate(ahead):
            data = tmp_path / f"data{number}"
            if houses:
                data.mkdir(mode=0o700)
                shutil.copy(tmp_path / "data0" / "seal.keys", data / "seal.keys")
            clock = Clock(tmp_path / f"clock{number}", seconds)
            houses.append(await stack.enter_async_context(gateway(data, env=clock.variables)))
            await houses[-1].deploy(ADAPTER, url=upstream)
        yield houses


@pytest.mark.parametrize("apart", [90, 600])
async def test_session_that_one_replica_seals_goes_on_at_others_whose_clocks_are_apart(
    tmp_path: Path, apart: int
) -> None:
    async with replicas(tmp_path, 0, apart) as houses, httpx.AsyncClient(timeout=30) as http:
        assert await ahead_of_us(houses[1]) > apart / 2
        seen = Counter[tuple[int, int, int]]()
        for sealing, house in enumerate(houses):
            for _ in range(SESSIONS):
                client = McpClient(http, house.mcp(ADAPTER))
                assert (await client.initialize()).status_code == 200
                for opening, other in enumerate(houses):
                    there = McpClient(http, other.mcp(ADAPTER))
                    there.session = client.session
                    seen[sealing, opening, (await there.call("x")).status_code] += 1
        assert seen == Counter({(one, other, 200): SESSIONS for one in (0, 1) for other in (0, 1)})


async def ahead_of_us(house: Gateway) -> float:
    """Seconds, by what it says of itself."""
    told = (await house.client.get("/adapters")).headers["date"]
    return parsedate_to_datetime(told).timestamp() - time.time()


TOKENS = [  # the gateway's clock, the token's end from now, what it says
    (90, None, ""),
    (90, LEEWAY, ""),  # over for 30 seconds there: within what clocks may differ
    (90, 20, "the token has expired"),
    (600, 900, ""),
    (600, 300, "the token has expired"),
    (-45, None, ""),
    (-90, None, "from the future (or this machine's clock is behind)"),
    (-600, None, "from the future (or this machine's clock is behind)"),
    (0, None, ""),
]


async def test_token_is_good_within_the_leeway_and_refused_with_the_reason_beyond_it(tmp_path: Path) -> None:
    clock = Clock(tmp_path / "clock")
    async with identified(tmp_path / "data", auto="ada", front=False, entra=False, **clock.variables) as house:
        await house.deploy()
        for ahead, ends, said in TOKENS:
            clock.jump(ahead)
            changes = {} if ends is None else {"exp": int(time.time()) + ends}
            async with house.client(ADA, **changes) as http:
                answer = await McpClient(http, f"{house.url}/adapters/weather/mcp").initialize()
            assert (answer.status_code, said in answer.text) == (401 if said else 200, True), (ahead, ends, answer.text)
            if said:
                assert 'error="invalid_token"' in answer.headers["www-authenticate"]


async def test_clock_that_jumps_under_load_is_seen_by_no_client(tmp_path: Path) -> None:
    """Forward and back by an hour and by a day: calls go on, a stream stays open, what hangs is ended in its time."""
    clock = Clock(tmp_path / "clock")
    async with rigged(tmp_path, MANY, env=clock.variables) as rig:
        seen = Counter[str]()
        path = f"/adapters/{ADAPTER}/mcp"
        async with wire_client(rig.port, path) as listener:
            await listener.send(method="GET", headers={"Mcp-Session-Id": rig.sessions[0]})
            assert (await listener.head()).status == 200
            await listener.chunk()
            for seconds in (3600, 0, -3600, 86400, -86400, 0):
                async with asyncio.TaskGroup() as tasks:
                    hanging = tasks.create_task(hung(rig))
                    calling = tasks.create_task(rig.calls([""] * MANY))
                    clock.jump(seconds)
                seen += Counter(calling.result())
                seen += Counter(await rig.calls([""] * MANY))
                outcome, lasted = hanging.result()
                assert outcome == "504 upstream-slow", seconds
                assert lasted >= FIRST_BYTE, seconds  # nor sooner than it should
            assert not listener.reader.at_eof()
        assert seen == Counter({OK: 2 * 6 * MANY})


async def hung(rig: Rig) -> tuple[str, float]:
    """What became of a call that its server never answers, and after how long at least."""
    began = time.monotonic()
    async with wire_client(rig.port, f"/adapters/{ADAPTER}/mcp") as client:
        outcome = await called(client, rig.sessions[0], "hung")
    return outcome, time.monotonic() - began
