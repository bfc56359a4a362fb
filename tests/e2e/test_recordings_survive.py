"""The flight recorder of a real gateway that is killed, stopped and started again: what it kept is there, and sealed."""

import asyncio
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import msgspec
import psutil
import pytest

from gateway.stores.recording_seals import frames
from gateway.wire.traffic import TrafficMessage
from tests.e2e.test_replicas_share import ADAPTER, at, opened, pair
from tests.support.gateways import Gateway, gateway
from tests.support.programs import fixture_server
from tests.support.redis import needs_redis
from tests.support.sidecar_process import McpClient
from tests.support.traffic import watching

pytestmark = pytest.mark.timeout(180)

RECORDING = {"recording": {"enabled": True}}
SAID = "the rain in Bergen"


async def recorded(house: Gateway, *, adapter: str = "x") -> list[TrafficMessage]:
    answer = await house.client.get(f"/adapters/{adapter}/recording")
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line, type=TrafficMessage) for line in answer.text.splitlines()]


async def said(house: Gateway, text: str) -> None:
    async with httpx.AsyncClient(timeout=30) as http:
        client = McpClient(http, house.mcp("x"))
        assert (await client.initialize()).status_code == 200
        assert (await client.call("echo", text=text)).status_code == 200


def messages_at_rest(data: Path) -> int:
    """By the heads of what is sealed."""
    return sum(head.messages for path in at_rest(data) for head, _ in frames(path.read_bytes()))


async def until(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not is_so():  # noqa: ASYNC110 - another process's files
            await asyncio.sleep(0.05)


def at_rest(data: Path) -> list[Path]:
    return list((data / "recordings").rglob("*.seg"))


def texts(messages: list[TrafficMessage]) -> str:
    return msgspec.json.encode(messages).decode()


async def test_a_recording_outlives_the_gateway_that_is_killed_and_goes_on(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with fixture_server() as upstream:
        async with gateway(data) as house:
            await house.deploy("x", url=upstream, **RECORDING)
            await said(house, SAID)
            before = await recorded(house)
            async with watching(house.client, "/adapters/x/traffic") as watcher:
                await watcher.until(lambda message: message.number == before[-1].number)
                place = watcher.last_event_id
            await until(lambda: messages_at_rest(data) == len(before))
            killed_at = time.time()
            await house.program.stop(signal.SIGKILL)
        for path in (data / "recordings").rglob("*"):
            assert not path.is_file() or SAID.encode() not in path.read_bytes()
            assert not path.is_file() or b"echo" not in path.read_bytes()
        async with gateway(data) as house:
            await house.ready("x")
            async with watching(house.client, "/adapters/x/traffic", Last_Event_ID=place) as watcher:
                await said(house, "and again")
                await watcher.until(lambda message: message.kind == "response" and message.method == "tools/call")
                gap, *after = watcher.heard
                assert gap.kind == "gap"
                assert "the gateway was away" in gap.error
                assert gap.at.timestamp() <= killed_at <= gap.at.timestamp() + (gap.duration or 0)
                assert min(each.number for each in after) > gap.number > before[-1].number
            everything = await recorded(house)
            (part,) = await status(house)
            assert (part["replica"], part["atRest"], part["gaps"], part["lost"]) == ("", True, 1, 0)
            assert part["messages"] == len(everything) - 1
            assert part["bytesAtRest"] > 0
            assert everything[: len(before)] == before
            assert sum(each.kind == "gap" for each in everything) == 1
            assert SAID in texts(everything)
            assert "and again" in texts(everything)
            assert [each.number for each in everything] == sorted(each.number for each in everything)


async def test_turned_off_or_deleted_nothing_is_left_even_where_that_happened_while_it_was_off(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with fixture_server() as upstream:
        async with gateway(data) as house:
            await house.deploy("x", url=upstream, **RECORDING)
            await said(house, SAID)
            await until(lambda: bool(at_rest(data)))
            off = await house.client.patch("/adapters/x", json={"recording": {"enabled": False}})
            assert off.status_code == 200
            await until(lambda: not at_rest(data))
            assert (await house.client.patch("/adapters/x", json=RECORDING)).status_code == 200
            await said(house, SAID)
            await until(lambda: bool(at_rest(data)))
            assert (await house.client.delete("/adapters/x")).status_code == 204
            await until(lambda: not at_rest(data))
            await house.deploy("x", url=upstream, **RECORDING)
            await said(house, SAID)
            await until(lambda: bool(at_rest(data)))
        async with gateway(data, "--recordings", "off") as house:
            await house.ready("x")
            assert await recorded(house) == []
            assert (await house.client.delete("/adapters/x")).status_code == 204
        assert at_rest(data)
        async with gateway(data):
            await until(lambda: not at_rest(data))


async def test_the_lead_of_several_workers_that_is_killed_reads_it_back(tmp_path: Path) -> None:
    data = tmp_path / "data"
    async with fixture_server() as upstream, gateway(data, "--workers", "2") as house:
        await house.deploy("x", url=upstream, **RECORDING)
        await said(house, SAID)
        before = await recorded(house)
        await until(lambda: messages_at_rest(data) == len(before))
        lead = max(psutil.Process(house.program.pid).children(), key=lambda each: len(each.children()))
        lead.kill()

        async def look() -> list[TrafficMessage]:
            try:
                return await recorded(house)
            except (httpx.HTTPError, AssertionError):
                return []

        async with asyncio.timeout(60):
            while not (found := await look()):  # noqa: ASYNC110 - another process's state
                await asyncio.sleep(0.1)
        assert found[:-1] == before
        assert found[-1].kind == "gap"


async def test_a_folder_that_can_not_be_had_degrades_the_gateway_and_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    options = ("--recordings", str(tmp_path / "file" / "r"))
    async with fixture_server() as upstream, gateway(tmp_path / "data", *options) as house:
        assert (await house.client.get("/readyz")).json()["status"] == "ready"
        await house.deploy("x", url=upstream, **RECORDING)
        await said(house, SAID)
        assert SAID in texts(await recorded(house))
        ready = (await house.client.get("/readyz")).json()
        assert ready["status"] == "degraded"
        assert str(tmp_path) not in str(ready), "which is not for everybody"
        (part,) = await status(house)
        assert not part["atRest"]
        assert "can't be kept" in part["trouble"]


@needs_redis
async def test_two_replicas_recording_is_read_as_one_at_either_and_outlives_one_of_them(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        for each in (both.one, both.two):
            assert (await each.client.patch(f"/adapters/{ADAPTER}", json=RECORDING)).status_code == 200
            await until_records(each)
        client = await opened(http, both.one)
        assert (await at(both.two, client).call("who")).status_code == 200
        found = await recorded(both.one, adapter=ADAPTER)
        first, second = dict.fromkeys(each.replica for each in found)
        assert {each.method for each in found if each.replica == second} == {"tools/call"}
        assert {"initialize", "notifications/initialized"} == {each.method for each in found if each.replica == first}
        assert [each.at for each in found] == sorted(each.at for each in found)
        assert {(each.replica, each.number) for each in await recorded(both.two, adapter=ADAPTER)} == {
            (each.replica, each.number) for each in found
        }
        parts = await status(both.two, ADAPTER)
        assert [(each["replica"], each["atRest"], each["trouble"]) for each in parts] == [
            (second, True, ""),
            (first, True, ""),
        ]
        own = len([each for each in found if each.replica == first])
        await until(lambda: messages_at_rest(tmp_path / "one") == own)
        await both.one.program.stop(signal.SIGKILL)
        left = await recorded(both.two, adapter=ADAPTER)
        assert {each.replica for each in left if each.kind != "gap"} == {second}
        assert all("can't be had" in each.error for each in left if each.kind == "gap")
        variables = {"MCPDECK_REDIS_URL": both.redis.url, "MCPDECK_REPLICA_TTL": "2"}
        async with gateway(tmp_path / "one", env=variables) as again:
            await again.ready(ADAPTER)

            async def is_back() -> bool:
                found = await recorded(both.two, adapter=ADAPTER)
                return sum(each.replica == first and each.kind != "gap" for each in found) == own

            async with asyncio.timeout(30):
                while not await is_back():  # noqa: ASYNC110 - another process's state
                    await asyncio.sleep(0.1)


async def until_records(house: Gateway) -> None:
    async with asyncio.timeout(30):
        while (await house.client.get(f"/adapters/{ADAPTER}/recording")).status_code != 200:  # noqa: ASYNC110
            await asyncio.sleep(0.05)


async def status(house: Gateway, adapter: str = "x") -> list[dict[str, Any]]:
    answer = await house.client.get(f"/adapters/{adapter}/recording/status")
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()["parts"]
    return found
