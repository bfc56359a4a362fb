"""The command line where its streams are no use: a full disk, a closed stdout, a reader that left, an old encoding."""

import asyncio
import sys
from pathlib import Path

import msgspec
import pytest

from tests.support.command import Ended, process, surroundings
from tests.support.fake_gateway import FakeGateway
from tests.support.programs import ROOT

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="/dev/full and closed descriptors are Linux's")
COMMANDS = ["info", "version", "--help", "adapters --help", "adapters list", "completion bash", "adapters list -o json"]


async def _redirected(words: str, how: str, environ: dict[str, str]) -> Ended:
    """how: as a shell has it, such as `>&-`."""
    child = await asyncio.create_subprocess_exec(
        "/bin/sh", "-c", f'exec "$@" {how}', "sh", sys.executable, "-m", "mcpdeck", *words.split(),
        cwd=ROOT, env=environ, stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, err = await child.communicate()
    assert child.returncode is not None
    return Ended(child.returncode, out.decode(), err.decode())


@pytest.mark.parametrize("words", COMMANDS)
async def test_full_disk_is_told_as_such_and_is_no_defect(gateway: FakeGateway, tmp_path: Path, words: str) -> None:
    ended = await _redirected(words, ">/dev/full", surroundings(tmp_path, MCPDECK_URL=gateway.url))
    assert (ended.code, ended.err) == (1, "mcpdeck: stdout can not be written: No space left on device\n")


@pytest.mark.parametrize("words", COMMANDS)
async def test_closed_stdout_is_told_as_such_and_is_no_defect(gateway: FakeGateway, tmp_path: Path, words: str) -> None:
    ended = await _redirected(words, ">&-", surroundings(tmp_path, MCPDECK_URL=gateway.url))
    assert (ended.code, ended.err) == (1, "mcpdeck: stdout can not be written: Bad file descriptor\n")


async def test_command_without_data_needs_no_stdout(gateway: FakeGateway, tmp_path: Path) -> None:
    environ = surroundings(tmp_path, MCPDECK_URL=gateway.url)
    ended = await _redirected("adapters restart weather", ">&-", environ)
    assert ended.code == 0
    assert gateway.seen("POST", "/adapters/weather/restart")


async def test_all_streams_may_be_closed(tmp_path: Path) -> None:
    ended = await _redirected("contexts add x http://127.0.0.1:1", "<&- >&- 2>&-", surroundings(tmp_path))
    assert ended.code == 0
    assert "x" in (await process("contexts", "list", "-o", "name", environ=surroundings(tmp_path))).out


async def test_what_an_encoding_lacks_is_written_as_json_has_it(gateway: FakeGateway, tmp_path: Path) -> None:
    name = "snow \u2603 \U0001f600"
    gateway.scene.adapters["weather"] = msgspec.structs.replace(gateway.scene.adapters["weather"], description=name)
    environ = surroundings(tmp_path, MCPDECK_URL=gateway.url, PYTHONIOENCODING="ascii")
    ended = await process("adapters", "get", "weather", "-o", "json", environ=environ)
    assert "\\u2603" in ended.out
    assert ended.json["description"] == name
    assert "snow \\u2603 \\ud83d\\ude00" in (await process("adapters", "list", "-o", "wide", environ=environ)).out


async def test_name_that_is_no_text_is_no_defect(gateway: FakeGateway, tmp_path: Path) -> None:
    environ = surroundings(tmp_path, MCPDECK_URL=gateway.url)
    ended = await process("adapters", "get", "\udcff", environ=environ)
    assert (ended.code, "defect" in ended.err) == (2, False)


async def test_command_needs_no_name_of_the_user_who_runs_it(tmp_path: Path) -> None:
    """In a container, a process may be of a user whom nobody has named."""
    environ = {name: value for name, value in surroundings(tmp_path).items() if name not in ("USER", "LOGNAME")}
    script = (
        "import pwd, sys\n"
        "def nobody(_): raise KeyError\n"
        "pwd.getpwuid = nobody\n"
        "from mcpdeck.__main__ import main\n"
        "sys.argv[1:] = ['policy', '--help']\n"
        "main()\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, env=environ, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await child.communicate()
    assert (child.returncode, b"explain" in out) == (0, True)


async def test_ctrl_c_before_there_is_a_command_leaves_no_traceback(tmp_path: Path) -> None:
    script = (
        "import os, signal, sys\n"
        "class Interrupts:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name == 'mcpdeck.cli.main': os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Interrupts())\n"
        "from mcpdeck.__main__ import main\n"
        "main()\n"
    )
    child = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, cwd=ROOT, env=surroundings(tmp_path), stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    _, err = await child.communicate()
    assert (child.returncode, err) == (130, b"")
