"""A stdio client before a streamable-HTTP server: what is sent for its lines, and which lines come back."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest

from mcpdeck.client import open_http
from mcpdeck.front import front
from mcpdeck.front.messages import with_id
from tests.support.fake_gateway import Request
from tests.support.scripted_mcp import Message, Reply, ScriptedServer, blocks, error, event, result, scripted

META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
TOOL = {
    "name": "send",
    "inputSchema": {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}},
}
INITIALIZE: Message = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {"protocolVersion": "2025-11-25"}}
INITIALIZED: Message = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def ask(number: Any, method: str, **params: Any) -> Message:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def modern(number: Any, method: str, **params: Any) -> Message:
    return ask(number, method, **params, _meta=META)


class Client:
    """At the other end of stdin and stdout."""

    def __init__(self) -> None:
        self._lines: asyncio.Queue[bytes | None] = asyncio.Queue()
        self._said: asyncio.Queue[bytes] = asyncio.Queue()
        self.remarks: list[str] = []

    def send(self, *messages: Message | bytes) -> None:
        for message in messages:
            self._lines.put_nowait(message if isinstance(message, bytes) else msgspec.json.encode(message))

    async def hear(self) -> Any:
        async with asyncio.timeout(10):
            return msgspec.json.decode(await self._said.get())

    def end(self) -> None:
        self._lines.put_nowait(None)

    @property
    def is_silent(self) -> bool:
        return self._said.empty()

    async def lines(self) -> AsyncIterator[bytes]:
        while (line := await self._lines.get()) is not None:
            yield line

    async def write(self, message: bytes) -> None:
        assert b"\n" not in message
        self._said.put_nowait(message)


@asynccontextmanager
async def fronted(script: Any) -> AsyncIterator[tuple[Client, ScriptedServer]]:
    """Leaving it ends the client's lines, and waits until the front has ended too."""
    client = Client()
    async with scripted(script) as server, open_http(server.url) as http, asyncio.TaskGroup() as tasks:
        tell = client.remarks.append
        task = tasks.create_task(front.serve(client.lines(), client.write, http, server.url, tell=tell))
        yield client, server
        client.end()
        async with asyncio.timeout(10):
            await task


async def handshaken(request: Request, message: Message) -> Reply:
    """A server of the handshake's era, without a stream of its own."""
    if request.method == "GET":
        return Reply(405)
    if message.get("method") == "initialize":
        told = {"protocolVersion": "2025-11-25", "capabilities": {}}
        return Reply(message=result(message, told), headers={"mcp-session-id": "s1"})
    if "id" in message and "method" in message:
        return Reply(message=result(message, {"echo": message["method"]}))
    return Reply(202)


async def shake(client: Client) -> None:
    client.send(INITIALIZE)
    assert (await client.hear())["id"] == 0
    client.send(INITIALIZED)


# 2026-07-28


async def test_modern_request_carries_what_its_body_says_in_headers() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(message=result(message, {"tools": [TOOL]}))

    async with fronted(script) as (client, server):
        client.send(modern("a", "tools/list"))
        await client.hear()
        client.send(modern(7, "tools/call", name="send", arguments={"to": "Bjørn"}))
        assert (await client.hear())["id"] == 7
    head = server.requests[-1].headers
    assert head["mcp-protocol-version"] == "2026-07-28"
    assert (head["mcp-method"], head["mcp-name"], head["mcp-param-to"]) == ("tools/call", "send", "=?base64?QmrDuHJu?=")
    assert "mcp-session-id" not in head


async def test_stream_becomes_lines_and_its_end_is_the_answer() -> None:
    progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 1, "progress": 1}}

    async def script(_request: Request, message: Message) -> Reply:
        return Reply(events=blocks(b": hello\n\n", event(progress), event(result(message, {}))))

    async with fronted(script) as (client, _):
        client.send(modern(1, "tools/call", name="x"))
        assert await client.hear() == progress
        assert (await client.hear())["id"] == 1


async def test_requests_run_side_by_side() -> None:
    gate = asyncio.Event()

    async def script(_request: Request, message: Message) -> Reply:
        if message["id"] == "slow":
            await gate.wait()
        return Reply(message=result(message, {}))

    async with fronted(script) as (client, _):
        client.send(modern("slow", "tools/list"), modern("quick", "tools/list"))
        assert (await client.hear())["id"] == "quick"
        gate.set()
        assert (await client.hear())["id"] == "slow"


async def test_cancelled_request_is_cut_and_not_answered() -> None:
    never = asyncio.Event()

    async def endless() -> AsyncIterator[bytes]:
        yield b": on it\n\n"
        await never.wait()

    async def script(_request: Request, _message: Message) -> Reply:
        return Reply(events=endless())

    async with fronted(script) as (client, server):
        client.send(modern(1, "tools/call", name="x"))
        await server.until(lambda: server.requests)
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1, "_meta": META}})
        await server.until(server.left.is_set)
        assert client.is_silent
    assert len(server.requests) == 1


async def test_call_without_a_list_before_learns_what_must_be_mirrored() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if message["method"] == "tools/list":
            page = {"tools": [TOOL]} if "cursor" in message["params"] else {"tools": [], "nextCursor": "2"}
            return Reply(message=result(message, page))
        if "mcp-param-to" not in request.headers:
            return Reply(400, message=error(message, -32020, "mcp-param-to is missing"))
        return Reply(message=result(message, {"sent": True}))

    async with fronted(script) as (client, server):
        client.send(modern(1, "tools/call", name="send", arguments={"to": "a"}))
        assert (await client.hear())["result"] == {"sent": True}
    assert server.methods() == ["POST tools/call", "POST tools/list", "POST tools/list", "POST tools/call"]


async def test_mismatch_that_stays_is_the_answer() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        if message["method"] == "tools/list":
            return Reply(500)
        return Reply(400, message=error(message, -32020, "no"))

    async with fronted(script) as (client, _):
        client.send(modern(1, "tools/call", name="send"))
        assert (await client.hear())["error"]["code"] == -32020


async def test_subscription_ends_with_the_client() -> None:
    never = asyncio.Event()
    told = {"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged"}

    async def listening() -> AsyncIterator[bytes]:
        yield event(told)
        await never.wait()

    async def script(_request: Request, _message: Message) -> Reply:
        return Reply(events=listening())

    async with fronted(script) as (client, server):
        client.send(modern(1, "subscriptions/listen", notifications={"toolsListChanged": True}))
        assert await client.hear() == told
    async with asyncio.timeout(5):
        await server.left.wait()


# Up to 2025-11-25


async def test_session_goes_with_every_request_and_is_ended_at_the_end() -> None:
    async with fronted(handshaken) as (client, server):
        await shake(client)
        client.send(ask(1, "tools/list"))
        assert (await client.hear())["result"] == {"echo": "tools/list"}
    assert server.methods()[:2] == ["POST initialize", "POST notifications/initialized"]
    assert server.methods()[-1] == "DELETE"
    assert "mcp-session-id" not in server.requests[0].headers
    for request in server.requests[1:]:
        assert request.headers["mcp-session-id"] == "s1"
        assert request.headers["mcp-protocol-version"] == "2025-11-25"


async def test_what_the_server_says_unasked_reaches_the_client_and_its_answers_the_server() -> None:
    asked = {"jsonrpc": "2.0", "id": "q", "method": "roots/list"}
    never = asyncio.Event()

    async def stream() -> AsyncIterator[bytes]:
        yield event(asked, "e1")
        await never.wait()

    async def script(request: Request, message: Message) -> Reply:
        return Reply(events=stream()) if request.method == "GET" else await handshaken(request, message)

    async with fronted(script) as (client, server):
        await shake(client)
        assert await client.hear() == asked
        client.send({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}})
        await server.until(lambda: any("result" in message for message in server.messages))


async def test_stream_of_the_server_goes_on_where_it_broke() -> None:
    never = asyncio.Event()

    async def script(request: Request, message: Message) -> Reply:
        if request.method != "GET":
            return await handshaken(request, message)
        if "last-event-id" in request.headers:
            return Reply(events=_held(event({"jsonrpc": "2.0", "method": "second"}), never))
        return Reply(events=blocks(event({"jsonrpc": "2.0", "method": "first"}, "e7")), is_cut=True)

    async with fronted(script) as (client, server):
        await shake(client)
        assert [(await client.hear())["method"] for _ in range(2)] == ["first", "second"]
    assert [it.headers["last-event-id"] for it in server.requests if "last-event-id" in it.headers] == ["e7"]


async def _held(block: bytes, until: asyncio.Event) -> AsyncIterator[bytes]:
    yield block
    await until.wait()


async def test_answer_whose_stream_was_closed_is_fetched_from_where_it_was() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if request.headers.get("last-event-id") == "e1":
            return Reply(events=blocks(event({"jsonrpc": "2.0", "id": 1, "result": {"late": True}}, "e2")))
        if message.get("method") == "tools/call":
            return Reply(events=blocks(b"retry: 1\n\n", event(None, "e1")))
        return await handshaken(request, message)

    async with fronted(script) as (client, _):
        await shake(client)
        client.send(ask(1, "tools/call"))
        assert (await client.hear())["result"] == {"late": True}


async def test_lost_session_is_opened_anew_without_the_client_noticing() -> None:
    sessions = iter(["s1", "s2"])
    living = {"s1"}

    async def script(request: Request, message: Message) -> Reply:
        if message.get("method") == "initialize":
            session = next(sessions)
            living.add(session)
            return Reply(
                message=result(message, {"protocolVersion": "2025-11-25"}), headers={"mcp-session-id": session}
            )
        if request.headers.get("mcp-session-id") not in living:
            return Reply(404, message=error(message, 404, "no such session", {"source": "mcpdeck"}))
        return await handshaken(request, message)

    async with fronted(script) as (client, server):
        await shake(client)
        await server.until(lambda: "POST notifications/initialized" in server.methods())
        living.clear()
        client.send(ask(1, "tools/list"), ask(2, "tools/list"))
        assert {(await client.hear())["id"], (await client.hear())["id"]} == {1, 2}
        assert client.is_silent
    assert server.methods().count("POST initialize") == 2
    assert server.methods().count("POST notifications/initialized") == 2
    assert client.remarks == ["the server lost the session; it is opened anew"]


async def test_cancellation_is_told_to_the_server_and_nothing_is_answered() -> None:
    gate = asyncio.Event()

    async def script(request: Request, message: Message) -> Reply:
        if message.get("method") == "tools/call":
            await gate.wait()
        return await handshaken(request, message)

    async with fronted(script) as (client, server):
        await shake(client)
        client.send(ask(5, "tools/call"))
        await server.until(lambda: "POST tools/call" in server.methods())
        client.send({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 5}})
        await server.until(lambda: "POST notifications/cancelled" in server.methods())
        client.send(ask(6, "tools/list"))
        assert (await client.hear())["id"] == 6
        gate.set()


async def test_request_under_way_is_answered_though_the_lines_have_ended() -> None:
    gate = asyncio.Event()

    async def script(request: Request, message: Message) -> Reply:
        if message.get("method") == "tools/list":
            await gate.wait()
        return await handshaken(request, message)

    async with fronted(script) as (client, server):
        await shake(client)
        client.send(ask(1, "tools/list"))
        client.end()
        await server.until(lambda: "POST tools/list" in server.methods())
        gate.set()
    assert (await client.hear())["id"] == 1


async def test_batch_of_2025_03_26_passes_whole() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if isinstance(message, list):
            return Reply(message=[result(each, {}) for each in message])
        return await handshaken(request, message)

    async with fronted(script) as (client, _):
        await shake(client)
        client.send(msgspec.json.encode([ask(1, "ping"), ask(2, "ping")]))
        assert [it["id"] for it in await client.hear()] == [1, 2]


# What goes wrong


async def test_what_is_no_message_is_answered_and_sent_nowhere() -> None:
    async with fronted(handshaken) as (client, server):
        client.send(b"hello", b"7")
        assert (await client.hear())["error"]["code"] == -32700
        assert (await client.hear())["error"]["code"] == -32600
    assert server.requests == []


@pytest.mark.parametrize(("status", "told"), [(401, "sign in: mcpdeck login"), (502, "refused it with 502")])
async def test_refusal_without_a_word_becomes_an_error_with_the_requests_id(status: int, told: str) -> None:
    async def script(_request: Request, _message: Message) -> Reply:
        return Reply(status)

    async with fronted(script) as (client, _):
        client.send(modern("x", "tools/list"))
        answer = await client.hear()
    assert answer["id"] == "x"
    assert told in answer["error"]["message"]
    assert answer["error"]["data"]["source"] == "mcpdeck"


async def test_error_that_came_without_an_id_gets_the_requests() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(503, message={"jsonrpc": "2.0", "id": None, "error": {"code": 503, "message": "nothing ready"}})

    async with fronted(script) as (client, _):
        client.send(ask(3, "initialize"))
        assert await client.hear() == {"jsonrpc": "2.0", "id": 3, "error": {"code": 503, "message": "nothing ready"}}
    assert with_id(b"not json", b"1") == b"not json"


async def test_server_that_breaks_off_is_an_error_and_the_front_goes_on() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if message.get("id") == 1:
            return Reply(events=blocks(b": begun\n\n"), is_cut=True)
        return await handshaken(request, message)

    async with fronted(script) as (client, _):
        client.send(modern(1, "tools/list"))
        assert "broke off" in (await client.hear())["error"]["message"]
        client.send(modern(2, "tools/list"))
        assert (await client.hear())["id"] == 2


async def test_what_the_server_sends_that_is_no_json_rpc_is_dropped_and_told() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(events=blocks(b"data: <html>\n\n", event(result(message, {}))))

    async with fronted(script) as (client, _):
        client.send(modern(1, "tools/list"))
        assert (await client.hear())["id"] == 1
        assert "is dropped: b'<html>'" in client.remarks[0]


async def test_json_over_several_lines_becomes_one() -> None:
    async def script(_request: Request, _message: Message) -> Reply:
        return Reply(events=blocks(b'data: {"jsonrpc":"2.0",\ndata: "id":1,\ndata: "result":{}}\n\n'))

    async with fronted(script) as (client, _):
        client.send(modern(1, "tools/list"))
        assert await client.hear() == {"jsonrpc": "2.0", "id": 1, "result": {}}
