"""Whether a backend that keeps failing is asked again yet. Pure but for the clock it is given.

After several failures in a row it rests; then one call tries, and its outcome decides. What others ask meanwhile fails
at once, with a sentence, instead of waiting for the same time-out.
"""

import time
from collections.abc import Callable
from typing import Final

FAILURES: Final = 5  # in a row
REST: Final = 10.0  # seconds
_TRIAL: Final = 60.0  # seconds after which a trial that has not ended no longer holds up the next


class Breaker:
    def __init__(
        self, *, failures: int = FAILURES, rest: float = REST, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.limit, self._rest, self._clock = failures, rest, clock
        self._failures = 0
        self._until = 0.0  # no call before; then one

    @property
    def is_open(self) -> bool:
        return self._failures >= self.limit

    def admits(self) -> bool:
        """Whether a call may go out now. The one that may after a rest is the trial."""
        if not self.is_open:
            return True
        now = self._clock()
        if now < self._until:
            return False
        self._until = now + _TRIAL
        return True

    def succeeded(self) -> None:
        self._failures = 0

    def failed(self) -> None:
        self._failures += 1
        if self.is_open:
            self._until = self._clock() + self._rest

    @property
    def seconds_left(self) -> float:
        return max(0.0, self._until - self._clock()) if self.is_open else 0.0
