"""How fast and how often, of late: a rate, and a 95th percentile. Pure.

What a call costs is a list append; the rest is worked out when somebody looks, or once in a few hundred calls.
"""

import math
from array import array
from typing import Final

WINDOW: Final = 60.0  # seconds after which what was counts for a third
_STEPS: Final = 4  # buckets per doubling: a percentile is right to a fifth
_SMALLEST: Final = -17  # 2**-17 s, 8 us
_LARGEST: Final = 13  # 2**13 s, more than two hours
_BUCKETS: Final = (_LARGEST - _SMALLEST) * _STEPS
_LEAST: Final = 2.0**_SMALLEST
_ENOUGH: Final = 512  # durations after which each one before counts half


class Pace:
    """Of calls that have ended. `waiting`: their durations in seconds, of which `fold` is to be told at MANY."""

    MANY: Final = 256

    __slots__ = ("_at", "_buckets", "_count", "_rate", "_unrated", "waiting")

    def __init__(self) -> None:
        self.waiting: list[float] = []
        self._at = self._rate = 0.0
        self._unrated = self._count = 0
        self._buckets: array[int] | None = (
            None  # 16 bits each: it is there per session; most are made of a few calls, or none
        )

    def fold(self) -> None:
        """Take in what waits."""
        waiting, self.waiting = self.waiting, []
        if not waiting:
            return
        self._unrated += len(waiting)
        buckets = self._buckets or array("H", bytes(2 * _BUCKETS))
        for duration in waiting:
            mantissa, exponent = math.frexp(max(duration, _LEAST))
            place = (exponent - _SMALLEST) * _STEPS + int((mantissa - 0.5) * (2 * _STEPS))
            buckets[min(place, _BUCKETS - 1)] += 1
        self._count += len(waiting)
        if self._count >= _ENOUGH:
            buckets = array("H", [each // 2 for each in buckets])
            self._count = sum(buckets)
        self._buckets = buckets

    def rate(self, now: float) -> float:
        """Calls per second; those that nobody has looked at yet count as of now."""
        self.fold()
        elapsed = now - self._at
        if elapsed > 0:  # a clock may be set back
            self._rate *= math.exp(-elapsed / WINDOW)
            self._at = now
        self._rate += self._unrated
        self._unrated = 0
        return self._rate / WINDOW

    def p95(self) -> float | None:
        """The upper edge of the bucket that it lies in; None before the first call."""
        self.fold()
        if self._buckets is None or not self._count:
            return None
        wanted, seen = 0.95 * self._count, 0
        for place, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                octave, step = divmod(place, _STEPS)
                return math.ldexp(0.5 + (step + 1) / (2 * _STEPS), octave + _SMALLEST)
        return None
