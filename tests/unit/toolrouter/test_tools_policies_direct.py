"""Policies on adapters' own routes: what they refuse at /mcp can't be had by going around it."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urljoin, urlsplit

import pytest

from gateway.core.access import Principal
from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.mcp import Era
from gateway.wire.names import PrincipalId
from gateway.wire.policies import ApprovalDecision, PendingApproval
from tests.support.mcp_backend import Backend, backend, hang, tool
from tests.support.tools_client import META, Answer, ToolsClient, tools_client
from tests.support.tools_gateway import ToolsGateway, tools_gateway
from tests.support.wire_client import Reply, wire_client

ADMIN = Principal(PrincipalId("root"), "Root", frozenset({"mcp.admin"}))
DESTRUCTIVE = {"annotations": {"destructiveHint": True}}
DENY_DELETE = {"name": "r", "when": 'tool.name == "delete"', "effect": "deny", "reason": "nothing is deleted here"}
APPROVE = [{"name": "ask", "when": 'tool.name == "delete"', "effect": "approve", "reason": "it is for ever"}]
ERAS = ("modern", "legacy")


@pytest.fixture(name="found")
async def _found() -> AsyncIterator[Backend]:
    async with backend(tool("read"), tool("delete", **DESTRUCTIVE)) as found:
        yield found


@pytest.fixture(name="gateway")
async def _gateway(found: Backend) -> AsyncIterator[ToolsGateway]:
    async with tools_gateway() as gateway:
        gateway.adapter("x", found.url, eras=frozenset({Era.MODERN}), roles=["team"])
        gateway.tool("x", adapter="x", toolName="*")
        await gateway.router.settled()
        yield gateway


def adapter(gateway: ToolsGateway, name: str = "x") -> str:
    return f"{gateway.root}/adapters/{name}/mcp"


async def called(client: ToolsClient, era: str, name: str, token: str = "", **arguments: Any) -> Answer:
    params: dict[str, Any] = {"name": name, "arguments": arguments}
    meta = {"progressToken": token} if token else {}
    if era == "modern":
        return await client.modern("tools/call", params | {"_meta": META | meta})
    if not client.session:
        await client.initialize()
    return await client.legacy("tools/call", params | ({"_meta": meta} if meta else {}))


async def held(gateway: ToolsGateway) -> PendingApproval:
    async with asyncio.timeout(10):
        while not (pending := gateway.router.approvals.pending(ADMIN)):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.01)
    return pending[0]


@pytest.mark.parametrize("era", ERAS)
async def test_what_is_denied_at_mcp_is_denied_on_the_adapters_route(
    gateway: ToolsGateway, found: Backend, era: str
) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    async with tools_client(adapter(gateway)) as client:
        denied = await called(client, era, "delete")
        assert (await called(client, era, "read")).text == "read"
    assert (denied.status, denied.result["isError"], denied.text) == (200, True, "delete: nothing is deleted here")
    assert [each["name"] for each in found.calls] == ["read"]


@pytest.mark.parametrize("era", ERAS)
async def test_a_policy_holds_on_connections_whose_calls_went_through_before(gateway: ToolsGateway, era: str) -> None:
    async with tools_client(adapter(gateway)) as client:
        for _ in range(3):
            assert (await called(client, era, "delete")).text == "delete"
        gateway.policy("p", rules=[DENY_DELETE])
        for _ in range(3):
            assert (await called(client, era, "delete")).result["isError"]
        gateway.drop_policy("p")
        assert (await called(client, era, "delete")).text == "delete"


@pytest.mark.parametrize("path", ["/adapters/x/mcp", "/mcp"])
async def test_a_header_of_another_call_lets_none_past_a_policy(
    gateway: ToolsGateway, found: Backend, path: str
) -> None:
    """One connection, heads that differ in the tool's name and the trace: the body says what is called."""
    gateway.policy("p", rules=[DENY_DELETE])
    async with wire_client(urlsplit(gateway.root).port or 0, path) as client:

        async def said(header: str, name: str, trace: str) -> Reply:
            params = {"name": name, "arguments": {}, "_meta": META}
            own = {"Mcp-Name": header, "Traceparent": trace, "X-Request-Id": trace}
            head = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "X-Dev-UserId": "dev"} | own
            return await client.ask(jsonrpc.request(1, "tools/call", params), headers=head)

        for number in range(3):
            assert "result" in (await said("read", "read", f"t{number}")).json
        denied = (await said("delete", "delete", "t3")).json["result"]
        assert denied["content"][0]["text"] == "delete: nothing is deleted here"
        await said("read", "delete", "t4")
        await said("", "delete", "t5")
        assert "result" in (await said("read", "read", "t6")).json
    assert [each["name"] for each in found.calls] == ["read"] * 4


async def test_at_mcp_a_known_head_must_name_the_tool_of_its_own_body(gateway: ToolsGateway, found: Backend) -> None:
    async with wire_client(urlsplit(gateway.root).port or 0, "/mcp") as client:

        async def said(header: str, name: str) -> Reply:
            params = {"name": name, "arguments": {}, "_meta": META}
            head = {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": header}
            return await client.ask(jsonrpc.request(1, "tools/call", params), headers=head)

        for name in ("read", "delete", "read"):
            assert "result" in (await said(name, name)).json
        assert (await said("read", "delete")).json["error"]["code"] == mcp.HEADER_MISMATCH
        assert (await said("delete", "read")).json["error"]["code"] == mcp.HEADER_MISMATCH
    assert [each["name"] for each in found.calls] == ["read", "delete", "read"]


async def test_rules_know_a_tool_by_the_name_and_annotations_it_has_at_mcp(
    gateway: ToolsGateway, found: Backend
) -> None:
    gateway.adapter("y", found.url, eras=frozenset({Era.MODERN}))
    gateway.tool("y", adapter="y", toolName="*")  # both have delete, so that they are x_delete and y_delete
    await gateway.router.settled()
    gateway.policy("p", rules=[{"name": "r", "when": 'tool.name == "x_delete"', "effect": "deny"}])
    async with tools_client(adapter(gateway)) as client, tools_client(adapter(gateway, "y")) as other:
        assert (await called(client, "modern", "delete")).result["isError"]
        assert (await called(other, "modern", "delete")).text == "delete"
        gateway.policy("p", rules=[{"name": "r", "when": "tool.annotations.destructiveHint", "effect": "deny"}])
        assert (await called(other, "modern", "delete")).result["isError"]


async def test_a_tool_that_is_offered_twice_is_weighed_under_both_names(gateway: ToolsGateway, found: Backend) -> None:
    for shown in ("first", "second"):
        gateway.tool(shown, adapter="x", toolName="read", view={"name": shown})
    gateway.policy("p", rules=[{"name": "r", "when": 'tool.name == "second"', "effect": "deny", "reason": "no"}])
    async with tools_client(adapter(gateway)) as client:
        assert (await called(client, "modern", "read")).result["isError"]
    assert found.calls == []


async def test_a_tool_that_is_not_registered_is_weighed_by_its_own_name(gateway: ToolsGateway, found: Backend) -> None:
    gateway.drop_tool("x")
    gateway.policy("p", rules=[DENY_DELETE])
    async with tools_client(adapter(gateway)) as client:
        assert (await called(client, "modern", "delete")).result["isError"]
        assert (await called(client, "modern", "read")).text == "read"


async def test_a_policy_of_a_toolset_says_nothing_about_an_adapters_route(gateway: ToolsGateway) -> None:
    gateway.policy("p", toolset="team", rules=[DENY_DELETE])
    async with tools_client(adapter(gateway)) as client:
        assert (await called(client, "modern", "delete")).text == "delete"


async def test_an_escaped_method_is_weighed_like_any_other(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    body = rb'{"jsonrpc":"2.0","id":1,"method":"tools\/call","params":{"name":"del\u0065te","arguments":{}}}'
    assert "nothing is deleted" in await posted(gateway, body)
    assert found.calls == []


@pytest.mark.parametrize(
    "body",
    [
        b'[{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}]',
        '{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"delete"}}'.encode("utf-16"),
        b'{"jsonrpc":"2.0","method":"tools/call","params":{"name":"delete"}}',
        b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":["delete"]}}',
        b"",
    ],
    ids=["a batch", "UTF-16", "a notification", "a name that is none", "nothing"],
)
async def test_what_cannot_be_weighed_does_not_pass(gateway: ToolsGateway, found: Backend, body: bytes) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    assert '"error"' in await posted(gateway, body)
    assert found.calls == []


async def posted(gateway: ToolsGateway, body: bytes) -> str:
    """A message of the handshake era, as bytes."""
    async with tools_client(adapter(gateway)) as client:
        await client.initialize()
        headers = client.identity | {
            "Accept": "application/json, text/event-stream",
            "Content-Type": "application/json",
            "Mcp-Session-Id": client.session,
        }
        return (await client.http.post(client.url, content=body, headers=headers)).text


async def test_a_client_of_http_and_sse_is_answered_with_a_status(gateway: ToolsGateway, found: Backend) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    async with tools_client(f"{gateway.root}/adapters/x/sse") as client:
        headers = client.identity | {"Accept": "text/event-stream"}
        async with client.http.stream("GET", client.url, headers=headers) as stream:
            chunks = stream.aiter_bytes()
            (opened,) = sse.Decoder().feed(await anext(chunks))
            assert opened.data is not None
            where = urljoin(client.url, opened.data.decode())
            statuses = [
                (await client.http.post(where, json=jsonrpc_call(name), headers=client.identity)).status_code
                for name in ("delete", "read")
            ]
    assert statuses == [403, 202]
    assert "delete" not in [each["name"] for each in found.calls]


def jsonrpc_call(name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}}


@pytest.mark.parametrize("era", ERAS)
async def test_a_call_is_held_on_the_adapters_route_until_it_is_approved(
    gateway: ToolsGateway, found: Backend, era: str
) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(adapter(gateway)) as client, asyncio.TaskGroup() as tasks:
        call = tasks.create_task(called(client, era, "delete", "t", page="home"))
        pending = await held(gateway)
        assert (found.calls, pending.tool, pending.arguments) == ([], "delete", {"page": "home"})
        gateway.router.approvals.decide(ADMIN, pending.id, ApprovalDecision(approve=True, digest=pending.digest))
        answer = await call
    assert answer.text == "delete"
    assert answer.messages[0]["params"]["progressToken"] == "t"


async def test_limits_count_calls_of_both_ways_together(gateway: ToolsGateway) -> None:
    gateway.policy("p", limits=[{"name": "calm", "perMinute": 2}])
    async with tools_client(adapter(gateway)) as direct, tools_client(gateway.url) as client:
        assert (await called(direct, "modern", "read")).status == 200
        assert (await client.call("read")).status == 200
        assert (await called(direct, "modern", "read")).status == 429
        assert (await client.call("read")).status == 429


async def test_a_place_is_free_again_when_a_direct_call_ends_or_its_client_leaves(
    gateway: ToolsGateway, found: Backend
) -> None:
    gateway.policy("p", limits=[{"name": "one", "concurrent": 1}])
    found.behaviours["read"] = hang
    async with tools_client(adapter(gateway)) as client:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(called(client, "modern", "read"))
            await found.was_called.wait()
            assert (await called(client, "modern", "read")).status == 429
            call.cancel()
        async with asyncio.timeout(10):
            await found.left.wait()
        del found.behaviours["read"]
        for _ in range(2):
            assert (await called(client, "modern", "read")).status == 200


async def test_who_may_not_use_an_adapter_learns_nothing_of_its_policies(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    async with tools_client(adapter(gateway), "eve") as eve, tools_client(adapter(gateway, "none"), "eve") as nowhere:
        refused, unknown = [await called(each, "modern", "delete") for each in (eve, nowhere)]
    assert (refused.status, refused.error["code"]) == (unknown.status, unknown.error["code"])
    assert refused.error["message"].replace("'x'", "") == unknown.error["message"].replace("'none'", "")


# what others would read otherwise

TWICE = {
    "two names": rb'"method":"tools/call","params":{META"name":"read","name":"delete"}',
    "two names, the other way": rb'"method":"tools/call","params":{META"name":"delete","name":"read"}',
    "an escaped name": rb'"method":"tools/call","params":{META"na\u006de":"delete","name":"read"}',
    "two arguments": rb'"method":"tools/call","params":{META"name":"read","arguments":{"page":"a","page":"b"}}',
    "deep in them": rb'"method":"tools/call","params":{META"name":"read","arguments":{"a":[{"b":1, "\u0062":2}]}}',
    "two params": rb'"method":"tools/call","params":{META"name":"delete"},"params":{META"name":"read"}',
    "a Name": rb'"method":"tools/call","params":{META"name":"read","Name":"delete"}',
    "two methods": rb'"method":"tools/call","method":"prompts/get","params":{META"name":"delete"}',
    "a Method": rb'"Method":"tools/call","method":"prompts/get","params":{META"name":"delete"}',
    "two methods beside a number": rb'"method":"tools/call","method":"prompts/get","params":{META"name":"delete","n":1e999}',
}
META_OF = {
    "modern": rb'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",'
    rb'"io.modelcontextprotocol/clientCapabilities":{}},',
    "legacy": b"",
}


@pytest.mark.parametrize("era", ERAS)
@pytest.mark.parametrize("route", ["adapter", "mcp"])
async def test_a_call_that_others_would_read_otherwise_goes_nowhere(
    gateway: ToolsGateway, found: Backend, era: str, route: str
) -> None:
    gateway.policy("p", rules=[DENY_DELETE])
    async with tools_client(adapter(gateway) if route == "adapter" else gateway.url) as client:
        for what, members in TWICE.items():
            body = b'{"jsonrpc":"2.0","id":1,' + members.replace(b"META", META_OF[era]) + b"}"
            error = await sent(client, era, body)
            assert error["code"] == (-32700 if "number" in what else -32600), what
        assert (await called(client, era, "read")).text == "read"
    assert [each["name"] for each in found.calls] == ["read"]


async def sent(client: ToolsClient, era: str, body: bytes) -> dict[str, Any]:
    """The error that a message is answered with, whose bytes are these."""
    headers = client.identity | {
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
    }
    if era == "legacy":
        if not client.session:
            await client.initialize()
        headers["Mcp-Session-Id"] = client.session
    else:
        headers |= {"MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/call", "Mcp-Name": "read"}
    found: dict[str, Any] = (await client.http.post(client.url, content=body, headers=headers)).json()["error"]
    return found


async def test_without_policies_it_passes_as_ever(gateway: ToolsGateway, found: Backend) -> None:
    body = b'{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"read","arguments":{"a":1,"a":2}}}'
    assert '"result"' in await posted(gateway, body)
    assert len(found.calls) == 1


# what is counted


@pytest.mark.parametrize("era", ERAS)
async def test_what_policies_refuse_is_counted_by_class(gateway: ToolsGateway, era: str) -> None:
    gateway.policy("p", rules=[DENY_DELETE], limits=[{"name": "calm", "when": 'tool.name == "read"', "perMinute": 1}])
    async with tools_client(adapter(gateway)) as client:
        await called(client, era, "read")
        before = list(gateway.counters.by_class)
        for _ in range(2):  # as the first of its head, and as one more
            assert (await called(client, era, "delete")).result["isError"]
            assert (await called(client, era, "read")).status == 429
    counted = [now - then for now, then in zip(gateway.counters.by_class, before, strict=True)]
    assert counted == [0, 0, 2, 0, 2, 0]


async def test_a_client_that_leaves_while_its_call_is_held_is_counted_too(gateway: ToolsGateway) -> None:
    gateway.policy("p", rules=APPROVE)
    async with tools_client(adapter(gateway)) as client:
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(called(client, "modern", "delete"))
            await held(gateway)
            call.cancel()
        async with asyncio.timeout(10):
            while gateway.router.approvals.pending(ADMIN):  # noqa: ASYNC110 - nothing announces it
                await asyncio.sleep(0.01)
    assert gateway.counters.by_class[0] == 1
