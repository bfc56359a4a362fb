"""How long backends wait for what. Waits for nothing itself."""

import math
import random
from collections.abc import Callable
from typing import Final

import msgspec


class Patience(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds."""

    probe: float = 0.05  # before a new instance is first asked whether it is ready; doubles
    longest_probe: float = 2.0
    answer: float = 10.0  # for an answer over HTTP
    handshake: float = 75.0  # for an answer to initialize: package runners download first
    start: float = 120.0  # without being ready, before an instance that still runs counts as failed
    health: float = 5.0  # between two looks at an instance that is ready
    unresponsive: float = 60.0  # without any answer, before an instance is killed and started anew
    first_restart: float = 1.0
    longest_restart: float = 60.0
    settled: float = 60.0  # of life, after which the next restart waits no longer than the first
    handover: float = 1.0  # that a retired instance stays at least, while routing tables change
    drain: float = 30.0  # that it stays at most, while it has sessions
    grace: float = 12.0  # between SIGTERM and SIGKILL; a sidecar lets calls end, then stops its own children
    remote: float = 60.0  # between two looks at a server elsewhere, or at one in a container
    resolve: float = 5.0  # for a name server's answer
    nameless: float = 5.0  # at most, between two looks at a server whose name no name server had
    tick: float = 0.2  # between two looks at a log that is followed


PATIENCE: Final = Patience()


class Backoff:
    """How long to wait before the next start: longer each time, unless the last life was a long one."""

    def __init__(self, patience: Patience, chance: Callable[[], float] = random.random) -> None:
        self._patience, self._chance = patience, chance
        self._failures = 0

    def after(self, lived: float) -> float:
        """Seconds to wait after a life of so many. A tenth is left to chance, so that many never start at once."""
        if lived >= self._patience.settled:
            self._failures = 0
        delay = min(math.ldexp(self._patience.first_restart, self._failures), self._patience.longest_restart)
        self._failures = min(self._failures + 1, 30)  # a power that stays a float
        return delay * (1 + self._chance() / 10)
