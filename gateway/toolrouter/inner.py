"""A request of the gateway's own server to what is behind the data plane's door, as an Exchange. Opens no connection.

What is answered goes to four methods, which subclasses fill in: pass it on, collect it, or take its events.
"""

from collections.abc import Callable, Iterable
from typing import Final

from gateway.core.ports import Exchange
from gateway.wire import sse
from gateway.wire.http1 import Headers, Noted, Request

JSON: Final = (b"content-type", b"application/json")
CLIENT_LEFT: Final = 499  # where a status is due and there is none: nginx's word
EVENT_STREAM: Final = b"text/event-stream"
ACCEPT: Final = (b"accept", b"application/json, text/event-stream")


class Inner:
    """core.ports.Exchange. One of `whole`, or `began`, `went_on` and `ended`; `broke_off` where the end is missing."""

    def __init__(self, request: Request, peer: str = "") -> None:
        self.request = request
        self.peer = peer
        self.status = self.sent = 0
        self.has_started = self.has_ended = False
        self.on_leave: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None

    # for who asks

    def leave(self) -> None:
        """Nobody wants the answer any more."""
        if not self.has_ended:
            leave = self.on_leave
            self._close()
            if leave is not None:
                leave()

    # for subclasses

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        raise NotImplementedError

    def began(self, status: int, headers: Headers, length: int | None) -> None:
        raise NotImplementedError

    def went_on(self, chunk: bytes) -> None:
        raise NotImplementedError

    def ended(self) -> None:
        raise NotImplementedError

    def broke_off(self) -> None:
        raise NotImplementedError

    # Exchange

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        self.has_started, self.status, self.sent = True, status, len(body)
        self._close()
        self.whole(status, list(headers), body)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        self.has_started, self.status = True, status
        self.began(status, list(headers), length)

    def write(self, chunk: bytes) -> None:
        if chunk and not self.has_ended:
            self.sent += len(chunk)
            self.went_on(chunk)

    def flush(self) -> None:
        """What begins here begins at once."""

    def finish(self) -> None:
        if not self.has_ended:
            self._close()
            self.ended()

    def abort(self) -> None:
        if not self.has_ended:
            self._close()
            self.broke_off()

    def _close(self) -> None:
        self.has_ended = True
        self.on_leave = self.on_pause = self.on_resume = None


class Passing(Inner):
    """Passes everything on to a client's exchange, its patience included.

    done: called once with the status, and the body where it came whole; 0 where the answer broke off.
    """

    def __init__(self, outer: Exchange, request: Request, done: Callable[[int, bytes], None] | None = None) -> None:
        super().__init__(request, outer.peer)
        self._outer, self._done = outer, done
        outer.on_leave = self.leave

    def leave(self) -> None:
        if not self.has_ended:
            super().leave()
            self._tell(CLIENT_LEFT, b"")

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self._tell(status, body)
        if not self._outer.has_ended:
            self._outer.respond(status, headers, body)

    def began(self, status: int, headers: Headers, length: int | None) -> None:
        outer = self._outer
        outer.on_pause, outer.on_resume = self._pause, self._resume
        outer.start(status, headers, length=length)

    def went_on(self, chunk: bytes) -> None:
        self._outer.write(chunk)

    def flush(self) -> None:
        self._outer.flush()

    def ended(self) -> None:
        self._tell(self.status, b"")
        self._outer.finish()

    def broke_off(self) -> None:
        self._tell(0, b"")
        self._outer.abort()

    def _tell(self, status: int, body: bytes) -> None:
        done, self._done = self._done, None
        if done is not None:
            done(status, body)

    def _pause(self) -> None:
        if self.on_pause is not None:
            self.on_pause()

    def _resume(self) -> None:
        if self.on_resume is not None:
            self.on_resume()


class Events(Inner):
    """Takes an answer as messages, whether it comes as JSON or as an event stream.

    head: told the status and headers before anything else. event: told of each message, and of what a stream says
    besides. over: told last, and once: "" where all is well, else why not.
    """

    def __init__(
        self,
        request: Request,
        *,
        event: Callable[[sse.Event], None],
        over: Callable[[str], None],
        head: Callable[[int, Headers], None] | None = None,
        peer: str = "",
    ) -> None:
        super().__init__(request, peer)
        self._event, self._over, self._head = event, over, head
        self._decoder: sse.Decoder | None = None
        self._body = bytearray()

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        self.began(status, headers, len(body))
        self.went_on(body)
        self.ended()

    def began(self, status: int, headers: Headers, length: int | None) -> None:  # noqa: ARG002 - Inner's signature
        if self._head is not None:
            self._head(status, headers)
        if media_type(headers) == EVENT_STREAM:
            self._decoder = sse.Decoder()

    def went_on(self, chunk: bytes) -> None:
        if self._decoder is None:
            self._body += chunk
            return
        try:
            for event in self._decoder.feed(chunk):
                self._event(event)
        except ValueError as error:
            self.leave()
            self._over(str(error))

    def ended(self) -> None:
        if self._decoder is None and self._body:
            self._event(sse.Event(bytes(self._body)))
        self._over("")

    def broke_off(self) -> None:
        self._over("the answer broke off")


def media_type(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower()
    return b""


def request_to(
    path: str, body: bytes, headers: Headers, *, method: str = "POST", shape: Noted | None = None
) -> Request:
    """A request as a door hands it in. shape: what it shares with others that have the same headers."""
    request = Request()
    request.shape = shape
    request.method, request.path, request.target = method, path, path.encode()
    request.headers, request.body = headers, body
    return request
