"""How fast and how often, of late: a rate and a 95th percentile that cost a call a fraction of a microsecond. Pure."""

import math
from typing import Final

WINDOW: Final = 60.0  # seconds in which what was counts for a third
_STEPS: Final = 4  # buckets per doubling: a percentile is right to a fifth
_SMALLEST: Final = -17  # 2**-17 s, 8 us
_LARGEST: Final = 13  # 2**13 s, more than two hours
_BUCKETS: Final = (_LARGEST - _SMALLEST) * _STEPS
_LEAST: Final = 2.0**_SMALLEST
_ENOUGH: Final = 512  # durations after which each one before counts half


class Pace:
    """Of calls that have ended. Times in seconds."""

    __slots__ = ("_at", "_buckets", "_count", "_rate")

    def __init__(self) -> None:
        self._at = self._rate = 0.0
        self._count = 0
        self._buckets: list[int] | None = None  # most sessions are made of a few calls, or none

    def count(self, now: float, duration: float) -> None:
        self._rate = self._decayed(now) + 1.0
        self._at = now
        buckets = self._buckets
        if buckets is None:
            buckets = self._buckets = [0] * _BUCKETS
        mantissa, exponent = math.frexp(max(duration, _LEAST))
        place = (exponent - _SMALLEST) * _STEPS + int((mantissa - 0.5) * (2 * _STEPS))
        buckets[min(max(place, 0), _BUCKETS - 1)] += 1
        self._count += 1
        if self._count >= _ENOUGH:
            self._buckets = [each // 2 for each in buckets]
            self._count = sum(self._buckets)

    def rate(self, now: float) -> float:
        """Calls per second."""
        return self._decayed(now) / WINDOW

    def _decayed(self, now: float) -> float:
        elapsed = now - self._at
        return self._rate * math.exp(-elapsed / WINDOW) if elapsed > 0 else self._rate  # a clock may be set back

    def p95(self) -> float | None:
        """The upper edge of the bucket that it lies in; None before the first call."""
        if self._buckets is None or not self._count:
            return None
        wanted, seen = 0.95 * self._count, 0
        for place, count in enumerate(self._buckets):
            seen += count
            if seen >= wanted:
                octave, step = divmod(place, _STEPS)
                return math.ldexp(0.5 + (step + 1) / (2 * _STEPS), octave + _SMALLEST)
        return None
