"""Who did what, kept where it can't be changed unseen. Decides nothing and never fails a request.

The newest entries are in memory, whether or not there is a file. Lines of the file are collected and written together,
a tenth of a second later at most or when there are many: one call costs a list append on the data plane. What the disk
refuses is counted and said in the log.
"""

import asyncio
import logging
import os
import sys
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final, Protocol

import msgspec

from gateway.wire.audit import START, AuditRecord, chain, read_line

DELAY: Final = 0.1  # seconds that a line may wait
MANY: Final = 1000  # lines that are written at once
MAX_BYTES: Final = 64 * 1024 * 1024
KEPT_FILES: Final = 10
STDOUT: Final = "-"
REMEMBERED: Final = 1000  # entries in memory
BURST: Final = 100  # refusals of nobody in particular that are recorded at once
PER_SECOND: Final = 10.0  # and from then on: whoever knocks without a key must not fill the disk

log = logging.getLogger(__name__)


class Recordable(Protocol):
    """Something that happened, whose record is worked out when it is wanted."""

    def record(self) -> AuditRecord: ...


type Entry = AuditRecord | Recordable


class Recorder(Protocol):
    """Where entries go: an AuditLog, or who passes them on to one."""

    def record(self, entry: Entry) -> None: ...

    def record_stranger(self, entry: AuditRecord) -> None: ...


class AuditLog:
    """Appends to one file, or to stdout ("-"), and goes on where an earlier process ended; "" keeps no file.

    Made by `open_audit`. path: as it was given.
    """

    def __init__(self, path: str, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> None:
        self.path = path
        self._max_bytes, self._kept_files = max_bytes, kept_files
        self._file: BinaryIO | None = None
        self._head = START
        if path:
            self._file, self._head = _opened(path)
        self._remembered: deque[Entry] = deque(maxlen=REMEMBERED)
        self._waiting: list[Entry] = []
        self._timer: asyncio.TimerHandle | None = None
        self._allowance = _Allowance()
        self.lost = 0  # lines that could not be written

    def record(self, entry: Entry) -> None:
        """Never waits, never raises. Called on the loop."""
        self._remembered.append(entry)
        if self._file is None:
            return
        self._waiting.append(entry)
        if len(self._waiting) >= MANY:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self.flush)

    def record_stranger(self, entry: AuditRecord) -> None:
        """As `record`, for what anybody can cause without being known: of a flood only some, and how many more."""
        if not self._allowance.has_one(asyncio.get_running_loop().time()):
            return
        if missed := self._allowance.missed:
            self._allowance.missed = 0
            said = f"{entry.detail}; {missed} more like it before are not recorded".removeprefix("; ")
            entry = msgspec.structs.replace(entry, detail=said)
        self.record(entry)

    def remembered(self) -> Iterator[AuditRecord]:
        """The newest first."""
        return map(_as_record, reversed(self._remembered))

    def flush(self) -> None:
        """Writes what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        entries, self._waiting = self._waiting, []
        head, lines = self._head, []
        for entry in entries:
            line, head = chain(_as_record(entry), head)
            lines.append(line)
        if not lines or self._file is None:
            return
        try:
            self._file.write(b"\n".join(lines) + b"\n")
            self._file.flush()
        except OSError as error:
            self.lost += len(lines)
            log.error("audit: %d lines lost: %s", len(lines), error)  # noqa: TRY400 - no traceback per full disk
            return
        self._head = head
        try:
            self._rotate_if_full(self._file)
        except OSError as error:
            log.warning("audit: %s can't be rotated and grows on: %s", self.path, error)

    def close(self) -> None:
        self.flush()
        if self._file is not None and self.path != STDOUT:
            self._file.close()

    def _rotate_if_full(self, file: BinaryIO) -> None:
        """audit.jsonl -> audit.jsonl.1 -> …; the new file continues the chain of the old one."""
        if self.path == STDOUT or file.tell() < self._max_bytes:
            return
        for number in range(self._kept_files - 1, 0, -1):
            older = Path(f"{self.path}.{number}")
            if older.exists():
                older.replace(f"{self.path}.{number + 1}")
        Path(self.path).replace(f"{self.path}.1")
        self._file = _appending(self.path)
        file.close()


class _Allowance:
    """A bucket of BURST that fills with PER_SECOND. missed: how many found it empty since."""

    def __init__(self) -> None:
        self._left, self._at = float(BURST), 0.0
        self.missed = 0

    def has_one(self, now: float) -> bool:
        self._left = min(BURST, self._left + (now - self._at) * PER_SECOND)
        self._at = now
        if self._left < 1:
            self.missed += 1
            return False
        self._left -= 1
        return True


def _as_record(entry: Entry) -> AuditRecord:
    return entry if isinstance(entry, AuditRecord) else entry.record()


@asynccontextmanager
async def open_audit(path: str, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> AsyncIterator[AuditLog]:
    """path: a file, "-" for stdout, or "" for memory alone. Raises OSError when it can't be opened: better no start
    than no audit."""
    audit = AuditLog(path, max_bytes=max_bytes, kept_files=kept_files)
    try:
        yield audit
    finally:
        audit.close()


def _opened(path: str) -> tuple[BinaryIO, str]:
    """The file and the hash to go on from. A torn last line, left by a crash, is cut off and said."""
    if path == STDOUT:
        return sys.stdout.buffer, START
    file = _appending(path)
    last, torn = _last_line(path)
    if torn:
        log.warning("audit: %s ended in the middle of a line (%d bytes, cut off): a crash", path, torn)
        file.truncate(file.tell() - torn)
        file.seek(0, os.SEEK_END)
    if not last:
        older = Path(f"{path}.1")
        last = _last_line(str(older))[0] if older.exists() else b""
    try:
        return file, read_line(last).hash if last else START
    except msgspec.DecodeError:
        log.warning("audit: the last line of %s is no audit line; the chain starts anew, and verify says so", path)
        return file, START


def _appending(path: str) -> BinaryIO:
    handle = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    file = os.fdopen(handle, "ab")
    file.seek(0, os.SEEK_END)
    return file


def _last_line(path: str) -> tuple[bytes, int]:
    """The last whole line, and how many bytes of a torn one follow it."""
    with Path(path).open("rb") as file:
        size = file.seek(0, os.SEEK_END)
        file.seek(max(0, size - 64 * 1024))  # lines are under a kilobyte
        tail = file.read()
    whole, newline, torn = tail.rpartition(b"\n")
    return (whole.rpartition(b"\n")[2], len(torn)) if newline else (b"", len(torn))
