"""`mcpdeck connect`: what is printed, what is written, and which clients have which adapters."""

import json
import tomllib
from pathlib import Path

import pytest

from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway


@pytest.fixture
def home(mcpdeck: Command) -> Path:
    """Where clients keep their files."""
    return mcpdeck.folder / "home"


async def test_form_is_printed_and_where_it_belongs_told_beside_it(
    mcpdeck: Command, gateway: FakeGateway, home: Path
) -> None:
    url = f"{gateway.url}/adapters/time/mcp"
    ended = await mcpdeck("connect", "cursor", "time")
    assert ended.json == {"mcpServers": {"time": {"url": url}}}
    assert str(home / ".cursor" / "mcp.json") in ended.err
    toml = await mcpdeck("connect", "codex", "time", "--name", "clock")
    assert tomllib.loads(toml.out) == {"mcp_servers": {"clock": {"url": url}}}
    assert f"codex mcp add clock --url {url}" in toml.err
    assert (await mcpdeck("connect", "time")).json == {"mcpServers": {"time": {"type": "http", "url": url}}}
    assert not home.exists()  # noqa: ASYNC240


async def test_client_without_http_runs_the_front(mcpdeck: Command, gateway: FakeGateway) -> None:
    entry = (await mcpdeck("connect", "claude", "time")).json["mcpServers"]["time"]
    words = [entry["command"], *entry["args"]]
    assert Path(words[0]).is_absolute()
    assert words[words.index("stdio") :] == ["stdio", "time", "--gateway", gateway.url]


async def test_front_names_the_context_where_there_is_one(
    mcpdeck: Command, gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MCPDECK_URL")
    await mcpdeck("contexts", "add", "prod", gateway.url)
    entry = (await mcpdeck("connect", "vscode", "time", "--stdio")).json["servers"]["time"]
    assert entry["args"][-4:] == ["stdio", "time", "--context", "prod"]


async def test_written_listed_and_removed(mcpdeck: Command, gateway: FakeGateway, home: Path) -> None:
    file = home / ".cursor" / "mcp.json"
    first = await mcpdeck("connect", "cursor", "time", "--write")
    assert first.err == f"time is added in {file}\n"
    assert (await mcpdeck("connect", "cursor", "time", "--write")).err == f"{file} has it already: time\n"
    rows = {row["client"]: row for row in (await mcpdeck("connect", "-o", "jsonl")).jsonl}
    assert (rows["cursor"]["found"], rows["cursor"]["adapters"]) == (True, ["time"])
    assert rows["zed"] == {
        "client": "zed", "found": False, "adapters": [], "problem": "",
        "file": str(mcpdeck.folder / "config" / "zed" / "settings.json"),
    }  # fmt: skip
    removed = await mcpdeck("connect", "cursor", "time", "--remove")
    assert removed.err.startswith(f"time is removed in {file}; as it was: ")
    assert "no server of that name" in (await mcpdeck("connect", "cursor", "time", "--remove")).err


async def test_servers_of_others_stay_and_are_not_taken_over(
    mcpdeck: Command, gateway: FakeGateway, home: Path
) -> None:
    file = home / ".codeium" / "windsurf" / "mcp_config.json"
    file.parent.mkdir(parents=True)
    theirs = {"mcpServers": {"time": {"serverUrl": "https://elsewhere/mcp"}, "docs": {"command": "x"}}}
    file.write_text(json.dumps(theirs))
    refused = await mcpdeck("connect", "windsurf", "time", "--write")
    assert refused.code == 2
    assert "has another server 'time'" in refused.err
    assert json.loads(file.read_text()) == theirs
    assert (await mcpdeck("connect", "windsurf", "time", "--write", "--replace")).code == 0
    url = f"{gateway.url}/adapters/time/mcp"
    assert json.loads(file.read_text()) == {"mcpServers": {"time": {"serverUrl": url}, "docs": {"command": "x"}}}


async def test_project_has_a_file_of_its_own(mcpdeck: Command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    monkeypatch.chdir(project)
    await mcpdeck("connect", "claude-code", "time", "--project", "--write")
    assert "time" in json.loads((project / ".mcp.json").read_text())["mcpServers"]
    assert (await mcpdeck("connect", "windsurf", "time", "--project")).code == 2


@pytest.mark.parametrize(
    ("words", "code", "told"),
    [
        (["netscape", "time"], 2, "no client 'netscape'"),
        (["cursor"], 2, "which adapter"),
        (["cursor", "absent"], 6, "no adapter 'absent'"),
        (["json", "time", "--write"], 2, "which client's file?"),
    ],
)
async def test_what_can_not_be_connected_is_told(mcpdeck: Command, words: list[str], code: int, told: str) -> None:
    ended = await mcpdeck("connect", *words)
    assert (ended.code, ended.out) == (code, "")
    assert told in ended.err


async def test_file_that_can_not_be_read_is_told_in_the_list(mcpdeck: Command, home: Path) -> None:
    (home / ".cursor").mkdir(parents=True)
    (home / ".cursor" / "mcp.json").write_text("{broken")
    rows = {row["client"]: row for row in (await mcpdeck("connect", "-o", "jsonl")).jsonl}
    assert "line 1" in rows["cursor"]["problem"]


async def test_gateway_that_does_not_answer_holds_nothing_up(mcpdeck: Command, gateway: FakeGateway) -> None:
    await gateway.stop()
    ended = await mcpdeck("connect", "cursor", "time")
    assert ended.code == 0
    assert "not checked" in ended.err
    await gateway.start()
