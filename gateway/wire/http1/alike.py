"""Heads that differ in the length of their body alone: what was read once is not read again. Parses nothing."""

import re
from typing import Final

from gateway.wire.http1.request import Noted, Request

_LENGTH_LINE = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,15})[ \t]*\r\n", re.IGNORECASE)
_blank: Final = Request.__new__
_LONGEST_LENGTH: Final = 16  # digits of a Content-Length, and the end of its line


class Likeness:
    """A head that was read and found good. A message needs no parser if it has the same, whatever its Content-Length.

    One side of a connection says one head again and again. Only digits may differ, where those of the length were, so
    that nothing passes that the parser would not take. `digits`: those of the message that was taken last.
    """

    __slots__ = ("_after", "_before", "_head", "_size", "_whole", "digits")

    def __init__(self, head: bytes, length: re.Match[bytes]) -> None:
        self._before, self._after, self.digits = head[: length.start(1)], head[length.end(1) :], length[1]
        self._head, self._size, self._whole = head, len(head), len(head) + int(length[1])

    @classmethod
    def of(cls, head: bytes) -> "Likeness | None":
        """head: to its empty line, that line too. None where it names no length."""
        length = _LENGTH_LINE.search(head)
        return None if length is None else cls(head, length)

    def split(self, data: bytes) -> bytes | None:
        """The body of data, where that is one message with this head, whole and nothing else. `digits` are its."""
        if data.startswith(self._head):  # most often the length is the one before
            return data[self._size :] if len(data) == self._whole else None
        before, after = self._before, self._after
        if not data.startswith(before):
            return None
        start = len(before)
        end = data.find(b"\r", start, start + _LONGEST_LENGTH)
        digits = data[start:end]
        if end < 0 or not digits.isdigit() or not data.startswith(after, end):
            return None
        size, length = end + len(after), int(digits)
        if len(data) != size + length:
            return None
        self.digits, self._head, self._size, self._whole = digits, data[:size], size, size + length
        return data[size:]


class Shape(Noted):
    """What a connection's requests have in common while their heads are alike."""

    __slots__ = ("_digits", "_first", "_headers", "_likeness", "_limit")

    def __init__(self, likeness: Likeness, request: Request, limit: int) -> None:
        super().__init__()
        self._likeness, self._limit = likeness, limit
        self._first = (request.method, request.target, request.path, request.query)
        self._digits, self._headers = likeness.digits, request.headers

    def request(self, data: bytes) -> Request | None:
        """The one request that data is; None where it is not of this shape."""
        likeness = self._likeness
        body = likeness.split(data)
        if body is None or len(body) > self._limit:
            return None
        if self._digits is not likeness.digits:
            self._digits = digits = likeness.digits
            self._headers = [(name, digits if name == b"content-length" else value) for name, value in self._headers]
        request = _blank(Request)
        request.method, request.target, request.path, request.query = self._first
        request.headers, request.body, request.shape = self._headers, body, self
        request.keep_alive, request.is_http10 = True, False
        return request
