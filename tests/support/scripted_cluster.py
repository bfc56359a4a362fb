"""An API server's lists and watches as a script, for what watches them."""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.cluster.objects import Kind
from gateway.core.errors import GatewayError

type Step = dict[str, Any] | GatewayError | asyncio.Event  # an event is waited for


def thing(name: str, version: int, uid: str = "", **more: Any) -> dict[str, Any]:
    return {"metadata": {"name": name, "resourceVersion": str(version), "uid": uid or name}, **more}


def event(kind: str, told: dict[str, Any]) -> dict[str, Any]:
    return {"type": kind, "object": told}


class ScriptedApi:
    """lists: what each list answers, the last one for ever. watches: what each watch sends before it ends; the one
    after the last stays open. `asked` says from which version each watch began; None stands for a list."""

    namespace = "test"

    def __init__(self, lists: list[Any], watches: Sequence[Sequence[Step]]) -> None:
        self.lists, self.watches = lists, [list(each) for each in watches]
        self.asked: list[str | None] = []
        self.lasting = 0  # seconds, of the last watch
        self.longest_line = 0  # bytes that an event of it may have
        self.progress = asyncio.Condition()

    async def list_page(self, kind: Kind, query: Mapping[str, str]) -> bytes:
        await self._tell(None)
        answer = self.lists.pop(0) if len(self.lists) > 1 else self.lists[0]
        if isinstance(answer, GatewayError):
            raise answer
        return msgspec.json.encode(answer)

    @asynccontextmanager
    async def stream(self, path: str, query: Mapping[str, str], *, doing: str) -> AsyncIterator["_Lines"]:
        self.lasting = int(query["timeoutSeconds"])
        await self._tell(query["resourceVersion"])
        steps = self.watches.pop(0) if self.watches else None
        if steps and isinstance(steps[0], GatewayError):
            raise steps[0]
        yield _Lines(steps, self)

    async def until_asked(self, *versions: str | None) -> None:
        async with asyncio.timeout(10), self.progress:
            await self.progress.wait_for(lambda: self.asked == list(versions))

    async def _tell(self, version: str | None) -> None:
        async with self.progress:
            self.asked.append(version)
            self.progress.notify_all()


class _Lines:
    def __init__(self, steps: list[Step] | None, api: ScriptedApi) -> None:
        self._steps, self._api = steps, api

    async def readline(self, *, max_line_length: int) -> bytes:
        self._api.longest_line = max_line_length
        if self._steps is None:
            await asyncio.Event().wait()
        if not self._steps:
            return b""
        step = self._steps.pop(0)
        if isinstance(step, asyncio.Event):
            await step.wait()
            return await self.readline(max_line_length=max_line_length)
        if isinstance(step, GatewayError):
            raise step
        return msgspec.json.encode(step) + b"\n"
