"""How long to wait before trying again: longer each time, never in step with others, and not when told to hurry."""

import asyncio
from random import Random
from typing import Final

FIRST: Final = 1.0
LONGEST: Final = 30.0


class Patience:
    """Counts attempts. `attempt` is the one that comes next, 1 being the first after a success."""

    def __init__(self, random: Random) -> None:
        self._random = random
        self._hurry = asyncio.Event()
        self.attempt = 0

    def reset(self) -> None:
        """It worked."""
        self.attempt = 0

    def hurry(self) -> None:
        """End the wait under way; the delays begin anew."""
        self.attempt = 0
        self._hurry.set()

    def next_delay(self) -> float:
        """Seconds: a ceiling that doubles up to half a minute, and between half and all of it."""
        ceiling = min(LONGEST, FIRST * 2.0 ** min(self.attempt, 10))
        self.attempt += 1
        return ceiling * (0.5 + self._random.random() / 2)

    async def wait(self, seconds: float) -> None:
        self._hurry.clear()
        try:
            async with asyncio.timeout(seconds):
                await self._hurry.wait()
        except TimeoutError:
            pass
