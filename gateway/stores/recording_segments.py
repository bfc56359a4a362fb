"""One adapter's recording in its folder: segments of frames, appended to; the oldest is dropped whole. It blocks.

Belongs to one thread. What can't be written is counted and leaves no trace but that; what can't be read is told as
missing. A life of the gateway begins a segment of its own, so that nothing is appended to what a crash has torn.
"""

import contextlib
import os
import re
from collections.abc import Buffer, Callable, Iterator
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.recordings import RING_BYTES, Kept, Missing, Which
from gateway.stores.recording_seals import Frame, Head, Life, RecordingSeals, frames, heads

PARTS: Final = 8  # segments that hold together as much as is to be kept
FEWEST: Final = 64  # messages of a segment
_SUFFIX: Final = ".seg"
_SEGMENT = re.compile(rf"[0-9a-f]{{8}}\{_SUFFIX}")

type Write = Callable[[int, Buffer], int]

GONE: Final = "a part of the recording is gone"
CUT: Final = "a part of the recording was cut out, or off"
SHUT: Final = "messages do not open: they were changed, or sealed with a key that is no more"
LOST: Final = "messages could not be kept: the gateway's log says why"
STOPPED: Final = "the gateway was stopped"
AWAY: Final = "the gateway was away; a second before may be missing"


class Segment(msgspec.Struct):
    """number: ascending. plain: bytes of its messages. size: of the file. at: its first message's time."""

    number: int
    path: Path
    frames: int = 0
    messages: int = 0
    plain: int = 0
    size: int = 0
    at: float = 0.0

    def count(self, head: Head) -> None:
        self.at = self.at or head.at
        self.frames += 1
        self.messages += head.messages
        self.plain += head.plain
        self.size += head.length


class Segments:
    """stamp: of the gateway's numbers. most: messages that are to be kept. Made, it has read nothing.

    began_at, first: when this life of the gateway began, and its first number. write: but where a test's disk is full.
    """

    def __init__(
        self,
        folder: Path,
        which: Which,
        seals: RecordingSeals,
        *,
        stamp: str,
        most: int,
        began_at: float,
        first: int,
        limit_bytes: int = RING_BYTES,
        segment_bytes: int = RING_BYTES // PARTS,
        write: Write = os.write,
    ) -> None:
        self.most = most
        self.kept: list[Segment] = []
        self._folder, self._seals = folder, seals
        self._where = f"{stamp}\0{which.adapter}\0{which.made}\0"
        self._life = Life(began_at, first, -1)
        self._limit, self._segment_bytes = limit_bytes, segment_bytes
        self._write = write
        self._file = -1  # of the newest segment, while it is written to
        self._old = self._last = 0  # the last segment of earlier lives, and of all
        self._lost = 0  # before what comes next
        self.lost = 0  # in this life

    @property
    def size(self) -> int:
        return sum(each.size for each in tuple(self.kept))  # which another thread may ask for

    @property
    def messages(self) -> int:
        return sum(each.messages for each in self.kept)

    def open(self) -> None:
        """Takes up what lies there. Raises OSError."""
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for path in sorted(each for each in self._folder.iterdir() if _SEGMENT.fullmatch(each.name)):
            segment = Segment(int(path.stem, 16), path)
            with path.open("rb") as file:
                for head in heads(file, path.stat().st_size):
                    segment.count(head)
            if segment.frames:
                self.kept.append(segment)
            else:  # torn before anything was in it
                path.unlink()
        self._old = self._last = self.kept[-1].number if self.kept else 0

    def append(self, kept: list[Kept], lost: int = 0) -> None:
        """lost: messages before these that are known to be. Raises OSError: they are not there then, and count so."""
        self._lose(lost)
        try:
            self._append(Frame(kept, self._lost))
        except OSError:
            self._lose(len(kept))
            raise
        self._lost = 0
        newest = self.kept[-1]
        if newest.messages >= max(FEWEST, self.most // PARTS) or newest.plain >= self._segment_bytes:
            self.finish()
        self._trim()

    def finish(self, closed_at: float = 0.0) -> None:
        """What comes next begins a new segment. closed_at: nothing does, in this life. Raises OSError."""
        if closed_at and self.kept and self._life.before >= 0:
            self._append(Frame([], self._lost, closed_at=closed_at))
        file, self._file = self._file, -1
        if file >= 0:
            try:
                os.fsync(file)
            finally:
                os.close(file)

    def drop_oldest(self) -> bool:
        """False where there is none but the one that is written to."""
        if len(self.kept) < (2 if self._file >= 0 else 1):
            return False
        self.kept.pop(0).path.unlink(missing_ok=True)
        return True

    def remove(self) -> None:
        """All of it. Raises OSError."""
        file, self._file = self._file, -1
        if file >= 0:
            os.close(file)
        self.kept.clear()
        emptied(self._folder)

    def past(self) -> Iterator[Kept | Missing]:
        """Of earlier lives, and at its end that there was none. Numbers ascend."""
        reading = _Reading(self._life)
        for segment in self.kept:
            if segment.number <= self._old:
                yield from reading.segment(segment, self._seals, f"{self._where}{segment.number}\0")
        yield from reading.end()

    def _lose(self, messages: int) -> None:
        self._lost += messages
        self.lost += messages

    def _trim(self) -> None:
        messages, plain = self.messages, sum(each.plain for each in self.kept)
        while len(self.kept) > 1:
            oldest = self.kept[0]
            messages, plain = messages - oldest.messages, plain - oldest.plain
            if messages < self.most and plain < self._limit:
                return
            self.drop_oldest()

    def _append(self, frame: Frame) -> None:
        if self._file < 0:
            frame = msgspec.structs.replace(frame, life=self._begin())
        segment = self.kept[-1]
        head, whole = self._seals.sealed(frame, f"{self._where}{segment.number}\0", segment.frames)
        try:
            self._put(whole)
        except OSError:
            self._take_back(segment)
            raise
        segment.count(head)

    def _begin(self) -> Life:
        """A new segment's file."""
        before = self.kept[-1].frames if self.kept else 0
        path = self._folder / f"{self._last + 1:08x}{_SUFFIX}"
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND, 0o600)
        self._last += 1
        self.kept.append(Segment(self._last, path))
        self._life = msgspec.structs.replace(self._life, before=before)
        return self._life

    def _put(self, whole: bytes) -> None:
        left = memoryview(whole)
        while left:
            left = left[self._write(self._file, left) :]

    def _take_back(self, segment: Segment) -> None:
        """What was written by halves. Where it can't be taken back the segment ends there, torn."""
        if segment.frames:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, segment.size)
                return
        os.close(self._file)
        self._file = -1
        if not segment.frames:
            self.kept.remove(segment)
            segment.path.unlink(missing_ok=True)
            self._last -= 1


class _Reading:
    """Segment by segment: what opens, and what is missing in between. own: the life that reads."""

    def __init__(self, own: Life) -> None:
        self._own = own
        self._life: Life | None = None
        self._number, self._at = 0, 0.0  # of the last that was told
        self._segment = self._frames = 0  # the last one read, and how many frames it had
        self._closed_at = 0.0
        self._waiting: Missing | None = None

    def segment(self, segment: Segment, seals: RecordingSeals, where: str) -> Iterator[Kept | Missing]:
        if self._segment and segment.number != self._segment + 1:
            self._miss(GONE)
        before, self._frames = self._frames if self._segment else -1, 0
        self._segment = segment.number
        try:
            data = segment.path.read_bytes()
        except OSError:
            data = b""
        for head, sealed in frames(data):
            if head.index != self._frames:
                self._miss(CUT)
            self._frames = head.index + 1
            frame = seals.opened(head, sealed, where)
            if frame is None:
                self._miss(SHUT, head.messages, until=self._told_time(head))
                continue
            if frame.life is not None:
                self._begin(frame.life, before)
            if frame.lost:
                self._miss(LOST, frame.lost)
            for kept in frame.kept:
                if kept.number > self._number:
                    yield from self._told()
                    self._number, self._at = kept.number, kept.at
                    yield kept
            self._closed_at = frame.closed_at
        if self._frames < segment.frames:
            self._miss(CUT)

    def _told_time(self, head: Head) -> float:
        """Of what does not open, if that can be."""
        return head.at if self._at <= head.at <= self._own.began_at else self._at

    def end(self) -> Iterator[Missing]:
        if self._segment:
            self._turn(self._own)
            yield from self._told()

    def _begin(self, life: Life, before: int) -> None:
        if self._life is not None and (life.began_at, life.number) != (self._life.began_at, self._life.number):
            self._turn(life)
        if 0 <= before < life.before:
            self._miss(CUT)
        self._life = life

    def _turn(self, life: Life) -> None:
        """To another life of the gateway."""
        at = self._closed_at or self._at
        self._miss(STOPPED if self._closed_at else AWAY, at=at, until=life.began_at, number=life.number)
        self._closed_at = 0.0

    def _miss(self, reason: str, count: int = 0, *, at: float = 0.0, until: float = 0.0, number: int = 0) -> None:
        """Several at one place are told as one; that the gateway was away says the most."""
        at = at or self._at or until or self._own.began_at
        found = Missing(max(number, self._number + 1), at, max(at, until), reason, count)
        before = self._waiting
        if before is not None:
            told = before.reason if found.reason in before.reason else f"{before.reason}; {found.reason}"
            number = max(before.number, found.number)
            at, until = min(before.at, found.at), max(before.until, found.until)
            found = Missing(number, at, until, told, before.count + found.count)
        self._waiting = found

    def _told(self) -> Iterator[Missing]:
        found, self._waiting = self._waiting, None
        if found is not None:
            self._number = max(self._number, found.number)
            yield found


def emptied(folder: Path) -> None:
    """Its segments go, and itself, where there is nothing else in it. Raises OSError."""
    if not folder.is_dir():
        return
    for path in list(folder.iterdir()):
        if _SEGMENT.fullmatch(path.name):
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        folder.rmdir()
