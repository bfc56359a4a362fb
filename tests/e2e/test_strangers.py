"""Clients and servers that nobody here wrote, through a real gateway: the SDK's client in each mode, others' servers."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext

from tests.support.borrowed import Borrowed
from tests.support.gateways import Gateway, gateway
from tests.support.programs import fixture_server
from tests.support.sidecar_process import SDK_SERVER

type Mode = Literal["legacy", "auto", "2026-07-28"]

modes = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])
NEWEST = {"legacy": "2025-11-25", "auto": "2026-07-28", "2026-07-28": "2026-07-28"}


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path / "data") as running:
        yield running


@modes
async def test_time_server_is_listed_and_called(house: Gateway, mode: Mode) -> None:
    url = await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    times = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    async with Client(url, mode=mode) as mcp:
        names = [tool.name for tool in (await mcp.list_tools()).tools]
        answer = await mcp.call_tool("convert_time", times)
    assert names == ["get_current_time", "convert_time"]
    assert answer.structured_content is not None
    assert answer.structured_content["target"]["timezone"] == "Asia/Tokyo"


@modes
async def test_sdk_server_behind_a_sidecar_reports_progress_and_asks_back(house: Gateway, mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    url = await house.deploy("sdk", stdio={"command": sys.executable, "args": [SDK_SERVER]})
    async with Client(url, mode=mode, elicitation_callback=answer) as mcp:
        await mcp.call_tool("count", {"to": 4}, progress_callback=hear)
        said = await mcp.call_tool("greet", {})
        assert mcp.protocol_version == NEWEST[mode]
    assert heard == [0, 1, 2, 3]
    assert said.content[0] == types.TextContent(text="hello Ada")


@modes
async def test_sdk_server_by_url_serves_tools_prompts_and_resources(house: Gateway, mode: Mode) -> None:
    async with fixture_server() as upstream:
        url = await house.deploy("everything", url=upstream)
        async with Client(url, mode=mode) as mcp:
            tools = {tool.name for tool in (await mcp.list_tools()).tools}
            said = await mcp.call_tool("test_simple_text", {})
            prompts = {prompt.name for prompt in (await mcp.list_prompts()).prompts}
            read = await mcp.read_resource("test://static-text")
            assert mcp.protocol_version == NEWEST[mode]
    assert {"test_simple_text", "test_image_content"} <= tools
    assert isinstance(said.content[0], types.TextContent)
    assert "test_simple_prompt" in prompts
    assert read.contents


async def test_server_everything_of_node_is_served(house: Gateway, borrowed: Borrowed) -> None:
    command, *args = borrowed.server_everything
    url = await house.deploy("node", stdio={"command": command, "args": [*args, "stdio"]})
    async with Client(url, mode="legacy") as mcp:
        tools = {tool.name for tool in (await mcp.list_tools()).tools}
        said = await mcp.call_tool("echo", {"message": "hello"})
    assert "echo" in tools
    assert said.content == [types.TextContent(text="Echo: hello")]
