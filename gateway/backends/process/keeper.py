"""Keeps what one life of an instance says, as a process of its own: lines and their times outlast the gateway.

Reads stdin to its end, stamps each line with the time it came, and writes segments of bounded size.

Run by path, with the standard library alone, since every instance has one. A segment's name holds the life, and how
many bytes of that life's log came before it; so a place in the log is one number that rotation leaves alone.
"""

import contextlib
import os
import signal
import sys
import time

SEGMENT_BYTES = 1024 * 1024
KEPT_SEGMENTS = 8  # of one life
LONGEST_LINE = 64 * 1024  # longer ones are cut into several
_CHUNK = 64 * 1024


class Segments:
    """Whole lines go in; the oldest segment goes away. What the disk refuses is counted, and said once it can be."""

    def __init__(
        self, folder: str, life: int, *, segment_bytes: int = SEGMENT_BYTES, kept: int = KEPT_SEGMENTS
    ) -> None:
        self._folder, self._life, self._segment_bytes, self._kept = folder, life, segment_bytes, kept
        self._base = self._size = self._lost = 0
        self._bases = [0]
        self._file = self._open(0)

    def write(self, lines: list[bytes], stamp: bytes) -> None:
        if self._lost:
            lines = [b"mcpdeck: %d log lines lost, since they could not be written" % self._lost, *lines]
        block = b"".join([b"%b %b\n" % (stamp, line) for line in lines])
        try:
            self._write_whole(block)
        except OSError:
            self._lost += len(lines) - bool(self._lost)
            return
        self._lost = 0
        if self._size >= self._segment_bytes:
            self._rotate()

    def _write_whole(self, block: bytes) -> None:
        """All of it or nothing: half a line would be taken for one."""
        try:
            view = memoryview(block)
            while view:
                view = view[os.write(self._file, view) :]
        except OSError:
            os.ftruncate(self._file, self._size)
            raise
        self._size += len(block)

    def _rotate(self) -> None:
        base = self._base + self._size
        try:
            file = self._open(base)
        except OSError:
            return  # the segment grows on; the next line tries again
        os.close(self._file)
        self._file, self._base, self._size = file, base, 0
        self._bases.append(base)
        for old in self._bases[: -self._kept]:
            with contextlib.suppress(OSError):
                os.unlink(self._path(old))  # noqa: PTH108 - pathlib costs this process a third of its start
        self._bases = self._bases[-self._kept :]

    def _open(self, base: int) -> int:
        return os.open(self._path(base), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    def _path(self, base: int) -> str:
        return f"{self._folder}/{segment_name(self._life, base)}"


def segment_name(life: int, base: int) -> str:
    return f"{life:06d}.{base:012d}.log"


def stamp_of(seconds: float) -> bytes:
    """`2026-11-24T22:53:08.123456Z`: as RFC 3339 has it, and always of one width."""
    whole = int(seconds)
    micros = int((seconds - whole) * 1e6)
    return b"%b.%06dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(whole)).encode(), micros)


def keep(source: int, segments: Segments) -> None:
    """Until nobody is left who could write to the source."""
    rest = b""
    while chunk := os.read(source, _CHUNK):
        *lines, rest = (rest + chunk).split(b"\n")
        while len(rest) >= LONGEST_LINE:
            lines.append(rest[:LONGEST_LINE])
            rest = rest[LONGEST_LINE:]
        if lines:
            segments.write(lines, stamp_of(time.time()))
    if rest:
        segments.write([rest], stamp_of(time.time()))


def main() -> None:
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # its instance's last words are still to come
    folder, life = sys.argv[1:]
    keep(0, Segments(folder, int(life)))


if __name__ == "__main__":
    main()
