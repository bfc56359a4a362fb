"""`up`, `demo`, `call` and `stdio` with real processes: a gateway, its adapters, and nothing left when it is over."""

import os
import signal
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client

from tests.support.command import Ended, process, surroundings
from tests.support.programs import PYTHON, ROOT, Program, gone, program
from tests.support.terminal import terminal

pytestmark = pytest.mark.skipif(os.name != "posix", reason="ends processes by signals")
WEATHER = ("--stdio", "--", PYTHON, "-m", "mcpdeck.samples.weather")


@asynccontextmanager
async def command(folder: Path, *words: str) -> AsyncIterator[Program]:
    async with program([PYTHON, "-m", "mcpdeck", *words], env=surroundings(folder)) as running:
        yield running


async def mcpdeck(folder: Path, *words: str) -> Ended:
    return await process(*words, environ=surroundings(folder))


async def test_up_runs_a_gateway_that_keeps_its_adapters_and_leaves_no_process(tmp_path: Path) -> None:
    async with command(tmp_path, "up", "--port", "0") as up:
        url = (await up.hear(r"the gateway is up: (http://\S+)"))[1]
        created = await mcpdeck(tmp_path, "adapters", "create", "weather", "--wait", *WEATHER)
        assert created.code == 0, created.err
        assert created.err.splitlines()[-1] == "weather is ready"
        again = await mcpdeck(tmp_path, "up")
        assert (again.code, again.err) == (0, f"the gateway of this machine runs already: {url}\n")
        await _everything_of_weather(tmp_path)
        family = [psutil.Process(up.pid), *up.children()]
        assert len(family) > 3
        assert await up.stop(signal.SIGINT) == 0
    assert await gone(family) == []
    assert (await mcpdeck(tmp_path, "adapters", "list")).code == 4
    async with command(tmp_path, "up", "--port", "0") as up:
        await up.hear("the gateway is up")
        assert (await mcpdeck(tmp_path, "adapters", "list", "-o", "name")).out == "weather\n"
        deleted = await mcpdeck(tmp_path, "adapters", "delete", "weather")
        assert deleted.code == 0
        family = up.children()
        assert await up.stop(signal.SIGTERM) == 0
    assert await gone(family) == []


async def _everything_of_weather(folder: Path) -> None:
    """What one does with an adapter."""
    tools = await mcpdeck(folder, "tools", "list", "weather", "--no-headers")
    assert [line.split()[0] for line in tools.out.splitlines()] == ["get_forecast", "get_alerts"]
    told = (
        await mcpdeck(folder, "call", "weather", "get_forecast", "-a", "city=Oslo", "-a", "days=2", "-o", "json")
    ).json
    assert [day["date"] for day in told["structuredContent"]["days"]] == sorted(
        {d["date"] for d in told["structuredContent"]["days"]}
    )
    failed = await mcpdeck(folder, "call", "weather", "get_forecast", "--args-json", '{"city": "Atlantis"}')
    assert (failed.code, "no city 'Atlantis'" in failed.out) == (5, True)
    wrong = await mcpdeck(folder, "call", "weather", "get_forecast", "-a", "city=Oslo", "-a", "days=soon")
    assert (wrong.code, "days wants integer" in wrong.err) == (2, True)
    absent = await mcpdeck(folder, "call", "weather", "get_snow")
    assert (absent.code, "it has get_alerts, get_forecast" in absent.err) == (5, True)
    nowhere = await mcpdeck(folder, "call", "absent", "x")
    assert nowhere.code == 6
    logs = await mcpdeck(folder, "logs", "weather", "--grep", "Oslo")
    assert "tools/call get_forecast city=Oslo days=2" in logs.out
    restarted = await mcpdeck(folder, "adapters", "restart", "weather", "--wait")
    assert restarted.code == 0, restarted.err
    status = await mcpdeck(folder, "adapters", "status", "weather")
    assert "weather-0" in status.out


async def test_up_on_a_terminal_keeps_it_calm(tmp_path: Path) -> None:
    async with terminal("-m", "mcpdeck", "up", "--port", "0", environment=surroundings(tmp_path)) as it:
        await it.sees("the gateway is up: http://127.0.0.1:", "no adapters yet; Ctrl-C ends it")
        assert (await mcpdeck(tmp_path, "adapters", "create", "weather", *WEATHER)).code == 0
        await it.sees("1 of 1 adapter ready")
        await it.until(lambda: it.screen.cursor.y < 8)  # one line, drawn anew
        assert it.process is not None
        it.process.send_signal(signal.SIGINT)
        assert await it.ended(seconds=60) == 0
        await it.sees("the gateway ends")
        assert "Traceback" not in it.text
    assert (tmp_path / "data" / "mcpdeck" / "gateway.log").exists()


async def test_gateway_that_can_not_start_is_told_with_its_own_words(tmp_path: Path) -> None:
    ended = await mcpdeck(tmp_path, "up", "--port", "0", "--", "--max-body", "lots")
    assert ended.code == 2
    assert "--max-body lots: wanted a whole number" in ended.err
    assert "the gateway did not start: gateway ended with 2" in ended.err


@pytest.mark.parametrize("workers", ["1", "2"])
async def test_port_that_is_taken_is_told_by_its_address(tmp_path: Path, workers: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        ended = await mcpdeck(tmp_path, "up", "--port", port, "--", "--workers", workers)
    assert ended.code == 2
    assert f"--bind 127.0.0.1:{port}: Address already in use; port 0 is any that is free" in ended.err
    assert "Errno" not in ended.err


async def test_demo_without_a_terminal_prints_its_urls_and_leaves_nothing(tmp_path: Path) -> None:
    environ = surroundings(tmp_path, TMPDIR=str(tmp_path))
    async with program([PYTHON, "-m", "mcpdeck", "demo"], env=environ) as demo:
        url = (await demo.hear(r"^gateway +(http://\S+)$"))[1]
        await demo.hear(rf"^dice +{url}/adapters/dice/mcp$")
        for name in ("weather", "notes", "dice"):
            waited = await process("--context", "demo", "adapters", "scale", name, "1", "--wait", environ=environ)
            assert waited.code == 0, waited.err
        rolled = await process("--context", "demo", "call", "dice", "roll", "-a", "dice=2d6", environ=environ)
        assert rolled.out.startswith("2d6: "), rolled.err
        noted = await process("--context", "demo", "call", "notes", "add_note", "-a", "text=hello", environ=environ)
        assert noted.out.startswith("kept"), noted.err
        at_once = await process("--context", "demo", "call", "/mcp", "roll", "-a", "dice=1d6", environ=environ)
        assert at_once.out.startswith("1d6: "), at_once.err
        family = [psutil.Process(demo.pid), *demo.children()]
        assert await demo.stop(signal.SIGTERM) == 0
    assert await gone(family) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mcpdeck-demo-")] == []  # noqa: ASYNC240
    assert (await process("--context", "demo", "adapters", "list", environ=environ)).code == 4


@pytest.mark.parametrize("command", [["demo"], ["up", "--port", "0"]])
async def test_command_that_is_killed_leaves_no_gateway_and_no_adapter(tmp_path: Path, command: list[str]) -> None:
    """`kill -9` runs nothing of the command's own: those that it started see that it is gone."""
    environ = surroundings(tmp_path, TMPDIR=str(tmp_path))
    async with program([PYTHON, "-m", "mcpdeck", *command], env=environ) as running:
        url = (await running.hear(r"(?:^gateway +|the gateway is up: )(http://\S+)$"))[1]
        spec = ["--replicas", "2", "--wait", "--stdio", "--", PYTHON, "-m", "mcpdeck.samples.weather"]
        deployed = await process("--gateway", url, "adapters", "create", "more", *spec, environ=environ)
        assert deployed.code == 0, deployed.err
        family = running.children()
        assert len(family) > 4
        assert await running.stop(signal.SIGKILL) == -signal.SIGKILL
        assert await gone(family) == []
    assert (await process("contexts", "list", "-o", "name", environ=environ)).out == ""
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mcpdeck-demo-")] == []  # noqa: ASYNC240
    assert list((tmp_path / "data" / "mcpdeck" / "running").iterdir()) == []


@pytest.mark.parametrize("how", ["quit", "hang-up", "kill"])
async def test_demo_on_a_terminal_shows_the_deck_and_leaves_nothing(tmp_path: Path, how: str) -> None:
    environ = surroundings(tmp_path, TMPDIR=str(tmp_path))
    async with terminal("-m", "mcpdeck", "demo", size=(110, 30), environment=environ) as it:
        await it.until(lambda: all(f"{name} " in it.text for name in ("dice", "notes", "weather")), seconds=60)
        assert it.process is not None
        root = psutil.Process(it.process.pid)
        family = [root, *root.children(recursive=True)]
        assert len(family) > 5
        match how:
            case "quit":
                it.write("\x11")
            case "hang-up":
                it.process.send_signal(signal.SIGHUP)
            case _:
                it.process.send_signal(signal.SIGTERM)
        assert await it.ended(seconds=60) == 0
        assert it.attributes == it.attributes_before
    assert await gone(family) == []
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("mcpdeck-demo-")] == []  # noqa: ASYNC240


class _Steps:
    """What a call says on its way."""

    def __init__(self) -> None:
        self.heard: list[float] = []

    async def __call__(self, progress: float, total: float | None, message: str | None) -> None:
        self.heard.append(progress)


async def test_clients_that_nobody_here_wrote_reach_adapters_through_the_front(tmp_path: Path) -> None:
    environ = surroundings(tmp_path, PYTHONPATH=str(ROOT))
    async with command(tmp_path, "up", "--port", "0") as up:
        await up.hear("the gateway is up")
        dice = ("--stdio", "--", PYTHON, "-m", "mcpdeck.samples.dice")
        for name, words in (("weather", WEATHER), ("dice", dice)):
            assert (await mcpdeck(tmp_path, "adapters", "create", name, "--wait", *words)).code == 0
        for name, mode in (("weather", "legacy"), ("weather", "auto"), ("dice", "auto"), ("dice", "2026-07-28")):
            front = StdioServerParameters(command=sys.executable, args=["-m", "mcpdeck", "stdio", name], env=environ)
            async with Client(stdio_client(front), mode=mode) as client:
                tools = [tool.name for tool in (await client.list_tools()).tools]
                if name == "weather":
                    assert tools == ["get_forecast", "get_alerts"]
                    told = await client.call_tool("get_alerts", {"city": "Oslo"})
                else:
                    steps = _Steps()
                    slowly = {"dice": "3d6", "pause": 0.01}
                    told = await client.call_tool("roll_slowly", slowly, progress_callback=steps)
                    assert steps.heard == [1, 2, 3]
                assert not told.is_error
