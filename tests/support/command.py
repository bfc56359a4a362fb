"""The command line as a person or a script runs it: in this process and quickly, or as a process of its own."""

import asyncio
import io
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from mcpdeck.cli.main import run
from tests.support.programs import ROOT

KEPT = ("PATH", "HOME", "LANG", "TMPDIR")


class Ended(NamedTuple):
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.out)

    @property
    def jsonl(self) -> list[Any]:
        return [msgspec.json.decode(line) for line in self.out.splitlines()]


def surroundings(folder: Path, **more: str) -> dict[str, str]:
    """An environment in which nothing of this machine's own is read or written."""
    plain = {name: value for name, value in os.environ.items() if name in KEPT}
    folders = {"XDG_CONFIG_HOME": "config", "XDG_DATA_HOME": "data", "XDG_CACHE_HOME": "cache", "HOME": "home"}
    return plain | {name: str(folder / part) for name, part in folders.items()} | more


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Command:
    """In this process, on a thread: the gateway that it asks may be this process's too."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], folder: Path) -> None:
        self._monkeypatch = monkeypatch
        self._capsys = capsys
        self.folder = folder
        self.shown: list[Any] = []  # what the deck was opened with
        for name in list(os.environ):
            if name.startswith("MCPDECK_") or name in ("NO_COLOR", "EDITOR", "VISUAL"):
                monkeypatch.delenv(name)
        for name, value in surroundings(folder).items():
            monkeypatch.setenv(name, value)

    async def __call__(self, *words: str, stdin: str = "", typed: str | None = None) -> Ended:
        """typed: what somebody types at a terminal."""
        return await asyncio.to_thread(self._run, words, io.StringIO(stdin) if typed is None else _Terminal(typed))

    def _run(self, words: tuple[str, ...], stdin: io.StringIO) -> Ended:
        self._monkeypatch.setattr(sys, "stdin", stdin)
        self._capsys.readouterr()
        self._monkeypatch.setattr(sys.stdout, "isatty", stdin.isatty)
        try:
            code = run(words, self._show_deck)
        except SystemExit as end:
            code = int(end.code or 0)
        out, err = self._capsys.readouterr()
        return Ended(code, out, err)

    def _show_deck(self, desk: Any, words: Any) -> int:
        self.shown.append((desk.target.context, words))
        return 0


async def process(*words: str, environ: Mapping[str, str], stdin: bytes = b"") -> Ended:
    """As a process, without a terminal."""
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcpdeck", *words, cwd=ROOT, env=dict(environ),
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await child.communicate(stdin)
    assert child.returncode is not None
    return Ended(child.returncode, out.decode(), err.decode())
