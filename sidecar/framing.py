"""Newline-delimited messages out of chunks that are cut anywhere. Knows nothing of JSON and reads from nothing.

Every byte is searched once and copied at most twice, however long its line: what a growing buffer that is searched
from its start again makes quadratic (a 40 MB line took 11 s that way) stays a list of chunks until the line ends.
"""

from typing import Final

import msgspec

DEFAULT_LIMIT: Final = 64 * 1024 * 1024


class TooLong(msgspec.Struct, frozen=True):
    """Stands where a line longer than the limit was. `size` is its length in bytes; its content is gone."""

    size: int


class LineSplitter:
    """Holds at most `limit` bytes, plus one chunk, of a line that has not ended. Empty lines are passed over."""

    def __init__(self, limit: int = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._parts: list[bytes] = []
        self._held = 0  # bytes of the unfinished line, kept or not
        self._is_skipping = False

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        """The lines that end in this chunk, without their `\\n` or `\\r\\n`."""
        pieces = chunk.split(b"\n")
        rest = pieces.pop()
        lines: list[bytes | TooLong] = []
        for piece in pieces:
            line = self._finish(piece) if self._held else self._alone(piece)
            if line:
                lines.append(line)
        if rest:
            self._keep(rest)
        return lines

    def end(self) -> list[bytes | TooLong]:
        """What the stream ended with, where its last line has no newline."""
        return self.feed(b"\n") if self._held else []

    def _alone(self, piece: bytes) -> bytes | TooLong:
        return TooLong(len(piece)) if len(piece) > self._limit else piece.removesuffix(b"\r")

    def _keep(self, rest: bytes) -> None:
        self._held += len(rest)
        if self._held > self._limit:
            self._parts.clear()
            self._is_skipping = True
        else:
            self._parts.append(rest)

    def _finish(self, piece: bytes) -> bytes | TooLong:
        self._keep(piece)
        size, is_skipping = self._held, self._is_skipping
        line = b"" if is_skipping else b"".join(self._parts)
        self._parts.clear()
        self._held, self._is_skipping = 0, False
        return TooLong(size) if is_skipping else line.removesuffix(b"\r")
