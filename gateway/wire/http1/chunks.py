"""A body in chunks, read from the front of a buffer as it comes. Trailers are read and dropped. (RFC 9112, 7.1)

They must be sized and ended as the RFC says, to the byte: what another reader might end elsewhere is refused.
"""

import re
from typing import Final

from gateway.wire.http1.request import Refusal

_SIZE_LINE = re.compile(rb"([0-9a-fA-F]{1,8})(?:[ \t]{0,16};[^\r\n\x00]{0,256})?\r\n")
_SIZE_BEGINNING = re.compile(rb"[0-9a-fA-F]{1,8}(?:[ \t]{0,16}(?:;[^\r\n\x00]{0,256})?)?\r?")
_TRAILER_LINE = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+:[\t\x20-\x7e\x80-\xff]*|")  # the empty one ends them
_OVERHEAD: Final = 16 * 1024  # bytes of size lines beyond what chunks of a fair size need; and of trailers
_SIZE_LINE_ALLOWANCE: Final = 16  # bytes of a size line that each chunk may have for nothing
_TO_SIZE: Final = -1
_TO_TRAILER: Final = -2


class Chunks:
    """limit: bytes of body. Raises Refusal at the first byte that is wrong, or too many."""

    __slots__ = ("_body", "_limit", "_needed", "_overhead", "_trailer")

    def __init__(self, limit: int) -> None:
        self._body = bytearray()
        self._limit = limit
        self._needed = _TO_SIZE
        self._overhead = self._trailer = 0

    @property
    def size(self) -> int:
        return len(self._body)

    def feed(self, buffer: bytearray) -> bytes | None:
        """The whole body once its end is there, else None."""
        while True:
            if self._needed == _TO_TRAILER:
                return bytes(self._body) if self._skip_trailer(buffer) else None
            if self._needed == _TO_SIZE:
                if not self._read_size(buffer):
                    return None
            elif not self._read_chunk(buffer):
                return None

    def _read_size(self, buffer: bytearray) -> bool:
        found = _SIZE_LINE.match(buffer)
        if found is None:
            if buffer and not _SIZE_BEGINNING.fullmatch(buffer):
                raise Refusal(400, "a chunk has no size")
            return False
        size = int(found[1], 16)
        del buffer[: found.end()]
        if len(self._body) + size > self._limit:
            raise Refusal(413, f"the body exceeds {self._limit} bytes")
        self._overhead = max(0, self._overhead + found.end() - _SIZE_LINE_ALLOWANCE - 2 * size)
        if self._overhead > _OVERHEAD:
            raise Refusal(400, "the chunks are made of little but their extensions")
        self._needed = size or _TO_TRAILER
        return True

    def _read_chunk(self, buffer: bytearray) -> bool:
        end = self._needed
        if not b"\r\n".startswith(buffer[end : end + 2]):
            raise Refusal(400, "a chunk is longer than it says")
        if len(buffer) < end + 2:
            return False
        self._body += buffer[:end]
        del buffer[: end + 2]
        self._needed = _TO_SIZE
        return True

    def _skip_trailer(self, buffer: bytearray) -> bool:
        while True:
            end = buffer.find(b"\r\n", 0, _OVERHEAD)
            if self._trailer + (end if end >= 0 else len(buffer)) >= _OVERHEAD:
                raise Refusal(431, "the trailer is too long")
            if end < 0:
                return False
            if not _TRAILER_LINE.fullmatch(buffer, 0, end):
                raise Refusal(400, "a line of the trailer is no header")
            del buffer[: end + 2]
            self._trailer += end + 2
            if end == 0:
                return True
