"""The child processes of a command: started, heard until they are ready, and ended whole whatever ends the command.

One that is killed ends them as well: see `follower`. Knows nothing of what they do.
"""

import os
import re
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from types import FrameType, TracebackType
from typing import IO, Any, Final, Self

READY_SECONDS: Final = 30.0
GRACE_SECONDS: Final = 15.0  # more than the gateway takes to drain
_FOLLOWER: Final = "mcpdeck.follower"
_LAST_LINES: Final = 12
_CLOSING_SECONDS: Final = 1.0  # for the pipe of a child that is gone; one of its own may hold it open
_IS_POSIX: Final = os.name == "posix"


class Stillborn(Exception):
    """A child ended, or said nothing, before it was ready. The sentence has its last words. code: it ended with."""

    code: int | None = None


class Child:
    """A process in a session of its own: what is typed into the terminal signals the command alone.

    log: the file that its stderr goes to; into the command's own without one.
    """

    def __init__(self, argv: Sequence[str], *, log: Path | None) -> None:
        self._argv = argv
        self._log = log
        self._said: SimpleQueue[str | None] = SimpleQueue()
        self._silence: Future[None] = Future()
        with ExitStack() as opened:
            self.process: subprocess.Popen[bytes] = subprocess.Popen(  # noqa: S603  (this program's own words)
                list(argv),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=None if log is None else opened.enter_context(_fresh(log)),
                start_new_session=_IS_POSIX,
                creationflags=0 if _IS_POSIX else getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),
            )
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        """To its end: a pipe that nobody reads would stop who writes into it."""
        assert self.process.stdout is not None  # noqa: S101  (it was asked for)
        with self.process.stdout:
            for line in self.process.stdout:
                self._said.put(line.decode(errors="replace").rstrip())
        self._said.put(None)
        self._silence.set_result(None)

    def hear(self, pattern: str, *, limit: float = READY_SECONDS) -> re.Match[str]:
        """The first line of its output that holds the pattern. Raises Stillborn."""
        while True:
            try:
                line = self._said.get(timeout=limit)
            except Empty:
                raise self._stillborn(f"said nothing for {limit:g} s") from None
            if line is None:
                code = self.process.wait()
                born = self._stillborn(f"ended with {code}")
                born.code = code
                raise born
            if found := re.search(pattern, line):
                return found

    def on_end(self, call: Callable[[], object]) -> None:
        """It is called, on another thread, when the process has closed its output: at its end."""
        self._silence.add_done_callback(lambda _: call())

    def _stillborn(self, what: str) -> Stillborn:
        last = [] if self._log is None else self._log.read_text(errors="replace").splitlines()[-_LAST_LINES:]
        name = self._argv[3] if self._argv[2] == _FOLLOWER else " ".join(self._argv[1:3])
        return Stillborn("".join([f"{name} {what}", *(f"\n  {line}" for line in last)]))

    def ask_to_end(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM if _IS_POSIX else getattr(signal, "CTRL_BREAK_EVENT", 0))

    def end(self, *, grace: float) -> None:
        """Whole: what it left behind goes too."""
        try:
            self.process.wait(timeout=grace)
        except subprocess.TimeoutExpired:
            _kill_tree(self.process.pid)
            self.process.wait()
        assert self.process.stdin is not None  # noqa: S101  (it was asked for)
        self.process.stdin.close()
        self._listener.join(_CLOSING_SECONDS)


class Family:
    """Ends its children in the opposite order of their birth, the youngest first."""

    def __init__(self) -> None:
        self._children: list[Child] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _impatience() as is_hurried:
            for child in reversed(self._children):
                child.ask_to_end()
                try:
                    child.end(grace=0 if is_hurried() else GRACE_SECONDS)
                except KeyboardInterrupt:  # a second Ctrl-C
                    child.end(grace=0)

    def start(self, *argv: str, log: Path | None = None) -> Child:
        """A module of this Python: `gateway`, …"""
        child = Child([sys.executable, "-m", _FOLLOWER, *argv], log=log)
        self._children.append(child)
        return child


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """SIGTERM and the terminal's hang-up end the command as Ctrl-C does: by KeyboardInterrupt, so that all is ended."""
    with _handling(_interrupt, *endings()[1:]):
        yield


def endings() -> tuple[signal.Signals, ...]:
    """What tells a command to end: Ctrl-C first."""
    return (signal.SIGINT, signal.SIGTERM, *([signal.SIGHUP] if _IS_POSIX else []))


@contextmanager
def _impatience() -> Iterator[Any]:
    """While ending: only a second Ctrl-C is heard, and hurries."""
    hurried: list[bool] = []

    def hurry(_number: int, _frame: FrameType | None) -> None:
        hurried.append(True)
        raise KeyboardInterrupt

    with (
        _handling(hurry, signal.SIGINT),
        _handling(signal.SIG_IGN, *endings()[1:]),
    ):
        yield lambda: bool(hurried)


@contextmanager
def _handling(handler: Any, *numbers: signal.Signals) -> Iterator[None]:
    before = [(number, signal.signal(number, handler)) for number in numbers]
    try:
        yield
    finally:
        for number, old in before:
            signal.signal(number, old)


def _interrupt(_number: int, _frame: FrameType | None) -> None:
    raise KeyboardInterrupt


def _kill_tree(pid: int) -> None:
    import psutil

    try:
        root = psutil.Process(pid)
        for each in [*root.children(recursive=True), root]:
            try:
                each.kill()
            except psutil.NoSuchProcess:
                continue
    except psutil.NoSuchProcess:
        return


def _fresh(path: Path) -> IO[bytes]:
    """A new one; the one before stays beside it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.exists():
        path.replace(path.with_name(path.name + ".1"))
    return path.open("wb")
