"""Real processes for tests: started until they say they are ready, always ended, their words kept for a failure."""

import asyncio
import contextlib
import os
import re
import signal
import subprocess
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
PYTHON = sys.executable
_KEPT_LINES = 2000
PATIENCE = 60  # seconds; a failure is not a hang


class Program:
    """A running process and what it said, both streams in their order."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process
        self.lines: deque[str] = deque(maxlen=_KEPT_LINES)
        self._news = asyncio.Event()

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def said(self) -> str:
        return "\n".join(self.lines)

    def children(self) -> list[psutil.Process]:
        """All descendants. They stay identifiable (pid and start time) after they have gone."""
        try:
            return psutil.Process(self.pid).children(recursive=True)
        except psutil.NoSuchProcess:
            return []

    async def hear(self, pattern: str) -> re.Match[str]:
        """The first line, past or coming, that holds the pattern. AssertionError with all that was said otherwise."""
        try:
            async with asyncio.timeout(PATIENCE):
                while True:
                    self._news.clear()
                    for line in self.lines:
                        if found := re.search(pattern, line):
                            return found
                    if self.process.stdout is not None and self.process.stdout.at_eof():
                        raise AssertionError(f"ended without saying {pattern!r}; it said:\n{self.said}")
                    await self._news.wait()
        except TimeoutError:
            raise AssertionError(f"did not say {pattern!r} in {PATIENCE} s; it said:\n{self.said}") from None

    async def listen(self) -> None:
        assert self.process.stdout is not None
        async for line in self.process.stdout:
            self.lines.append(line.decode(errors="replace").rstrip())
            self._news.set()
        self._news.set()

    async def stop(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Send a signal and wait for the end. The exit status."""
        with contextlib.suppress(ProcessLookupError):
            self.process.send_signal(number)
        try:
            async with asyncio.timeout(PATIENCE):
                return await self.process.wait()
        except TimeoutError:
            raise AssertionError(f"lives {PATIENCE} s after {number.name}; it said:\n{self.said}") from None


@asynccontextmanager
async def program(
    argv: Sequence[str], *, env: Mapping[str, str] | None = None, cwd: Path = ROOT, stdin: int | None = None
) -> AsyncIterator[Program]:
    """Runs argv in its own process group, which is killed whole at the end, whatever became of it."""
    process = await asyncio.create_subprocess_exec(
        *argv,
        cwd=cwd,
        env={**os.environ, **(env or {})},
        stdin=asyncio.subprocess.DEVNULL if stdin is None else stdin,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
        start_new_session=True,
        limit=16 * 1024 * 1024,
    )
    running = Program(process)
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(running.listen(), name=f"listen to {argv[0]}")
        try:
            yield running
        finally:
            left = running.children()
            if process.returncode is None:
                with contextlib.suppress(ProcessLookupError):
                    process.terminate()
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(15):
                        await process.wait()
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
            kill(left)
            await process.wait()
            listening.cancel()


def kill(processes: Sequence[psutil.Process]) -> None:
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            each.kill()


async def gone(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    """Those of them that still live when patience is over; zombies nobody waits for count as gone."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while _living(processes):  # noqa: ASYNC110 - the ends of others' children raise no event
                await asyncio.sleep(0.02)
    return _living(processes)


def _living(processes: Sequence[psutil.Process]) -> list[psutil.Process]:
    living = []
    for each in processes:
        with contextlib.suppress(psutil.NoSuchProcess):
            if each.is_running() and each.status() != psutil.STATUS_ZOMBIE:
                living.append(each)
    return living


@asynccontextmanager
async def fixture_server(*options: str) -> AsyncIterator[str]:
    """The URL of tests/support/everything_server.py, serving streamable HTTP."""
    argv = [PYTHON, "-W", "ignore", "-m", "tests.support.everything_server", "--port", "0", *options]
    async with program(argv) as running:
        yield (await running.hear(r"^(http://\S+)$"))[1]


@contextlib.contextmanager
def lasting_fixture_server(*options: str) -> Iterator[str]:
    """The same for a module's tests together, which share no event loop."""
    argv = [PYTHON, "-W", "ignore", "-m", "tests.support.everything_server", "--port", "0", *options]
    with subprocess.Popen(argv, cwd=ROOT, stdout=subprocess.PIPE, text=True, start_new_session=True) as running:
        assert running.stdout is not None
        try:
            yield running.stdout.readline().strip()
        finally:
            running.terminate()


FIXTURE_SERVER_STDIO = [PYTHON, "-W", "ignore", "-m", "tests.support.everything_server", "--stdio"]


@asynccontextmanager
async def sidecar(argv: Sequence[str], *options: str) -> AsyncIterator[str]:
    """The URL at which a sidecar serves a stdio server."""
    command = [PYTHON, "-m", "sidecar", "--port", "0", *options, "--", *argv]
    async with program(command) as running:
        yield (await running.hear(r"(http://\S+)"))[1]
