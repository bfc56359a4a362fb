"""How often each tool was called, and when last: since the gateways that are there started. Keeps no arguments and no
callers.
"""

import time
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.core.sharing import Shared

MOST: Final = 20_000  # tools that are counted


TABLE: Final = "usage"


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
    """core.sharing.Table, of where there are other replicas."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._counts: dict[str, Count] = {}
        self._elsewhere: dict[str, dict[str, Count]] = {}  # by replica
        self._shared: Shared | None = None

    def share(self, shared: Shared) -> None:
        self._shared = shared
        shared.join(TABLE, self)

    def count(self, name: str, *, is_error: bool) -> None:
        found = self._counts.get(name)
        if found is None:
            if len(self._counts) >= MOST:
                return
            found = self._counts[name] = Count()
        found.calls += 1
        found.errors += is_error
        found.last = self._clock()
        if self._shared is not None:
            self._shared.stir(TABLE, name)

    def of(self, name: str) -> Count:
        """At all replicas."""
        here = self._counts.get(name, _NONE)
        there = [counts[name] for counts in self._elsewhere.values() if name in counts]
        if not there:
            return here
        return Count(
            calls=here.calls + sum(each.calls for each in there),
            errors=here.errors + sum(each.errors for each in there),
            last=max(here.last, *(each.last for each in there)),
        )

    # core.sharing.Table

    def rows(self) -> Iterable[str]:
        return tuple(self._counts)

    def row(self, name: str) -> bytes | None:
        found = self._counts.get(name)
        return msgspec.msgpack.encode(found) if found is not None else None

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        counts = self._elsewhere.setdefault(replica, {})
        counts.pop(name, None)
        if value is not None:
            counts[name] = msgspec.msgpack.decode(value, type=Count)

    def lost(self, replica: str) -> None:
        self._elsewhere.pop(replica, None)
