"""One request as a value, the bounds on what a client may send, and how a request is refused that can't be read."""

import re
from typing import Final

import msgspec

type Headers = list[tuple[bytes, bytes]]

HOST = re.compile(rb"[!$%&'()*+,\-.0-9:;=A-Z\[\]_a-z~]*")  # RFC 3986, 3.2.2: a name or an address, and a port


class Limits(msgspec.Struct, frozen=True):
    """Bounds on what a client may send. Bytes, except `header_count`."""

    head: int = 32 * 1024
    header_count: int = 128
    body: int = 4 * 1024 * 1024


DEFAULT_LIMITS: Final = Limits()


class Noted:
    """What requests with the same head share. `note` is the handler's own: what it concluded from that head."""

    __slots__ = ("note",)

    def __init__(self) -> None:
        self.note: object = None


class Request:
    """One request, whole. Header names are lower case; duplicates stand in their order.

    shape: what it shares with the connection's next requests, where their heads differ in nothing but the body's length
    and each call's own.
    """

    __slots__ = ("body", "headers", "is_http10", "keep_alive", "method", "path", "query", "shape", "target")

    def __init__(self) -> None:
        self.method = ""
        self.target = b""
        self.path = ""
        self.query = b""
        self.headers: Headers = []
        self.body = b""
        self.keep_alive = True
        self.is_http10 = False
        self.shape: Noted | None = None

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header; None when it is absent."""
        for key, value in self.headers:
            if key == name:
                return value
        return None

    def values(self, name: bytes) -> list[bytes]:
        return [value for key, value in self.headers if key == name]


class Refusal(Exception):
    """What was sent is no request, or too large a one. Nothing that follows it on its connection can be trusted."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status, self.sentence = status, sentence
