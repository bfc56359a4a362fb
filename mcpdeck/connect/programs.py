"""The MCP clients that are known: where each keeps its servers, and in which form. Reads and writes nothing.

As their own documentation has it (November 2026).
"""

import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec


class Surroundings(msgspec.Struct, frozen=True):
    """platform: as sys.platform has it."""

    home: Path
    environ: Mapping[str, str]
    platform: str = sys.platform

    @property
    def settings(self) -> Path:
        """Where programs with windows keep theirs."""
        if self.platform == "darwin":
            return self.home / "Library" / "Application Support"
        if self.platform == "win32":
            return Path(self.environ.get("APPDATA") or self.home / "AppData" / "Roaming")
        return self.xdg

    @property
    def xdg(self) -> Path:
        return Path(self.environ.get("XDG_CONFIG_HOME") or self.home / ".config")


type Entry = dict[str, Any]
type Form = Callable[[str], Entry]  # of a server at a URL


class Program(msgspec.Struct, frozen=True, kw_only=True):
    """file: its own for this user. project: its file in a project's folder, "" where there is none. section: the keys
    under which its servers stand. by_url: None for one that speaks nothing but stdio."""

    name: str
    title: str
    file: Callable[[Surroundings], Path]
    project: str = ""
    section: tuple[str, ...] = ("mcpServers",)
    by_url: Form | None = None
    executables: tuple[str, ...] = ()
    is_toml: bool = False
    after: str = ""  # what makes it notice, or how it is done without this program; {name} and {url} are filled in

    def entry(self, url: str, stdio: list[str], *, wants_stdio: bool) -> Entry:
        """The server at a URL, or through a command that fronts it."""
        if self.by_url is None or wants_stdio:
            return {"command": stdio[0], "args": stdio[1:]}
        return self.by_url(url)


def _zed(world: Surroundings) -> Path:
    return (world.settings / "Zed" if world.platform == "win32" else world.xdg / "zed") / "settings.json"


def _codex(world: Surroundings) -> Path:
    return Path(world.environ.get("CODEX_HOME") or world.home / ".codex") / "config.toml"


def _claude_code(world: Surroundings) -> Path:
    folder = world.environ.get("CLAUDE_CONFIG_DIR")
    return Path(folder) / ".claude.json" if folder else world.home / ".claude.json"


PROGRAMS: Final = {
    program.name: program
    for program in (
        Program(
            name="claude",
            title="Claude Desktop",
            file=lambda world: world.settings / "Claude" / "claude_desktop_config.json",
            after="restart Claude Desktop",
        ),
        Program(
            name="claude-code",
            title="Claude Code",
            file=_claude_code,
            project=".mcp.json",
            by_url=lambda url: {"type": "http", "url": url},
            executables=("claude",),
            after="or: claude mcp add --transport http {name} {url}",
        ),
        Program(
            name="vscode",
            title="Visual Studio Code",
            file=lambda world: world.settings / "Code" / "User" / "mcp.json",
            project=".vscode/mcp.json",
            section=("servers",),
            by_url=lambda url: {"type": "http", "url": url},
            executables=("code",),
        ),
        Program(
            name="cursor",
            title="Cursor",
            file=lambda world: world.home / ".cursor" / "mcp.json",
            project=".cursor/mcp.json",
            by_url=lambda url: {"url": url},
            executables=("cursor", "cursor-agent"),
        ),
        Program(
            name="codex",
            title="Codex",
            file=_codex,
            project=".codex/config.toml",
            section=("mcp_servers",),
            by_url=lambda url: {"url": url},
            executables=("codex",),
            is_toml=True,
            after="or: codex mcp add {name} --url {url}",
        ),
        Program(
            name="windsurf",
            title="Windsurf",
            file=lambda world: world.home / ".codeium" / "windsurf" / "mcp_config.json",
            by_url=lambda url: {"serverUrl": url},
            executables=("windsurf",),
            after="refresh the list of servers in Windsurf's settings",
        ),
        Program(
            name="gemini",
            title="Gemini CLI",
            file=lambda world: world.home / ".gemini" / "settings.json",
            project=".gemini/settings.json",
            by_url=lambda url: {"httpUrl": url},
            executables=("gemini",),
            after="or: gemini mcp add --scope user --transport http {name} {url}",
        ),
        Program(
            name="zed",
            title="Zed",
            file=_zed,
            project=".zed/settings.json",
            section=("context_servers",),
            by_url=lambda url: {"url": url},
            executables=("zed", "zeditor"),
        ),
    )
}
