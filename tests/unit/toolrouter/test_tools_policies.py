"""Policies at /mcp: calls allowed, denied, limited, and held until somebody approves them."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, NotFound, PreconditionFailed
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.limits import Admitted, Exceeded, Limits
from gateway.wire.mcp import Era
from gateway.wire.names import PrincipalId
from gateway.wire.policies import (
    ApprovalDecision,
    ApprovalTerms,
    Effect,
    Facts,
    Limit,
    PendingApproval,
    PolicySpec,
    Question,
)
from tests.support.mcp_backend import Backend, backend, hang, tool
from tests.support.tools_client import META, Answer, ToolsClient, tools_client
from tests.support.tools_gateway import ToolsGateway, tools_gateway

ADMIN = Principal(PrincipalId("root"), "Root", frozenset({"mcp.admin"}))
OPS = Principal(PrincipalId("olga"), "Olga", frozenset({"ops"}))
EVE = Principal(PrincipalId("eve"))
DESTRUCTIVE = {"annotations": {"destructiveHint": True}}
DENY_DESTRUCTIVE = {
    "name": "r",
    "when": "has(tool.annotations.destructiveHint) && tool.annotations.destructiveHint",
    "effect": "deny",
    "reason": "nothing is deleted here",
}


@pytest.fixture(name="found")
async def _found() -> AsyncIterator[Backend]:
    async with backend(tool("read"), tool("delete", **DESTRUCTIVE)) as found:
        yield found


@pytest.fixture(name="gateway")
async def _gateway(found: Backend) -> AsyncIterator[ToolsGateway]:
    async with tools_gateway() as gateway:
        gateway.adapter("x", found.url, eras=frozenset({Era.MODERN}))
        gateway.tool("x", adapter="x", toolName="*")
        yield gateway


async def test_what_a_policy_denies_never_reaches_the_tool_and_says_why(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=[DENY_DESTRUCTIVE])
    async with tools_client(gateway.url) as client:
        denied = await client.call("delete")
        assert (await client.call("read")).text == "read"
        assert await client.names() == ["delete", "read"]
    assert denied.result["isError"] is True
    assert denied.text == "delete: nothing is deleted here"
    assert [each["name"] for each in found.calls] == ["read"]


async def test_a_policy_holds_at_the_next_call_and_is_gone_as_soon(gateway: ToolsGateway) -> None:
    async with tools_client(gateway.url) as client:
        assert (await client.call("delete")).text == "delete"
        gateway.policy("p", rules=[DENY_DESTRUCTIVE])
        assert (await client.call("delete")).result["isError"]
        gateway.drop_policy("p")
        assert (await client.call("delete")).text == "delete"


async def test_a_policy_in_shadow_lets_calls_pass(gateway: ToolsGateway) -> None:
    gateway.policy("p", mode="shadow", rules=[DENY_DESTRUCTIVE], limits=[{"name": "l", "perMinute": 1}])
    async with tools_client(gateway.url) as client:
        for _ in range(3):
            assert (await client.call("delete")).text == "delete"


async def test_a_policy_that_was_written_past_the_check_refuses_every_call(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=[{"name": "r", "when": "nonsense(", "effect": "allow"}])
    async with tools_client(gateway.url) as client:
        assert (await client.call("read")).text == "read: a policy does not allow this call"


async def test_rules_see_arguments_as_the_tool_gets_them(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=[{"name": "r", "when": "args.amount > 100.0", "effect": "deny"}])
    async with tools_client(gateway.url) as client:
        assert (await client.call("read", {"amount": 50})).text == "read"
        assert (await client.call("read", {"amount": 500})).result["isError"]
        assert (await client.call("read")).result["isError"]  # without the argument the rule can't be judged


async def test_a_rate_is_answered_with_429_and_when_to_try_again(gateway: ToolsGateway) -> None:
    gateway.policy("p", limits=[{"name": "calm", "perMinute": 2}])
    async with tools_client(gateway.url) as client, tools_client(gateway.url, "other", "mcp.admin") as other:
        statuses = [(await client.call("read")).status for _ in range(3)]
        refused = await client.call("read")
        assert (await client.call("delete")).status == 200  # another tool
        assert (await other.call("read")).status == 200  # another principal
    assert statuses == [200, 200, 429]
    assert "limit 'calm' of policy 'p'" in refused.error["message"]
    assert 1 <= int(refused.headers["retry-after"]) <= 30


async def test_a_place_is_free_again_when_a_call_ends_or_its_client_leaves(
    gateway: ToolsGateway, found: Backend
) -> None:
    gateway.policy("p", limits=[{"name": "one", "concurrent": 1}])
    found.behaviours["read"] = hang
    async with tools_client(gateway.url) as client:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(client.call("read"))
            await found.was_called.wait()
            assert (await client.call("read")).status == 429
            call.cancel()
        async with asyncio.timeout(10):
            await found.left.wait()
        del found.behaviours["read"]
        assert (await client.call("read")).status == 200
        assert (await client.call("read")).status == 200


APPROVE = [{"name": "ask", "when": 'tool.name == "delete"', "effect": "approve", "reason": "it is for ever"}]


async def decided(gateway: ToolsGateway, call: asyncio.Task[Answer], *, approve: bool) -> Answer:
    pending = await held(gateway)
    assert not call.done()
    decision = ApprovalDecision(approve=approve, digest=pending.digest, reason="" if approve else "not today")
    gateway.router.approvals.decide(OPS, pending.id, decision)
    return await call


async def held(gateway: ToolsGateway) -> PendingApproval:
    async with asyncio.timeout(10):
        while not (pending := gateway.router.approvals.pending(ADMIN)):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
    return pending[0]


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_call_is_held_until_it_is_approved(gateway: ToolsGateway, found: Backend, era: str) -> None:
    gateway.policy("p", rules=APPROVE, approval={"roles": ["Ops"]})
    async with tools_client(gateway.url) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(called(client, era))
        assert (await decided(gateway, call, approve=True)).text == "delete"
    assert found.calls[0]["arguments"] == {"page": "home"}


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_call_that_is_not_approved_says_who_said_so(gateway: ToolsGateway, found: Backend, era: str) -> None:
    gateway.policy("p", rules=APPROVE, approval={"roles": ["ops"]})
    async with tools_client(gateway.url) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(called(client, era))
        refused = await decided(gateway, call, approve=False)
    assert refused.text == "delete: Olga did not approve this call: not today"
    assert found.calls == []


@pytest.mark.parametrize("era", ["modern", "legacy"])
async def test_a_client_that_wants_progress_hears_why_it_waits(gateway: ToolsGateway, era: str) -> None:
    gateway.policy("p", rules=APPROVE, approval={"roles": ["ops"]})
    async with tools_client(gateway.url) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(called(client, era, token="t"))
        answer = await decided(gateway, call, approve=True)
    progress, response = answer.messages
    assert progress["method"] == "notifications/progress"
    assert progress["params"]["progressToken"] == "t"
    assert "(it is for ever)" in progress["params"]["message"]
    assert response["result"]["content"][0]["text"] == "delete"


async def test_a_call_that_nobody_approves_in_time_is_over(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=APPROVE, approval={"expires": 0.05})
    async with tools_client(gateway.url) as client:
        assert (await called(client, "modern")).text == "delete: nobody approved this call in time"
    assert found.calls == []


async def test_a_client_that_does_not_wait_takes_its_call_back(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(gateway.url) as client:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(called(client, "modern"))
            pending = await held(gateway)
            call.cancel()
        async with asyncio.timeout(10):
            while gateway.router.approvals.pending(ADMIN):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
    with pytest.raises(NotFound):
        gateway.router.approvals.decide(ADMIN, pending.id, ApprovalDecision(approve=True, digest=pending.digest))
    assert found.calls == []


async def called(client: ToolsClient, era: str, token: str = "") -> Answer:
    params: dict[str, Any] = {"name": "delete", "arguments": {"page": "home"}}
    meta = {"progressToken": token} if token else {}
    if era == "legacy":
        await client.initialize()
        return await client.legacy("tools/call", params | ({"_meta": meta} if meta else {}))
    return await client.modern("tools/call", params | {"_meta": META | meta})


async def test_a_draft_is_tried_on_calls_without_making_any(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=[DENY_DESTRUCTIVE])
    calls = [Facts(tool={"name": "delete", **DESTRUCTIVE}), Facts(tool={"name": "read", "annotations": {}})]
    draft = PolicySpec(name="p", default=Effect.DENY)
    tested = gateway.router.tested(Question(calls=calls, draft=draft))
    assert [each.now.effect for each in tested] == [Effect.DENY, Effect.ALLOW]
    assert [each.draft.effect for each in tested if each.draft] == [Effect.DENY, Effect.DENY]
    assert found.calls == []


# limits and approvals by themselves


class Clock:
    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


def test_a_bucket_fills_evenly_and_never_over_a_minutes_worth() -> None:
    clock = Clock()
    limits, calm = Limits(clock), [("p", Limit(name="l", per_minute=6))]
    assert [isinstance(limits.admit(calm, "a", "t"), Admitted) for _ in range(7)] == [True] * 6 + [False]
    clock.seconds += 10
    assert isinstance(limits.admit(calm, "a", "t"), Admitted)
    assert limits.admit(calm, "a", "t") == Exceeded("p", "l", 10.0)
    clock.seconds += 3600
    assert sum(isinstance(limits.admit(calm, "a", "t"), Admitted) for _ in range(10)) == 6


def test_a_call_that_one_limit_refuses_counts_for_none() -> None:
    clock = Clock()
    limits = Limits(clock)
    wide, narrow = ("p", Limit(name="wide", per_minute=10)), ("p", Limit(name="narrow", concurrent=1))
    first = limits.admit([wide, narrow], "a", "t")
    assert isinstance(first, Admitted)
    assert isinstance(limits.admit([wide, narrow], "a", "t"), Exceeded)
    first.release()
    first.release()  # once is enough, and twice does no harm
    assert sum(isinstance(limits.admit([wide], "a", "t"), Admitted) for _ in range(20)) == 9


class Moments:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def hold(approvals: Approvals, told: list[str], **arguments: Any) -> PendingApproval:
    pending = approvals.hold(
        EVE, "delete", arguments, rule=("p", "ask", ""), terms=ApprovalTerms(roles=["Ops"]), decided=told.append
    )
    assert pending is not None
    return pending


def test_only_who_has_the_role_decides_and_only_of_what_was_seen() -> None:
    told: list[str] = []
    approvals = Approvals(Moments())
    pending = hold(approvals, told, page="home")
    right, other = (ApprovalDecision(approve=True, digest=digest) for digest in (pending.digest, "sha256:0"))
    with pytest.raises(Forbidden):
        approvals.decide(EVE, pending.id, right)
    with pytest.raises(NotFound):
        approvals.decide(Principal(PrincipalId("bob")), pending.id, right)
    with pytest.raises(PreconditionFailed):
        approvals.decide(OPS, pending.id, other)
    assert told == []
    assert [len(approvals.pending(each)) for each in (EVE, OPS, ADMIN, Principal(PrincipalId("bob")))] == [1, 1, 1, 0]
    approvals.decide(OPS, pending.id, right)
    assert told == [""]
    assert approvals.pending(ADMIN) == []


def test_the_digest_stands_for_the_arguments_whatever_their_order() -> None:
    approvals, told = Approvals(Moments()), list[str]()
    one, two, three = (hold(approvals, told, **each) for each in ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 2}))
    assert one.digest == two.digest != three.digest


def test_what_waits_too_long_is_over() -> None:
    clock, told = Moments(), list[str]()
    approvals = Approvals(clock)
    hold(approvals, told)
    approvals.tick()
    assert told == []
    clock.now += timedelta(seconds=300)
    approvals.tick()
    assert told == ["nobody approved this call in time"]
