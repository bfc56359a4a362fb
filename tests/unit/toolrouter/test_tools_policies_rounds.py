"""Calls in rounds (2026-07-28): what was approved and counted in one is so in the next, which a tool's question makes."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.core.access import Principal
from gateway.core.outlook import Outlook
from gateway.stores.shared_memory import Common
from gateway.toolrouter.calls import Caller
from gateway.toolrouter.carried import Carried, Ticket
from gateway.toolrouter.weighing import Weighed
from gateway.wire import sse
from gateway.wire.http1 import Exchange
from gateway.wire.mcp import Era
from gateway.wire.names import PrincipalId
from gateway.wire.policies import ApprovalDecision, Facts, PendingApproval
from tests.support.mcp_backend import STREAM, Backend, answer, backend, tool
from tests.support.tools_client import META, Answer, ToolsClient, tools_client
from tests.support.tools_gateway import ToolsGateway, tools_gateway

ADMIN = Principal(PrincipalId("root"), "Root", frozenset({"mcp.admin"}))
APPROVE = [{"name": "ask", "when": 'tool.name == "delete"', "effect": "approve"}]
ROUTES = ("adapter", "mcp")


def asks(exchange: Exchange, message: dict[str, Any]) -> None:
    """Two questions, one after the other; the second on a stream."""
    state = message["params"].get("requestState")
    if state is None:
        answer(exchange, message, {"resultType": "input_required", "inputRequests": {}, "requestState": "one"})
    elif state == "one":
        result = {"resultType": "input_required", "inputRequests": {}, "requestState": "two"}
        body = msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "result": result})
        exchange.start(200, [STREAM])
        exchange.write(sse.encode(body))
        exchange.finish()
    else:
        answer(exchange, message, {"content": [{"type": "text", "text": "done"}]})


@pytest.fixture(name="found")
async def _found() -> AsyncIterator[Backend]:
    async with backend(tool("read"), tool("delete")) as found:
        found.behaviours["delete"] = asks
        yield found


@pytest.fixture(name="gateway")
async def _gateway(found: Backend) -> AsyncIterator[ToolsGateway]:
    async with tools_gateway() as gateway:
        gateway.adapter("x", found.url, eras=frozenset({Era.MODERN}))
        gateway.tool("x", adapter="x", toolName="*")
        await gateway.router.settled()
        yield gateway


def url(gateway: ToolsGateway, route: str) -> str:
    return gateway.url if route == "mcp" else f"{gateway.root}/adapters/x/mcp"


async def called(client: ToolsClient, state: str | None = None, **arguments: Any) -> Answer:
    more = {} if state is None else {"requestState": state, "inputResponses": {}}
    return await client.modern("tools/call", {"name": "delete", "arguments": arguments, **more, "_meta": META})


async def held(gateway: ToolsGateway) -> PendingApproval:
    async with asyncio.timeout(10):
        while not (pending := gateway.router.approvals.pending(ADMIN)):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
    return pending[0]


async def approved(gateway: ToolsGateway, client: ToolsClient, state: str | None = None, **arguments: Any) -> Answer:
    """A call that is held, and approved then."""
    async with asyncio.TaskGroup() as tasks:
        call = tasks.create_task(called(client, state, **arguments))
        pending = await held(gateway)
        gateway.router.approvals.decide(ADMIN, pending.id, ApprovalDecision(approve=True, digest=pending.digest))
    return call.result()


@pytest.mark.parametrize("route", ROUTES)
async def test_a_call_that_was_approved_goes_on_after_its_tools_questions(gateway: ToolsGateway, route: str) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(url(gateway, route)) as client:
        first = await approved(gateway, client, page="home")
        second = await called(client, "one", page="home")
        third = await called(client, "two", page="home")
    assert [each.result.get("requestState") for each in (first, second, third)] == ["one", "two", None]
    assert third.text == "done"


@pytest.mark.parametrize("route", ROUTES)
async def test_an_approval_is_good_for_one_round_of_one_call(gateway: ToolsGateway, route: str) -> None:
    gateway.policy("p", rules=APPROVE)
    async with (
        tools_client(url(gateway, route)) as client,
        tools_client(url(gateway, route), "eve", "mcp.admin") as eve,
    ):
        await approved(gateway, client, page="home")
        await approved(gateway, client, "one", page="other")  # other arguments
        await approved(gateway, client, "made up", page="home")  # what the tool never said
        await approved(gateway, eve, "one", page="home")  # somebody else
        await called(client, "one", page="home")
        await approved(gateway, client, "one", page="home")  # a second time
        await approved(gateway, client, page="home")  # anew


async def test_a_rule_that_came_meanwhile_asks_again(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(gateway.url) as client:
        await approved(gateway, client)
        gateway.policy("q", rules=[{"name": "r", "when": "false", "effect": "deny"}])
        await approved(gateway, client, "one")


async def test_what_is_denied_meanwhile_is_denied(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(gateway.url) as client:
        await approved(gateway, client)
        gateway.policy("q", rules=[{"name": "r", "effect": "deny", "reason": "no"}])
        assert (await called(client, "one")).text == "delete: no"


@pytest.mark.parametrize("route", ROUTES)
async def test_a_rate_counts_a_call_once_however_many_rounds_it_takes(gateway: ToolsGateway, route: str) -> None:
    gateway.policy("p", limits=[{"name": "calm", "perMinute": 2, "concurrent": 1}])
    async with tools_client(url(gateway, route)) as client:
        statuses = [(await called(client, state)).status for state in (None, "one", "two", "two", "two", None)]
    assert statuses == [200, 200, 200, 200, 429, 429]


# by itself


class Clock:
    seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def call(state: str | None = None, who: str = "ann", **arguments: Any) -> Weighed:
    caller = Caller(Principal(PrincipalId(who)), Era.MODERN)
    return Weighed(caller, "delete", arguments, Outlook((), (Facts(),)), raw_id=b"1", token=None, state=state)


def test_what_is_carried_is_good_until_its_time_is_over() -> None:
    clock = Clock()
    carried = Carried(clock)
    for _ in range(2):
        carried.keep(call(), "s", Ticket(clock() + 10))
        clock.seconds += 10
        assert carried.take(call("s")) is None
    carried.keep(call(), "s", Ticket(clock() + 10))
    clock.seconds += 10
    carried.tick()
    assert list(carried.rows()) == []


async def test_the_next_round_may_come_to_another_replica() -> None:
    common = Common(lambda: 0.0)
    async with common.replica() as one, common.replica() as two:
        here, there = Carried(lambda: 1000.0), Carried(lambda: 5.0)
        here.share(one)
        there.share(two)
        ticket = Ticket(1010.0, ("p", "r"))
        here.keep(call(page="home"), "s", ticket)
        assert there.take(call("s", page="other")) is None
        assert there.take(call("s", "eve", page="home")) is None
        assert there.take(call("s", page="home")) == Ticket(15.0, ("p", "r"))  # each process counts from its own start
        assert there.take(call("s", page="home")) is None
        assert here.take(call("s", page="home")) is None


def test_there_is_room_for_so_many_and_the_oldest_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.toolrouter.carried.MOST", 2)
    carried = Carried(lambda: 0.0)
    for state in "abc":
        carried.keep(call(), state, Ticket(10.0))
    assert [carried.take(call(state)) is None for state in "abc"] == [True, False, False]
