"""One deck for one browser tab: a process that begins and ends with it. Knows nothing of HTTP."""

import asyncio
import contextlib
import os
import sys
import tempfile
from collections import deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from mcpdeck.config.places import ACCOUNTS_VARIABLE
from mcpdeck.serve import packets
from mcpdeck.serve.packets import DRIVER, PRELUDE, Packet

GRACE_SECONDS: Final = 3.0  # for a deck to leave by itself
_WORDS_KEPT: Final = 12  # lines of what it says where nobody reads it
_MOST: Final = 1000  # columns or rows; more is no screen


class Tab:
    """Whoever enters it ends it."""

    def __init__(self, process: asyncio.subprocess.Process, said: deque[str]) -> None:
        self._process = process
        self._said = said

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def last_words(self) -> str:
        return "\n".join(self._said)

    async def packets(self) -> AsyncIterator[Packet]:
        """What it draws and asks for, until it ends. Nothing at all if it never became a deck."""
        out = self._process.stdout
        assert out is not None  # noqa: S101  (it was asked for)
        while line := await out.readline():
            if line == PRELUDE:
                async for packet in packets.packets_of(out):
                    yield packet
                return
            self._said.append(line.decode(errors="replace").rstrip())

    async def type(self, keys: str) -> None:
        await self._send(packets.data(keys))

    async def resize(self, width: int, height: int) -> None:
        await self._send(packets.meta("resize", width=bounded(width), height=bounded(height)))

    async def look(self, *, away: bool) -> None:
        """Whether somebody looks at the tab: a deck that nobody sees asks less."""
        await self._send(packets.meta("blur" if away else "focus"))

    async def _send(self, data: bytes) -> None:
        """To nobody, if the deck has just ended: that is heard on the other side."""
        into = self._process.stdin
        assert into is not None  # noqa: S101  (it was asked for)
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            into.write(data)
            await into.drain()

    async def end(self) -> None:
        """Ask, then insist."""
        if self._process.returncode is None and self._process.stdin is not None:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):
                self._process.stdin.write(packets.meta("quit"))
                self._process.stdin.close()
            try:
                async with asyncio.timeout(GRACE_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                with contextlib.suppress(ProcessLookupError):
                    self._process.kill()
        await self._process.wait()


def bounded(length: int) -> int:
    return max(1, min(_MOST, length))


@asynccontextmanager
async def opened(
    arguments: Sequence[str], environ: Mapping[str, str], *, width: int, height: int
) -> AsyncIterator[Tab]:
    """A deck with these words of a command line. Who signs in there does so for this tab alone."""
    said: deque[str] = deque(maxlen=_WORDS_KEPT)
    with tempfile.TemporaryDirectory(prefix="mcpdeck-tab-") as folder:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "mcpdeck", *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
            env={**environ, **_for_a_tab(width, height), ACCOUNTS_VARIABLE: str(Path(folder) / "accounts.json")},
            start_new_session=os.name == "posix",  # a Ctrl-C is for the server, which then ends its tabs itself
        )
        async with _living(Tab(process, said), process.stderr, said) as tab:
            yield tab


@asynccontextmanager
async def _living(tab: Tab, words: asyncio.StreamReader | None, said: deque[str]) -> AsyncIterator[Tab]:
    async with asyncio.TaskGroup() as tasks:
        listening = tasks.create_task(_listen(words, said), name="what a deck says")
        try:
            yield tab
        finally:
            await asyncio.shield(tab.end())
            listening.cancel()


def _for_a_tab(width: int, height: int) -> dict[str, str]:
    return {
        "TEXTUAL_DRIVER": DRIVER,
        "TEXTUAL_COLOR_SYSTEM": "truecolor",
        "TERM": "xterm-256color",
        "COLUMNS": str(bounded(width)),
        "ROWS": str(bounded(height)),
        "PYTHONUTF8": "1",
        "MCPDECK_CLIPBOARD": "osc52",  # the browser's, not that of the machine which serves it
        "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
    }


async def _listen(stream: asyncio.StreamReader | None, said: deque[str]) -> None:
    assert stream is not None  # noqa: S101  (it was asked for)
    while line := await stream.readline():
        said.append(line.decode(errors="replace").rstrip())
