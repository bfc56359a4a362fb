"""/mcp of a real gateway: tools of stdio and url adapters, an HTTP tool server as Microsoft's gateway has it, toolsets."""

import asyncio
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Literal

import msgspec
import pytest
from mcp import types
from mcp.client import Client
from mcp.client.context import ClientRequestContext

from tests.support.gateways import Gateway, gateway
from tests.support.score_server import score_server
from tests.support.sidecar_process import SCRIPTED, SDK_SERVER
from tests.support.tools_client import tools_client

type Mode = Literal["legacy", "auto", "2026-07-28"]

modes = pytest.mark.parametrize("mode", ["legacy", "auto", "2026-07-28"])


@pytest.fixture
async def house(tmp_path: Path) -> AsyncIterator[Gateway]:
    async with gateway(tmp_path / "data") as running:
        yield running


async def register(house: Gateway, name: str, kind: str = "tools", **spec: Any) -> None:
    answer = await house.client.post(f"/{kind}", json={"name": name, **spec})
    assert answer.status_code == 201, answer.text


@modes
async def test_a_handshake_era_stdio_server_is_used_by_clients_of_either_era(house: Gateway, mode: Mode) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await register(house, "time", adapter="time", toolName="*")
    times = {"source_timezone": "Europe/Berlin", "time": "12:00", "target_timezone": "Asia/Tokyo"}
    async with Client(f"{house.url}/mcp", mode=mode) as client:
        names = [tool.name for tool in (await client.list_tools()).tools]
        answer = await client.call_tool("convert_time", times)
    assert names == ["convert_time", "get_current_time"]
    assert answer.structured_content is not None
    assert answer.structured_content["target"]["timezone"] == "Asia/Tokyo"


@modes
async def test_a_server_behind_a_sidecar_reports_progress_and_asks_back(house: Gateway, mode: Mode) -> None:
    heard: list[float] = []

    async def hear(progress: float, total: float | None, message: str | None) -> None:
        heard.append(progress)

    async def answer(context: ClientRequestContext, params: types.ElicitRequestParams) -> types.ElicitResult:
        return types.ElicitResult(action="accept", content={"name": "Ada"})

    await house.deploy("sdk", stdio={"command": sys.executable, "args": [SDK_SERVER]})
    await register(house, "sdk", adapter="sdk", toolName="*")
    async with Client(f"{house.url}/mcp", mode=mode, elicitation_callback=answer) as client:
        await client.call_tool("count", {"to": 4}, progress_callback=hear)
        said = await client.call_tool("greet", {})
    assert heard == [0, 1, 2, 3]
    assert said.content[0] == types.TextContent(text="hello Ada")


@modes
async def test_an_http_tool_server_is_called_by_microsofts_contract(house: Gateway, mode: Mode) -> None:
    schema = {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]}
    with score_server() as server:
        definition = {"tool": {"name": "weather", "description": "Now", "inputSchema": schema}, "path": "/score"}
        await register(house, "weather", url=f"{server.url}/", toolDefinition=definition)
        await house.ready("weather")
        async with Client(f"{house.url}/mcp", mode=mode) as client:
            (tool,) = (await client.list_tools()).tools
            good = await client.call_tool("weather", {"location": "Oslo"})
            bad = await client.call_tool("weather", {"location": 5})
            failed = await client.call_tool("weather", {"location": "nowhere"})
    assert tool.input_schema == schema
    assert good.structured_content == {"location": "Oslo", "condition": "sunny", "asked_by": "dev"}
    assert bad.is_error
    assert "location" in str(bad.content)
    assert failed.is_error
    assert "HTTP 404" in str(failed.content)
    assert server.asked == [{"location": "Oslo"}, {"location": "nowhere"}]


async def test_a_toolset_holds_what_it_names_and_is_hidden_from_who_may_not_use_it(house: Gateway) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await register(house, "time", adapter="time", toolName="*")
    await register(house, "clock", "toolsets", tools=["get_*"])
    async with Client(f"{house.url}/mcp/clock") as client:
        assert [tool.name for tool in (await client.list_tools()).tools] == ["get_current_time"]
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
    eve = {"X-Dev-UserId": "eve", "X-Dev-Roles": "none"}
    answer = await house.client.post("/mcp/clock", json=ping, headers=eve)
    assert answer.status_code == 404
    assert answer.json()["error"]["message"] == "there is no toolset 'clock' here that you may use"


async def test_a_process_that_is_killed_in_the_middle_of_calls_hurts_no_other_and_comes_back(house: Gateway) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await house.deploy("shaky", stdio={"command": sys.executable, "args": [SCRIPTED]})
    for name in ("time", "shaky"):
        await register(house, name, adapter=name, toolName="*")
    async with tools_client(f"{house.url}/mcp") as client, tools_client(f"{house.url}/mcp") as other:

        async def others() -> list[int]:
            return [(await other.call("get_current_time", {"timezone": "UTC"})).status for _ in range(30)]

        for _ in range(3):
            async with asyncio.TaskGroup() as tasks:
                going_on = tasks.create_task(others())
                crashed = await client.call("crash", {})
            assert crashed.error["data"]["code"] == "server-exited"
            assert going_on.result() == [200] * 30
            assert "get_current_time" in await client.names()
            await house.ready("shaky")
            async with asyncio.timeout(60):
                while (await client.call("echo", {"text": "here"})).status != 200:  # noqa: ASYNC110 - its breaker rests
                    await asyncio.sleep(0.1)


async def test_tools_come_back_with_the_gateway(tmp_path: Path) -> None:
    async with gateway(tmp_path) as first:
        await first.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
        await register(first, "time", adapter="time", toolName="get_current_time", view={"name": "now"})
    async with gateway(tmp_path) as second:
        await second.ready("time")
        async with Client(f"{second.url}/mcp") as client:
            assert [tool.name for tool in (await client.list_tools()).tools] == ["now"]
            answer = await client.call_tool("now", {"timezone": "Europe/Oslo"})
        assert not answer.is_error


async def test_the_command_line_registers_calls_and_locks(house: Gateway, tmp_path: Path) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    lock = str(tmp_path / "tools.lock.json")
    assert "convert_time, get_current_time" in await said(house, "tools", "register", "time")
    listed = await said(house, "tools", "list", "-o", "jsonl")
    assert [msgspec.json.decode(line)["name"] for line in listed.splitlines()] == ["convert_time", "get_current_time"]
    assert "Europe/Oslo" in await said(house, "call", "/mcp", "get_current_time", "-a", "timezone=Europe/Oslo")
    assert "2 tools locked" in await said(house, "tools", "lock", "-f", lock)
    assert "2 tools are as" in await said(house, "tools", "lock", "-f", lock, "--check")
    options = ("--adapter", "time", "--tool", "get_current_time", "--as", "now", "--pin", "timezone=Europe/Oslo")
    assert "offered: now" in await said(house, "tools", "register", "now", *options)
    changed = await said(house, "tools", "lock", "-f", lock, "--check", status=8)
    assert "- get_current_time: gone" in changed
    assert "+ now: new" in changed
    assert "Europe/Oslo" in await said(house, "call", "/mcp", "now")


async def test_the_command_line_makes_toolsets(house: Gateway) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await said(house, "tools", "register", "time")
    made = await said(house, "toolsets", "create", "few", "--tool", "get_*", "--discovery")
    assert f"few is at {house.url}/mcp/few" in made
    assert "search_tools" in await said(house, "tools", "list", "/mcp/few")
    found = await said(house, "call", "/mcp/few", "search_tools", "-a", "query=time")
    assert "get_current_time" in found
    assert "convert_time" not in found
    inner = '{"name": "get_current_time", "arguments": {"timezone": "Asia/Tokyo"}}'
    assert "Asia/Tokyo" in await said(house, "call", "/mcp/few", "call_tool", "--args-json", inner)
    await said(house, "toolsets", "delete", "few", "--yes")
    assert "no toolsets" in await said(house, "toolsets", "list")


POLICY = """
name: careful
rules:
  - {name: no-mars, when: 'has(args.timezone) && args.timezone == "Mars/Base"', effect: deny, reason: nobody lives there}
  - {name: ask-first, when: 'tool.name == "convert_time"', effect: approve}
approval: {roles: [mcp.admin]}
"""


async def test_the_command_line_writes_explains_and_tests_policies(house: Gateway, tmp_path: Path) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await said(house, "tools", "register", "time")
    file, recording = tmp_path / "policy.yaml", tmp_path / "calls.jsonl"
    file.write_text(POLICY)
    calls = [{"tool": {"name": "convert_time"}}, {"tool": {"name": "get_current_time"}, "args": {"timezone": "UTC"}}]
    recording.write_bytes(b"\n".join(map(msgspec.json.encode, calls)))
    flips = await said(house, "policy", "test", "-f", str(file), "--against", str(recording), status=8)
    assert ["1", "allow", "approve", "convert_time", "?", "careful/ask-first"] in [
        line.split() for line in flips.splitlines()
    ]
    assert "careful is in force" in await said(house, "policy", "apply", "-f", str(file))
    await said(house, "policy", "test", "-f", str(file), "--against", str(recording))
    explained = await said(house, "policy", "explain", "get_current_time", "-a", "timezone=Mars/Base")
    assert "is refused\n  careful: deny by rule 'no-mars': nobody lives there" in explained
    refused = await said(house, "call", "/mcp", "get_current_time", "-a", "timezone=Mars/Base", status=5)
    assert "get_current_time: nobody lives there" in refused
    assert "careful" in await said(house, "policy", "list")


async def test_a_draft_is_tried_on_recorded_traffic(house: Gateway, tmp_path: Path) -> None:
    spec = {"stdio": {"command": sys.executable, "args": ["-m", "mcp_server_time"]}, "recording": {"enabled": True}}
    await house.deploy("time", **spec)
    await said(house, "tools", "register", "time", "--tool", "get_current_time", "--as", "clock")
    await said(house, "call", "/mcp", "clock", "-a", "timezone=UTC")
    await said(house, "call", "time", "get_current_time", "-a", "timezone=Asia/Tokyo")
    draft, recording = tmp_path / "draft.yaml", tmp_path / "time.jsonl"
    when = 'tool.name == "clock" && args.timezone == "UTC" && !("ops" in principal.roles)'
    draft.write_text(
        msgspec.json.encode({"name": "d", "rules": [{"name": "r", "when": when, "effect": "deny"}]}).decode()
    )
    await said(house, "traffic", "export", "time", "-w", str(recording))
    for source in (str(recording), "time"):
        flips = await said(house, "policy", "test", "-f", str(draft), "--against", source, status=8)
        assert "1 of 2 calls would be decided otherwise" in flips
        assert any(line.split()[:4] == ["1", "allow", "deny", "clock"] for line in flips.splitlines())
    kept = await said(house, "policy", "test", "-f", str(draft), "--against", str(recording), "--role", "ops")
    assert "0 of 2 calls would be decided otherwise" in kept


async def test_a_call_is_approved_by_command(house: Gateway, tmp_path: Path) -> None:
    await house.deploy("time", stdio={"command": sys.executable, "args": ["-m", "mcp_server_time"]})
    await said(house, "tools", "register", "time")
    file = tmp_path / "policy.yaml"
    file.write_text(POLICY)
    await said(house, "policy", "apply", "-f", str(file))
    words = ("source_timezone=UTC", "time=12:00", "target_timezone=Asia/Tokyo")
    async with asyncio.TaskGroup() as tasks:
        arguments = [word for each in words for word in ("-a", each)]
        call = tasks.create_task(said(house, "call", "/mcp", "convert_time", *arguments))
        approval = await pending(house)
        assert "convert_time" in await said(house, "approvals", "list")
        assert "is approved" in await said(house, "approvals", "approve", approval)
    assert "Asia/Tokyo" in call.result()
    assert "nothing waits" in await said(house, "approvals", "list")


async def pending(house: Gateway) -> str:
    async with asyncio.timeout(30):
        while not (found := (await house.client.get("/approvals")).json()):  # noqa: ASYNC110 - nothing announces it
            await asyncio.sleep(0.05)
    return str(found[0]["id"])


PETS = """
openapi: 3.0.3
paths:
  /pets/{petId}:
    get:
      operationId: getPet
      parameters:
        - {name: petId, in: path, required: true, schema: {type: string}}
        - {name: fields, in: query, schema: {type: array, items: {type: string}}}
        - {name: Accept-Language, in: header, schema: {type: string}}
    put:
      operationId: putPet
      parameters: [{name: petId, in: path, required: true, schema: {type: string}}]
      requestBody: {required: true, content: {application/json: {schema: {$ref: '#/components/schemas/Pet'}}}}
    delete:
      operationId: dropPet
      parameters: [{name: token, in: cookie, required: true, schema: {type: string}}]
components: {schemas: {Pet: {type: object, required: [name], properties: {name: {type: string}}}}}
"""


async def test_the_command_line_makes_tools_of_an_openapi_document(house: Gateway, tmp_path: Path) -> None:
    file = tmp_path / "pets.yaml"
    file.write_text(PETS)
    with score_server() as server:
        words = ("tools", "import", "openapi", str(file), "--server", f"{server.url}/v1")
        assert "get-pet\tGET /pets/{petId}" in await said(house, *words, "--dry-run")
        made = await said(house, *words)
        assert "put-pet is registered" in made
        assert "left out: DELETE /pets/{petId}: its cookie 'token' is required" in made
        await house.ready("get-pet")
        await house.ready("put-pet")
        async with Client(f"{house.url}/mcp") as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            got = await client.call_tool("get_pet", {"petId": "a/b", "fields": ["x", "y z"], "Accept-Language": "en"})
            put = await client.call_tool("put_pet", {"petId": "7", "name": "Rex"})
            bad = await client.call_tool("put_pet", {"petId": "7"})
            stray = await client.call_tool("get_pet", {"petId": ".."})
    assert names == ["get_pet", "put_pet"]
    path = "/v1/pets/a%2Fb?fields=x&fields=y+z"
    assert got.structured_content == {"method": "GET", "path": path, "body": None, "language": "en"}
    assert put.structured_content is not None
    assert (put.structured_content["path"], put.structured_content["body"]) == ("/v1/pets/7", {"name": "Rex"})
    assert bad.is_error
    assert stray.is_error
    assert "a path needs it" in str(stray.content)


async def said(house: Gateway, *words: str, status: int = 0) -> str:
    """What `mcpdeck WORDS` printed, both streams. It keeps nothing of its own in the reader's folders."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "mcpdeck", *words, "--gateway", house.url),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    output, _ = await process.communicate()
    assert process.returncode == status, output.decode()
    return output.decode()
