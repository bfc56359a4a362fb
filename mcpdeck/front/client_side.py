"""The client at the other end of stdin and stdout: its requests under way, and what it is told. Speaks no HTTP."""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final

import httpx

from gateway.wire import jsonrpc, mcp
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.front.messages import Line, answers, is_message, one_line, own_error, with_id
from mcpdeck.front.upstream import Resume, code_of, messages

type Write = Callable[[bytes], Awaitable[None]]  # a line without its end

PAUSE: Final = 1.0  # seconds before a stream is resumed, where the server says nothing else


class ClientSide:
    """tell: what a reader of the log should know."""

    def __init__(self, write: Write, tell: Callable[[str], None], tasks: asyncio.TaskGroup) -> None:
        self.tell = tell
        self._write = write
        self._tasks = tasks
        self._running: dict[jsonrpc.Id, asyncio.Task[None]] = {}
        self._endless: list[asyncio.Task[None]] = []

    def start(self, line: Line, work: Coroutine[Any, Any, None]) -> "asyncio.Task[None]":
        """A request's own task; whatever goes wrong in it becomes its answer."""
        task = self._tasks.create_task(self._run(line, work), name=line.method or "batch")
        if line.method == mcp.LISTEN:
            self._endless.append(task)
        if line.is_request:
            self._running[line.id] = task
        return task

    def go_on(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """For as long as the client is there."""
        self._endless.append(self._tasks.create_task(work, name=name))

    async def _run(self, line: Line, work: Coroutine[Any, Any, None]) -> None:
        try:
            await work
        except Unreachable as error:
            await self.fail(line, str(error), "unreachable")
        except ProblemError as error:
            await self.fail(line, str(error), error.problem.code or "refused")
        finally:
            if self._running.get(line.id) is asyncio.current_task():
                del self._running[line.id]

    def cancel(self, request_id: object) -> None:
        """The client wants no answer any more. request_id: as it said, whatever it said."""
        if isinstance(request_id, str | int | float) and (task := self._running.get(request_id)) is not None:
            task.cancel()

    async def finish(self, patience: float) -> None:
        """What is under way may end in peace, for so long; what would never end is ended."""
        for task in self._endless:
            task.cancel()
        if running := [task for task in self._running.values() if task not in self._endless]:
            await asyncio.wait(running, timeout=patience)
            for task in running:
                task.cancel()

    async def say(self, message: bytes) -> None:
        """What a server sends that is no JSON-RPC does not reach the client."""
        if is_message(message):
            await self._write(one_line(message))
        else:
            self.tell(f"the server sent what is no JSON-RPC, and it is dropped: {message[:80]!r}")

    async def fail(self, line: Line, sentence: str, code: str) -> None:
        self.tell(sentence)
        if line.is_request:
            await self._write(own_error(line.raw_id, sentence, code=code))

    async def refused(self, line: Line, answer: httpx.Response, body: bytes) -> None:
        """An answer that is not 2xx: its own JSON-RPC error, if it has one."""
        if code_of(body) is not None and line.is_request:
            await self.say(with_id(body, line.raw_id))
            return
        hint = "; sign in: mcpdeck login" if answer.status_code == 401 else ""
        await self.fail(line, f"{answer.request.url} refused it with {answer.status_code}{hint}", "refused")

    async def pass_on(
        self, line: Line, answer: httpx.Response, *, note: Callable[[bytes], None] | None = None
    ) -> Resume | None:
        """Every message, up to the answer. Where the stream ended before it, from where it can go on.

        note: sees the answer first. Raises Unreachable for a stream that ended without one.
        """
        event_id, pause, is_answered = "", PAUSE, not line.is_request
        async for told in messages(answer):
            event_id = told.event_id or event_id
            pause = pause if told.retry is None else told.retry
            if not told.message:
                continue
            if answers(told.message, line.id):
                is_answered = True
                if note is not None:
                    note(told.message)
            await self.say(told.message)
        if is_answered:
            return None
        if event_id:
            return Resume(event_id, pause)
        raise Unreachable(f"{answer.request.url} ended its answer to {line.method} without one")
