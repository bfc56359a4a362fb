"""The exchange of a call that is held: its client hears why it waits, if it wants to, and the answer on that stream.

Without a progress token nothing is said until there is an answer, and the answer is what it would have been.
"""

from collections.abc import Callable

from msgspec import Raw

from gateway.core.ports import Exchange
from gateway.toolrouter.inner import EVENT_STREAM, Passing, media_type
from gateway.toolrouter.replies import Stream
from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.http1 import Headers
from gateway.wire.mcp import Era
from gateway.wire.media import accepts
from gateway.wire.policies import PendingApproval


class Resumed(Passing):
    """Around a client's exchange, whose answer may have begun as an event stream. left: called when the client goes."""

    def __init__(self, outer: Exchange, stream: Stream | None, left: Callable[[], None]) -> None:
        super().__init__(outer, outer.request)
        self.on_leave = left
        self._stream, self._is_stream = stream, False
        self._body = bytearray()

    def tick(self) -> None:
        """While the call is held."""
        if self._stream is not None:
            self._stream.tick()

    def resume(self) -> None:
        """The call goes on, or is over: what comes now is its answer."""
        self.on_leave = None

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        if self._stream is None:
            super().whole(status, headers, body)
        else:
            self._outer.write(body if media_type(headers) == EVENT_STREAM else _event(body))
            self._outer.finish()

    def began(self, status: int, headers: Headers, length: int | None) -> None:
        if self._stream is None:
            super().began(status, headers, length)
        else:
            self._is_stream = media_type(headers) == EVENT_STREAM

    def went_on(self, chunk: bytes) -> None:
        if self._stream is None or self._is_stream:
            super().went_on(chunk)
        else:
            self._body += chunk

    def ended(self) -> None:
        if self._body:
            self._outer.write(_event(bytes(self._body)))
        super().ended()


def waiting(
    exchange: Exchange, pending: PendingApproval, era: Era, *, token: Raw | None, left: Callable[[], None]
) -> Resumed:
    takes_stream = era is Era.MODERN or accepts(exchange.request.header(b"accept"))[1]
    if token is None or not takes_stream:
        return Resumed(exchange, None, left)
    stream = Stream(exchange)
    reason = f" ({pending.reason})" if pending.reason else ""
    message = f"waits for approval {pending.id}{reason}, until {pending.expires_at:%H:%M:%S} UTC"
    stream.event(jsonrpc.notification(mcp.PROGRESS, {"progressToken": token, "progress": 0, "message": message}))
    return Resumed(exchange, stream, left)


def _event(body: bytes) -> bytes:
    return sse.encode(body.replace(b"\n", b" ").replace(b"\r", b" "))
