"""How often each tool was called, and when last: since this gateway started. Keeps no arguments and no callers."""

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

MOST: Final = 20_000  # tools that are counted


class Count(msgspec.Struct):
    """last: seconds since the epoch; 0 for never."""

    calls: int = 0
    errors: int = 0
    last: float = 0.0

    @property
    def last_called_at(self) -> datetime | None:
        return datetime.fromtimestamp(self.last, UTC) if self.last else None


_NONE: Final = Count()


class Usage:
    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[str, Count] = {}

    def count(self, name: str, *, is_error: bool) -> None:
        found = self._counts.get(name)
        if found is None:
            if len(self._counts) >= MOST:
                return
            found = self._counts[name] = Count()
        found.calls += 1
        found.errors += is_error
        found.last = self._clock()

    def of(self, name: str) -> Count:
        return self._counts.get(name, _NONE)
