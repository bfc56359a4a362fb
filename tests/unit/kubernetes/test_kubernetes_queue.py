"""Names that want looking at: once at a time, again where it failed."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from gateway.backends.kubernetes.queue import Queue
from gateway.wire.names import AdapterName

A, B = AdapterName("a"), AdapterName("b")


class Work:
    """answers: what each call returns, by name; None for ever behind them."""

    def __init__(self, **answers: list[float | None]) -> None:
        self.answers = answers
        self.done: list[tuple[str, bool]] = []
        self.running: set[str] = set()
        self.gate = asyncio.Event()
        self.gate.set()
        self.began = asyncio.Event()
        self.progress = asyncio.Condition()

    async def __call__(self, name: AdapterName, *, is_thorough: bool) -> float | None:
        assert name not in self.running
        self.running.add(name)
        self.began.set()
        await self.gate.wait()
        self.running.discard(name)
        async with self.progress:
            self.done.append((name, is_thorough))
            self.progress.notify_all()
        waiting = self.answers.get(name, [])
        return waiting.pop(0) if waiting else None

    async def until(self, count: int) -> None:
        async with asyncio.timeout(10), self.progress:
            await self.progress.wait_for(lambda: len(self.done) >= count)


@asynccontextmanager
async def kept(work: Work) -> AsyncIterator[Queue]:
    queue = Queue(work)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(queue.keep())
        try:
            yield queue
        finally:
            keeping.cancel()


async def test_a_name_that_is_added_often_is_looked_at_once() -> None:
    work = Work()
    async with kept(work) as queue:
        for _ in range(5):
            queue.add(A)
        queue.add(A, is_thorough=True)
        queue.add(B)
        await work.until(2)
    assert sorted(work.done) == [("a", True), ("b", False)]


async def test_a_name_that_is_added_while_it_is_worked_on_is_worked_on_once_more() -> None:
    work = Work()
    work.gate.clear()
    async with kept(work) as queue:
        queue.add(A)
        async with asyncio.timeout(10):
            await work.began.wait()
        queue.add(A)
        queue.add(A)
        work.gate.set()
        await work.until(2)
    assert work.done == [("a", False), ("a", False)]


async def test_what_failed_is_tried_again_and_holds_up_nobody() -> None:
    work = Work(a=[0.001, 0.001, None])
    async with kept(work) as queue:
        queue.add(A)
        queue.add(B)
        await work.until(4)
    assert sorted(work.done) == [("a", False)] * 3 + [("b", False)]
