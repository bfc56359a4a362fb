"""Handshake-era clients at /mcp: their sessions, the adapters' own behind them, and what is asked of a client."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest
from msgspec import Raw

from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.http1 import Exchange
from gateway.wire.mcp import Era
from gateway.wire.resources import EraPolicy
from tests.support.legacy_backend import LegacyBackend, answer, legacy_backend
from tests.support.mcp_backend import JSON, STREAM, Json, hang, tool
from tests.support.tools_client import tools_client
from tests.support.tools_gateway import ToolsGateway, tools_gateway

LEGACY = frozenset({Era.LEGACY})
OFFER: Json = {"toolName": "*"}


@pytest.fixture(name="gateway")
async def _gateway() -> AsyncIterator[ToolsGateway]:
    async with tools_gateway() as gateway:
        yield gateway


def offer(gateway: ToolsGateway, name: str, found: LegacyBackend) -> None:
    gateway.adapter(name, found.url, eras=LEGACY)
    gateway.tool(name, adapter=name, **OFFER)


@pytest.mark.parametrize("version", ["2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"])
async def test_initialize_agrees_on_the_clients_version(gateway: ToolsGateway, version: str) -> None:
    async with tools_client(gateway.url) as client:
        agreed = await client.initialize(version)
    assert agreed.result["protocolVersion"] == version
    assert agreed.result["serverInfo"]["name"] == "mcpdeck"
    assert mcp.SESSION_ID.fullmatch(client.session.encode())


async def test_a_version_that_nobody_knows_is_answered_with_the_newest(gateway: ToolsGateway) -> None:
    async with tools_client(gateway.url) as client:
        assert (await client.initialize("2031-01-01")).result["protocolVersion"] == "2025-11-25"


async def test_an_adapter_hears_what_the_client_said_of_itself(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize("2025-06-18", sampling={}, elicitation={"form": {}})
        await client.legacy("tools/call", {"name": "who", "arguments": {}})
        (session,) = found.clients()
        said = found.sessions[session]
        assert said["protocolVersion"] == "2025-06-18"
        assert said["capabilities"] == {"sampling": {}, "elicitation": {"form": {}}}
        await found.until(2, "notifications/initialized")


async def test_calls_of_one_session_go_to_one_session_of_the_adapter(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as one, tools_client(gateway.url) as two:
        offer(gateway, "x", found)
        await one.initialize()
        await two.initialize()
        async with asyncio.TaskGroup() as tasks:
            calls = [
                tasks.create_task(client.legacy("tools/call", {"name": "who"}, request_id=number))
                for client in (one, two)
                for number in range(5)
            ]
        texts = [call.result().text for call in calls]
    assert len(set(texts[:5])) == len(set(texts[5:])) == 1
    assert set(texts[:5]) != set(texts[5:])


async def test_each_call_has_its_own_trace_at_the_adapter(gateway: ToolsGateway) -> None:
    heard: list[tuple[str, str]] = []

    def noting(exchange: Exchange, message: Json) -> None:
        head = dict(exchange.request.headers)
        heard.append((head[b"traceparent"].decode(), head[b"x-request-id"].decode()))
        answer(exchange, message, {"content": []})

    async with legacy_backend(tool("noted")) as found, tools_client(gateway.url) as client:
        found.behaviours["noted"] = noting
        offer(gateway, "x", found)
        await client.initialize()
        said = [(f"00-{number}", f"call-{number}") for number in range(3)]
        for trace, name in said:
            await client.legacy("tools/call", {"name": "noted"}, traceparent=trace, **{"X-Request-Id": name})
    assert heard == said


async def test_a_session_that_the_adapter_lost_is_opened_anew_without_the_clients_doing(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        first = (await client.legacy("tools/call", {"name": "who"})).text
        found.sessions.pop(first)
        second = await client.legacy("tools/call", {"name": "who"})
    assert second.text != first
    assert second.text in found.sessions


async def test_a_session_ends_by_delete_and_takes_the_adapters_with_it(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        session = (await client.legacy("tools/call", {"name": "who"})).text
        said = {"Mcp-Session-Id": client.session}
        assert (await client.http.delete(gateway.url, headers=said)).status_code == 204
        ended = await client.legacy("ping")
        async with asyncio.timeout(10):
            while session not in found.ended:
                found.news.clear()
                await found.news.wait()
    assert ended.status == 404
    assert ended.error["message"] == "this session has ended, or never was here; begin anew with initialize"
    assert ended.message["id"] == 1


async def test_an_id_is_good_for_its_principal_and_its_place_alone(gateway: ToolsGateway) -> None:
    url = gateway.toolset("team", requiredRoles=["a"])
    async with tools_client(gateway.url, "ada", "a") as ada, tools_client(gateway.url, "eve", "a") as eve:
        await ada.initialize()
        assert (await ada.legacy("ping")).result == {}
        eve.session = ada.session
        assert (await eve.legacy("ping")).status == 404
        ada.url = url
        assert (await ada.legacy("ping")).status == 404
        ada.url, ada.session = gateway.url, ada.session[:-4] + "AAAA"
        assert (await ada.legacy("ping")).status == 404


async def test_a_client_that_never_sends_its_id_back_is_served_all_the_same(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        client.session = ""
        assert [each["name"] for each in (await client.legacy("tools/list")).result["tools"]] == ["who"]
        first = await client.legacy("tools/call", {"name": "who"})
        assert (await client.legacy("tools/call", {"name": "who"})).text == first.text


async def test_what_an_adapter_asks_is_answered_in_its_own_session_by_its_own_id(gateway: ToolsGateway) -> None:
    async with legacy_backend(tool("ask")) as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        asked: list[Exchange] = []

        def ask(exchange: Exchange, message: Json) -> None:
            exchange.start(200, [STREAM])
            question = {"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": {"message": "who?"}}
            exchange.write(sse.encode(msgspec.json.encode(question)))
            asked.append(exchange)

        found.behaviours["ask"] = ask
        await client.initialize(elicitation={})
        headers = {"Mcp-Session-Id": client.session, "Accept": "application/json, text/event-stream"}
        body = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "ask"}}
        decoder, heard = sse.Decoder(), list[Json]()
        async with client.http.stream("POST", gateway.url, json=body, headers=headers) as stream:
            async for chunk in stream.aiter_bytes():
                heard += [msgspec.json.decode(event.data) for event in decoder.feed(chunk) if event.data]
                if len(heard) == 1:
                    reply = {"jsonrpc": "2.0", "id": heard[0]["id"], "result": {"action": "accept"}}
                    assert (await client.send(reply, headers)).status == 202
                    asked[0].write(sse.encode(b'{"jsonrpc":"2.0","id":1,"result":{"content":[]}}'))
                    asked[0].finish()
        (session,) = found.clients()
        answers = [message for where, message in found.posted if where == session and "result" in message]
    assert heard[0]["method"] == "elicitation/create"
    assert heard[0]["id"] != 7
    assert answers == [{"jsonrpc": "2.0", "id": 7, "result": {"action": "accept"}}]
    assert heard[1]["result"] == {"content": []}


async def test_an_answer_with_another_principals_mark_goes_nowhere(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        await client.legacy("tools/call", {"name": "who"})
        for forged in ("x~session-1~Nw", "x~~Nw", "nonsense", "~~~"):
            reply: Json = {"jsonrpc": "2.0", "id": forged, "result": {}}
            assert (await client.send(reply, {"Mcp-Session-Id": client.session})).status == 202
        await client.legacy("tools/call", {"name": "who"})
    assert not [message for where, message in found.posted if where in found.sessions and "result" in message]


async def test_cancelling_reaches_the_adapter_that_has_the_call(gateway: ToolsGateway) -> None:
    async with legacy_backend(tool("slow")) as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        found.behaviours["slow"] = hang
        await client.initialize()
        async with asyncio.TaskGroup() as tasks:
            call = tasks.create_task(client.legacy("tools/call", {"name": "slow"}, request_id="one"))
            await found.until(1, "tools/call")
            await client.legacy("notifications/cancelled", {"requestId": "one"}, request_id=None)
            await found.until(1, "notifications/cancelled")
            call.cancel()
    assert found.received("notifications/cancelled")[0]["params"] == {"requestId": "one"}


async def test_the_get_stream_tells_of_changed_lists_and_passes_what_adapters_say(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        async with client.get() as heard:
            assert (await client.legacy("resources/subscribe", {"uri": "x://watched"})).result == {}
            (session,) = found.clients()
            async with asyncio.timeout(10):
                while session not in found.streams:
                    found.news.clear()
                    await found.news.wait()
            found.tell(session, "notifications/resources/updated", {"uri": "x://watched"})
            updated = await anext(heard)
            gateway.toolset("another")
            changed = {(await anext(heard))["method"] for _ in range(3)}
    assert updated == {
        "jsonrpc": "2.0",
        "method": "notifications/resources/updated",
        "params": {"uri": "x://watched"},
    }
    assert "notifications/tools/list_changed" in changed


async def test_a_newer_stream_takes_the_older_ones_place(gateway: ToolsGateway) -> None:
    async with tools_client(gateway.url) as client:
        await client.initialize()
        async with client.get() as first, client.get() as second:
            with pytest.raises(StopAsyncIteration):
                await anext(first)
            gateway.toolset("another")
            assert (await anext(second))["method"].endswith("list_changed")


async def test_a_log_level_is_set_with_adapters_old_and_new(gateway: ToolsGateway) -> None:
    async with legacy_backend() as one, legacy_backend(tool("other")) as two, tools_client(gateway.url) as client:
        offer(gateway, "one", one)
        await client.initialize()
        await client.legacy("tools/call", {"name": "who"})
        assert (await client.legacy("logging/setLevel", {"level": "warning"})).result == {}
        await one.until(1, "logging/setLevel")
        offer(gateway, "two", two)
        await client.legacy("tools/call", {"name": "other"})
        await two.until(1, "logging/setLevel")
    assert two.received("logging/setLevel")[0]["params"] == {"level": "warning"}


async def test_an_adapter_that_refuses_the_client_answers_its_call(gateway: ToolsGateway) -> None:
    async with legacy_backend() as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        names = [each["name"] for each in (await client.legacy("tools/list")).result["tools"]]
        found._answer = lambda exchange, message, session: exchange.respond(404)  # type: ignore[method-assign]
        refused = await client.legacy("tools/call", {"name": "who"}, request_id="mine")
    assert names == ["who"]
    assert refused.status == 502  # 404 would end the client's session here, which is well
    assert refused.message["id"] == "mine"


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"[]", {}, 400),
        (b"{", {}, 400),
        (b'{"jsonrpc":"2.0","id":[],"method":"ping"}', {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Content-Type": "text/plain"}, 415),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Accept": "text/html"}, 406),
        (b'{"jsonrpc":"2.0","id":1,"method":"ping"}', {"Mcp-Session-Id": "unknown"}, 404),
    ],
)
async def test_what_is_no_request_is_refused(
    gateway: ToolsGateway, body: bytes, headers: dict[str, str], status: int
) -> None:
    async with tools_client(gateway.url) as client:
        said = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"} | headers
        answered = await client.http.post(gateway.url, content=body, headers=said)
    assert answered.status_code == status


async def test_an_unknown_method_is_an_error_with_its_id(gateway: ToolsGateway) -> None:
    async with tools_client(gateway.url) as client:
        await client.initialize()
        unknown = await client.legacy("tasks/list", request_id="a")
        cursor = await client.legacy("tools/list", {"cursor": "2"})
        missing = await client.legacy("resources/read", {"uri": "x://none"})
    assert (unknown.status, unknown.error["code"], unknown.message["id"]) == (200, -32601, "a")
    assert cursor.error["code"] == -32602
    assert missing.error["code"] == -32002


async def test_another_replica_serves_the_session_with_the_key_alone() -> None:
    async with (
        legacy_backend() as found,
        tools_gateway() as one,
        tools_gateway(keys=one.keys) as two,
        tools_client(one.url) as client,
    ):
        for gateway in (one, two):
            offer(gateway, "x", found)
        await client.initialize()
        first = (await client.legacy("tools/call", {"name": "who"})).text
        client.url = two.url
        second = await client.legacy("tools/call", {"name": "who"})
    assert second.status == 200
    assert second.text != first


class Choosy(LegacyBackend):
    """Lists `ask` only to clients that can be asked, and knows it for no others."""

    def _answer(self, exchange: Exchange, message: Json, session: str) -> None:
        knows_ask = "elicitation" in self.sessions[session]["capabilities"]
        if message["method"] == "tools/list":
            answer(exchange, message, {"tools": self.tools if knows_ask else self.tools[:1]})
        elif message["method"] == "tools/call" and message["params"]["name"] == "ask" and not knows_ask:
            exchange.respond(200, [JSON], jsonrpc.error(Raw(msgspec.json.encode(message["id"])), -32602, "no tool ask"))
        else:
            super()._answer(exchange, message, session)


async def test_tools_that_a_server_has_for_clients_that_can_be_asked_are_listed(gateway: ToolsGateway) -> None:
    choosy = Choosy(tool("who"), tool("ask"))
    async with legacy_backend(made=choosy) as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize(elicitation={})
        assert await client.names() == ["ask", "who"]
        called = await client.legacy("tools/call", {"name": "ask", "arguments": {}})
        assert called.text in found.sessions
        (own,) = found.clients("mcpdeck")
        assert set(found.sessions[own]["capabilities"]) >= {"elicitation", "sampling", "roots"}


async def test_who_cannot_be_asked_hears_of_such_a_tool_what_its_server_says(gateway: ToolsGateway) -> None:
    choosy = Choosy(tool("who"), tool("ask"))
    async with legacy_backend(made=choosy) as found, tools_client(gateway.url) as client:
        offer(gateway, "x", found)
        await client.initialize()
        called = await client.legacy("tools/call", {"name": "ask", "arguments": {}})
    assert called.error == {"code": -32602, "message": "no tool ask"}


@pytest.mark.parametrize(
    ("method", "answered"),
    [
        ("roots/list", {"result": {"roots": []}}),
        ("elicitation/create", {"result": {"action": "cancel"}}),
        ("ping", {"result": {}}),
    ],
)
async def test_a_server_that_asks_the_gateway_itself_is_answered(
    gateway: ToolsGateway, method: str, answered: Json
) -> None:
    async with legacy_backend() as found:
        gateway.adapter("x", found.url, eras=LEGACY, era=EraPolicy.PASS)
        gateway.tool("x", adapter="x", **OFFER)
        await gateway.router.settled()
        (own,) = found.clients("mcpdeck")
        async with asyncio.timeout(10):
            while own not in found.streams:
                found.news.clear()
                await found.news.wait()
            question = msgspec.json.encode({"jsonrpc": "2.0", "id": "q", "method": method, "params": {}})
            found.streams[own].write(sse.encode(question))
            while not (said := [message for _, message in found.posted if message.get("id") == "q"]):
                found.news.clear()
                await found.news.wait()
    assert said == [{"jsonrpc": "2.0", "id": "q", **answered}]
