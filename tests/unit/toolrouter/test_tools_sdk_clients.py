"""The MCP SDK's own client, in each of its modes, at /mcp over a server written with the SDK."""

from typing import Any, Literal

import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext

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
