"""`mcpdeck traffic`, `sessions record` and `replay` at a real gateway, as one types them."""

import asyncio
from pathlib import Path

import httpx
import msgspec
import pytest

from gateway.wire.traffic import TrafficMessage
from tests.support.command import Command
from tests.support.gateways import Gateway, gateway
from tests.support.programs import PYTHON
from tests.support.sidecar_process import McpClient

WEATHER = {"command": PYTHON, "args": ["-m", "mcpdeck.samples.weather"]}


@pytest.fixture(name="mcpdeck")
def _mcpdeck(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    return Command(monkeypatch, capsys, tmp_path)


async def talk(house: Gateway) -> str:
    """A session with a good call and a bad one. Its id."""
    async with httpx.AsyncClient() as http:
        client = McpClient(http, house.mcp("weather"))
        await client.initialize()
        await client.call("get_forecast", city="Oslo")
        await client.call("get_forecast", city="Atlantis")
    (live,) = (await house.client.get("/sessions/live")).json()
    found: str = live["id"]
    return found


async def test_what_was_recorded_is_shown_exported_and_played_again(
    mcpdeck: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with gateway(tmp_path / "state") as house:
        monkeypatch.setenv("MCPDECK_URL", house.url)
        await house.deploy("weather", stdio=WEATHER)
        empty = await mcpdeck("traffic", "export", "weather")
        assert (empty.code, "records nothing" in empty.err) == (6, True)
        on = await mcpdeck("traffic", "record", "weather", "--max-messages", "50")
        assert (on.code, "the last 50 messages are kept" in on.err) == (0, True)
        assert "encrypted on the gateway's disk" in on.err
        async with asyncio.timeout(30):
            while (await house.client.get("/adapters/weather/recording")).status_code == 404:
                await house.ready("weather")
        session = await talk(house)
        tail = await mcpdeck("traffic", "tail", "--adapter", "weather", "--filter", "status:error", "-n", "1")
        assert tail.code == 0
        assert f"{session[:8]} ←  tools/call get_forecast" in tail.out
        assert "no city 'Atlantis'" in tail.out
        everything = await mcpdeck("traffic", "tail", "--filter", "status:error,ok tool:get_forecast", "-n", "2")
        assert everything.out.count("weather        ") == 2, everything
        both = await mcpdeck("traffic", "tail", "--session", session, "-n", "2", "-o", "jsonl")
        assert [each["method"] for each in both.jsonl] == ["initialize", "initialize"]
        file = tmp_path / "weather.jsonl"
        exported = await mcpdeck("traffic", "export", "weather", "-w", str(file))
        assert exported.code == 0
        messages = [msgspec.json.decode(line, type=TrafficMessage) for line in file.read_bytes().splitlines()]
        assert {each.session for each in messages} == {session}
        told = await mcpdeck("adapters", "status", "weather")
        assert "Recorded: " in told.out
        assert "encrypted on the gateway's disk" in told.out
        har = await mcpdeck("traffic", "export", str(file), "--format", "har", "--filter", "tool:get_forecast")
        assert len(har.json["log"]["entries"]) == 2
        tests = await mcpdeck("traffic", "export", str(file), "--format", "pytest")
        assert "def test_recorded_call" in tests.out
        assert "left out, such as initialize" in tests.err
        again = await mcpdeck("replay", str(file), "--against", "weather", "--yes")
        assert (again.code, "2 calls made, 0 different" in again.err) == (0, True), again
        await house.deploy("other", stdio={"command": PYTHON, "args": ["-m", "mcpdeck.samples.dice"]})
        other = await mcpdeck("replay", str(file), "--against", "other", "--yes", "-o", "jsonl")
        assert (other.code, [each["same"] for each in other.jsonl]) == (9, [False, False]), other
        off = await mcpdeck("traffic", "record", "weather", "--off")
        assert (off.code, "nothing is recorded any more" in off.err) == (0, True)


async def test_a_session_is_written_to_a_file_until_it_ends(
    mcpdeck: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    async with gateway(tmp_path / "state") as house:
        monkeypatch.setenv("MCPDECK_URL", house.url)
        await house.deploy("weather", stdio=WEATHER, recording={"enabled": True})
        session = await talk(house)
        file = tmp_path / "s.jsonl"
        async with asyncio.TaskGroup() as tasks:
            recording = tasks.create_task(mcpdeck("sessions", "record", session, "-w", str(file)))
            async with asyncio.timeout(30):
                while not file.exists() or file.stat().st_size == 0:  # noqa: ASYNC110 - no one signals a file
                    await asyncio.sleep(0.02)
            assert (await house.client.delete(f"/sessions/live/{session}")).status_code == 204
        ended = recording.result()
        assert (ended.code, "the session has ended" in ended.err) == (0, True)
        assert file.read_bytes().count(b"\n") >= 6
        again = await mcpdeck("sessions", "record", session, "-w", str(file))
        assert (again.code, "is there already" in again.err) == (2, True)


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("traffic", "tail", "--adapter", "x", "--filter", "colour:red"), "there is no 'colour'"),
        (("traffic", "tail", "--reveal"), "one adapter or session at a time"),
        (("traffic", "export", "./none.jsonl"), "No such file"),
        (("replay", "./none.jsonl", "--against", "x"), "No such file"),
    ],
)
async def test_words_that_are_not_right_say_why(mcpdeck: Command, words: tuple[str, ...], said: str) -> None:
    ended = await mcpdeck(*words)
    assert (ended.code, said in ended.err) == (2, True), ended


async def test_a_file_that_is_no_recording_names_its_line(mcpdeck: Command, tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_text("{}\n")
    ended = await mcpdeck("traffic", "export", str(file))
    assert (ended.code, "line 1 is no recorded message" in ended.err) == (2, True)
