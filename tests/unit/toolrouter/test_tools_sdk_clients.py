"""The MCP SDK's own client, in each of its modes, at /mcp over a server written with the SDK."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Literal

import httpx2
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext
from mcp.client.streamable_http import streamable_http_client
from mcp.client.subscriptions import PromptsListChanged, ToolsListChanged

from tests.support.programs import fixture_server
from tests.support.tools_gateway import tools_gateway

type Mode = Literal["legacy", "auto", "2026-07-28"]

modes = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])


@modes
async def test_tools_of_an_adapter_are_listed_and_called_under_their_own_names(mode: Mode) -> None:
    async with fixture_server() as url, tools_gateway({"x": url}) as gateway, Client(gateway.url, mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        said = await client.call_tool("echo", {"text": "hello"})
        assert client.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
    assert "echo" in names
    assert names == sorted(names)
    assert said.content == [types.TextContent(text='{"text": "hello"}')]


@modes
async def test_progress_is_heard(mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with fixture_server() as url, tools_gateway({"x": url}) as gateway, Client(gateway.url, mode=mode) as client:
        await client.call_tool("test_tool_with_progress", {}, progress_callback=hear)
    assert heard == [0, 50, 100]


@modes
async def test_elicitation_passes_through_and_back(mode: Mode) -> None:
    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"username": "ada", "email": "a@b", "name": "Ada"})

    tool, arguments, wanted = _ASKING[mode]
    async with (
        fixture_server() as url,
        tools_gateway({"x": url}) as gateway,
        Client(gateway.url, mode=mode, elicitation_callback=answer) as client,
    ):
        said = await client.call_tool(tool, arguments)
    assert isinstance(said.content[0], types.TextContent)
    assert wanted in said.content[0].text


_ASKING: dict[str, tuple[str, dict[str, Any], str]] = {
    "legacy": ("test_elicitation", {"message": "who?"}, "Elicitation completed: action=accept"),
    "auto": ("test_input_required_result_elicitation", {}, "Hello, Ada!"),
    "2026-07-28": ("test_input_required_result_elicitation", {}, "Hello, Ada!"),
}


@modes
async def test_prompts_resources_and_completions_come_along(mode: Mode) -> None:
    async with fixture_server() as url, tools_gateway({"x": url}) as gateway, Client(gateway.url, mode=mode) as client:
        prompts = [each.name for each in (await client.list_prompts()).prompts]
        prompt = await client.get_prompt("test_prompt_with_arguments", {"arg1": "a", "arg2": "b"})
        resources = [str(each.uri) for each in (await client.list_resources()).resources]
        listed = await client.read_resource("test://static-text")
        expanded = await client.read_resource("test://template/7/data")
        ref = types.PromptReference(name="test_prompt_with_arguments")
        completed = await client.complete(ref, {"name": "arg1", "value": "par"})
    assert "test_simple_prompt" in prompts
    assert isinstance(prompt.messages[0].content, types.TextContent)
    assert "arg1='a'" in prompt.messages[0].content.text
    assert "test://static-text" in resources
    assert isinstance(listed.contents[0], types.TextResourceContents)
    assert isinstance(expanded.contents[0], types.TextResourceContents)
    assert '"id": "7"' in expanded.contents[0].text
    assert completed.completion.values == ["paris", "park", "party"]


@modes
async def test_sampling_passes_through_and_back(mode: Mode) -> None:
    async def sample(
        context: ClientRequestContext, params: types.CreateMessageRequestParams
    ) -> types.CreateMessageResult:
        return types.CreateMessageResult(
            role="assistant", content=types.TextContent(text="Paris"), model="small", stop_reason="endTurn"
        )

    tool, arguments, wanted = _SAMPLING[mode]
    async with (
        fixture_server() as url,
        tools_gateway({"x": url}) as gateway,
        Client(gateway.url, mode=mode, sampling_callback=sample) as client,
    ):
        said = await client.call_tool(tool, arguments)
    assert isinstance(said.content[0], types.TextContent)
    assert said.content[0].text == wanted


_SAMPLING: dict[str, tuple[str, dict[str, Any], str]] = {
    "legacy": ("test_sampling", {"prompt": "capital?"}, "LLM response: Paris"),
    "auto": ("test_input_required_result_sampling", {}, "Paris"),
    "2026-07-28": ("test_input_required_result_sampling", {}, "Paris"),
}


async def test_questions_in_several_rounds_lead_to_an_answer() -> None:
    asked: list[str] = []

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        asked.append(params.message)
        return types.ElicitResult(action="accept", content={"name": "Ada", "color": "teal"})

    async with (
        fixture_server() as url,
        tools_gateway({"x": url}) as gateway,
        Client(gateway.url, mode="2026-07-28", elicitation_callback=answer) as client,
    ):
        said = await client.call_tool("test_input_required_result_multi_round", {})
    assert said.content == [types.TextContent(text="Your color is teal.")]
    assert asked == ["Step 1: What is your name?", "Step 2: What is your favorite color?"]


@modes
async def test_pictures_sounds_and_links_come_as_they_are(mode: Mode) -> None:
    async with (
        fixture_server() as url,
        tools_gateway({"x": url}) as gateway,
        Client(gateway.url, mode=mode) as client,
        Client(url, mode=mode) as direct,
    ):
        for tool in ("test_image_content", "test_audio_content", "test_multiple_content_types"):
            assert (await client.call_tool(tool, {})).content == (await direct.call_tool(tool, {})).content


@asynccontextmanager
async def client_of(url: str, roles: str, mode: Mode, **callbacks: Any) -> AsyncIterator[Client]:
    """Somebody who created nothing here."""
    identity = {"X-Dev-UserId": "bea", "X-Dev-Roles": roles}
    async with (
        httpx2.AsyncClient(headers=identity, trust_env=False, timeout=20) as http,
        Client(streamable_http_client(url, http_client=http), mode=mode, **callbacks) as client,
    ):
        yield client


async def test_a_permission_that_changes_is_heard_by_who_subscribed_and_holds_at_once() -> None:
    async with fixture_server() as url, tools_gateway() as gateway:
        gateway.adapter("x", url, roles=["team"])
        gateway.tool("x", adapter="x", toolName="*", requiredRoles=["team"])
        async with client_of(gateway.url, "team", "2026-07-28") as client:
            assert (await client.list_tools()).tools
            async with asyncio.timeout(20), client.listen(tools_list_changed=True) as changes:
                gateway.adapter("x", url, roles=["others"])
                assert isinstance(await anext(aiter(changes)), ToolsListChanged)
            assert (await client.list_tools()).tools == []


async def test_a_permission_that_changes_is_heard_on_the_handshake_eras_own_stream() -> None:
    heard = asyncio.Event()

    async def hear(message: object) -> None:
        if isinstance(message, types.ToolListChangedNotification):
            heard.set()

    async with fixture_server() as url, tools_gateway() as gateway:
        gateway.adapter("x", url, roles=["team"])
        gateway.tool("x", adapter="x", toolName="*", requiredRoles=["team"])
        async with client_of(gateway.url, "team", "legacy", message_handler=hear) as client:
            assert (await client.list_tools()).tools
            async with asyncio.timeout(20):
                while not gateway.router._backstage.listeners:  # noqa: ASYNC110 - its stream opens in its own time
                    await asyncio.sleep(0.01)
                gateway.adapter("x", url, roles=["others"])
                await heard.wait()
            assert (await client.list_tools()).tools == []


async def test_what_an_adapter_says_of_its_prompts_reaches_who_subscribed_to_them() -> None:
    async with (
        fixture_server() as url,
        tools_gateway({"x": url}) as gateway,
        Client(gateway.url, mode="2026-07-28") as client,
        asyncio.timeout(20),
        client.listen(prompts_list_changed=True) as changes,
    ):
        await client.call_tool("test_trigger_prompt_change", {})
        assert isinstance(await anext(aiter(changes)), PromptsListChanged)
