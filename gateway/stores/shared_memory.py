"""What replicas share, in one process: for tests, and the measure of the one that goes through Redis. Keeps nothing."""

import secrets
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from gateway.core.sharing import NOBODY, Quota, Reply, Spent, Table, Unreachable, reply_of

LEASE: Final = 10.0
_MINUTE: Final = 60.0


class Common:
    """What the replicas meet in. clock: seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.clock = clock
        self.members: dict[str, MemoryShared] = {}
        self.lasting: dict[tuple[str, str], bytes] = {}
        self._running: defaultdict[str, dict[str, float]] = defaultdict(dict)  # quota, lease, when it ends by itself
        self._buckets: dict[str, tuple[float, float]] = {}

    @asynccontextmanager
    async def replica(self) -> AsyncIterator["MemoryShared"]:
        member = MemoryShared(self)
        self.members[member.name] = member
        try:
            yield member
        finally:
            self.drop(member.name)

    def drop(self, name: str) -> None:
        """As if it had been killed."""
        member = self.members.pop(name, None)
        for other in self.members.values() if member is not None else ():
            for table in other.tables.values():
                table.lost(name)

    def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        now = self.clock()
        for at, quota in enumerate(quotas):
            running = self._running[quota.key]
            for gone in [each for each, until in running.items() if until <= now]:
                del running[gone]
            if quota.concurrent and len(running) >= quota.concurrent:
                return Spent(at, 1.0)
            if quota.per_minute and (tokens := self._tokens(quota, now)) < 1.0:
                return Spent(at, (1.0 - tokens) * _MINUTE / quota.per_minute)
        for quota in quotas:
            if quota.concurrent:
                self._running[quota.key][lease] = now + LEASE
            if quota.per_minute:
                self._buckets[quota.key] = (self._tokens(quota, now) - 1.0, now)
        return None

    def give(self, lease: str) -> None:
        for running in self._running.values():
            running.pop(lease, None)

    def _tokens(self, quota: Quota, now: float) -> float:
        tokens, at = self._buckets.get(quota.key, (float(quota.per_minute), now))
        return min(quota.per_minute, tokens + (now - at) * quota.per_minute / _MINUTE)


class MemoryShared:
    """core.sharing.Shared. What is stirred is told at once."""

    trouble = ""

    def __init__(self, common: Common) -> None:
        self.name = secrets.token_hex(8)
        self.tables: dict[str, Table] = {}
        self._common = common
        self._lasting: set[str] = set()
        self.listening: dict[str, Callable[[bytes], None]] = {}
        self.serving: dict[str, Callable[[bytes], Awaitable[bytes]]] = {}

    @property
    def others(self) -> list[str]:
        return [name for name in self._common.members if name != self.name]

    def join(self, kind: str, table: Table, *, lasts: bool = False) -> None:
        self.tables[kind] = table
        if lasts:
            self._lasting.add(kind)
        for (of, name), value in self._common.lasting.items():
            if of == kind:
                table.heard(NOBODY, name, value)
        for other in self._others():
            if kind in other.tables and kind not in self._lasting:
                for name in other.tables[kind].rows():
                    table.heard(other.name, name, other.tables[kind].row(name))

    def stir(self, kind: str, name: str, *, at_once: bool = False) -> None:  # noqa: ARG002 - always at once
        value = self.tables[kind].row(name)
        if kind in self._lasting:
            self._common.lasting.pop((kind, name), None)
            if value is not None:
                self._common.lasting[kind, name] = value
        for other in self._others():
            if kind in other.tables:
                other.tables[kind].heard(NOBODY if kind in self._lasting else self.name, name, value)

    async def told(self) -> bool:
        return True

    def listen(self, topic: str, heard: Callable[[bytes], None]) -> None:
        self.listening[topic] = heard

    def tell(self, replica: str, topic: str, body: bytes) -> None:
        other = self._common.members.get(replica)
        if other is not None and topic in other.listening:
            other.listening[topic](body)

    def serve(self, topic: str, answer: Callable[[bytes], Awaitable[bytes]]) -> None:
        self.serving[topic] = answer

    async def ask(self, replica: str, topic: str, body: bytes) -> bytes:
        other = self._common.members.get(replica)
        if other is None or topic not in other.serving:
            raise Unreachable(f"the gateway's replica {replica} is gone")
        reply: Reply = await reply_of(other.serving[topic](body))
        return reply.opened()

    async def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        return self._common.take(lease, quotas)

    def give(self, lease: str) -> None:
        self._common.give(lease)

    def _others(self) -> Iterator["MemoryShared"]:
        return (each for each in self._common.members.values() if each is not self)
