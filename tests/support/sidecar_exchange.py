"""An HTTP exchange without a socket: what is answered is read back as a client would."""

from typing import Any, cast

import msgspec

from gateway.wire import sse
from gateway.wire.http1 import Connection, Exchange, Request
from gateway.wire.replies import Reply


class _Transport:
    def __init__(self) -> None:
        self.sent = b""
        self.unread = 0
        self.is_cut = False

    def write(self, data: bytes) -> None:
        self.sent += data

    def get_write_buffer_size(self) -> int:
        return self.unread

    def abort(self) -> None:
        self.is_cut = True


class _Connection:
    def __init__(self) -> None:
        self.transport = _Transport()

    def date(self) -> bytes:
        return b"date: today"

    def exchange_ended(self, exchange: Exchange) -> None:
        """Where the next request would be read."""


class Asked:
    """One request of a client's and what it has been answered so far."""

    def __init__(self, **accepts: bool) -> None:
        self.connection = _Connection()
        self.exchange = Exchange(cast("Connection", self.connection), Request())
        self.reply = Reply(self.exchange, **accepts)

    @property
    def is_answered(self) -> bool:
        return self.exchange.has_ended

    @property
    def is_cut(self) -> bool:
        return self.connection.transport.is_cut

    @property
    def status(self) -> int:
        return self.exchange.status

    @property
    def headers(self) -> dict[str, str]:
        head = self.connection.transport.sent.partition(b"\r\n\r\n")[0].decode()
        return dict(line.split(": ", 1) for line in head.split("\r\n")[1:])

    @property
    def body(self) -> bytes:
        head, _, rest = self.connection.transport.sent.partition(b"\r\n\r\n")
        return _dechunk(rest) if b"chunked" in head else rest

    @property
    def json(self) -> Any:
        assert self.is_answered
        return msgspec.json.decode(self.body)

    @property
    def events(self) -> list[Any]:
        return [msgspec.json.decode(event.data) for event in sse.Decoder().feed(self.body) if event.data is not None]

    def leave(self) -> None:
        self.exchange.left()


def _dechunk(data: bytes) -> bytes:
    body = b""
    while data:
        size, _, data = data.partition(b"\r\n")
        body += data[: int(size, 16)]
        data = data[int(size, 16) + 2 :]
    return body
