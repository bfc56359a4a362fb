"""How often, and how many at once: counted per principal, tool and limit, in this gateway or in all replicas together.

A rate is a bucket that holds a minute's worth and fills evenly: short bursts pass, the average does not.
"""

import logging
import secrets
import time
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.core.sharing import Apart, Quota, Shared
from gateway.wire.policies import Limit

MOST: Final = 50_000  # counters that are kept; those that are full and idle go first
_MINUTE: Final = 60.0
_AGAIN: Final = 5.0  # seconds until it may be worth trying again what could not be counted

log = logging.getLogger(__name__)

type Key = tuple[str, str, str, str]  # policy, limit, principal, tool


class Admitted(msgspec.Struct, frozen=True):
    """release: to be called once, when the call has ended. take_back: instead of it, where the call was not made."""

    release: Callable[[], None]
    take_back: Callable[[], None]


class Exceeded(msgspec.Struct, frozen=True):
    """policy, limit: whose. seconds: until it may be worth trying again."""

    policy: str
    limit: str
    seconds: float


class Uncounted(msgspec.Struct, frozen=True):
    """The replicas' common count can't be had, and none is to do without. reason: a sentence."""

    reason: str
    seconds: float = _AGAIN


class _Counter:
    __slots__ = ("at", "running", "tokens")

    def __init__(self, tokens: float, at: float) -> None:
        self.tokens, self.at, self.running = tokens, at, 0


class Limits:
    """Of this gateway alone. Waits for nothing."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._counters: dict[Key, _Counter] = {}

    def admit(
        self, limits: Sequence[tuple[str, Limit]], principal: str, tool: str, *, is_again: bool = False
    ) -> Admitted | Exceeded:
        """limits: with their policies' names. All of them count, or none.

        is_again: a call that counted for its rates already.
        """
        now = self._clock()
        held = [
            (policy, limit, self._counter((policy, limit.name, principal, tool), limit, now))
            for policy, limit in limits
        ]
        for policy, limit, counter in held:
            if limit.concurrent and counter.running >= limit.concurrent:
                return Exceeded(policy, limit.name, 1.0)
            if limit.per_minute and not is_again and counter.tokens < 1.0:
                return Exceeded(policy, limit.name, (1.0 - counter.tokens) * _MINUTE / limit.per_minute)
        for _, limit, counter in held:
            counter.running += 1
            counter.tokens -= _spent(limit, is_again=is_again)
        once = _Once([(_spent(limit, is_again=is_again), counter) for _, limit, counter in held])
        return Admitted(once.release, once.take_back)

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


class SharedLimits:
    """Of all replicas together. What this one's own counts refuse already is asked of nobody.

    is_strict: where the others can't be reached, calls with limits are refused; without it each replica counts its own.
    """

    def __init__(self, shared: Shared, local: Limits, *, is_strict: bool = False) -> None:
        self._shared, self._local, self._is_strict = shared, local, is_strict
        self._was_apart = False

    async def admit(
        self, limits: Sequence[tuple[str, Limit]], principal: str, tool: str, *, is_again: bool = False
    ) -> Admitted | Exceeded | Uncounted:
        here = self._local.admit(limits, principal, tool, is_again=is_again)
        if isinstance(here, Exceeded):
            return here
        lease = secrets.token_hex(12)
        try:
            quotas = [_quota(policy, limit, principal, tool, is_again=is_again) for policy, limit in limits]
            spent = await self._shared.take(lease, quotas)
        except Apart as apart:
            return self._alone(here, str(apart))
        except BaseException:
            here.take_back()
            raise
        self._was_apart = False
        if spent is not None:
            here.take_back()
            policy, limit = limits[spent.at]
            return Exceeded(policy, limit.name, spent.seconds)

        def release() -> None:
            here.release()
            self._shared.give(lease)

        return Admitted(release, release)

    def _alone(self, here: Admitted, reason: str) -> Admitted | Uncounted:
        if not self._was_apart:
            does = "calls with limits are refused" if self._is_strict else "each replica counts its own calls"
            log.warning("limits of all replicas can't be counted together, %s: %s", does, reason)
        self._was_apart = True
        if not self._is_strict:
            return here
        here.take_back()
        return Uncounted(reason)


def _quota(policy: str, limit: Limit, principal: str, tool: str, *, is_again: bool) -> Quota:
    key = f"{policy}\0{limit.name}\0{principal}\0{tool}"
    return Quota(key, per_minute=0 if is_again else limit.per_minute, concurrent=limit.concurrent)


def _spent(limit: Limit, *, is_again: bool) -> int:
    """Of a rate, by one call."""
    return 1 if limit.per_minute and not is_again else 0


class _Once:
    def __init__(self, counters: list[tuple[int, _Counter]]) -> None:
        self._counters = counters

    def release(self) -> None:
        for _, counter in self._counters:
            counter.running -= 1
        self._counters = []

    def take_back(self) -> None:
        for spent, counter in self._counters:
            counter.running -= 1
            counter.tokens += spent
        self._counters = []
