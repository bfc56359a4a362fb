"""Heads that differ in their body's length, and what names a single call, alone: read once, not read again."""

import re
from typing import Final

from gateway.wire.http1.request import Noted, Request

# What each call of a client says anew: its trace, its id, its tool. Nothing of it says who asks, or how to answer.
OWN = re.compile(rb"traceparent|tracestate|baggage|x-request-id|x-correlation-id|mcp-name|mcp-param-[-0-9a-z_]{1,64}")
_DIGITS: Final = 15  # of a Content-Length
_LONGEST: Final = 512  # bytes of a value that may be another one
_VALUE: Final = rb"[!-~](?:[ -~]{0,%d}[!-~])?" % (_LONGEST - 2)
_LENGTH_LINE = re.compile(rb"\r\n(content-length):[ \t]*([0-9]{1,15})(?=[ \t]*\r\n)", re.IGNORECASE)
_CHANGING_LINE = re.compile(
    rb"\r\n(?:(content-length):[ \t]*(?=[0-9]{1,15}[ \t]*\r\n)|(?:%b):[ \t]*)(%b)(?=[ \t]*\r\n)"
    % (OWN.pattern, _VALUE),
    re.IGNORECASE,
)
_is_value = re.compile(_VALUE).fullmatch
_blank: Final = Request.__new__


class Likeness:
    """A head that was read and found good. A message needs no parser if it has the same, whatever its Content-Length.

    One side of a connection says one head again and again. Only digits may differ, where those of the length were, and
    what is printable, where a request says its own, so that nothing passes that the parser would not take.
    `values`: of the message that was taken last, in their order; `length`: which of them is its length.
    """

    __slots__ = ("_end", "_head", "_limit", "_pieces", "_size", "_whole", "length", "values")

    def __init__(self, head: bytes, places: list[re.Match[bytes]], limit: int) -> None:
        starts = [0, *(each.end(2) for each in places)]
        self._pieces = [head[start : each.start(2)] for start, each in zip(starts, places, strict=False)]
        self._end = head[starts[-1] :]
        self.values = [each[2] for each in places]
        self.length = next(at for at, each in enumerate(places) if each[1])
        self._head, self._size, self._limit = head, len(head), limit
        self._whole = len(head) + int(self.values[self.length])

    @classmethod
    def of(cls, head: bytes) -> "Likeness | None":
        """Of an answer's head, to its empty line, that line too. None where it names no length."""
        length = _LENGTH_LINE.search(head)
        return None if length is None else cls(head, [length], len(head) + _LONGEST)

    @classmethod
    def of_request(cls, head: bytes, limit: int) -> "Likeness | None":
        """As `of`. limit: bytes of a head that is taken."""
        places = list(_CHANGING_LINE.finditer(head))
        return cls(head, places, limit) if any(each[1] for each in places) else None

    def split(self, data: bytes) -> bytes | None:
        """The body of data, where that is one message with this head, whole and nothing else. `values` are its."""
        if data.startswith(self._head):  # an answer's, most often; and a request's whose client names no call
            return data[self._size :] if len(data) == self._whole else None
        values, at = [], 0
        for piece in self._pieces:
            if not data.startswith(piece, at):
                return None
            start = at + len(piece)
            at = data.find(b"\r", start, start + _LONGEST + 1)
            value = data[start:at]
            if at < 0 or not _is_value(value):
                return None
            values.append(value)
        digits = values[self.length]
        if not digits.isdigit() or len(digits) > _DIGITS or not data.startswith(self._end, at):
            return None
        size = at + len(self._end)
        if len(data) != size + int(digits) or size > self._limit:
            return None
        self.values, self._head, self._size, self._whole = values, data[:size], size, len(data)
        return data[size:]


class Shape(Noted):
    """What a connection's requests have in common while their heads are alike."""

    __slots__ = ("_first", "_headers", "_likeness", "_limit", "_places", "_values")

    def __init__(self, likeness: Likeness, request: Request, places: list[int], limit: int) -> None:
        """places: where in the headers the likeness's values stand. limit: bytes of a body."""
        super().__init__()
        self._likeness, self._places, self._limit = likeness, places, limit
        self._first = (request.method, request.target, request.path, request.query)
        self._values, self._headers = likeness.values, request.headers

    @classmethod
    def of(cls, head: bytes, request: Request, *, head_limit: int, limit: int) -> "Shape | None":
        """None where nothing can be told of the next one."""
        likeness = Likeness.of_request(head, head_limit)
        if likeness is None:
            return None
        headers = request.headers
        places = [at for at, (name, _) in enumerate(headers) if name == b"content-length" or OWN.fullmatch(name)]
        if [headers[at][1] for at in places] != likeness.values:
            return None
        return cls(likeness, request, places, limit)

    def request(self, data: bytes) -> Request | None:
        """The one request that data is; None where it is not of this shape."""
        likeness = self._likeness
        body = likeness.split(data)
        if body is None or len(body) > self._limit:
            return None
        if self._values is not likeness.values:
            self._values = values = likeness.values
            self._headers = headers = self._headers.copy()
            for at, value in zip(self._places, values, strict=True):
                headers[at] = (headers[at][0], value)
        request = _blank(Request)
        request.method, request.target, request.path, request.query = self._first
        request.headers, request.body, request.shape = self._headers, body, self
        request.keep_alive, request.is_http10 = True, False
        return request
