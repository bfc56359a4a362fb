"""How often each tool was called, and when last: since this gateway started. Keeps no arguments and no callers."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final

import msgspec

MOST: Final = 20_000  # tools that are counted


class Count(msgspec.Struct):
    calls: int = 0
    errors: int = 0
    last: datetime | None = None


_NONE: Final = Count()


class Usage:
    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
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
