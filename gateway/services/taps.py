"""One instance's log read once, and the readers that it is handed to. Knows no adapter and no form."""

import asyncio
import logging
import math
from collections import deque
from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gateway.core.errors import GatewayError
from gateway.core.ports import LogLine, LogSource, Position
from gateway.wire.names import InstanceName

NOWHERE: Final[Position] = (-1, -1)  # before every line

log = logging.getLogger(__name__)


class Reader:
    """Lines on their way to one reader; the oldest go first when there are more than `limit`."""

    def __init__(self, limit: int) -> None:
        self._lines: deque[tuple[InstanceName, LogLine]] = deque()
        self._limit = limit
        self._dropped = 0
        self._had: dict[InstanceName, Position] = {}
        self._rests: dict[InstanceName, float] = {}  # until when an instance's log is left alone, on the loop's clock
        self.taps: dict[InstanceName, Tap] = {}
        self.wake = asyncio.Event()
        self.is_over = False

    def put(self, instance: InstanceName, line: LogLine) -> None:
        if len(self._lines) >= self._limit:
            self._lines.popleft()
            self._dropped += 1
        self._lines.append((instance, line))
        self.wake.set()

    def take(self) -> tuple[list[tuple[InstanceName, LogLine]], int]:
        """All that waits, and how many were dropped before it."""
        lost, self._dropped = self._dropped, 0
        waiting, self._lines = self._lines, deque()
        fresh = [(name, line) for name, line in waiting if line.position > self.had(name)]
        for name, line in fresh:
            self._had[name] = line.position
        return fresh, lost

    def had(self, instance: InstanceName) -> Position:
        """Up to where this log was told, or left out as not wanted."""
        return self._had.get(instance, NOWHERE)

    def has(self, instance: InstanceName, position: Position) -> None:
        self._had[instance] = max(position, self.had(instance))

    def rest(self, instance: InstanceName, seconds: float = math.inf) -> None:
        """Leave a log that ended alone for that long, or until something happens."""
        self._rests[instance] = asyncio.get_running_loop().time() + seconds

    def is_resting(self, instance: InstanceName) -> bool:
        return asyncio.get_running_loop().time() < self._rests.get(instance, 0.0)

    def stir(self) -> None:
        """Something happened: what ended may go on."""
        self._rests = {name: until for name, until in self._rests.items() if until != math.inf}
        self.wake.set()


class Tap:
    """One instance's log, read once for all who follow it. `ring` holds the last of it, for who comes late."""

    def __init__(self, instance: InstanceName, source: LogSource, ring: int) -> None:
        self.instance, self._source, self._size = instance, source, ring
        self.ring: deque[LogLine] = deque(maxlen=ring)
        self._is_whole = False  # whether the ring holds all there is
        self.readers: set[Reader] = set()
        self.is_ready = asyncio.Event()  # the ring is filled, or never will be
        self.is_over = False
        self.trouble = ""  # why it broke off; empty where it just ended
        self.task: asyncio.Task[None] | None = None

    async def pump(self) -> None:
        """Until cancelled, or until the log ends or breaks off."""
        try:
            await self._read()
        except GatewayError as error:
            self.trouble = error.detail
        except Exception:  # one log's, not the others'
            log.exception("the log of %s broke off", self.instance)
            self.trouble = "see the gateway's own log"
        finally:
            self.is_over = True
            self.is_ready.set()
            for reader in self.readers:
                reader.wake.set()

    def holds(self, *, tail: int | None, since: datetime | None) -> bool:
        """Whether the ring has all of the past that is wanted."""
        if self._is_whole or (tail is not None and tail <= len(self.ring)):
            return True
        return since is not None and bool(self.ring) and self.ring[0].at < since

    def past(self, *, tail: int | None, since: datetime | None) -> Sequence[LogLine]:
        lines = [line for line in self.ring if since is None or line.at >= since]
        return lines if tail is None else lines[max(0, len(lines) - tail) :]

    async def _read(self) -> None:
        after = await self._source.end(self.instance)
        lines = await self._source.read(self.instance, tail=self._size, since=None)
        self.ring.extend(lines)
        self._is_whole = len(lines) < self._size
        self.is_ready.set()
        following = self._source.follow(self.instance, max(after, lines[-1].position) if lines else after)
        try:
            async for line in following:
                self._take(line)
        finally:
            if (close := getattr(following, "aclose", None)) is not None:
                await close()

    def _take(self, line: LogLine) -> None:
        self._is_whole = self._is_whole and len(self.ring) < self._size
        self.ring.append(line)
        for reader in self.readers:
            reader.put(self.instance, line)
