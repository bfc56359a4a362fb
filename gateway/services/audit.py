"""Who did what, kept where it can't be changed unseen. Decides nothing and never fails a request.

Lines are collected and written together, a tenth of a second later at most or when there are many: one call costs a
list append on the data plane. What the disk refuses is counted and said in the log.
"""

import asyncio
import logging
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from gateway.wire.audit import START, AuditRecord, chain, read_line

DELAY: Final = 0.1  # seconds that a line may wait
MANY: Final = 1000  # lines that are written at once
MAX_BYTES: Final = 64 * 1024 * 1024
KEPT_FILES: Final = 10
STDOUT: Final = "-"

log = logging.getLogger(__name__)


class AuditLog:
    """Appends to one file, or to stdout ("-"), and goes on where an earlier process ended. Made by `open_audit`."""

    def __init__(self, path: str, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> None:
        self._path = path
        self._max_bytes, self._kept_files = max_bytes, kept_files
        self._file, self._head = _opened(path)
        self._waiting: list[AuditRecord] = []
        self._timer: asyncio.TimerHandle | None = None
        self.lost = 0  # lines that could not be written

    def record(self, record: AuditRecord) -> None:
        """Never waits, never raises. Called on the loop."""
        self._waiting.append(record)
        if len(self._waiting) >= MANY:
            self.flush()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self.flush)

    def flush(self) -> None:
        """Writes what waits."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        records, self._waiting = self._waiting, []
        head, lines = self._head, []
        for record in records:
            line, head = chain(record, head)
            lines.append(line)
        if not lines:
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
            self._rotate_if_full()
        except OSError as error:
            log.warning("audit: %s can't be rotated and grows on: %s", self._path, error)

    def close(self) -> None:
        self.flush()
        if self._path != STDOUT:
            self._file.close()

    def _rotate_if_full(self) -> None:
        """audit.jsonl -> audit.jsonl.1 -> …; the new file continues the chain of the old one."""
        if self._path == STDOUT or self._file.tell() < self._max_bytes:
            return
        for number in range(self._kept_files - 1, 0, -1):
            older = Path(f"{self._path}.{number}")
            if older.exists():
                older.replace(f"{self._path}.{number + 1}")
        Path(self._path).replace(f"{self._path}.1")
        full, self._file = self._file, _appending(self._path)
        full.close()


@asynccontextmanager
async def open_audit(path: str, *, max_bytes: int = MAX_BYTES, kept_files: int = KEPT_FILES) -> AsyncIterator[AuditLog]:
    """path: a file, or "-" for stdout. Raises OSError when it can't be opened: better no start than no audit."""
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
