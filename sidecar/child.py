"""One stdio server as a process: lines in, lines out, and an end that is always seen. Knows nothing of MCP.

The child leads its own session and process group, so that stopping it reaches what it started itself. When the sidecar
dies without a word, the child's stdin ends: that is what tells it to go.
"""

import asyncio
import os
import signal
from collections.abc import Callable, Sequence
from typing import Final, Protocol, cast

from sidecar import memory
from sidecar.framing import DEFAULT_LIMIT, LineSplitter, TooLong
from sidecar.logs import Log

_STDIN_HIGH_WATER: Final = 8 * 1024 * 1024  # bytes waiting for a child that does not read, before it counts as clogged
_LOG_LINE: Final = 64 * 1024
_FAREWELL: Final = 5.0  # seconds that a process may go on after it closed its stdout
_DRAIN: Final = 0.5  # seconds that a pipe may stay open after its process ended: a grandchild may hold it


class Listener(Protocol):
    """Who reads a child. Called from the event loop; must not block."""

    def received(self, line: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class CannotStart(Exception):
    """The command is not there, or may not be run. The text says which and why."""


class _Deaf:
    def received(self, line: bytes) -> None: ...
    def lost(self, reason: str) -> None: ...


class Child(asyncio.SubprocessProtocol):
    """Set `listener` before the next turn of the loop; `start` returns before any line is read."""

    def __init__(self, log: Log, *, line_limit: int = DEFAULT_LIMIT) -> None:
        self.listener: Listener = _Deaf()
        self.pid = 0
        self.is_clogged = False
        self.ended = asyncio.Event()
        self._log = log
        self._out, self._err = LineSplitter(line_limit), LineSplitter(_LOG_LINE)
        self._process: asyncio.SubprocessTransport | None = None
        self._stdin: asyncio.WriteTransport | None = None
        self._stdout: asyncio.ReadTransport | None = None
        self._exited = asyncio.Event()
        self._drain: asyncio.TimerHandle | None = None
        self._pauses = 0
        self._kills = memory.kills()
        self._was_starved = False

    # the sidecar's side

    def send(self, line: bytes) -> bool:
        """One message, without its newline. False, and nothing sent, while the child does not read what it was sent.

        Into nothing once the child has ended: its listener is told by `lost`.
        """
        if self.is_clogged:
            return False
        if self._stdin is not None and not self._stdin.is_closing():
            self._stdin.write(line + b"\n")
        return True

    def pause(self) -> None:
        """Read no further until `resume` was called as often: somebody cannot take what the child says."""
        self._pauses += 1
        if self._pauses == 1 and self._stdout is not None and not self._stdout.is_closing():
            self._stdout.pause_reading()

    def resume(self) -> None:
        self._pauses -= 1
        if self._pauses == 0 and self._stdout is not None and not self._stdout.is_closing():
            self._stdout.resume_reading()

    @property
    def reason(self) -> str:
        """How it ended, for people and for JSON-RPC errors."""
        code = self._process.get_returncode() if self._process is not None else None
        if code is None:
            return "server process closed its output"
        if self._was_starved:
            bound = memory.limit()
            return f"server process ran out of memory and was killed{f'; its limit is {bound}' if bound else ''}"
        if code < 0:
            return f"server process exited (signal {signal.Signals(-code).name})"
        return f"server process exited (code {code})"

    async def stop(self, grace: float = 2.0) -> None:
        """Close stdin, wait, SIGTERM the group, wait, SIGKILL the group. Returns once the process is reaped."""
        if self._stdin is not None:
            self._stdin.abort() if self.is_clogged else self._stdin.close()
        for number in (signal.SIGTERM, signal.SIGKILL):
            if await _happens(self._exited, grace):
                break
            self._signal(number)
        await self._exited.wait()
        await self.ended.wait()

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        process = self._process = cast("asyncio.SubprocessTransport", transport)
        self.pid = process.get_pid() or 0
        self._stdin = cast("asyncio.WriteTransport", process.get_pipe_transport(0))
        self._stdin.set_write_buffer_limits(high=_STDIN_HIGH_WATER)
        self._stdout = cast("asyncio.ReadTransport", process.get_pipe_transport(1))

    def pipe_data_received(self, fd: int, data: bytes) -> None:
        if fd == 1:
            received = self.listener.received
            for line in self._out.feed(data):
                if isinstance(line, TooLong):
                    self._log.say(f"skipped a line of {line.size} bytes on the server's stdout: it exceeds the limit")
                else:
                    received(line)
        else:
            self._say(self._err.feed(data))

    def pipe_connection_lost(self, fd: int, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        if fd == 2:
            self._say(self._err.end())
        elif fd == 1 and not self._exited.is_set():  # its way to say goodbye; it may tidy up before it exits
            self._drain = asyncio.get_running_loop().call_later(_FAREWELL, self._signal, signal.SIGKILL)

    def pause_writing(self) -> None:
        self.is_clogged = True

    def resume_writing(self) -> None:
        self.is_clogged = False

    def process_exited(self) -> None:
        self._exited.set()
        code = self._process.get_returncode() if self._process is not None else None
        self._was_starved = code == -signal.SIGKILL and memory.kills() > self._kills
        if self._drain is not None:
            self._drain.cancel()
        self._signal(signal.SIGKILL)  # what it left behind in its group
        self._drain = asyncio.get_running_loop().call_later(_DRAIN, self._end)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        self._end()

    def _end(self) -> None:
        if self.ended.is_set():
            return
        self.ended.set()
        if self._drain is not None:
            self._drain.cancel()
        if self._process is not None:
            self._process.close()
        self.listener.lost(self.reason)

    def _say(self, lines: Sequence[bytes | TooLong]) -> None:
        for line in lines:
            self._log.line(b"(a line of %d bytes)" % line.size if isinstance(line, TooLong) else line)

    def _signal(self, number: signal.Signals) -> None:
        try:
            os.killpg(self.pid, number)
        except (ProcessLookupError, PermissionError):  # nobody left in it; macOS answers EPERM for zombies
            return


async def start(argv: Sequence[str], log: Log, *, line_limit: int = DEFAULT_LIMIT) -> Child:
    """A new child with the sidecar's own environment. Raises CannotStart."""
    loop = asyncio.get_running_loop()
    make: Callable[[], Child] = lambda: Child(log, line_limit=line_limit)  # noqa: E731 - the factory asyncio asks for
    try:
        _, child = await loop.subprocess_exec(make, *argv, start_new_session=True)
    except OSError as error:
        raise CannotStart(f"cannot start {argv[0]!r}: {error.strerror or error}") from error
    return child


async def _happens(event: asyncio.Event, seconds: float) -> bool:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return False
    return True
