"""How long to wait before trying again: longer each time, never in step with others, and not when told to hurry."""

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 30.0
STEADY: Final = 10.0  # seconds for which something has to go well before the next failure is a first one


class Patience:
    """Counts attempts. `attempt` is the one that comes next, 1 being the first after a success that lasted."""

    def __init__(self, random: Random, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._random = random
        self._clock = clock
        self._hurry = asyncio.Event()
        self._well_since: float | None = None
        self.attempt = 0

    def another(self) -> "Patience":
        """With something else of the same kind."""
        return Patience(self._random, clock=self._clock)

    def reset(self) -> None:
        """It worked."""
        self.attempt, self._well_since = 0, None

    def begun(self) -> None:
        """It works, for now: what ends at once, again and again, is none the less waited for longer each time."""
        if self._well_since is None:
            self._well_since = self._clock()

    def hurry(self) -> None:
        """End the wait under way; the delays begin anew."""
        self.attempt = 0
        self._hurry.set()

    def next_delay(self, *, at_least: float | None = None) -> float:
        """Seconds: a ceiling that doubles up to half a minute, and between half and all of it.

        at_least: what the gateway asks for.
        """
        if self._well_since is not None and self._clock() - self._well_since >= STEADY:
            self.attempt = 0
        self._well_since = None
        ceiling = min(LONGEST, FIRST * 2.0 ** min(self.attempt, 10))
        self.attempt += 1
        return max(at_least or 0.0, ceiling * (0.5 + self._random.random() / 2))

    async def wait(self, seconds: float) -> None:
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
