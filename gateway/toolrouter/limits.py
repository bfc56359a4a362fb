"""How often, and how many at once: counted per principal, tool and limit, in this gateway alone. Waits for nothing.

A rate is a bucket that holds a minute's worth and fills evenly: short bursts pass, the average does not.
"""

import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.wire.policies import Limit

MOST: Final = 50_000  # counters that are kept; those that are full and idle go first
_MINUTE: Final = 60.0

type Key = tuple[str, str, str, str]  # policy, limit, principal, tool


class Admitted(msgspec.Struct, frozen=True):
    """release: to be called once, when the call has ended."""

    release: Callable[[], None]


class Exceeded(msgspec.Struct, frozen=True):
    """policy, limit: whose. seconds: until it may be worth trying again."""

    policy: str
    limit: str
    seconds: float


class _Counter:
    __slots__ = ("at", "running", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at, self.running = tokens, at, 0


class Limits:
    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counters: dict[Key, _Counter] = {}

    def admit(self, limits: Sequence[tuple[str, Limit]], principal: str, tool: str) -> Admitted | Exceeded:
        """limits: with their policies' names. All of them count, or none."""
        now = self._clock()
        held = [
            (policy, limit, self._counter((policy, limit.name, principal, tool), limit, now))
            for policy, limit in limits
        ]
        for policy, limit, counter in held:
            if limit.concurrent and counter.running >= limit.concurrent:
                return Exceeded(policy, limit.name, 1.0)
            if limit.per_minute and counter.tokens < 1.0:
                return Exceeded(policy, limit.name, (1.0 - counter.tokens) * _MINUTE / limit.per_minute)
        for _, limit, counter in held:
            counter.running += 1
            counter.tokens -= bool(limit.per_minute)
        return Admitted(_Once([counter for _, _, counter in held]).release)

    def _counter(self, key: Key, limit: Limit, now: float) -> _Counter:
        """Filled up to this moment."""
        counter = self._counters.get(key)
        if counter is None:
            self._make_room(now)
            counter = self._counters[key] = _Counter(float(limit.per_minute), now)
            return counter
        counter.tokens = min(limit.per_minute, counter.tokens + (now - counter.at) * limit.per_minute / _MINUTE)
        counter.at = now
        return counter

    def _make_room(self, now: float) -> None:
        if len(self._counters) < MOST:
            return
        idle = [key for key, each in self._counters.items() if not each.running and now - each.at >= _MINUTE]
        for key in idle or list(self._counters)[: MOST // 10]:
            del self._counters[key]


class _Once:
    def __init__(self, counters: list[_Counter]) -> None:
        self._counters = counters

    def release(self) -> None:
        for counter in self._counters:
            counter.running -= 1
        self._counters = []
