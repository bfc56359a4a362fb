"""While one backend is killed, hangs, lies or changes, calls of the others go on in both eras, and lists say what is up."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any

import pytest

from gateway.toolrouter.breaker import FAILURES, Breaker
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import Timeouts
from tests.support.mcp_backend import Backend, backend, hang, tool
from tests.support.tools_client import ToolsClient, tools_client
from tests.support.tools_gateway import ToolsGateway, tools_gateway

MISSING = "dev.mcpdeck/missing"
CLIENTS = 4  # of each era
AFTER = 25  # calls that each makes after the fault
MODERN = frozenset({Era.MODERN})


async def until(holds: Callable[[], Any]) -> None:
    """For what happens in the gateway's own time."""
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)


class Load:
    """Clients that call `good` without a pause."""

    def __init__(self) -> None:
        self.calls = [0] * (2 * CLIENTS)
        self.is_over = False

    async def one_more_round(self) -> None:
        """Each client has made that many calls since."""
        wanted = [each + AFTER for each in self.calls]
        await until(lambda: all(made >= least for made, least in zip(self.calls, wanted, strict=True)))

    async def run(self, number: int, url: str) -> None:
        async with tools_client(url) as client:
            if number % 2:
                await client.initialize()
            while not self.is_over:
                answer = await self._called(client, is_legacy=bool(number % 2))
                assert answer == "good"
                self.calls[number] += 1

    async def _called(self, client: ToolsClient, *, is_legacy: bool) -> str:
        params = {"name": "good", "arguments": {}}
        return (await client.legacy("tools/call", params) if is_legacy else await client.call("good")).text


@asynccontextmanager
async def loaded(gateway: ToolsGateway) -> AsyncIterator[Load]:
    load = Load()
    async with asyncio.TaskGroup() as tasks:
        for number in range(2 * CLIENTS):
            tasks.create_task(load.run(number, gateway.url))
        await load.one_more_round()
        try:
            yield load
            await load.one_more_round()
        finally:
            load.is_over = True


def offer(gateway: ToolsGateway, name: str, found: Backend, uid: str = "", **members: Any) -> None:
    timeouts = Timeouts(connect=2.0, first_byte=members.pop("first_byte", 30.0))
    gateway.adapter(name, found.url, uid=uid, eras=MODERN, timeouts=timeouts)
    gateway.tool(name, adapter=name, toolName="*", **members)


@pytest.fixture(name="gateway")
async def _gateway() -> AsyncIterator[ToolsGateway]:
    async with backend(tool("good")) as good, tools_gateway() as gateway:
        offer(gateway, "steady", good)
        await gateway.router.settled()
        yield gateway


def rest_briefly(gateway: ToolsGateway, name: str) -> None:
    """Its breaker tries again soon, not in ten seconds."""
    gateway.router._backstage.breakers[AdapterName(name)] = Breaker(rest=0.05)


async def statuses(client: ToolsClient, name: str, count: int) -> list[int]:
    return [(await client.call(name)).status for _ in range(count)]


async def recovered(client: ToolsClient) -> None:
    async with asyncio.timeout(20):
        while (await client.call("bad")).status != 200:  # noqa: ASYNC110 - nothing announces the end of a breaker's rest
            await asyncio.sleep(0.01)


async def test_a_killed_backend_opens_its_breaker_and_comes_back(gateway: ToolsGateway) -> None:
    async with AsyncExitStack() as lives, tools_client(gateway.url) as client:
        first = await lives.enter_async_context(backend(tool("bad")))
        offer(gateway, "shaky", first)
        assert await client.names() == ["bad", "good"]
        async with loaded(gateway) as load:
            await lives.aclose()  # it listens no more, and its connections are cut
            assert set(await statuses(client, "bad", FAILURES)) <= {502, 503}
            assert "left alone" in (await client.call("bad")).error["message"]
            await load.one_more_round()
            async with backend(tool("bad"), tool("new")) as second:
                rest_briefly(gateway, "shaky")
                offer(gateway, "shaky", second, uid="reborn")
                await until(lambda: "new" in {each.name for each in gateway.router.offered()})
                await recovered(client)
                assert set(await statuses(client, "bad", FAILURES)) == {200}
                assert await client.names() == ["bad", "good", "new"]
                await load.one_more_round()


async def test_a_hung_backend_costs_its_own_callers_their_time_and_nobody_else(gateway: ToolsGateway) -> None:
    async with backend(tool("bad")) as found, tools_client(gateway.url) as client:
        offer(gateway, "shaky", found, first_byte=0.1)
        assert await client.names() == ["bad", "good"]
        rest_briefly(gateway, "shaky")
        async with loaded(gateway):
            found.behaviours["bad"] = hang
            found.calls.clear()
            answers = await statuses(client, "bad", 3 * FAILURES)
            assert answers[:FAILURES] == [504] * FAILURES
            assert 503 in answers[FAILURES:]  # told at once, while it rests
            assert await client.names() == ["bad", "good"]
            del found.behaviours["bad"]
            await recovered(client)
            assert set(await statuses(client, "bad", FAILURES)) == {200}


async def test_a_backend_whose_lists_hang_leaves_the_lists_of_others_whole(gateway: ToolsGateway) -> None:
    mute = Backend(tool("never"))
    mute.serve = lambda exchange: None  # type: ignore[method-assign]
    async with backend(made=mute) as found, tools_client(gateway.url) as client, loaded(gateway):
        offer(gateway, "shaky", found, first_byte=0.2)
        await until(lambda: gateway.problem("shaky"))
        listed = (await client.modern("tools/list")).result
        assert [each["name"] for each in listed["tools"]] == ["good"]
        (missing,) = listed["_meta"][MISSING]
        assert missing["adapter"] == "shaky"
        assert missing["reason"]


LIES: list[dict[str, Any]] = [
    {"name": "no_object", "inputSchema": {"type": "array"}},
    {"name": "no_schema", "inputSchema": "whatever you like"},
    {"name": "no_regex", "inputSchema": {"type": "object", "properties": {"a": {"type": "string", "pattern": "("}}}},
    {"name": "far_ref", "inputSchema": {"type": "object", "$ref": "https://example.com/schema.json"}},
    {"name": ["no", "name"], "inputSchema": {"type": "object"}},
    {"name": "huge", "inputSchema": {"type": "object", "description": "x" * 300_000}},
]


async def test_a_backend_that_lies_about_its_schemas_loses_those_tools_alone(gateway: ToolsGateway) -> None:
    async with backend(tool("fine")) as found, tools_client(gateway.url) as client:
        offer(gateway, "shaky", found)
        assert await client.names() == ["fine", "good"]
        await found.listening.wait()
        async with loaded(gateway):
            found.change(tool("fine"), *LIES)
            await until(lambda: len(gateway.router.offered()) == len(LIES) + 2)
            assert await client.names() == ["fine", "good"]
            assert (await client.call("fine")).text == "fine"
            quarantined = [each for each in gateway.router.offered() if each.quarantine]
            assert len(quarantined) == len(LIES)
            assert (await client.call("far_ref")).error["code"] == -32602
            found.change(tool("fine"), tool("far_ref"))
            await until(lambda: len(gateway.router.offered()) == 3)
            assert (await client.call("far_ref")).text == "far_ref"


async def test_a_backend_that_keeps_changing_its_definitions_is_never_seen_half_changed(gateway: ToolsGateway) -> None:
    async with (
        backend(tool("bad", description="as is"), tool("worse", description="as is")) as found,
        tools_client(gateway.url) as client,
    ):
        offer(gateway, "shaky", found)
        assert await client.names() == ["bad", "good", "worse"]
        locked = {each.original: each.digest for each in gateway.router.offered("shaky")}
        gateway.toolset("lenient", drift="warn")
        await found.listening.wait()
        async with loaded(gateway), tools_client(f"{gateway.url}/lenient") as lenient:
            for turn in range(20):
                said = f"turn {turn}"
                found.change(tool("bad", description=said), tool("worse", description=said))
                told = (await client.modern("tools/list")).result["tools"]
                descriptions = {each["description"] for each in told if each["name"] != "good"}
                assert len(descriptions) == 1
            gateway.tool("shaky", adapter="shaky", toolName="*", locked=locked)
            await until(lambda: all(each.drift for each in gateway.router.offered("shaky")))
            assert await client.names() == ["good"]
            assert (await client.call("bad")).error["code"] == -32602
            assert await lenient.names() == ["bad", "good", "worse"]
            assert (await lenient.call("bad")).text == "bad"
            found.change(tool("bad", description="as is"), tool("worse", description="as is"))
            await until(lambda: not any(each.drift for each in gateway.router.offered("shaky")))
            assert await client.names() == ["bad", "good", "worse"]
