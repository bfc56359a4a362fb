"""Clients' own files: each in its form and place, other entries untouched, and what was there kept."""

import json
import os
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mcpdeck.connect.files import BACKUP_SUFFIX, Outcome, adding, removing, servers, write
from mcpdeck.connect.programs import PROGRAMS, Program, Surroundings
from mcpdeck.errors import Misconfigured

URL = "http://127.0.0.1:8700/adapters/time/mcp"
STDIO = ["/bin/mcpdeck", "stdio", "time"]


def entry(program: Program, *, wants_stdio: bool = False) -> dict[str, Any]:
    return program.entry(URL, STDIO, wants_stdio=wants_stdio)


def put(program: Program, path: Path, *, is_ours: bool = True) -> Outcome:
    change = adding(program, path, "time", entry(program), is_ours=is_ours)
    if change.outcome is not Outcome.SAME:
        write(change)
    return change.outcome


@pytest.mark.parametrize(
    ("name", "platform", "where"),
    [
        ("claude", "darwin", "/h/Library/Application Support/Claude/claude_desktop_config.json"),
        ("claude", "win32", "/roaming/Claude/claude_desktop_config.json"),
        ("claude-code", "linux", "/h/.claude.json"),
        ("vscode", "linux", "/h/.config/Code/User/mcp.json"),
        ("vscode", "darwin", "/h/Library/Application Support/Code/User/mcp.json"),
        ("cursor", "linux", "/h/.cursor/mcp.json"),
        ("codex", "linux", "/h/.codex/config.toml"),
        ("windsurf", "linux", "/h/.codeium/windsurf/mcp_config.json"),
        ("gemini", "linux", "/h/.gemini/settings.json"),
        ("zed", "darwin", "/h/.config/zed/settings.json"),
        ("zed", "win32", "/roaming/Zed/settings.json"),
    ],
)
def test_each_client_keeps_its_file_where_its_platform_has_it(name: str, platform: str, where: str) -> None:
    world = Surroundings(Path("/h"), {"APPDATA": "/roaming"}, platform)
    assert PROGRAMS[name].file(world) == Path(where)


def test_variables_of_a_client_move_its_file() -> None:
    world = Surroundings(Path("/h"), {"CODEX_HOME": "/c", "CLAUDE_CONFIG_DIR": "/k", "XDG_CONFIG_HOME": "/x"}, "linux")
    assert PROGRAMS["codex"].file(world) == Path("/c/config.toml")
    assert PROGRAMS["claude-code"].file(world) == Path("/k/.claude.json")
    assert PROGRAMS["zed"].file(world) == Path("/x/zed/settings.json")


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("claude", {"mcpServers": {"time": {"command": "/bin/mcpdeck", "args": ["stdio", "time"]}}}),
        ("claude-code", {"mcpServers": {"time": {"type": "http", "url": URL}}}),
        ("vscode", {"servers": {"time": {"type": "http", "url": URL}}}),
        ("cursor", {"mcpServers": {"time": {"url": URL}}}),
        ("codex", {"mcp_servers": {"time": {"url": URL}}}),
        ("windsurf", {"mcpServers": {"time": {"serverUrl": URL}}}),
        ("gemini", {"mcpServers": {"time": {"httpUrl": URL}}}),
        ("zed", {"context_servers": {"time": {"url": URL}}}),
    ],
)
def test_each_client_gets_its_own_form_and_the_same_twice_changes_nothing(
    tmp_path: Path, name: str, file: dict[str, Any]
) -> None:
    program, path = PROGRAMS[name], tmp_path / "deep" / "file"
    assert put(program, path) is Outcome.ADDED
    text = path.read_text()
    assert (tomllib.loads(text) if program.is_toml else json.loads(text)) == file
    assert put(program, path) is Outcome.SAME
    change = removing(program, path, "time")
    write(change)
    assert servers(program, path) == {}
    assert removing(program, path, "time").outcome is Outcome.SAME


def test_what_was_there_stays_and_is_kept_beside(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    before = '{\n\t// mine\n\t"servers": {"docs": {"type": "http", "url": "https://d"}},\n\t"inputs": [],\n}\n'
    path.write_text(before)
    path.chmod(0o640)
    assert put(PROGRAMS["vscode"], path) is Outcome.ADDED
    assert "// mine" in path.read_text()
    assert set(servers(PROGRAMS["vscode"], path)) == {"docs", "time"}
    backup = path.with_name(path.name + BACKUP_SUFFIX)
    assert backup.read_text() == before
    if os.name == "posix":
        assert path.stat().st_mode & 0o777 == 0o640


def test_link_to_a_file_stays_a_link(tmp_path: Path) -> None:
    real = tmp_path / "dotfiles.json"
    real.write_text("{}")
    link = tmp_path / "mcp.json"
    link.symlink_to(real)
    put(PROGRAMS["cursor"], link)
    assert link.is_symlink()
    assert "time" in real.read_text()


def test_own_entry_that_moved_keeps_what_its_owner_added(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"time": {"url": "http://old/adapters/time/mcp", "disabled": True}}}))
    assert put(PROGRAMS["cursor"], path) is Outcome.CHANGED
    assert servers(PROGRAMS["cursor"], path) == {"time": {"url": URL, "disabled": True}}


def test_entry_by_command_is_replaced_whole_by_one_by_url(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"time": {"command": "x", "args": []}}}))
    put(PROGRAMS["cursor"], path)
    assert servers(PROGRAMS["cursor"], path) == {"time": {"url": URL}}


def test_entry_of_somebody_else_is_not_touched(tmp_path: Path) -> None:
    path = tmp_path / "mcp.json"
    path.write_text(json.dumps({"mcpServers": {"time": {"url": "https://other"}}}))
    with pytest.raises(Misconfigured, match="has another server 'time'"):
        put(PROGRAMS["cursor"], path, is_ours=False)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("cursor", '{"mcpServers": '),
        ("cursor", '{"mcpServers": []}'),
        ("codex", "model = "),
        ("codex", 'mcp_servers = { time = { command = "x" } }'),
    ],
)
def test_file_that_is_not_understood_is_refused_and_stays(tmp_path: Path, name: str, text: str) -> None:
    path = tmp_path / "file"
    path.write_text(text)
    with pytest.raises(Misconfigured, match="file"):
        put(PROGRAMS[name], path)
    assert path.read_text() == text


def test_client_without_http_is_given_a_command_and_others_where_they_want_one() -> None:
    assert entry(PROGRAMS["claude"]) == {"command": "/bin/mcpdeck", "args": ["stdio", "time"]}
    assert entry(PROGRAMS["codex"], wants_stdio=True) == {"command": "/bin/mcpdeck", "args": ["stdio", "time"]}
