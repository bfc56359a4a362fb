"""An adapter's log for all who read it: one read of each instance upstream, however many follow.

Who comes late is served from a ring; who is too slow loses the oldest lines, and is told how many. Starts no instance
and keeps nothing once nobody follows.
"""

import asyncio
import heapq
from collections.abc import AsyncGenerator, AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Final

import msgspec

from gateway.core.errors import NotFound
from gateway.core.observed import Observed
from gateway.core.ports import LogLine, LogSource
from gateway.services.taps import Reader, Tap
from gateway.wire.names import AdapterName, InstanceName, instance_name, split_instance_name

TAIL: Final = 1000  # lines, where neither tail nor since is given (MS's)
ALL: Final = "all"
RING: Final = 4000  # lines of an instance that are kept while somebody follows it
QUEUE: Final = 4000  # lines that wait for a slow reader
RETRY: Final = 5.0  # seconds before a log that broke off is tried again

type _Lines = Iterable[tuple[InstanceName, LogLine]]


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader wants. instance: an ordinal, a name, or `all`. tail: at most that many of the past; None: all."""

    instance: str = "0"
    tail: int | None = TAIL
    since: datetime | None = None
    previous: bool = False
    timestamps: bool = False

    def written(self, lines: _Lines) -> bytes:
        """`[weather-0] 2026-01-02T03:04:05.678901Z text`, either part of the front as wanted."""
        return "".join([self._line(name, line) for name, line in lines]).encode(errors="replace")

    def _line(self, instance: InstanceName, line: LogLine) -> str:
        name = f"[{instance}] " if self.instance == ALL else ""
        return f"{name}{_stamp(line.at)} {line.text}\n" if self.timestamps else f"{name}{line.text}\n"


class Logs:
    """Made by `open_logs`. Give `observed` to the reconciler as a listener."""

    def __init__(self, source: LogSource, group: asyncio.TaskGroup, *, ring: int = RING, queue: int = QUEUE) -> None:
        self._source, self._group = source, group
        self._ring, self._queue = ring, queue
        self._taps: dict[InstanceName, Tap] = {}
        self._followers: dict[Reader, AdapterName] = {}
        self._adapters: frozenset[AdapterName] = frozenset()  # that were there when last looked at
        self._is_closed = False

    @property
    def taps(self) -> int:
        """How many instances are read for somebody."""
        return len(self._taps)

    def chosen(self, adapter: AdapterName, replicas: int, wanted: str) -> list[InstanceName]:
        """The instances that are meant, of those that have a log; none while the one that is meant starts.

        replicas: how many there are to be. Raises NotFound for what neither is nor is to be.
        """
        there = list(self._source.instances(adapter))
        if wanted == ALL:
            return there
        name, ordinal = _asked(adapter, wanted)
        if name in there:
            return [name]
        if ordinal is None or ordinal >= replicas:
            known = ", ".join(there) or f"none yet, of {replicas}"
            raise NotFound(f"adapter '{adapter}' has no instance '{wanted}'; it has {known}")
        return []

    async def read(self, instances: Sequence[InstanceName], wish: Wish) -> bytes:
        """What there is now."""
        return wish.written(_merged({name: await self._past(name, wish) for name in instances}, wish.tail))

    async def follow(self, adapter: AdapterName, wish: Wish) -> AsyncGenerator[bytes]:
        """What there is, and what comes, until the adapter is gone. Closing this closes the chain to the instance."""
        reader = Reader(self._queue)
        self._followers[reader] = adapter
        try:
            past = {name: await self._joined(reader, name, wish) for name in self._wanted(adapter, wish)}
            yield wish.written(_merged(past, wish.tail))
            while not (reader.is_over or self._is_closed):
                reader.wake.clear()
                if chunk := _taken(reader, wish) + self._left_behind(reader):
                    yield chunk
                if chunk := await self._caught_up(reader, adapter, wish):
                    yield chunk
                with suppress(TimeoutError):
                    async with asyncio.timeout(RETRY):
                        await reader.wake.wait()
            if chunk := _taken(reader, wish):
                yield chunk
        finally:
            del self._followers[reader]
            for tap in reader.taps.values():
                self._leave(reader, tap)

    def observed(self, adapters: Mapping[AdapterName, Observed]) -> None:
        """What runs has changed: followers look for new instances; those of an adapter that is gone have heard all."""
        gone, self._adapters = self._adapters - adapters.keys(), frozenset(adapters)
        for reader, adapter in self._followers.items():
            reader.is_over = reader.is_over or adapter in gone
            reader.stir()

    def close(self) -> None:
        """Every stream ends, and every read upstream."""
        self._is_closed = True
        for reader in self._followers:
            reader.wake.set()
        for tap in self._taps.values():
            if tap.task is not None:
                tap.task.cancel()

    def _wanted(self, adapter: AdapterName, wish: Wish) -> list[InstanceName]:
        there = [] if self._is_closed else self._source.instances(adapter)
        return [name for name in there if wish.instance == ALL or name == _asked(adapter, wish.instance)[0]]

    async def _past(self, name: InstanceName, wish: Wish) -> Sequence[LogLine]:
        return await self._source.read(name, tail=wish.tail, since=wish.since, previous=wish.previous)

    async def _joined(self, reader: Reader, name: InstanceName, wish: Wish) -> Sequence[LogLine]:
        """From now on its lines reach the reader; the past that is wanted is returned."""
        tap = self._tap(name)
        reader.taps[name] = tap
        tap.readers.add(reader)  # before the first wait: a tap without readers is closed
        await tap.is_ready.wait()
        if tap.holds(tail=wish.tail, since=wish.since):
            past, told = tap.past(tail=wish.tail, since=wish.since), list(tap.ring)[-1:]
        else:
            past = await self._past(name, wish)
            told = list(past[-1:])
        for line in told:
            reader.has(name, line.position)
        return past

    async def _caught_up(self, reader: Reader, adapter: AdapterName, wish: Wish) -> bytes:
        """Instances that came, or came back, while somebody follows: all they have said that was not told yet."""
        everything = msgspec.structs.replace(wish, tail=None, since=None)
        found = bytearray()
        for name in self._wanted(adapter, wish):
            if name not in reader.taps and not reader.is_resting(name):
                had = reader.had(name)
                past = await self._joined(reader, name, everything)
                found += wish.written((name, line) for line in past if line.position > had)
        return bytes(found)

    def _left_behind(self, reader: Reader) -> bytes:
        """Leaves what is over. Returns what to say of it: nothing where a log just ended."""
        over = [tap for tap in reader.taps.values() if tap.is_over]
        for tap in over:
            del reader.taps[tap.instance]
            self._leave(reader, tap)
            reader.rest(tap.instance, *((RETRY,) if tap.trouble else ()))
        return b"".join(_note(f"the log of {tap.instance} broke off: {tap.trouble}") for tap in over if tap.trouble)

    def _tap(self, name: InstanceName) -> Tap:
        tap = self._taps.get(name)
        if tap is None or tap.is_over:
            tap = self._taps[name] = Tap(name, self._source, self._ring)
            tap.task = self._group.create_task(tap.pump(), name=f"log of {name}")
        return tap

    def _leave(self, reader: Reader, tap: Tap) -> None:
        tap.readers.discard(reader)
        if tap.readers:
            return
        if self._taps.get(tap.instance) is tap:
            del self._taps[tap.instance]
        if tap.task is not None:
            tap.task.cancel()


@asynccontextmanager
async def open_logs(source: LogSource, *, ring: int = RING, queue: int = QUEUE) -> AsyncIterator[Logs]:
    """ring, queue: lines kept per instance that is followed, and lines that may wait per reader."""
    async with asyncio.TaskGroup() as group:
        logs = Logs(source, group, ring=ring, queue=queue)
        try:
            yield logs
        finally:
            logs.close()


def _asked(adapter: AdapterName, wanted: str) -> tuple[InstanceName, int | None]:
    """`0` or `weather-0` as a name with its ordinal; no ordinal where it is neither."""
    if wanted.isdecimal() and len(wanted) < 10:
        return instance_name(adapter, int(wanted)), int(wanted)
    try:
        owner, ordinal = split_instance_name(wanted)
    except ValueError:
        return InstanceName(wanted), None
    return InstanceName(wanted), ordinal if owner == adapter else None


def _merged(past: Mapping[InstanceName, Sequence[LogLine]], tail: int | None) -> list[tuple[InstanceName, LogLine]]:
    """By time; `tail` counts over all."""
    told = [[(name, line) for line in lines] for name, lines in past.items()]
    merged = list(heapq.merge(*told, key=lambda each: each[1].at))
    return merged if tail is None else merged[max(0, len(merged) - tail) :]


def _taken(reader: Reader, wish: Wish) -> bytes:
    lines, lost = reader.take()
    note = _note(f"{lost} lines were dropped here: they came faster than they were read") if lost else b""
    return note + wish.written(lines)


def _stamp(at: datetime) -> str:
    """Always as long, so that stamps compare as text."""
    return at.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def _note(sentence: str) -> bytes:
    """A line of the gateway's own, without an instance and a time."""
    return f"… {sentence}\n".encode()
