"""Whole requests out of a client's bytes, however those were cut: heads by llhttp, bodies by hand. Waits for nothing.

Whatever another reader on the way might take for a different request is refused (RFC 9112, 11.2): a bare CR or LF, a
folded header, two framings, two hosts.
"""

import re
from typing import Final

import httptools

from gateway.wire.http1.alike import Shape
from gateway.wire.http1.chunks import Chunks
from gateway.wire.http1.request import HOST, Limits, Refusal, Request

_SEPARATOR: Final = b"\r\n\r\n"
_LONGEST_LENGTH: Final = 15  # digits of a Content-Length
_MOST_NAMES: Final = 1024
_SHARED_LENGTH: Final = 128
_REQUEST_LINE = re.compile(rb"[!-~]+ [!-~]+ HTTP/[0-9]\.[0-9]\r\n")  # llhttp takes more blanks than one, h11 does not
_ABSOLUTE = re.compile(rb"https?://([^/?#]*)", re.IGNORECASE)


class Reader:
    """`buffer` is what came and was not read yet: whoever receives bytes appends to it, and asks with `read`.

    shape: what the request after the last one probably looks like; None where that can't be told. is_awaited: the
    client waits for 100 Continue before it sends the body; whoever tells it so puts it back.
    """

    __slots__ = (
        "_chunks",
        "_encoding",
        "_expects",
        "_head",
        "_is_ambiguous",
        "_length",
        "_limits",
        "_needed",
        "_parser",
        "_request",
        "buffer",
        "is_awaited",
        "shape",
    )

    def __init__(self, limits: Limits) -> None:
        self.buffer: Final = bytearray()
        self.shape: Shape | None = None
        self.is_awaited = False
        self._limits = limits
        self._request: Request | None = None  # whose body is still to come
        self._head = b""
        self._needed = 0  # bytes of it
        self._chunks: Chunks | None = None
        self._parser: httptools.HttpRequestParser | None = None
        self._length: bytes | None = None
        self._encoding: bytes | None = None
        self._expects = False
        self._is_ambiguous = False  # a framing header came twice

    @property
    def is_between(self) -> bool:
        """Whether what comes next is a head."""
        return self._request is None

    @property
    def received(self) -> int | None:
        """Bytes that have come of a request that is not whole yet; None between two requests."""
        if self._request is None and not self.buffer:
            return None
        return len(self.buffer) + len(self._head) + (self._chunks.size if self._chunks is not None else 0)

    def skip_empty_lines(self) -> None:
        """Between two requests only. (RFC 9112, 2.2)"""
        while self.buffer.startswith(b"\r\n"):
            del self.buffer[:2]

    def read(self) -> Request | None:
        """The next whole request; None while it needs more bytes. Raises Refusal."""
        if self._request is None:
            self._read_head()
        request = self._request
        if request is None:
            return None
        body = self._read_body()
        if body is None:
            return None
        self._request, request.body = None, body
        self._remember(request)
        return request

    def _read_head(self) -> None:
        buffer, limit = self.buffer, self._limits.head
        end = buffer.find(_SEPARATOR, 0, limit)
        if end < 0:
            if len(buffer) >= limit:
                raise Refusal(431, f"the head exceeds {limit} bytes")
            return
        head = bytes(buffer[: end + 4])
        del buffer[: end + 4]
        self._parse(head)

    def _parse(self, head: bytes) -> None:
        if head.count(b"\n") != head.count(b"\r\n") or head.count(b"\r") != head.count(b"\r\n"):
            raise Refusal(400, "a bare CR or LF stands in the head")
        if b"\n " in head or b"\n\t" in head:
            raise Refusal(400, "a header is folded over lines")
        if not _REQUEST_LINE.match(head):
            raise Refusal(400, "the head does not begin with a request line, such as POST /mcp HTTP/1.1")
        request, self._head = Request(), head
        self._request = request
        self._length = self._encoding = None
        self._expects = self._is_ambiguous = False
        parser = self._parser or httptools.HttpRequestParser(self)
        self._parser = parser
        try:
            parser.feed_data(head)
        except httptools.HttpParserUpgrade:
            self._parser = None  # an offer to upgrade is declined by answering in HTTP/1.1
        except httptools.HttpParserError as error:
            raise Refusal(400, f"the head is not HTTP/1.1: {error}") from error
        version = parser.get_http_version()
        if version not in ("1.1", "1.0"):
            raise Refusal(505, f"HTTP/{version} is not spoken here")
        request.method = parser.get_method().decode()
        request.is_http10 = version == "1.0"
        self._settle(request)
        self._settle_body(request)

    def _settle(self, request: Request) -> None:
        """What the headers say of the request as a whole."""
        connection = (request.header(b"connection") or b"").lower()
        request.keep_alive = b"close" not in connection and (not request.is_http10 or b"keep-alive" in connection)
        if len(request.headers) > self._limits.header_count:
            raise Refusal(431, f"there are more than {self._limits.header_count} headers")
        hosts = request.values(b"host")
        if len(hosts) != 1 and not (request.is_http10 and not hosts):
            raise Refusal(400, "a request names exactly one Host")
        target, absolute = request.target, _ABSOLUTE.match(request.target)
        if absolute is not None:  # RFC 9112, 3.2.2: its host counts, whatever Host says
            hosts, target = [absolute[1]], target[absolute.end() :]
            target = target if target.startswith(b"/") else b"/" + target
            request.headers = [(name, absolute[1] if name == b"host" else value) for name, value in request.headers]
        if hosts and not HOST.fullmatch(hosts[0]):
            raise Refusal(400, "Host is not the name of a host")
        path, _, request.query = target.partition(b"?")
        request.path = path.decode("latin-1")

    def _settle_body(self, request: Request) -> None:
        is_chunked = self._encoding is not None
        if is_chunked and (self._length is not None or (self._encoding or b"").lower() != b"chunked"):
            self._is_ambiguous = True
        if self._is_ambiguous or (is_chunked and request.is_http10):
            raise Refusal(400, "the body's framing is ambiguous")
        if is_chunked:
            self._chunks = Chunks(self._limits.body)
            self._parser = None  # it waits for a body that is read here
        elif self._length is not None:
            if not self._length.isdigit() or len(self._length) > _LONGEST_LENGTH:
                raise Refusal(400, "Content-Length is not a number")
            self._needed = int(self._length)
            if self._needed > self._limits.body:
                raise Refusal(413, f"the body exceeds {self._limits.body} bytes")
        self.is_awaited = self._expects and not self.buffer and (is_chunked or self._needed > 0)

    def _read_body(self) -> bytes | None:
        if self._chunks is not None:
            chunked = self._chunks.feed(self.buffer)
            if chunked is not None:
                self._chunks = None
            return chunked
        if len(self.buffer) < self._needed:
            return None
        if self._needed == 0:
            return b""
        body = bytes(self.buffer[: self._needed])
        del self.buffer[: self._needed]
        self._needed = 0
        if self._parser is not None:
            self._parser.feed_data(body)  # it stands at the next message afterwards
        return body

    def _remember(self, request: Request) -> None:
        """What the next request probably looks like. Not beside a stream, which may rest here for days."""
        head, self._head, self.shape, self.is_awaited = self._head, b"", None, False
        is_plain = request.body and request.keep_alive and not request.is_http10 and not self._expects
        if request.method == "GET":
            self._parser = None  # a kilobyte that a stream does not need
        if is_plain and self._encoding is None:
            limits = self._limits
            self.shape = request.shape = Shape.of(head, request, head_limit=limits.head, limit=limits.body)

    # httptools' side

    def on_url(self, url: bytes) -> None:
        assert self._request is not None  # noqa: S101 - it is fed heads, and bodies that end where they say
        self._request.target += url

    def on_header(self, name: bytes, value: bytes) -> None:
        assert self._request is not None  # noqa: S101 - as above
        name = _names.get(name) or _lower(name)
        value = value.rstrip(b" \t")  # llhttp takes off what stands before a value only (RFC 9110, 5.5)
        pair = (name, value)
        if name in _SHARED and len(value) <= _SHARED_LENGTH:
            pair = _pairs.get(pair) or _share(pair)
        self._request.headers.append(pair)
        if name == b"content-length":
            self._is_ambiguous |= self._length is not None
            self._length = value
        elif name == b"transfer-encoding":
            self._is_ambiguous |= self._encoding is not None
            self._encoding = value
        elif name == b"expect" and value.lower() == b"100-continue":
            self._expects = True


_SHARED: Final = frozenset({
    b"accept", b"accept-encoding", b"accept-language", b"cache-control", b"connection", b"content-type", b"host",
    b"mcp-protocol-version", b"user-agent",
})  # fmt: skip
_pairs: dict[tuple[bytes, bytes], tuple[bytes, bytes]] = {}  # headers that client after client says: one copy of each


def _share(pair: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    if len(_pairs) >= _MOST_NAMES:
        _pairs.clear()
    _pairs[pair] = pair
    return pair


_names: dict[bytes, bytes] = {}  # as they came -> in lower case: of all names that come, few are new


def _lower(name: bytes) -> bytes:
    if len(_names) >= _MOST_NAMES:
        _names.clear()
    _names[name] = lower = name.lower()
    return lower
