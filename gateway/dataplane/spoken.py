"""The bridge's two sides over real connections: a client's exchange to answer, and an instance to ask.

Counts, keeps streams alive, holds an instance back while a client does not read. Translates nothing.
"""

import asyncio
import sys
from collections.abc import Callable, Sequence
from typing import Final

import msgspec

from gateway.bridge.sides import Exchange as Exchanged
from gateway.bridge.sides import Header, Heard
from gateway.core import inbound
from gateway.core.errors import GatewayError, UpstreamBroke
from gateway.core.overhearing import Listener
from gateway.core.ports import Account, Exchange
from gateway.core.routes import Endpoint
from gateway.dataplane import replies
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.failures import failure_in, may_tell_of_one
from gateway.dataplane.heads import EVENT_STREAM, REQUEST_ID, is_lasting, media_type
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.tap import held
from gateway.wire import mcp, sse
from gateway.wire.http1 import Headers, Request

KEEP_ALIVE: Final = 15.0  # seconds of silence after which a stream gets a comment, and who waits a stream
UNREAD: Final = 8 * 1024 * 1024  # bytes that may wait for a client that does not read, where no one can be held back
_STREAM: Final = (
    (b"content-type", EVENT_STREAM),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
_POSTED: Final = ((b"content-type", b"application/json"), (b"accept", b"application/json, text/event-stream"))
_STREAMED: Final = ((b"accept", EVENT_STREAM),)


class Answered:
    """bridge.sides.Answer, and plane.Stream. Ends once, with the exchange, whoever ends it."""

    def __init__(self, plane: Plane, exchange: Exchange, target: Target) -> None:
        accept = (exchange.request.header(b"accept") or b"*/*").lower()
        self.accepts_stream = EVENT_STREAM in accept or b"*/*" in accept
        self.headers: tuple[Header, ...] = ()
        self.on_leave: Callable[[], None] | None = None
        self.deadline = 0.0
        self._plane, self._exchange, self._target = plane, exchange, target
        self._request_id = replies.request_id_of(exchange)
        self._account: Account = plane.opened(target, exchange, self._request_id)
        self._listener: Listener | None = None
        if plane.tap is not None:
            self._listen()
        self._is_stream = self._is_paused = self._has_ended = False
        self._problem = self._failure = ""  # what goes wrong here, and what the adapter says did
        self._unread = 0
        self._source: Hearing | None = None  # whose answer this client is getting
        plane.counters.in_flight += 1
        plane.deadlines.watch(self)
        self.deadline = plane.deadlines.after(KEEP_ALIVE)
        exchange.on_leave = self._left
        exchange.on_pause, exchange.on_resume = self._pause, self._resume

    # bridge.sides.Answer

    @property
    def is_open(self) -> bool:
        return not self._has_ended

    def event(self, message: bytes) -> None:
        if self.is_open and self.accepts_stream:
            if self._plane.tap is not None:
                self._overhear(message)
            self._write(sse.encode(message))

    def final(self, message: bytes, status: int = 200) -> None:
        if self._has_ended:
            return
        if self._plane.tap is not None:
            self._overhear(message, status)
        if may_tell_of_one(message):
            self._failure = failure_in(message)
        if self._is_stream:
            self._write(sse.encode(message))
            self.finish()
            return
        self._end(status, len(message))
        headers = [replies.JSON, (REQUEST_ID, self._request_id), *self.headers]
        self._exchange.respond(status, headers, message)

    def endpoint(self, uri: str) -> None:
        """HTTP+SSE's first event: where this client is to post."""
        self._write(b"event: endpoint\ndata: %b\n\n" % uri.encode())

    def open_stream(self) -> None:
        if self.is_open and not self._is_stream:
            self._start()
            self._exchange.flush()

    def finish(self) -> None:
        if not self._has_ended:
            if not self._is_stream:
                self._start()
            self._end(200)
            self._exchange.finish()

    def bare(self, status: int) -> None:
        if not self._has_ended:
            self._end(status)
            self._exchange.respond(status, [(REQUEST_ID, self._request_id), *self.headers])

    def tick(self) -> None:
        """Streams are kept alive by `deadline`, to the second."""

    # plane.Stream

    @property
    def is_lasting(self) -> bool:
        return self._target.is_lasting

    def expired(self) -> None:
        """Silence: something is sent before a proxy on the way, or the client, takes it for dead."""
        self.deadline = self._plane.deadlines.after(KEEP_ALIVE)
        if self.accepts_stream and not self._is_paused:
            self._write(sse.comment("waiting"))

    def stop(self) -> None:
        """The gateway goes, and this answer with it."""
        raw_id = inbound.request_id(self._exchange.request.body)
        if self.is_lasting:
            if raw_id is not None and self._is_stream:
                self._write(replies.end_of_subscription(raw_id))
            self._leave(self.finish)
        else:
            error = UpstreamBroke("the gateway is shutting down; try again")
            self._leave(lambda: self.refuse(error, raw_id))

    def refuse(self, error: GatewayError, raw_id: bytes | None = None) -> None:
        """An error of the gateway's own, before or within a stream."""
        if self._has_ended:
            return
        self._problem = error.detail or error.title
        if self._is_stream and raw_id is not None:
            self._write(replies.last_event(error, raw_id))
            self.finish()
        else:
            self._end(error.status)
            replies.refuse(self._exchange, error, raw_id)

    # the exchange's side

    def _start(self) -> None:
        self._is_stream = True
        self._plane.begin_stream(self)
        self._exchange.start(200, [*_STREAM, (REQUEST_ID, self._request_id), *self.headers])

    def _write(self, event: bytes) -> None:
        if self._has_ended:
            return
        if not self._is_stream:
            self._start()
        self.deadline = self._plane.deadlines.after(KEEP_ALIVE)
        if self._is_paused:
            self._unread += len(event)
            if self._unread > UNREAD:
                self._leave(self._exchange.abort)
                return
        self._source = Hearing.current or self._source
        self._exchange.write(event)

    def _pause(self) -> None:
        self._is_paused, self._unread = True, 0
        if self._source is not None:
            self._source.pause()

    def _resume(self) -> None:
        self._is_paused = False
        if self._source is not None:
            self._source.resume()

    def _left(self) -> None:
        self._leave(lambda: None)

    def _leave(self, end: Callable[[], None]) -> None:
        """Tell the machine, which may say a last word to nobody; then end."""
        leave, self.on_leave = self.on_leave, None
        if self._source is not None and self._is_paused:
            self._source.resume()
        end()
        self._end(0)
        if leave is not None:
            leave()

    def _end(self, status: int, body: int = 0) -> None:
        """The books. status: what the client gets, 0 where it left. body: bytes that are about to be written."""
        if self._has_ended:
            return
        self._has_ended = True
        self.on_leave = None
        plane, exchange = self._plane, self._exchange
        exchange.on_pause = exchange.on_resume = exchange.on_leave = None
        received, sent = len(exchange.request.body), exchange.sent + body
        counters = plane.counters
        counters.in_flight -= 1
        counters.bytes_in += received
        counters.bytes_out += sent
        counters.answered(status)
        if self._is_stream:
            plane.end_stream(self)
        else:
            plane.deadlines.forget(self)
        plane.done(self._target)
        self._account.ended(status=status, bytes_in=received, bytes_out=sent, problem=self._problem or self._failure)
        if self._listener is not None:
            self._listener.ended(status, self._problem)

    def _listen(self) -> None:
        self._listener = self._plane.listener(self._target, self._exchange, self._account, self._request_id)

    def _overhear(self, message: bytes, status: int = 200) -> None:
        """Whoever listens may do so only since a moment ago."""
        if self._listener is None:
            self._listen()
        if self._listener is not None:
            self._listener.answering(status, self.headers)
            self._listener.said(held(message), len(message))


class Asked(msgspec.Struct):
    """ports.Asking: a request of the gateway's own making."""

    request: Request
    peer: str


class Caller(msgspec.Struct, frozen=True):
    """Of whom instances are told: from where and by which host the client came, and headers of its own that pass."""

    peer: str
    host: bytes
    headers: tuple[Header, ...] = ()


class Instance:
    """bridge.sides.Server: one endpoint, exchanged for another only while nothing has been sent to it.

    other: another endpoint than those tried, None where there is none.
    """

    def __init__(
        self, plane: Plane, target: Target, caller: Caller, other: Callable[[tuple[str, ...]], Endpoint | None]
    ) -> None:
        self._plane, self._target, self._caller, self._other = plane, target, caller, other
        self._tried: tuple[str, ...] = ()
        self.largest = plane.bounds.event or sys.maxsize  # of one message, which is held whole to be translated

    def post(self, body: bytes, headers: Sequence[Header], heard: Heard, *, target: str = "") -> Exchanged:
        return self._begin(Hearing(self, heard, "POST", [*_POSTED, *headers], body, path=target))

    def stream(self, headers: Sequence[Header], heard: Heard, *, after: float = 0.0) -> Exchanged:
        hearing = Hearing(self, heard, "GET", [*_STREAMED, *headers])
        if after:
            hearing.timer = asyncio.get_running_loop().call_later(after, hearing.send)
            return hearing
        return self._begin(hearing)

    def delete(self, headers: Sequence[Header]) -> None:
        self._begin(Hearing(self, _Deaf(), "DELETE", list(headers)))

    def _begin(self, hearing: "Hearing") -> "Hearing":
        hearing.send()
        return hearing

    def send(self, hearing: "Hearing") -> None:
        target = self._target
        request = Request()
        request.method, request.body = hearing.method, hearing.body
        request.headers = [(b"host", self._caller.host), *hearing.headers, *self._caller.headers]
        session = next((value for name, value in hearing.headers if name == mcp.SESSION_HEADER), None)
        endpoint = target.endpoint
        if hearing.path:
            endpoint = msgspec.structs.replace(endpoint, path=hearing.path)
        target = msgspec.structs.replace(target, endpoint=endpoint, session=session)
        asked = Asked(request, self._caller.peer)
        sent = self._plane.request(target, asked, replies.request_id_of(asked))
        timeouts = self._plane.timeouts(target.route, is_lasting=is_lasting(request, target.era))
        self._plane.upstream.send(endpoint, sent, hearing, timeouts)

    def token_refused(self) -> UpstreamBroke | None:
        return self._plane.token_refused(self._target)

    def refusal(self, status: int) -> GatewayError | None:
        """What is wrong where an answer of this status is about the gateway itself, and no client's to see."""
        if 300 <= status < 400:
            return UpstreamBroke(f"adapter answers with a redirect ({status}); redirects are not followed")
        return self._plane.token_refused(self._target) if status == 401 else None

    def goes_elsewhere(self) -> bool:
        """After a connection that could not be made: whether there is another endpoint, taken from now on."""
        self._tried = (*self._tried, self._target.endpoint.uid)
        endpoint = self._other(self._tried)
        if endpoint is None:
            return False
        self._target = msgspec.structs.replace(self._target, endpoint=endpoint)
        return True


class Hearing:
    """One request to an instance: connection.Answer on the one side, bridge.sides.Exchange on the other."""

    current: "Hearing | None" = None  # whose messages are being told right now

    def __init__(
        self, instance: Instance, heard: Heard, method: str, headers: Headers, body: bytes = b"", *, path: str = ""
    ) -> None:
        self.method, self.headers, self.body, self.path = method, headers, body, path
        self.timer: asyncio.TimerHandle | None = None
        self._instance, self._heard = instance, heard
        self._connection: UpstreamConnection | None = None
        self._decoder: sse.Decoder | None = None
        self._parts: list[bytes] = []
        self._size = 0
        self._is_over = self._is_paused = False

    def send(self) -> None:
        self._instance.send(self)

    def close(self) -> None:
        self._is_over = True
        if self.timer is not None:
            self.timer.cancel()
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.cut()

    def pause(self) -> None:
        """A client reads too slowly. A GET stream has others to tell as well, and goes on."""
        if self._connection is not None and self.method == "POST" and not self._is_paused:
            self._is_paused = True
            self._connection.pause()

    def resume(self) -> None:
        if self._is_paused:
            self._is_paused = False
            if self._connection is not None:
                self._connection.resume()

    # connection.Answer

    on_whole = None

    def on_connection(self, connection: UpstreamConnection) -> bool:
        if not self._is_over:
            self._connection = connection
        return not self._is_over

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:  # noqa: ARG002 - as Answer has it
        if self._is_over:
            return
        refusal = self._instance.refusal(status)
        if refusal is not None:
            self._break(refusal)
            return
        if status == 401 and (refusal := self._instance.token_refused()):
            self._break(refusal)
            return
        if media_type(headers) == EVENT_STREAM:
            self._decoder = sse.Decoder(self._instance.largest)
        session = next((value for name, value in headers if name == mcp.SESSION_HEADER), None)
        self._heard.began(status, session)

    def on_body(self, chunk: bytes) -> None:
        self._parts.append(chunk)
        self._size += len(chunk)

    def on_read(self) -> None:
        if self._is_over:
            return
        if self._decoder is not None:
            self._tell_events(self._decoder)
        elif self._size > self._instance.largest:
            self._break(UpstreamBroke(f"a message of the adapter's exceeds {self._instance.largest} bytes"))

    def on_end(self) -> None:
        self._connection = None
        if self._is_over:
            return
        if self._decoder is not None:
            self._tell_events(self._decoder)
        elif self._parts:
            self._tell(sse.Event(b"".join(self._parts)))
        if not self._is_over:
            self._is_over = True
            self._heard.ended(None)

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        self._connection = None
        if self._is_over:
            return
        has_session = any(name == mcp.SESSION_HEADER for name, _ in self.headers)
        if is_unsent and not has_session and not self.path and self._instance.goes_elsewhere():
            self.send()
            return
        self._is_over = True
        self._heard.ended(error, was_sent=not is_unsent)

    def _tell_events(self, decoder: sse.Decoder) -> None:
        chunk = b"".join(self._parts)
        self._parts.clear()
        try:
            for event in decoder.feed(chunk):
                self._tell(event)
                if self._is_over:
                    return
        except ValueError as error:
            self._break(UpstreamBroke(f"the adapter's stream can't be read: {error}"))

    def _tell(self, event: sse.Event) -> None:
        before, Hearing.current = Hearing.current, self
        try:
            self._heard.event(event)
        finally:
            Hearing.current = before

    def _break(self, error: GatewayError) -> None:
        if not self._is_over:
            self.close()
            self._heard.ended(error)


class Nobody:
    """bridge.sides.Server where there is none. What is said to it goes nowhere."""

    def __init__(self, error: GatewayError) -> None:
        self._error = error

    def post(self, body: bytes, headers: Sequence[Header], heard: Heard, *, target: str = "") -> Exchanged:  # noqa: ARG002 - as above
        heard.ended(self._error, was_sent=False)
        return self

    def stream(self, headers: Sequence[Header], heard: Heard, *, after: float = 0.0) -> Exchanged:  # noqa: ARG002 - as above
        heard.ended(self._error, was_sent=False)
        return self

    def delete(self, headers: Sequence[Header]) -> None:
        """Nothing to delete."""

    def close(self) -> None:
        """It has ended already."""


class _Deaf:
    """Heard of an exchange whose outcome nobody waits for."""

    def began(self, status: int, session: bytes | None) -> None: ...

    def event(self, event: sse.Event) -> None: ...

    def ended(self, problem: GatewayError | None, *, was_sent: bool = True) -> None: ...
