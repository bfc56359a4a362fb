"""Recordings of traffic at rest: sealed, bounded, in a folder that only the gateway's user can enter. Reads no message.

What is kept waits for a second, or for 64 KiB of it, and is then written by a thread: that much a crash may lose. More
than a disk takes is dropped and counted. Nothing here stops the gateway, or a call.
"""

import asyncio
import hashlib
import logging
import os
import re
import secrets
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.recordings import RING_BYTES, Held, InMemory, Kept, Missing, Which
from gateway.stores.clerk import Clerk
from gateway.stores.recording_seals import RecordingSeals
from gateway.stores.recording_segments import PARTS, Segments, Write, emptied

try:
    import fcntl
except ImportError:  # no POSIX: nobody is kept from starting two gateways on one folder
    fcntl = None  # type: ignore[assignment]

MOST_BYTES: Final = 256 * 1024 * 1024  # of all recordings
PACE: Final = 1.0  # seconds that a message may wait to be written
ENOUGH: Final = 64 * 1024  # bytes that are written without waiting longer
MOST_WAITING: Final = 4 * 1024 * 1024  # bytes that a slow disk may leave waiting
PATIENCE: Final = 5.0  # seconds for the last words
RESERVED: Final = 1 << 20  # numbers
_PLACE: Final = "place"
_LOCK: Final = "lock"
_FOLDER = re.compile(r"[a-z0-9-]+\.[0-9a-f]{12}")

log = logging.getLogger(__name__)


class Place(msgspec.Struct, frozen=True):
    """stamp: names the line of numbers. number: none up to this is given out again."""

    stamp: str
    number: int


class RecordingsAtRest:
    """core.recordings.Recordings. most_bytes: of all together. write: os.write, but where a test's disk is full.

    Nothing is made before the first adapter records.
    """

    def __init__(
        self,
        folder: Path,
        keys: Sequence[bytes],
        *,
        most_bytes: int = MOST_BYTES,
        clock: Callable[[], float] = time.time,
        write: Write = os.write,
    ) -> None:
        self.trouble = ""
        self.clerk, self.waiting = Clerk("recordings"), 0
        self._folder, self._seals, self._most_bytes = folder, RecordingSeals(keys), most_bytes
        self._clock, self._write, self.began_at = clock, write, clock()
        self._shelves: dict[Which, ShelfAtRest] = {}  # the loop's
        self.segments: dict[Which, Segments] = {}  # the thread's
        self._gathered = 0  # bytes that are not handed to the thread yet
        self._due: asyncio.TimerHandle | None = None
        self._lock = -1
        self._is_open = False
        if folder.is_dir():
            self._open()
        self._place = self._read_place()
        self.stamp, self.first = self._place.stamp, self._place.number

    @property
    def is_on(self) -> bool:
        return self._lock >= 0

    # core.recordings.Recordings

    def shelf(self, which: Which, most: int) -> "ShelfAtRest":
        if not self._is_open:
            self._open()
            self.reserve(self._place.number)
        found = self._shelves[which] = ShelfAtRest(self, which, most)
        self.clerk.do(partial(self._segments_of, found))
        return found

    def keep_only(self, which: Collection[Which]) -> None:
        if self.is_on:
            self.clerk.do(partial(self._sweep, frozenset(map(_folder_of, which))))

    def reserve(self, number: int) -> int:
        self._place = Place(self.stamp, max(self._place.number, number + RESERVED))
        if self.is_on:
            self.clerk.do(partial(self._keep_place, self._place))
        return number + RESERVED // 2

    # its shelves

    def heed(self, size: int) -> None:
        """So much more waits to be written."""
        self.waiting += size
        self._gathered += size
        if self._gathered >= ENOUGH:
            self.flush()
        elif self._due is None:
            self._due = asyncio.get_running_loop().call_later(PACE, self.flush)

    def flush(self) -> None:
        """What waits goes to the thread."""
        if self._due is not None:
            self._due.cancel()
            self._due = None
        self._gathered = 0
        loop = asyncio.get_running_loop()
        for shelf in self._shelves.values():
            kept, lost, size = shelf.taken()
            if kept or lost:
                self.clerk.do(partial(self._put, loop, shelf, kept, lost=lost, size=size))

    def forget(self, shelf: "ShelfAtRest") -> None:
        if self._shelves.get(shelf.which) is shelf:
            del self._shelves[shelf.which]
        _, _, size = shelf.taken()
        self.waiting -= size
        self._gathered -= size
        self.clerk.do(partial(self._remove, shelf))

    def past(self, shelf: "ShelfAtRest") -> Sequence[Kept | Missing]:
        """In the thread."""
        segments = self._segments_of(shelf)
        return list(segments.past()) if segments is not None else []

    def renew(self, keys: Sequence[bytes]) -> None:
        """Keys were rotated."""
        self._seals.renew(keys)

    async def close(self) -> None:
        """What waits is written, if that can be done soon."""
        if not self._is_open:
            return
        self.flush()
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                await self.clerk.done(self._finish)

    def _open(self) -> None:
        """Once, for all adapters: it makes a folder and reads none."""
        self._is_open = True
        with self._telling():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self._folder / _LOCK)
        if not self.is_on and not self.trouble:
            self._tell(f"another gateway keeps its recordings in {self._folder}: this one's are in memory alone")

    # the thread's

    def _segments_of(self, shelf: "ShelfAtRest") -> Segments | None:
        """Opened, if that succeeds; it is tried again with what comes."""
        found = self.segments.get(shelf.which)
        if found is not None or not self.is_on:
            return found
        segments = Segments(
            self._folder / _folder_of(shelf.which),
            shelf.which,
            self._seals,
            stamp=self.stamp,
            most=shelf.most,
            began_at=self.began_at,
            first=self.first,
            segment_bytes=min(RING_BYTES, self._most_bytes) // PARTS,
            write=self._write,
        )
        with self._telling():
            segments.open()
            self.segments[shelf.which] = segments
        return self.segments.get(shelf.which)

    def _put(
        self, loop: asyncio.AbstractEventLoop, shelf: "ShelfAtRest", kept: list[Kept], *, lost: int, size: int
    ) -> None:
        segments = self._segments_of(shelf)
        if segments is None:
            shelf.lost += lost + len(kept)
        else:
            segments.most = shelf.most
            with self._telling():
                segments.append(kept, lost)
                self._make_room()
        with suppress(RuntimeError):  # the loop has ended meanwhile
            loop.call_soon_threadsafe(self._was_written, size)

    def _was_written(self, size: int) -> None:
        self.waiting -= size

    def _make_room(self) -> None:
        """The oldest segment of all goes, as often as it takes."""
        while sum(each.size for each in self.segments.values()) > self._most_bytes:
            oldest = min((each for each in self.segments.values() if each.kept), key=lambda each: each.kept[0].at)
            if not oldest.drop_oldest():
                oldest.finish()

    def _sweep(self, names: frozenset[str]) -> None:
        with self._telling():
            for path in self._folder.iterdir():
                if _FOLDER.fullmatch(path.name) and path.name not in names and path.is_dir():
                    emptied(path)

    def _remove(self, shelf: "ShelfAtRest") -> None:
        segments = self._segments_of(shelf)
        if segments is not None:
            del self.segments[shelf.which]
            with self._telling():
                segments.remove()

    def _finish(self) -> None:
        for each in self.segments.values():
            with self._telling():
                each.finish(self._clock())
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # where numbers stand

    def _read_place(self) -> Place:
        """Another gateway's is its own."""
        try:
            if not self.is_on:
                return Place(secrets.token_hex(4), 0)
            return msgspec.json.decode((self._folder / _PLACE).read_bytes(), type=Place)
        except FileNotFoundError:
            return Place(secrets.token_hex(4), 0)
        except (OSError, msgspec.MsgspecError) as error:
            log.warning("%s can't be read, numbers begin anew: %s", self._folder / _PLACE, error)
            return Place(secrets.token_hex(4), int(self._clock() * 1000))

    def _keep_place(self, place: Place) -> None:
        with self._telling():
            self._write_place(place)

    def _write_place(self, place: Place) -> None:
        draft = self._folder / f".{_PLACE}"
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(msgspec.json.encode(place))
            file.flush()
            os.fsync(file.fileno())
        draft.replace(self._folder / _PLACE)

    # what goes wrong

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """A disk that fails fails nothing else."""
        try:
            yield
        except OSError as error:
            self._tell(f"recordings can't be kept in {self._folder}: {error.strerror or error}")
        else:
            self._tell("")

    def _tell(self, trouble: str) -> None:
        before, self.trouble = self.trouble, trouble
        if trouble and trouble != before:
            log.warning("%s", trouble)
        elif before and not trouble:
            log.info("recordings are kept again in %s", self._folder)


class ShelfAtRest:
    """core.recordings.Shelf. lost: what could not even be tried, in the thread's count."""

    def __init__(self, recordings: RecordingsAtRest, which: Which, most: int) -> None:
        self.which, self.most = which, most
        self.lost = 0
        self._recordings = recordings
        self._waiting: list[Kept] = []
        self._size = self._dropped = 0

    def follow(self, most: int) -> None:
        self.most = most

    def keep(self, kept: Kept) -> None:
        recordings, size = self._recordings, len(kept.line)
        if not recordings.is_on:
            return
        if recordings.waiting + size > MOST_WAITING:
            self._dropped += 1
            return
        self._waiting.append(kept)
        self._size += size
        recordings.heed(size)

    def taken(self) -> tuple[list[Kept], int, int]:
        """What waits, how many messages were dropped before it, and its bytes."""
        kept, dropped, size = self._waiting, self._dropped, self._size
        self._waiting, self._dropped, self._size = [], 0, 0
        return kept, dropped, size

    def past(self) -> asyncio.Future[Sequence[Kept | Missing]]:
        return self._recordings.clerk.done(partial(self._recordings.past, self))

    def held(self) -> Held:
        recordings = self._recordings
        segments = recordings.segments.get(self.which)
        lost = self.lost + self._dropped
        if segments is None:
            return Held(recordings.is_on, 0, lost, recordings.trouble)
        return Held(recordings.is_on, segments.size, lost + segments.lost, recordings.trouble)

    def remove(self) -> None:
        self._recordings.forget(self)


@asynccontextmanager
async def open_recordings(
    folder: Path | None, keys: Sequence[bytes], *, most_bytes: int = MOST_BYTES
) -> AsyncIterator[RecordingsAtRest | InMemory]:
    """folder: None for none at rest. What is to be kept is when this is left."""
    if folder is None:
        yield InMemory()
        return
    recordings = RecordingsAtRest(folder, keys, most_bytes=most_bytes)
    try:
        yield recordings
    finally:
        await recordings.close()


def _folder_of(which: Which) -> str:
    return f"{which.adapter}.{hashlib.sha256(which.made.encode()).hexdigest()[:12]}"


def _locked(path: Path) -> int:
    """An open file that no other gateway has; -1 where one has. Raises OSError."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    if fcntl is not None:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return -1
    return handle
