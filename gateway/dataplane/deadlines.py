"""Coarse time-outs for thousands of things at once: one timer that looks at all of them, none per request.

What is watched has a `deadline` that it moves as it likes, for the price of an assignment. Never early, at most two
ticks late.
"""

import asyncio
from typing import Final, Protocol

TICK: Final = 0.25  # seconds


class Watched(Protocol):
    deadline: float  # on the loop's clock; 0 for none

    def expired(self) -> None:
        """The deadline is over. Called at each tick until it is moved."""


class Deadlines:
    """The timer runs only while something is watched. `now` is the loop's time at the last tick, `next` at the next."""

    __slots__ = ("_tick", "_timer", "_watched", "next", "now")

    def __init__(self, tick: float = TICK) -> None:
        self.now, self.next = 0.0, tick
        self._tick = tick
        self._watched: set[Watched] = set()
        self._timer: asyncio.TimerHandle | None = None

    def watch(self, item: Watched) -> None:
        self._watched.add(item)
        if self._timer is None:
            self._wind()

    def forget(self, item: Watched) -> None:
        self._watched.discard(item)

    def after(self, seconds: float) -> float:
        """The deadline that lies so many seconds ahead; none for 0."""
        return self.next + seconds if seconds else 0.0

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._watched.clear()

    def _wind(self) -> None:
        loop = asyncio.get_running_loop()
        self.now = loop.time()
        self.next = self.now + self._tick
        self._timer = loop.call_later(self._tick, self._look)

    def _look(self) -> None:
        self._timer = None
        if not self._watched:
            return
        self._wind()
        now = self.now
        for item in [each for each in self._watched if 0 < each.deadline <= now]:
            item.expired()
