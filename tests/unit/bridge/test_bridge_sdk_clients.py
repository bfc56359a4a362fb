"""The MCP SDK's own client, in each of its modes, through the gateway to the SDK's servers that speak one era only."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any, Literal
from urllib.parse import urlsplit

import mcp_types as types
import msgspec
import pytest
from mcp.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.sse import sse_client
from mcp.shared.exceptions import MCPError

from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import InstanceName
from gateway.wire.resources import EraPolicy
from tests.support.programs import fixture_server, lasting_fixture_server
from tests.support.served import Served, served

type Mode = Literal["legacy", "auto", "2026-07-28", "sse"]
LEGACY, MODERN = frozenset({Era.LEGACY}), frozenset({Era.MODERN})
MODES: list[Mode] = ["legacy", "auto", "2026-07-28", "sse"]
pairs = pytest.mark.parametrize("era", ["legacy", "modern", "sse"])
modes = pytest.mark.parametrize("mode", MODES)


def endpoint_of(url: str, eras: frozenset[Era], name: str = "x-0") -> Endpoint:
    parts = urlsplit(url)
    assert parts.hostname is not None
    assert parts.port is not None
    return Endpoint(InstanceName(name), f"uid-{name}", parts.hostname, parts.port, path=parts.path, eras=eras)


@pytest.fixture(scope="module", autouse=True)
def servers() -> Iterator[None]:
    """One of each era, for all tests here."""
    with contextlib.ExitStack() as stack:
        URLS.update(
            {era: stack.enter_context(lasting_fixture_server("--era", era)) for era in ("legacy", "modern", "sse")}
        )
        yield


URLS: dict[str, str] = {}


@asynccontextmanager
async def before(era: str, **options: Any) -> AsyncIterator[Served]:
    """A gateway before a server that speaks one era only."""
    endpoint = endpoint_of(URLS[era], MODERN if era == "modern" else LEGACY)
    async with served(msgspec.structs.replace(endpoint, is_sse=era == "sse"), **options) as gateway:
        yield gateway


def url_of(gateway: Served) -> str:
    return f"http://127.0.0.1:{gateway.port}/adapters/x/mcp"


def client(gateway: Served, mode: Mode, **callbacks: Any) -> Client:
    """mode sse: HTTP+SSE, 2024-11-05."""
    if mode == "sse":
        return Client(sse_client(url_of(gateway).removesuffix("mcp") + "sse"), mode="legacy", **callbacks)
    return Client(url_of(gateway), mode=mode, **callbacks)


async def accept(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
    wanted = params.requested_schema["properties"] if isinstance(params, types.ElicitRequestFormParams) else {}
    return types.ElicitResult(action="accept", content={name: f"my {name}" for name in wanted})


async def think(context: ClientRequestContext, params: types.CreateMessageRequestParams) -> types.CreateMessageResult:
    content = types.TextContent(text="Paris")
    return types.CreateMessageResult(role="assistant", content=content, model="m")


async def roots(context: ClientRequestContext) -> types.ListRootsResult:
    return types.ListRootsResult(roots=[types.Root.model_validate({"uri": "file:///home"})])


def words_of(result: types.CallToolResult) -> str:
    [content] = result.content
    assert isinstance(content, types.TextContent)
    return content.text


@pairs
@modes
async def test_every_client_lists_and_calls_at_every_server(era: str, mode: Mode) -> None:
    async with before(era) as gateway, client(gateway, mode) as mcp:
        names = {tool.name for tool in (await mcp.list_tools()).tools}
        said = await mcp.call_tool("echo", {"text": "é"})
        prompt = await mcp.get_prompt("test_simple_prompt")
        read = await mcp.read_resource("test://static-text")
        completed = await mcp.complete(
            types.PromptReference(name="test_prompt_with_arguments"), {"name": "arg1", "value": "par"}
        )
    assert "echo" in names
    assert words_of(said) == '{"text": "\\u00e9"}'
    assert prompt.messages
    assert isinstance(read.contents[0], types.TextResourceContents)
    assert completed.completion.values == ["paris", "park", "party"]


@pairs
@modes
async def test_progress_is_heard(era: str, mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with before(era) as gateway, client(gateway, mode) as mcp:
        await mcp.call_tool("test_tool_with_progress", {}, progress_callback=hear)
    assert heard == [0, 50, 100]


@pairs
@modes
async def test_a_tool_error_stays_one(era: str, mode: Mode) -> None:
    async with before(era) as gateway, client(gateway, mode) as mcp:
        assert (await mcp.call_tool("test_error_handling", {})).is_error
        with pytest.raises(MCPError) as caught:
            await mcp.read_resource("test://nowhere")
    assert caught.value.error.code in (-32602, -32002)


@pairs
@modes
async def test_logs_are_heard_by_who_asks_for_them(era: str, mode: Mode) -> None:
    heard: list[Any] = []

    async def hear(params: types.LoggingMessageNotificationParams) -> None:
        heard.append(params.data)

    async with (
        before(era) as gateway,
        client(gateway, mode, logging_callback=hear, log_level="debug") as mcp,
    ):
        await mcp.call_tool("test_tool_with_logging", {})
    assert heard == ["Tool execution started", "Tool processing data", "Tool execution completed"]


@modes
@pytest.mark.parametrize("era", ["legacy", "sse"])
async def test_a_legacy_servers_questions_reach_every_client(era: str, mode: Mode) -> None:
    async with (
        before(era) as gateway,
        client(gateway, mode, elicitation_callback=accept, sampling_callback=think) as mcp,
    ):
        elicited = await mcp.call_tool("test_elicitation", {"message": "who?"})
        sampled = await mcp.call_tool("test_sampling", {"prompt": "capital?"})
    assert '"username": "my username"' in words_of(elicited)
    assert words_of(sampled) == "LLM response: Paris"


@modes
async def test_a_modern_servers_questions_reach_every_client(mode: Mode) -> None:
    async with (
        before("modern") as gateway,
        client(
            gateway,
            mode,
            elicitation_callback=accept,
            sampling_callback=think,
            list_roots_callback=roots,
        ) as mcp,
    ):
        said = [
            words_of(await mcp.call_tool(f"test_input_required_result_{name}", {}))
            for name in ("elicitation", "sampling", "list_roots", "request_state", "multiple_inputs", "multi_round")
        ]
        prompt = await mcp.get_prompt("test_input_required_result_prompt")
    assert said == [
        "Hello, my name!",
        "Paris",
        "Roots: file:///home",
        "state-ok",
        "All three answered.",
        "Your color is my color.",
    ]
    assert prompt.messages[0].content == types.TextContent(text="Context: my context")


@pytest.mark.parametrize(
    ("era", "mode"), [("legacy", "2026-07-28"), ("modern", "legacy"), ("modern", "sse"), ("sse", "2026-07-28")]
)
async def test_a_client_that_cannot_be_asked_gets_an_error_or_a_refusal(era: str, mode: Mode) -> None:
    tool = "test_elicitation" if era != "modern" else "test_input_required_result_elicitation"
    async with before(era) as gateway, client(gateway, mode) as mcp:
        try:
            said = await mcp.call_tool(tool, {"message": "?"})
        except MCPError as error:
            assert "elicitation" in str(error)  # noqa: PT017 - an error or an error result will do
        else:
            assert said.is_error or "action=cancel" in words_of(said) or "decline" in words_of(said)


async def test_many_calls_of_one_modern_client_share_a_session_with_the_legacy_server() -> None:
    async with before("legacy") as gateway, Client(url_of(gateway), mode="2026-07-28") as mcp:
        said: list[str] = []

        async def call(number: int) -> None:
            said.append(words_of(await mcp.call_tool("echo", {"text": str(number)})))

        async with asyncio.TaskGroup() as tasks:
            for number in range(20):
                tasks.create_task(call(number), name=f"call {number}")
    assert sorted(said) == sorted(f'{{"text": "{number}"}}' for number in range(20))


@pytest.mark.parametrize(("era", "mode"), [("modern", "legacy"), ("modern", "sse"), ("sse", "legacy"), ("sse", "sse")])
async def test_a_legacy_client_hears_what_a_server_announces(era: str, mode: Mode) -> None:
    heard: asyncio.Queue[Any] = asyncio.Queue()

    async def hear(message: Any) -> None:
        heard.put_nowait(message)

    async with before(era) as gateway, client(gateway, mode, message_handler=hear) as mcp:
        assert mcp.protocol_version == "2025-11-25"
        async with asyncio.timeout(10):
            while heard.empty():  # the GET stream opens on its own, and no one says when
                await mcp.call_tool("test_trigger_tool_change", {})
            assert isinstance(await heard.get(), types.ToolListChangedNotification)


async def test_a_legacy_client_ends_its_session() -> None:
    async with before("modern") as gateway, gateway.client() as client:
        params = b'{"protocolVersion":"2025-06-18","capabilities":{},"clientInfo":{"name":"c","version":"1"}}'
        opened = await client.ask(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":%b}' % params)
        assert opened.json["result"]["protocolVersion"] == "2025-06-18"
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-06-18"}
        ping = b'{"jsonrpc":"2.0","id":2,"method":"ping"}'
        assert (await client.ask(ping, headers=session)).json == {"jsonrpc": "2.0", "id": 2, "result": {}}
        assert (await client.ask(method="DELETE", headers=session)).status == 204
        refused = await client.ask(ping, headers=session)
        assert (refused.status, refused.json["id"]) == (404, 2)


async def test_policy_pass_translates_nothing() -> None:
    async with (
        before("modern", route={"era": EraPolicy.PASS}) as gateway,
        gateway.client() as client,
    ):
        refused = await client.ask(b'{"jsonrpc":"2.0","id":1,"method":"initialize","params":{}}')
        assert (refused.status, refused.json["error"]["message"]) == (400, "Only 2026-07-28 is spoken here")


async def test_policy_bridge_speaks_the_newest_era_that_a_server_has() -> None:
    async with (
        fixture_server() as url,
        served(endpoint_of(url, LEGACY | MODERN), route={"era": EraPolicy.BRIDGE}) as gateway,
        Client(url_of(gateway), mode="legacy", elicitation_callback=accept) as mcp,
    ):
        said = await mcp.call_tool("test_input_required_result_elicitation", {})
    assert words_of(said) == "Hello, my name!"
