"""One process with its group, our own child or adopted from a gateway before: its end, and the signals that bring it.

Both are watched alike, by a pidfd where there is one, else by a look now and then. Knows nothing of adapters.
"""

import asyncio
import contextlib
import logging
import os
import signal
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import psutil

from gateway.backends.reach.problems import CannotStart

log = logging.getLogger(__name__)

_LOOK: Final = 0.25  # seconds between two looks, where the system has no pidfd


class Child:
    """`code` is None while it lives, and for ever where it was adopted: only a parent is told.

    Must be made on the loop, which it needs to see the end.
    """

    def __init__(self, pid: int, popen: "subprocess.Popen[bytes] | None" = None) -> None:
        self.pid = pid
        self.ended = asyncio.Event()
        self._popen = popen
        self._loop = asyncio.get_running_loop()
        self._descriptor = _pidfd(pid)
        if self._descriptor is None:
            self._look()
        else:
            self._loop.add_reader(self._descriptor, self._exited)

    @property
    def code(self) -> int | None:
        return None if self._popen is None else self._popen.returncode

    @property
    def end(self) -> str:
        """How it ended, in words."""
        if self.code is None:
            return "ended"
        if self.code >= 0:
            return f"exited with code {self.code}"
        return f"was killed by {_signal_name(-self.code)}"

    def signal(self, number: int) -> None:
        """To its whole group. Nothing once it has ended: its number may be someone else's by then."""
        if not self.ended.is_set():
            _kill_group(self.pid, number)

    async def stop(self, grace: float) -> None:
        """SIGTERM, some time, SIGKILL, some time. What not even that ends (it waits for a dead disk) is given up."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            self.signal(number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace):
                    await self.ended.wait()
                    return
        log.error("process %d does not end: the system can't kill it", self.pid)
        self.ended.set()

    def _look(self) -> None:
        has_ended = not _is_living(self.pid) if self._popen is None else self._has_exited()
        if has_ended:
            self._exited()
        else:
            self._loop.call_later(_LOOK, self._look)

    def _has_exited(self) -> bool:
        """Without reaping it: until then its group is surely its own."""
        found = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        return found is not None

    def _exited(self) -> None:
        if self._descriptor is not None:
            self._loop.remove_reader(self._descriptor)
            os.close(self._descriptor)
        if self._popen is not None:
            _kill_group(self.pid, signal.SIGKILL)  # what it left behind, while its number is not yet free
            self._popen.wait()
        self.ended.set()


def start(
    argv: Sequence[str],
    *,
    environment: Mapping[str, str],
    folder: Path,
    stdin: int = subprocess.DEVNULL,
    output: int = subprocess.DEVNULL,
    descriptors: Sequence[int] = (),
) -> Child:
    """A child that leads a session of its own, so that a terminal's Ctrl-C is the gateway's alone.

    output: the descriptor of stdout and stderr. Raises CannotStart.
    """
    try:
        popen = subprocess.Popen(  # noqa: S603 - argv as its owner deployed it, and never a shell
            argv,
            env=dict(environment),
            cwd=folder,
            stdin=stdin,
            stdout=output,
            stderr=output,
            pass_fds=descriptors,
            start_new_session=True,
        )
    except OSError as error:
        raise CannotStart("CannotStart", f"{argv[0]!r} can't be started: {error.strerror or error}") from error
    return Child(popen.pid, popen)


def began(pid: int) -> float:
    """When a process started, in seconds since the epoch; 0 where there is none."""
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def _is_living(pid: int) -> bool:
    try:
        return bool(psutil.Process(pid).status() != psutil.STATUS_ZOMBIE)
    except psutil.NoSuchProcess:
        return False


def _kill_group(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):  # nobody left in it; macOS: EPERM for zombies
        os.killpg(pid, number)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _pidfd(pid: int) -> int | None:
    """A descriptor that is readable once the process has ended; None where there is no such thing, or no process."""
    try:
        return os.pidfd_open(pid)
    except (AttributeError, OSError):
        return None
