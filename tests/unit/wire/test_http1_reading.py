"""HTTP/1.1 without a socket: requests out of bytes, and answers into them."""

import asyncio
from typing import Any, cast

import pytest

from gateway.wire.http1 import Connection, Exchange, Limits, Request, reading
from gateway.wire.http1.reading import Reader
from gateway.wire.http1.request import Refusal

CALL = b"POST /mcp?a=b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"POST / HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n"


def reader(*pieces: bytes, limits: Limits | None = None) -> Reader:
    made = Reader(limits or Limits())
    for piece in pieces:
        made.buffer.extend(piece)
    return made


def test_request_is_whole_once_its_body_is_there() -> None:
    subject = reader(CALL[:-1])
    assert subject.read() is None
    assert (subject.is_between, subject.received) == (False, len(CALL) - 1)
    subject.buffer.extend(CALL[-1:])
    request = subject.read()
    assert request is not None
    assert (request.method, request.path, request.query, request.body) == ("POST", "/mcp", b"a=b", b"{}")
    assert (subject.is_between, subject.received) == (True, None)


def test_chunks_count_as_received() -> None:
    subject = reader(CHUNKED, b"3\r\nabc\r\n")
    assert subject.read() is None
    assert subject.received == len(CHUNKED) + 3


@pytest.mark.parametrize(
    ("said", "status"),
    [
        (CHUNKED + b"9\r\n", 413),
        (CALL.replace(b"2", b"9"), 413),
        (CALL.replace(b"1.1", b"1.2"), 400),
        (CALL.replace(b"HTTP/1.1", b"HTTP/0.9"), 505),
        (CALL.replace(b"POST", b"P\xf6ST"), 400),
        (CALL.replace(b": 2", b": 0000000000000002"), 400),
        (CALL.replace(b"POST ", b"POST  "), 400),
        (CALL.replace(b" HTTP", b"  HTTP"), 400),
        (CHUNKED + b"0\r\nX: y\0\r\n\r\n", 400),
        (CHUNKED + b"0\r\nno header\r\n\r\n", 400),
        (CHUNKED + b"0\r\nX: y\nZ: a\r\n\r\n", 400),
    ],
)
def test_what_is_refused_says_why(said: bytes, status: int) -> None:
    with pytest.raises(Refusal) as refusal:
        reader(said, limits=Limits(body=8)).read()
    assert refusal.value.status == status


def test_headers_that_many_clients_say_are_kept_once(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = reader(CALL).read(), reader(CALL).read()
    assert one is not None
    assert other is not None
    assert one.headers[0] is other.headers[0]
    monkeypatch.setattr(reading, "_MOST_NAMES", 0)
    odd = reader(CALL.replace(b"localhost", b"odd").replace(b"Host", b"hOSt")).read()
    assert odd is not None
    assert odd.header(b"host") == b"odd"
    long = reader(CALL.replace(b"localhost", b"l" * 200)).read()
    assert long is not None
    assert long.header(b"host") == b"l" * 200


class Wire:
    """What an answer is written to."""

    peer = "127.0.0.1"

    def __init__(self) -> None:
        self.transport = cast("asyncio.Transport", self)
        self.written = b""
        self.is_cut = False
        self.ended: list[Exchange] = []

    def write(self, data: bytes) -> None:
        self.written += data

    def abort(self) -> None:
        self.is_cut = True

    def get_extra_info(self, name: str) -> Any:
        return None

    def can_write_eof(self) -> bool:
        return False

    def exchange_ended(self, exchange: Exchange) -> None:
        self.ended.append(exchange)


def asked(**changes: Any) -> tuple[Exchange, Wire]:
    request, wire = Request(), Wire()
    for name, value in ({"method": "POST"} | changes).items():
        setattr(request, name, value)
    return Exchange(wire, request), wire


def test_answer_without_a_body_names_no_length() -> None:
    exchange, wire = asked()
    exchange.respond(204)
    assert wire.written.startswith(b"HTTP/1.1 204 No Content\r\ndate: ")
    assert b"content-length" not in wire.written
    assert wire.ended == [exchange]


def test_answer_of_http_1_0_says_that_the_connection_stays() -> None:
    exchange, wire = asked(is_http10=True)
    exchange.respond(299, [(b"a", b"b")], b"body")
    assert wire.written.startswith(b"HTTP/1.1 299 Status\r\na: b\r\ncontent-length: 4\r\n")
    assert wire.written.endswith(b"connection: keep-alive\r\n\r\nbody")


def test_answer_is_never_longer_than_it_says_nor_shorter() -> None:
    exchange, wire = asked()
    exchange.start(200, length=4)
    exchange.write(b"bo")
    with pytest.raises(RuntimeError, match="longer"):
        exchange.write(b"dies")
    exchange, wire = asked()
    exchange.start(200, length=4)
    exchange.write(b"bo")
    exchange.finish()
    assert wire.is_cut
    assert exchange.has_ended
    exchange.finish()
    exchange.write(b"dy")
    exchange.left()
    assert wire.written.endswith(b"\r\n\r\nbo")
    assert not wire.ended


def test_head_leaves_once_before_the_body_or_with_its_end() -> None:
    exchange, wire = asked()
    exchange.start(200)
    exchange.flush()
    exchange.flush()
    exchange.write(b"")
    exchange.finish()
    assert wire.written.count(b"HTTP/1.1 200 OK") == 1
    assert wire.written.endswith(b"\r\n\r\n0\r\n\r\n")
    exchange, wire = asked()
    exchange.start(200, length=0)
    exchange.finish()
    assert wire.written.endswith(b"\r\n\r\n")


async def test_connection_that_nobody_extends_serves_all_and_refuses_in_plain_words() -> None:
    found: list[Exchange] = []
    connection, wire = Connection(found.append), Wire()
    connection.connection_made(cast("Any", wire))
    connection.pause_writing()
    connection.resume_writing()
    connection.data_received(b"nonsense\r\n\r\n")
    assert b"content-type: text/plain" in wire.written
    connection.data_received(CALL)  # is read and dropped
    connection.connection_lost(None)
    assert not found
    with pytest.raises(NotImplementedError):
        connection.hand_over(b"")
