"""Batches, which only 2025-03-26 has, before a server of 2026-07-28: taken apart, each request answered by an event."""

from collections.abc import AsyncIterator
from typing import Any

import msgspec
import pytest

from gateway.wire import jsonrpc, sse
from gateway.wire.mcp import Era
from tests.support.scripted_upstream import Asked, ScriptedUpstream, scripted_upstream
from tests.support.served import served
from tests.support.wire_client import Reply, WireClient

TOLD = {"jsonrpc": "2.0", "method": "notifications/initialized"}


async def modern_server(asked: Asked) -> None:
    message = jsonrpc.decode(asked.body)
    result: dict[str, Any] = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}
    if message.method == "server/discover":
        result |= {"supportedVersions": ["2026-07-28"], "capabilities": {"tools": {}}}
    elif message.method == "tools/call":
        result |= {"content": [{"type": "text", "text": asked.value("mcp-name") or ""}]}
    else:
        result |= {"tools": []}
    await asked.json(jsonrpc.response(message.id, result))


@pytest.fixture(name="upstream")
async def _upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream(modern_server) as upstream:
        yield upstream


@pytest.fixture(name="client")
async def _client(upstream: ScriptedUpstream) -> AsyncIterator[WireClient]:
    endpoint = msgspec.structs.replace(upstream.endpoint, eras=frozenset({Era.MODERN}))
    async with served(endpoint) as gateway, gateway.client() as client:
        yield client


async def opened(client: WireClient, version: str) -> dict[str, str]:
    """The headers of a session."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
    answer = await client.ask(jsonrpc.request(0, "initialize", params))
    assert answer.json["result"]["protocolVersion"] == version
    return {"Mcp-Session-Id": answer.headers["mcp-session-id"], "MCP-Protocol-Version": version}


def call(number: int, name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": "tools/call", "params": {"name": name}}


async def said(client: WireClient, batch: list[Any], headers: dict[str, str]) -> Reply:
    return await client.ask(msgspec.json.encode(batch), headers=headers)


def answers(reply: Reply) -> dict[int, Any]:
    messages = [msgspec.json.decode(event.data) for event in sse.Decoder().feed(reply.body) if event.data]
    assert len({each["id"] for each in messages}) == len(messages)
    return {each["id"]: each for each in messages}


async def test_each_request_of_a_batch_is_answered_once_and_the_stream_ends(
    client: WireClient, upstream: ScriptedUpstream
) -> None:
    session = await opened(client, "2025-03-26")
    ping = {"jsonrpc": "2.0", "id": 3, "method": "ping"}
    found = answers(await said(client, [call(1, "a"), TOLD, call(2, "b"), ping], session))
    assert [found[number]["result"]["content"][0]["text"] for number in (1, 2)] == ["a", "b"]
    assert found[3]["result"] == {}
    assert not any("resultType" in each["result"] for each in found.values())
    assert [asked.value("mcp-method") for asked in upstream.asked] == ["server/discover", "tools/call", "tools/call"]


async def test_an_id_that_a_batch_has_twice_is_refused_the_second_time(client: WireClient) -> None:
    session = await opened(client, "2025-03-26")
    reply = await said(client, [call(1, "a"), call(1, "b")], session)
    kinds = sorted(
        "error" if b'"error"' in (event.data or b"") else "result" for event in sse.Decoder().feed(reply.body)
    )
    assert kinds == ["error", "result"]


async def test_a_batch_that_wants_no_answer_gets_none(client: WireClient) -> None:
    session = await opened(client, "2025-03-26")
    reply = await said(client, [TOLD, {"jsonrpc": "2.0", "id": "nobody's", "result": {}}], session)
    assert (reply.status, reply.body) == (202, b"")


@pytest.mark.parametrize(
    ("version", "batch", "accept"),
    [
        ("2025-06-18", [call(1, "a")], "application/json, text/event-stream"),
        ("2025-03-26", [], "application/json, text/event-stream"),
        ("2025-03-26", [call(1, "a")], "application/json"),
        ("2025-03-26", [call(number, "a") for number in range(101)], "application/json, text/event-stream"),
        ("2025-03-26", [call(1, "a"), 1], "application/json, text/event-stream"),
        ("2025-03-26", [call(1, "a"), call(2, "b") | {"id": {}}], "application/json, text/event-stream"),
    ],
)
async def test_a_batch_that_nobody_could_answer_is_refused_and_reaches_no_server(
    client: WireClient, upstream: ScriptedUpstream, version: str, batch: list[Any], accept: str
) -> None:
    session = await opened(client, version)
    reply = await said(client, batch, session | {"Accept": accept})
    assert (reply.status, reply.json["error"]["code"]) == (400, -32600)
    assert [asked.value("mcp-method") for asked in upstream.asked] == ["server/discover"]
