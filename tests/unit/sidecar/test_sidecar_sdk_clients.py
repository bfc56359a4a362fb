"""The MCP SDK's own client, in each of its modes, through the sidecar to servers written with the SDK."""

import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Literal

import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext

from tests.support.sidecar_process import SDK_SERVER, SidecarProcess, sidecar

type Mode = Literal["legacy", "auto", "2026-07-28"]

modes = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[SidecarProcess]:
    async with sidecar([sys.executable, SDK_SERVER], state=tmp_path) as process:
        yield process


@modes
async def test_time_server_is_listed_and_called(tmp_path: Path, mode: Mode) -> None:
    async with (
        sidecar([sys.executable, "-m", "mcp_server_time"], state=tmp_path) as process,
        Client(process.url, mode=mode) as mcp,
    ):
        names = [tool.name for tool in (await mcp.list_tools()).tools]
        answer = await mcp.call_tool("convert_time", _BERLIN_TO_TOKYO)
    assert names == ["get_current_time", "convert_time"]
    assert not answer.is_error
    assert answer.structured_content is not None
    assert answer.structured_content["target"]["timezone"] == "Asia/Tokyo"


_BERLIN_TO_TOKYO = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}


@modes
async def test_version_is_the_clients_own_era(server: SidecarProcess, mode: Mode) -> None:
    async with Client(server.url, mode=mode) as mcp:
        assert mcp.protocol_version == ("2025-11-25" if mode == "legacy" else "2026-07-28")
        assert types.TextContent(text="again") in (await mcp.call_tool("echo", {"text": "again"})).content


@modes
async def test_progress_is_heard(server: SidecarProcess, mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async with Client(server.url, mode=mode) as mcp:
        await mcp.call_tool("count", {"to": 4}, progress_callback=hear)
    assert heard == [0, 1, 2, 3]


@modes
async def test_elicitation_is_answered(server: SidecarProcess, mode: Mode) -> None:
    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    async with Client(server.url, mode=mode, elicitation_callback=answer) as mcp:
        said = await mcp.call_tool("greet", {})
    assert said.content[0] == types.TextContent(text="hello Ada")
