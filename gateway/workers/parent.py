"""Starts the workers of one gateway, starts them anew when they end, and stops them together. Serves nothing itself.

Worker 0 leads: it alone reconciles, and has the control plane. Each is a fork of this process, which therefore stays
small and has neither loop nor threads. A worker notices this process' end by a pipe that nobody else holds.
"""

import contextlib
import logging
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

FIRST_DELAY: Final = 0.5  # seconds before a worker that ended is started anew; doubles each time
LONGEST_DELAY: Final = 30.0
SOUND: Final = 60.0  # seconds of life after which its earlier ends are forgotten
LEAD: Final = 0

log = logging.getLogger(__name__)


class Worker(msgspec.Struct, frozen=True):
    """What a worker is told. folder: where its siblings can be reached. alive: ends with the parent. ready: to be told
    by a byte that the port answers."""

    number: int
    folder: Path
    alive: int
    ready: int

    @property
    def is_lead(self) -> bool:
        return self.number == LEAD


class _Running(msgspec.Struct):
    number: int
    pid: int = 0
    started: float = 0.0
    failures: int = 0
    due: float = 0.0  # when it is to be started again
    ready: int = -1  # the pipe's end that it says so on


class Parent:
    """main: what a worker does; its result is the exit status. on_ready: all of them serve. patience: seconds from
    SIGTERM to SIGKILL. is_reloading: SIGHUP is for the workers, and no end."""

    def __init__(
        self,
        count: int,
        main: Callable[[Worker], int],
        *,
        folder: Path,
        on_ready: Callable[[], None],
        patience: float,
        is_reloading: bool,
    ) -> None:
        self._main, self._folder, self._on_ready = main, folder, on_ready
        self._patience, self._is_reloading = patience, is_reloading
        self._workers = [_Running(number) for number in range(count)]
        self._alive, self._held = os.pipe()
        self._waiting = set(range(count))  # for the first word of these
        self._has_announced = self._has_stopped = False
        self._signals: list[int] = []

    def run(self) -> int:
        """Until SIGTERM or SIGINT, or until one that never served can't be started. The exit status."""
        with self._heeding() as woken:
            for each in self._workers:
                self._start(each)
            while not self._is_stopping():
                self._wait(woken)
                status = self._buried()
                if status is not None:
                    self._stop(woken)
                    return status
                now = time.monotonic()
                for each in self._workers:
                    if not each.pid and now >= each.due:
                        self._start(each)
            self._stop(woken)
        return 0

    def _is_stopping(self) -> bool:
        signals, self._signals = self._signals, []
        for number in signals:
            if number == signal.SIGHUP and self._is_reloading:
                self._tell(signal.SIGHUP)
            elif number != signal.SIGCHLD:
                return True
        return False

    @contextlib.contextmanager
    def _heeding(self) -> Iterator[int]:
        """The end of a pipe on which signals are heard of."""
        woken, wake = os.pipe()
        os.set_blocking(wake, False)
        os.set_blocking(woken, False)
        heard = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD)
        before = {number: signal.signal(number, lambda got, _: self._signals.append(got)) for number in heard}
        signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
        try:
            yield woken
        finally:
            signal.set_wakeup_fd(-1)
            for number, handler in before.items():
                signal.signal(number, handler)
            os.close(woken)
            os.close(wake)

    def _wait(self, woken: int) -> None:
        now = time.monotonic()
        dues = [each.due - now for each in self._workers if not each.pid]
        pipes = {each.ready: each for each in self._workers if each.ready >= 0}
        readable, _, _ = select.select([woken, *pipes], [], [], max(0.0, min(dues)) if dues else None)
        for descriptor in readable:
            if descriptor == woken:
                os.read(woken, 4096)
                continue
            each = pipes[descriptor]
            if os.read(descriptor, 1):
                self._waiting.discard(each.number)
            os.close(descriptor)
            each.ready = -1
        if not self._waiting and not self._has_announced:
            self._has_announced = True
            self._on_ready()

    def _start(self, each: _Running) -> None:
        ready, said = os.pipe()
        sys.stdout.flush()
        sys.stderr.flush()
        pid = os.fork()
        if not pid:
            os.close(ready)
            os.close(self._held)
            self._become(Worker(each.number, self._folder, self._alive, said))
        os.close(said)
        each.pid, each.started, each.ready = pid, time.monotonic(), ready

    def _become(self, worker: Worker) -> None:
        """In the worker. Does not return."""
        status = 1
        try:
            signal.set_wakeup_fd(-1)
            for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            status = self._main(worker)
        except BaseException:
            log.exception("worker %d broke off", worker.number)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(status)

    def _buried(self) -> int | None:
        """Those that have ended are to be started again; the status of one that never served."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return None
            if not pid:
                return None
            code = os.waitstatus_to_exitcode(status)
            each = next((it for it in self._workers if it.pid == pid), None)
            if each is None:
                continue
            each.pid = 0
            if each.number in self._waiting and code > 0:
                return code
            if self._has_stopped:
                continue
            lived = time.monotonic() - each.started
            each.failures = 1 if lived >= SOUND else each.failures + 1
            wait = min(LONGEST_DELAY, FIRST_DELAY * 2.0 ** (each.failures - 1))
            each.due = time.monotonic() + wait
            log.warning("worker %d ended (%d) after %.0f s; another one in %.1f s", each.number, code, lived, wait)

    def _tell(self, number: int) -> None:
        for each in self._workers:
            if each.pid:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(each.pid, number)

    def _stop(self, woken: int) -> None:
        self._has_stopped = True
        self._tell(signal.SIGTERM)
        until = time.monotonic() + self._patience
        while any(each.pid for each in self._workers) and (left := until - time.monotonic()) > 0:
            self._buried()
            if any(each.pid for each in self._workers):
                select.select([woken], [], [], min(left, 0.2))
        self._tell(signal.SIGKILL)
