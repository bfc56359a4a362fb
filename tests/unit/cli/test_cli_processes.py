"""The command line as a process: what it loads, how it ends, what it leaves on its streams."""

import asyncio
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.command import process, surroundings
from tests.support.fake_gateway import FakeGateway
from tests.support.programs import ROOT

UNWANTED = ("textual", "httpx", "asyncio", "yaml", "keyring", "azure", "msal", "kubernetes", "quart", "mcp", "psutil")


async def test_list_of_a_gateway_here_loads_only_what_it_needs(gateway: FakeGateway, tmp_path: Path) -> None:
    code = (
        "import sys; from mcpdeck.cli.main import run; "
        f"code = run(['--gateway', {gateway.url!r}, 'adapters', 'list'], None); "
        f"print(code, [name for name in {UNWANTED!r} if name in sys.modules], file=sys.stderr)"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, cwd=ROOT, env=surroundings(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert err.decode() == "0 []\n"
    assert len(out.splitlines()) == 15


def test_whole_command_line_is_known_without_any_heavy_library() -> None:
    heavy = tuple(name for name in UNWANTED if name != "asyncio")
    code = (
        f"import sys; from mcpdeck.cli.main import parser; parser(); print([n for n in {heavy!r} if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


async def test_reader_that_leaves_early_hears_nothing_more(gateway: FakeGateway, tmp_path: Path) -> None:
    gateway.scene.logs["weather"] = ["a long line " * 20] * 20_000
    command = f"{sys.executable} -m mcpdeck --gateway {gateway.url} logs weather --tail 20000 | head -1; echo ${{PIPESTATUS[0]}}"
    child = await asyncio.create_subprocess_exec(
        "bash", "-c", command, cwd=ROOT, env=surroundings(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    out, err = await child.communicate()
    assert err == b""
    assert out.splitlines()[1] == b"141"


async def test_nothing_on_a_terminal_is_help_on_stderr(tmp_path: Path) -> None:
    ended = await process(environ=surroundings(tmp_path))
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.startswith("usage: mcpdeck")


@pytest.mark.parametrize("words", [["--help"], ["adapters", "create", "--help"], ["version"], ["--version"]])
async def test_help_and_version_need_nothing(tmp_path: Path, words: list[str]) -> None:
    ended = await process(*words, environ=surroundings(tmp_path))
    assert ended.code == 0
    assert ended.out
    assert not any(tmp_path.iterdir())  # noqa: ASYNC240


async def test_list_that_goes_on_is_there_at_once_for_who_reads_it_through_a_pipe(
    gateway: FakeGateway, tmp_path: Path
) -> None:
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "mcpdeck", "--gateway", gateway.url, "adapters", "list", "--watch",
        cwd=ROOT, env=surroundings(tmp_path), stdout=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert child.stdout is not None
    async with asyncio.timeout(60):
        assert (await child.stdout.readline()).startswith(b"NAME ")
        assert len([await child.stdout.readline() for _ in gateway.scene.adapters]) == len(gateway.scene.adapters)
        child.terminate()
        await child.wait()
