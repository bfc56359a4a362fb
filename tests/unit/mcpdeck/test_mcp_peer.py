"""The terminal's own MCP client: both eras, and what it makes of servers that answer otherwise."""

import asyncio
from typing import Any

import pytest

from gateway.wire.mcp import Era
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.mcp.exchange import McpError, Refused
from mcpdeck.mcp.peer import Declined, call, connected, tools
from tests.support.fake_gateway import Request
from tests.support.scripted_mcp import Message, Reply, blocks, error, event, result, scripted

INFO = "io.modelcontextprotocol/serverInfo"
TOOL = {
    "name": "send",
    "inputSchema": {"type": "object", "properties": {"to": {"type": "string", "x-mcp-header": "To"}}},
}
DISCOVERED = {"supportedVersions": ["2026-07-28"], "capabilities": {}, "_meta": {INFO: {"name": "s", "version": "1"}}}
INITIALIZED = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "old", "version": "2"}}


async def modern(request: Request, message: Message) -> Reply:
    match message["method"]:
        case "server/discover":
            return Reply(message=result(message, DISCOVERED))
        case "tools/list":
            cursor = message["params"].get("cursor")
            page: dict[str, Any] = {"tools": [TOOL]} if cursor else {"tools": [], "nextCursor": ""}
            return Reply(message=result(message, page if cursor is None else {"tools": [TOOL]}))
        case _:
            progress = {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progress": 1}}
            told = event(result(message, {"content": [{"type": "text", "text": "\x1b[31mhi"}]}))
            return Reply(events=blocks(event(progress), told))


async def legacy(request: Request, message: Message) -> Reply:
    if "method" not in message:
        return Reply(202)
    match message["method"]:
        case "initialize":
            return Reply(message=result(message, INITIALIZED), headers={"mcp-session-id": "s1"})
        case "server/discover":
            return Reply(400, message=error(message, -32600, "begin with initialize"))
        case "tools/list":
            return Reply(message=result(message, {"tools": [TOOL]}))
        case "tools/call":
            asked = {"jsonrpc": "2.0", "id": "q1", "method": "ping"}
            more = {"jsonrpc": "2.0", "id": "q2", "method": "roots/list"}
            return Reply(events=blocks(event(asked), event(more), event(result(message, {"content": []}))))
        case _:
            return Reply(202)


async def test_newest_era_is_spoken_with_all_that_its_requests_must_say() -> None:
    heard: list[str] = []
    async with scripted(modern) as server, connected(server.url, client=("cli", "9")) as peer:
        assert (peer.info.era, peer.info.name, peer.info.version) == (Era.MODERN, "s", "1")
        [tool] = await tools(peer)
        told = await call(peer, tool, {"to": "Bjørn"}, hear=lambda message: heard.append(message["method"]))
    assert told["content"][0]["text"] == "hi"
    assert heard == ["notifications/progress"]
    assert server.methods() == ["POST server/discover", "POST tools/list", "POST tools/list", "POST tools/call"]
    head, body = server.requests[-1].headers, server.messages[-1]
    assert head["mcp-protocol-version"] == "2026-07-28"
    assert (head["mcp-method"], head["mcp-name"], head["mcp-param-to"]) == ("tools/call", "send", "=?base64?QmrDuHJu?=")
    assert body["params"]["_meta"]["io.modelcontextprotocol/clientInfo"] == {"name": "cli", "version": "9"}


async def test_server_of_the_handshake_is_fallen_back_to_and_its_session_ended() -> None:
    async with scripted(legacy) as server:
        async with connected(server.url) as peer:
            assert (peer.info.era, peer.info.protocol_version, peer.info.name) == (Era.LEGACY, "2025-06-18", "old")
            await call(peer, TOOL, {})
        answers = {message.get("id"): message for message in server.messages if "method" not in message}
    assert server.methods()[:3] == ["POST server/discover", "POST initialize", "POST notifications/initialized"]
    assert server.methods()[-1] == "DELETE"
    assert "result" in answers["q1"]
    assert answers["q2"]["error"]["code"] == -32601
    assert {request.headers.get("mcp-session-id") for request in server.requests[2:]} == {"s1"}


async def test_one_era_alone_is_not_fallen_back_from() -> None:
    async with scripted(legacy) as server:
        with pytest.raises(McpError, match="begin with initialize"):
            async with connected(server.url, era=Era.MODERN):
                pass
        async with connected(server.url, era=Era.LEGACY):
            pass
    assert server.methods()[1] == "POST initialize"


@pytest.mark.parametrize("supported", [["2026-07-28", "2027-01-01"], ["2030-01-01"]])
async def test_server_without_an_older_version_is_not_asked_for_one(supported: list[str]) -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(400, message=error(message, -32022, "too old", {"supported": supported, "requested": "x"}))

    async with scripted(script) as server:
        with pytest.raises(McpError, match="too old"):
            async with connected(server.url):
                pass
    assert server.methods() == ["POST server/discover"]


async def test_gateways_own_error_is_a_problem_and_never_a_fall_back() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(404, message=error(message, 404, "no adapter 'x'", {"source": "mcpdeck", "code": "not-found"}))

    async with scripted(script) as server:
        with pytest.raises(ProblemError, match="no adapter 'x'") as told:
            async with connected(server.url):
                pass
    assert (told.value.problem.status, told.value.problem.code) == (404, "not-found")
    assert server.methods() == ["POST server/discover"]


async def test_gateway_that_says_which_era_an_adapter_speaks_is_believed() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if message.get("method") == "server/discover":
            data = {"supported": ["2025-11-25"], "requested": "2026-07-28", "source": "mcpdeck", "code": "unsupported"}
            return Reply(400, message=error(message, -32022, "handshake only", data))
        return await legacy(request, message)

    async with scripted(script) as server, connected(server.url) as peer:
        assert peer.info.era is Era.LEGACY


@pytest.mark.parametrize("status", [401, 403, 500, 503])
async def test_status_without_a_word_is_told_and_no_fall_back(status: int) -> None:
    async def script(_request: Request, _message: Message) -> Reply:
        return Reply(status)

    async with scripted(script) as server:
        with pytest.raises(Refused, match=f"gave {status}"):
            async with connected(server.url):
                pass
    assert server.methods() == ["POST server/discover"]


async def test_answer_that_never_comes_is_told() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if message["method"] == "server/discover":
            return await modern(request, message)
        return Reply(events=blocks(b": nothing\n\n"))

    async with scripted(script) as server, connected(server.url) as peer:
        with pytest.raises(Unreachable, match="ended its answer to tools/list without one"):
            await tools(peer)


async def test_server_that_wants_input_is_told_as_an_error() -> None:
    async def script(request: Request, message: Message) -> Reply:
        if message["method"] == "server/discover":
            return await modern(request, message)
        return Reply(message=result(message, {"resultType": "input_required", "inputRequests": {}}))

    async with scripted(script) as server, connected(server.url) as peer:
        with pytest.raises(McpError, match="asks for input"):
            await call(peer, TOOL, {})


async def test_version_that_nobody_here_speaks_is_told() -> None:
    async def script(_request: Request, message: Message) -> Reply:
        return Reply(message=result(message, {"protocolVersion": "1999-01-01"}))

    async with scripted(script) as server:
        with pytest.raises(Unreachable, match="'1999-01-01'"):
            async with connected(server.url, era=Era.LEGACY):
                pass


async def test_caller_that_leaves_closes_the_stream_which_cancels_the_call() -> None:
    never = asyncio.Event()

    async def endless() -> Any:
        yield b": on it\n\n"
        await never.wait()

    async def script(request: Request, message: Message) -> Reply:
        if message["method"] == "server/discover":
            return await modern(request, message)
        return Reply(events=endless())

    async with scripted(script) as server:
        with pytest.raises(TimeoutError):
            async with connected(server.url) as peer, asyncio.timeout(0.3):
                await tools(peer)
        await server.until(server.left.is_set)


FORM = {"mode": "form", "message": "Who?", "requestedSchema": {"type": "object", "properties": {"name": {}}}}


async def asking_modern(request: Request, message: Message) -> Reply:
    if message["method"] == "server/discover":
        return Reply(message=result(message, DISCOVERED))
    said = message["params"].get("inputResponses")
    if said is None:
        asked = {"who": {"method": "elicitation/create", "params": FORM}}
        again = {"resultType": "input_required", "inputRequests": asked, "requestState": "s\u00e9aled"}
        return Reply(message=result(message, again))
    told = {"content": [], "structuredContent": {"said": said, "state": message["params"]["requestState"]}}
    return Reply(message=result(message, told))


async def test_rounds_of_the_modern_era_are_answered_and_the_state_goes_back_as_it_came() -> None:
    asked: list[Message] = []

    async def answer(question: Message) -> dict[str, Any]:
        asked.append(question)
        return {"action": "accept", "content": {"name": "Ada"}}

    async with scripted(asking_modern) as server, connected(server.url, answer=answer) as peer:
        told = await call(peer, TOOL, {})
    assert asked[0]["params"] == FORM
    said = {"who": {"action": "accept", "content": {"name": "Ada"}}}
    assert told["structuredContent"] == {"said": said, "state": "s\u00e9aled"}
    ids = [message["id"] for message in server.messages]
    assert len(set(ids)) == 3
    capabilities = server.messages[0]["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"]
    assert capabilities == {"elicitation": {"form": {}, "url": {}}, "sampling": {}}


async def test_declining_ends_the_call_and_says_so() -> None:
    async def answer(question: Message) -> dict[str, Any]:
        raise Declined("not now")

    async with scripted(asking_modern) as server, connected(server.url, answer=answer) as peer:
        with pytest.raises(McpError, match="not now"):
            await call(peer, TOOL, {})
        told = server.messages[-1]["params"]
    assert told["inputResponses"] == {"who": {"action": "cancel"}}, "it waits for nobody"


async def test_legacy_question_is_answered_while_its_call_goes_on() -> None:
    answered = asyncio.Event()

    async def asking(request: Request, message: Message) -> Reply:
        if message.get("method") == "server/discover":
            return Reply(400, message=error(message, -32600, "begin with initialize"))
        if message.get("method") == "initialize":
            return Reply(message=result(message, INITIALIZED), headers={"mcp-session-id": "s1"})
        if message.get("method") == "tools/call":
            question = {"jsonrpc": "2.0", "id": 7, "method": "elicitation/create", "params": FORM}

            async def events() -> Any:
                yield event(question)
                await answered.wait()
                yield event(result(message, {"content": [], "isError": False}))

            return Reply(events=events())
        if message.get("id") == 7:
            answered.set()
        return Reply(202)

    async def answer(question: Message) -> dict[str, Any]:
        return {"action": "decline"}

    async with scripted(asking) as server, connected(server.url, answer=answer) as peer:
        assert await call(peer, TOOL, {}, hear=lambda _message: None) == {"content": [], "isError": False}
    assert {"jsonrpc": "2.0", "id": 7, "result": {"action": "decline"}} in server.messages
    [called] = [message for message in server.messages if message.get("method") == "tools/call"]
    assert called["params"]["_meta"] == {"progressToken": called["id"]}


async def test_legacy_server_is_told_of_a_call_that_nobody_waits_for() -> None:
    begun = asyncio.Event()

    async def slow(request: Request, message: Message) -> Reply:
        if message.get("method") == "tools/call":

            async def events() -> Any:
                begun.set()
                await asyncio.Event().wait()
                yield b""

            return Reply(events=events())
        return await legacy(request, message)

    async with scripted(slow) as server, connected(server.url) as peer:
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(call(peer, TOOL, {}))
            await begun.wait()
            calling.cancel()
        [called] = [message for message in server.messages if message.get("method") == "tools/call"]
        [told] = [message for message in server.messages if message.get("method") == "notifications/cancelled"]
    assert told["params"]["requestId"] == called["id"]


async def test_questions_that_nobody_will_answer_are_dismissed_when_the_call_is_given_up() -> None:
    asked = asyncio.Event()

    async def answer(question: Message) -> dict[str, Any]:
        asked.set()
        await asyncio.Event().wait()
        return {}

    async with scripted(asking_modern) as server, connected(server.url, answer=answer) as peer:
        async with asyncio.TaskGroup() as group:
            calling = group.create_task(call(peer, TOOL, {}))
            await asked.wait()
            calling.cancel()
        told = server.messages[-1]["params"]
    assert told["inputResponses"] == {"who": {"action": "cancel"}}
    assert told["requestState"] == "s\u00e9aled"


@pytest.mark.parametrize("cut", [b"", b"data: {", b"data: {]\n\n", b"data: " + b"x" * (17 * 1024 * 1024)])
async def test_answer_that_breaks_off_in_the_middle_is_told_in_plain_words(cut: bytes) -> None:
    async def breaking(request: Request, message: Message) -> Reply:
        if message.get("method") != "tools/call":
            return await modern(request, message)

        async def events() -> Any:
            yield b": hello\n\n" + cut
            raise ConnectionResetError

        return Reply(events=events())

    async with scripted(breaking) as server, connected(server.url) as peer:
        with pytest.raises(Unreachable):
            await call(peer, TOOL, {}, hear=lambda _message: None)
