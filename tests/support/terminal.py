"""A real pseudo-terminal with a program on it: what it writes is kept raw, and drawn as a terminal would."""

import asyncio
import fcntl
import os
import pty
import signal
import struct
import sys
import termios
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pyte

ROOT = Path(__file__).parents[2]


class Terminal:
    """`raw` is every byte the program wrote, `screen` what stands there now."""

    def __init__(self, master: int, slave: int, size: tuple[int, int]) -> None:
        self._master, self._slave = master, slave
        self.screen = pyte.Screen(*size)
        self._stream = pyte.ByteStream(self.screen)
        self.raw = bytearray()
        self.attributes_before: list[Any] = termios.tcgetattr(slave)
        self.process: asyncio.subprocess.Process | None = None
        self._arrived = asyncio.Event()

    def read(self) -> None:
        try:
            data = os.read(self._master, 65536)
        except OSError:  # the program has closed its side
            return
        self.raw += data
        self._stream.feed(data)
        self._arrived.set()

    @property
    def text(self) -> str:
        return "\n".join(self.screen.display)

    @property
    def attributes(self) -> list[Any]:
        """How the terminal is set now: echo, line mode, signals."""
        return termios.tcgetattr(self._slave)

    def write(self, keys: str) -> None:
        os.write(self._master, keys.encode())

    def resize(self, columns: int, rows: int) -> None:
        fcntl.ioctl(self._master, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self.screen.resize(rows, columns)
        assert self.process is not None
        self.process.send_signal(signal.SIGWINCH)

    async def until(self, condition: Callable[[], object], *, seconds: float = 20) -> None:
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    self._arrived.clear()
                    await self._arrived.wait()
        except TimeoutError:
            raise AssertionError(f"it never came to hold; the screen is\n{self.text}") from None

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def ended(self, *, seconds: float = 20) -> int:
        """The program's exit status."""
        assert self.process is not None
        async with asyncio.timeout(seconds):
            return await self.process.wait()


@asynccontextmanager
async def terminal(
    *command: str, size: tuple[int, int] = (100, 30), environment: Mapping[str, str] | None = None
) -> AsyncIterator[Terminal]:
    """Runs this Python with these arguments on a terminal of its own, and ends it."""
    master, slave = pty.openpty()
    fcntl.ioctl(master, termios.TIOCSWINSZ, struct.pack("HHHH", size[1], size[0], 0, 0))
    it = Terminal(master, slave, size)
    loop = asyncio.get_running_loop()
    loop.add_reader(master, it.read)
    plain = {
        name: value for name, value in os.environ.items() if name not in {"NO_COLOR", "COLORTERM", "COLUMNS", "LINES"}
    }
    it.process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdin=slave,
        stdout=slave,
        stderr=slave,
        cwd=ROOT,
        env={**plain, "TERM": "xterm-256color", **(environment or {})},
        start_new_session=True,
    )
    try:
        yield it
    finally:
        if it.process.returncode is None:
            it.process.kill()
            await it.process.wait()
        loop.remove_reader(master)
        os.close(master)
        os.close(slave)
