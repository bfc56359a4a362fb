"""Names whose objects want looking at: each by one worker at a time, again later where it failed. Knows no object."""

import asyncio
from typing import Final, Protocol

from gateway.wire.names import AdapterName

AT_ONCE: Final = 8
LONGEST: Final = 30.0


class Work(Protocol):
    async def __call__(self, name: AdapterName, *, is_thorough: bool) -> float | None:
        """Seconds after which to try again, which double each time; None when all is done."""


class Queue:
    """A name that is added while it is worked on is worked on once more."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._due: dict[AdapterName, bool] = {}  # in order; whether thoroughly
        self._busy: set[AdapterName] = set()
        self._failures: dict[AdapterName, int] = {}
        self._waiting = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether something is worked on, or due now."""
        return bool(self._due or self._busy)

    def add(self, name: AdapterName, *, is_thorough: bool = False) -> None:
        self._due[name] = self._due.get(name, False) or is_thorough
        self._waiting.set()

    async def keep(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(AT_ONCE):
                tasks.create_task(self._work_on(), name=f"apply {number}")

    async def _work_on(self) -> None:
        while True:
            name = self._next()
            if name is None:
                self._waiting.clear()
                await self._waiting.wait()
                continue
            is_thorough = self._due.pop(name)
            self._busy.add(name)
            try:
                again = await self._work(name, is_thorough=is_thorough)
            finally:
                self._busy.discard(name)
                self._waiting.set()
            self._reckon(name, again)

    def _next(self) -> AdapterName | None:
        return next((name for name in self._due if name not in self._busy), None)

    def _reckon(self, name: AdapterName, again: float | None) -> None:
        if again is None:
            self._failures.pop(name, None)
            return
        failures = self._failures[name] = self._failures.get(name, 0) + 1
        delay = min(again * 2.0 ** min(failures - 1, 16), LONGEST)
        asyncio.get_running_loop().call_later(delay, self.add, name)
