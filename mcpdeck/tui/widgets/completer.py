"""Proposals for a field as it is typed in: asked for once the typing rests, and given up for what is typed next."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

from textual.suggester import Suggester

from mcpdeck.model.completing import continued

RESTED: Final = 0.25  # seconds after the last key


class Completer(Suggester):
    """propose: for what is typed. Cancelled where something else is typed meanwhile, or the field goes."""

    def __init__(self, propose: Callable[[str], Awaitable[list[str]]], *, rested: float = RESTED) -> None:
        super().__init__(use_cache=False, case_sensitive=True)
        self._propose, self._rested = propose, rested
        self._asking: asyncio.Task[object] | None = None

    async def get_suggestion(self, value: str) -> str | None:
        earlier, self._asking = self._asking, asyncio.current_task()
        if earlier is not None:
            earlier.cancel()
        try:
            await asyncio.sleep(self._rested)
            return continued(value, await self._propose(value))
        finally:
            if self._asking is asyncio.current_task():
                self._asking = None
