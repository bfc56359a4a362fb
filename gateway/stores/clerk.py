"""A thread that does, one after the other, what must not hold up the loop. Begins with the first; decides nothing."""

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from contextlib import suppress

log = logging.getLogger(__name__)


class Clerk:
    """name: of the thread, which holds up nobody's end."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._jobs: queue.SimpleQueue[Callable[[], object]] = queue.SimpleQueue()
        self._has_begun = False

    def do(self, job: Callable[[], object]) -> None:
        """After all that it was given before. Never waits."""
        if not self._has_begun:
            self._has_begun = True
            threading.Thread(target=self._work, name=self._name, daemon=True).start()
        self._jobs.put(job)

    def done[Result](self, job: Callable[[], Result]) -> asyncio.Future[Result]:
        """What comes of it, or what it raises."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Result] = loop.create_future()

        def tell(settle: Callable[[], None]) -> None:
            with suppress(RuntimeError):  # the loop has ended meanwhile
                loop.call_soon_threadsafe(lambda: None if future.done() else settle())

        def run() -> None:
            try:
                result = job()
            except BaseException as error:  # noqa: BLE001 - it is raised where it was asked for
                told = error
                tell(lambda: future.set_exception(told))
            else:
                tell(lambda: future.set_result(result))

        self.do(run)
        return future

    def _work(self) -> None:
        while True:
            try:
                self._jobs.get()()
            except Exception:  # one job's, not the others'
                log.exception("%s: a job broke off", self._name)
