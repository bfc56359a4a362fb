"""One client's connection: reads requests off it one after the other, and hands each to whoever answers."""

import asyncio
from collections.abc import Callable
from typing import Final, cast

from gateway.wire.http1.alike import Shape
from gateway.wire.http1.exchange import Exchange
from gateway.wire.http1.reading import Reader
from gateway.wire.http1.request import DEFAULT_LIMITS, Limits, Refusal, Request

_LINGER: Final = 2.0  # seconds that a refused client's bytes are still read
_PIPELINE_BYTES: Final = 64 * 1024  # what may wait behind a request that is being answered, before reading pauses
_CONTINUE: Final = b"HTTP/1.1 100 Continue\r\n\r\n"


class Connection(asyncio.Protocol):
    """One client's connection. Requests that come pipelined are answered one after the other, in order.

    on_request: called with each whole request. on_open and on_close: for who counts or closes connections.
    """

    def __init__(
        self,
        on_request: Callable[[Exchange], None],
        limits: Limits = DEFAULT_LIMITS,
        *,
        on_open: Callable[["Connection"], None] | None = None,
        on_close: Callable[["Connection"], None] | None = None,
    ) -> None:
        self.transport: asyncio.Transport = _NO_TRANSPORT
        self.exchange: Exchange | None = None
        self.is_closing = False
        self._is_leaving = False
        self.peer = ""
        self._on_request, self._limits = on_request, limits
        self._on_open, self._on_close = on_open, on_close
        self._reader = Reader(limits)
        self._buffer = self._reader.buffer
        self._shape: Shape | None = None  # not while a request is being read, nor when the next is to be the last
        self._advancing = False
        self._lingering: asyncio.TimerHandle | None = None
        self.sweeps = 0  # for who looks at all connections now and then: looks since the last request was whole

    # asyncio's side

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)  # uvloop's own has no base class in common
        address = transport.get_extra_info("peername")
        self.peer = address[0] if isinstance(address, tuple) else ""
        if self._on_open is not None:
            self._on_open(self)

    def data_received(self, data: bytes) -> None:
        if self._lingering is not None:
            return
        if self._shape is not None and not self._buffer and self.exchange is None:
            request = self._shape.request(data)
            if request is not None and not self.is_closing:
                self.sweeps = 0
                self.exchange = exchange = Exchange(self, request)
                self._on_request(exchange)
                return
        self._buffer += data
        if self.exchange is None:
            self._advance()
        elif len(self._buffer) > _PIPELINE_BYTES:
            self.transport.pause_reading()

    def connection_lost(self, error: Exception | None) -> None:  # noqa: ARG002 - asyncio's signature
        exchange, self.exchange, self.is_closing = self.exchange, None, True
        self._buffer.clear()
        if self._lingering is not None:
            self._lingering.cancel()
        if exchange is not None:
            exchange.left()
        if self._on_close is not None:
            self._on_close(self)

    def pause_writing(self) -> None:
        if self.exchange is not None and self.exchange.on_pause is not None:
            self.exchange.on_pause()

    def resume_writing(self) -> None:
        if self.exchange is not None and self.exchange.on_resume is not None:
            self.exchange.on_resume()

    # the handler's side

    def exchange_ended(self, exchange: Exchange) -> None:
        self.exchange = None
        if not exchange.request.keep_alive or self.is_closing:
            self.is_closing = True
            if self._lingering is None:
                self.transport.close()
            return
        if self._buffer:
            self.transport.resume_reading()
            self._advance()

    def leave(self) -> None:
        """The answer to the next request tells the client that it is the last one here."""
        self._is_leaving, self._shape = True, None

    def close_when_idle(self) -> None:
        """No further request is read; the one under way is answered first."""
        self.is_closing = True
        if self.exchange is None:
            self.transport.close()
        else:
            self.exchange.request.keep_alive = False

    def refuse(self, status: int, sentence: str) -> None:
        """Answer what has come, or is to come, with an error and close. Not while a request is being answered."""
        self._refuse(Refusal(status, sentence))

    @property
    def received(self) -> int | None:
        """Bytes that have come of a request that is not whole yet; None between two requests, and within an answer."""
        return None if self.exchange is not None else self._reader.received

    # reading

    def accepts(self, buffer: bytearray) -> bool | None:  # noqa: ARG002 - for who overrides it
        """Whether the request that begins here is ours: None to ask again with more bytes, False to hand it over."""
        return True

    def hand_over(self, received: bytes) -> None:
        """A request that `accepts` refused begins the bytes received. Who overrides `accepts` takes it from here."""
        raise NotImplementedError

    def explain(self, status: int, sentence: str) -> tuple[bytes, bytes]:  # noqa: ARG002 - for who overrides it
        """What the client of a request that can't be read is told: a media type, and the body."""
        return b"text/plain; charset=utf-8", sentence.encode()

    def _advance(self) -> None:
        if self._advancing:  # an answer that was given at once: the loop below goes on
            return
        self._advancing = True
        try:
            while self._buffer and self.exchange is None and not self.is_closing:
                if (self._reader.is_between and not self._is_ours()) or not self._read():
                    return
        except Refusal as refusal:
            self._refuse(refusal)
        finally:
            self._advancing = False

    def _is_ours(self) -> bool:
        """Whether a request of ours begins here, as far as can be told; another one is handed over."""
        buffer = self._buffer
        self._reader.skip_empty_lines()
        ours = self.accepts(buffer) if buffer else None
        if ours is None and len(buffer) > self._limits.head:
            raise Refusal(431, "the request line is too long")
        if ours is False:
            received = bytes(buffer)
            buffer.clear()
            self.is_closing = True
            self.hand_over(received)
        return bool(ours)

    def _read(self) -> bool:
        """Whether a request was whole; otherwise more bytes are needed."""
        reader, self._shape = self._reader, None
        request = reader.read()
        if request is None:
            if reader.is_awaited:
                reader.is_awaited = False
                self.transport.write(_CONTINUE)
            return False
        self.sweeps = 0
        if self._is_leaving:
            request.keep_alive = False
        else:
            self._shape = reader.shape
        exchange = self.exchange = Exchange(self, request)
        self._on_request(exchange)
        return True

    def _refuse(self, refusal: Refusal) -> None:
        """Answer and close: after a head that cannot be trusted, nothing on this connection can be.

        What still comes is read and dropped for a moment: closing on it would reset the connection, and the client
        would lose the answer (RFC 9112, 9.6).
        """
        self._lingering = asyncio.get_running_loop().call_later(_LINGER, self.transport.abort)
        request = Request()
        request.keep_alive = False
        self._buffer.clear()
        exchange = self.exchange = Exchange(self, request)
        media_type, body = self.explain(refusal.status, refusal.sentence)
        exchange.respond(refusal.status, [(b"content-type", media_type)], body)
        if self.transport.can_write_eof():
            self.transport.write_eof()


class _NoTransport(asyncio.Transport):
    """Before a connection is made, and so that the field has one type."""


_NO_TRANSPORT: Final = _NoTransport()
