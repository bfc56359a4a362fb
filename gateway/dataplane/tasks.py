"""A group of tasks in which an unforeseen error ends its own task, is logged, and leaves the others alone."""

import asyncio
import logging
from collections.abc import Coroutine
from types import TracebackType
from typing import Self

log = logging.getLogger(__name__)


class Tasks:
    """`async with Tasks() as tasks`: at its end, what still runs is cancelled and waited for."""

    def __init__(self) -> None:
        self._group = asyncio.TaskGroup()
        self._running: set[asyncio.Task[None]] = set()

    def __len__(self) -> int:
        return len(self._running)

    def spawn(self, coroutine: Coroutine[None, None, None], *, name: str) -> asyncio.Task[None]:
        task = self._group.create_task(_guarded(coroutine, name), name=name)
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(lambda _: coroutine.close())  # one that was cancelled before it began
        return task

    async def wait(self, seconds: float) -> None:
        """Until all have ended, or so long."""
        if self._running:
            await asyncio.wait(self._running, timeout=seconds)

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for task in self._running:
            task.cancel()
        await self._group.__aexit__(kind, error, trace)


async def _guarded(coroutine: Coroutine[None, None, None], name: str) -> None:
    try:
        await coroutine
    except Exception:
        log.exception("%s broke off", name)
