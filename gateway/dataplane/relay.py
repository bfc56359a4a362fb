"""One call on its way: the client's exchange on one side, an instance's answer on the other, bytes between them.

Back-pressure goes both ways, events leave as they come, and an answer that breaks off never looks like a whole one.
Decides nothing about who may call or where.
"""

from typing import Final

import msgspec

from gateway.core import inbound
from gateway.core.errors import GatewayError, SessionLost, UpstreamBroke
from gateway.core.ports import Account, Exchange
from gateway.dataplane import replies
from gateway.dataplane.connection import Known, UpstreamConnection
from gateway.dataplane.events import Progress
from gateway.dataplane.failures import HEAD, failure_in, may_tell_of_one, word
from gateway.dataplane.heads import REQUEST_ID, Opening, client_headers, is_event_stream
from gateway.dataplane.hello import hello_of
from gateway.dataplane.plane import Course, Plane, Target
from gateway.dataplane.tap import Ear
from gateway.wire import mcp
from gateway.wire.http1 import Exchange as OwnExchange
from gateway.wire.http1 import Headers, head_lines
from gateway.wire.mcp import Era

KEEP_ALIVE: Final = 15.0  # seconds of silence after which a stream gets a comment
_COMMENT: Final = b": keep-alive\n\n"
_UNBUFFERED: Final = (b"x-accel-buffering", b"no")
_NOT_PLAIN: Final = object()
_FORGOTTEN: Final = SessionLost("its server does not know this session any more; begin anew with initialize")


class Relay:
    """connection.Answer. Ends once, with the exchange, whoever ends it."""

    __slots__ = (
        "_account",
        "_connection",
        "_ear",
        "_exchange",
        "_failure",
        "_has_ended",
        "_head",
        "_is_paused",
        "_is_plain",
        "_length",
        "_opening",
        "_parts",
        "_plane",
        "_problem",
        "_progress",
        "_request_id",
        "_status",
        "_target",
        "_tried",
        "_was_rescued",
        "deadline",
    )

    def __init__(
        self,
        plane: Plane,
        exchange: Exchange,
        target: Target,
        *,
        course: Course | None = None,
        request_id: bytes = b"",
        account: Account | None = None,
    ) -> None:
        """course: as which it goes, where another one may have gone. account: plane.opened_again's, of request_id."""
        self.deadline = 0.0  # of the next keep-alive comment
        self._plane, self._exchange, self._target = plane, exchange, target
        self._opening: Opening | None = None
        self._is_plain = False
        if course is not None:
            self._opening, self._is_plain = course.opening, course.is_plain
        self._request_id = request_id or replies.request_id_of(exchange)
        if account is None:
            account = plane.opened(target, exchange, self._request_id)
            if course is not None:
                course.series = account.series
        self._account: Account = account
        self._connection: UpstreamConnection | None = None
        self._status = 0
        self._head: Headers = []
        self._length: int | None = None
        self._parts: list[bytes] = []
        self._progress: Progress | None = None
        self._tried: tuple[str, ...] = ()
        self._has_ended = self._is_paused = self._was_rescued = False
        self._ear: Ear | None = None  # of who listens
        self._problem = ""  # what goes wrong here, in a sentence
        self._failure = ""  # what the adapter says went wrong

    def begin(self) -> None:
        self._plane.counters.in_flight += 1
        self._exchange.on_leave = self._left
        if self._plane.tap is not None:
            self._listen()
        self._send()

    def _send(self) -> None:
        target, plane = self._target, self._plane
        request = plane.request(target, self._exchange, self._request_id, self._opening)
        self._opening = None
        timeouts = target.route.timeouts
        if target.is_lasting:
            timeouts = plane.timeouts(target.route, is_lasting=True)
        plane.upstream.send(target.endpoint, request, self, timeouts)

    # the upstream's side

    def on_whole(self, known: Known, body: bytes) -> None:
        self._connection = None
        if self._has_ended:
            return
        exchange, lines = self._exchange, known.note
        if lines is None:
            known.note = lines = _plain_lines(known)
        if (
            not self._is_plain
            or self._plane.tap is not None
            or type(exchange) is not OwnExchange
            or not exchange.request.keep_alive
            or type(lines) is not bytes
        ):
            self.on_head(known.status, known.headers, len(body))
            self.on_body(body)
            self.on_end()
            return
        self._status = known.status
        if word(body, 0, HEAD) or word(body, max(0, len(body) - HEAD)):  # may_tell_of_one, without its step
            self._failure = failure_in(body)
        self._close(len(body))
        exchange.respond_alike(known.status, lines, self._request_id, body)

    def on_connection(self, connection: UpstreamConnection) -> bool:
        if self._has_ended and not self._is_worth_sending:
            return False
        self._connection = connection
        return True

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:
        if self._has_ended:
            self._let_go()
        elif 300 <= status < 400:
            self._let_go()
            self._answer_with(UpstreamBroke(f"adapter answers with a redirect ({status}); redirects are not followed"))
        elif status == 401 and (refusal := self._plane.token_refused(self._target)):
            self._let_go()
            self._answer_with(refusal)
        elif status == 404 and self._is_rescued(_FORGOTTEN, is_undone=True):
            self._let_go()
        else:
            self._status, self._length = status, length
            if self._ear is not None:
                self._ear.head(status, headers)
            self._head = self._passed_on(status, headers)

    def on_body(self, chunk: bytes) -> None:
        self._parts.append(chunk)

    def on_read(self) -> None:
        exchange = self._exchange
        chunk = b"".join(self._parts)
        self._parts.clear()
        if self._plane.tap is not None:
            self._overhear(chunk)
        if not exchange.has_started:
            self._start()
        if self._progress is not None:
            self._progress.feed(chunk)
            self._look_at(chunk)
            self.deadline = self._plane.deadlines.after(KEEP_ALIVE)
        if chunk:
            exchange.write(chunk)
        else:
            exchange.flush()
        if self._progress is not None and self._progress.size > self._plane.bounds.event > 0:
            self._let_go()
            self._break_off(UpstreamBroke(f"an event of the adapter's exceeds {self._plane.bounds.event} bytes"))

    def on_end(self) -> None:
        self._connection = None
        exchange = self._exchange
        if self._has_ended:
            return
        exchange.on_pause = exchange.on_resume = None
        body = b"".join(self._parts)
        if self._plane.tap is not None:
            self._overhear(body)
        self._look_at(body)
        if exchange.has_started:
            exchange.write(body)
            self._close()
            exchange.finish()
        else:
            self._close(len(body))
            exchange.respond(self._status, self._head, body)

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        self._connection = None
        if self._has_ended:
            return
        if is_unsent and self._try_another():
            return
        if not self._exchange.has_started and self._is_rescued(error, is_undone=is_unsent):
            return
        if is_unsent and self._target.endpoint.is_draining:
            error = SessionLost("the instance of this session has left; begin anew with initialize")
            self._account.closed()
        if not self._exchange.has_started:
            self._answer_with(error)
        else:
            self._break_off(error)

    # the client's side

    def _left(self) -> None:
        """A modern client cancels by leaving (2026-07-28); a legacy one doesn't, and what it said still goes out."""
        self._close()
        self._let_go()

    def _paused(self) -> None:
        self._is_paused = True
        if self._connection is not None:
            self._connection.pause()

    def _resumed(self) -> None:
        self._is_paused = False
        if self._connection is not None:
            self._connection.resume()

    # the deadlines' side

    def expired(self) -> None:
        """Silence on an event stream: something is sent before a proxy on the way takes it for dead."""
        self.deadline = self._plane.deadlines.after(KEEP_ALIVE)
        if self._progress is not None and self._progress.is_between_events and not self._is_paused:
            self._exchange.write(_COMMENT)

    # the gateway's own end

    @property
    def is_lasting(self) -> bool:
        """A stream without an end of its own: it would outlast any patience at a shutdown."""
        return self._target.is_lasting

    def stop(self) -> None:
        """The gateway goes, and this stream with it: ended where its client takes no harm, else broken off."""
        progress, exchange = self._progress, self._exchange
        self._let_go()
        if progress is None or not progress.is_between_events or not self.is_lasting:
            self._break_off(UpstreamBroke("the gateway is shutting down; try again"))
            return
        raw_id = inbound.request_id(exchange.request.body)
        if raw_id is not None:
            exchange.write(replies.end_of_subscription(raw_id))
        self._close()
        exchange.finish()

    # both sides'

    def _start(self) -> None:
        exchange = self._exchange
        exchange.on_pause, exchange.on_resume = self._paused, self._resumed
        exchange.start(self._status, self._head, length=self._length)
        if _UNBUFFERED in self._head and not any(name == b"content-encoding" for name, _ in self._head):
            self._progress = Progress()
            self._plane.begin_stream(self)
        self._head = []  # a stream may last for days

    def _passed_on(self, status: int, headers: Headers) -> Headers:
        """The answer's head as the client sees it, and what there is to learn from it."""
        passed = client_headers(headers)
        is_stream = is_identified = False
        for name, value in passed:
            if name == b"content-type":
                is_stream = is_event_stream(value)
            elif name == REQUEST_ID:
                is_identified = True
        if is_stream:
            passed.append(_UNBUFFERED)
        if not is_identified:
            passed.append((REQUEST_ID, self._request_id))
        for name, value in headers:
            if name == mcp.SESSION_HEADER and (session := self._session(status, value)) is not None:
                passed.append((mcp.SESSION_HEADER, session))
        if self._target.session is not None and (status == 404 or self._has_ended_session(status)):
            self._account.closed()
            if self._target.route.is_resurrecting and self._plane.on_end is not None:
                self._plane.on_end(self._target)
        return passed

    def _has_ended_session(self, status: int) -> bool:
        return self._exchange.request.method == "DELETE" and 200 <= status < 300

    def _session(self, status: int, said: bytes) -> bytes | None:
        """The session id to tell the client: a new one for a good initialize, else the one it came with."""
        target = self._target
        if not target.is_initialize:
            return target.sealed if said == target.session else None
        if not 200 <= status < 300:
            return None
        self._account.learned(said)
        hello = hello_of(self._exchange.request.body) if target.route.is_resurrecting else b""
        return self._plane.seal(target, said, hello)

    def _try_another(self) -> bool:
        """An instance that can't be connected to is no reason to fail while another one is ready."""
        target = self._target
        if target.session is not None:
            return False
        self._tried = (*self._tried, target.endpoint.uid)
        endpoint = self._plane.choose(target.route, self._tried)
        if endpoint is None:
            return False
        self._go_elsewhere(msgspec.structs.replace(target, endpoint=endpoint), "can't be connected to")
        return True

    def _go_elsewhere(self, target: Target, reason: str) -> None:
        self._account.ended(status=0, bytes_in=0, bytes_out=0)
        if self._ear is not None:
            self._ear.end(0, f"instance '{self._target.endpoint.instance}' {reason}; another one is tried")
        self._plane.done(self._target)
        self._target, self._opening = target, None
        self._account = self._plane.opened(self._target, self._exchange, self._request_id)
        self._ear = None
        if self._plane.tap is not None:
            self._listen()
        self._send()

    # resurrection.Call

    @property
    def exchange(self) -> Exchange:
        return self._exchange

    @property
    def target(self) -> Target:
        return self._target

    @property
    def has_ended(self) -> bool:
        return self._has_ended

    def go_again(self, target: Target) -> None:
        """Once more, and only once, perhaps to another instance."""
        self._go_elsewhere(msgspec.structs.replace(target, is_lasting=self._target.is_lasting), "died")

    def fail(self, error: GatewayError) -> None:
        self._answer_with(error)

    def withdraw(self) -> None:
        """It is to be answered elsewhere."""
        self._close()

    def _is_rescued(self, error: GatewayError, *, is_undone: bool) -> bool:
        """Whether somebody else sees to a call that this instance did not answer."""
        target, rescue = self._target, self._plane.rescue
        if target.session is None or not target.route.is_resurrecting or rescue is None or self._was_rescued:
            return False
        self._was_rescued = rescue(self, error, is_undone=is_undone)
        return self._was_rescued

    def _answer_with(self, error: GatewayError) -> None:
        self._status, self._problem = error.status, error.detail or error.title
        self._close()
        raw_id = inbound.request_id(self._exchange.request.body)
        replies.refuse(self._exchange, error, raw_id, request_id=self._request_id)

    def _break_off(self, error: GatewayError) -> None:
        """After the head: the error becomes the stream's last event where a client would take it for the answer."""
        exchange, progress = self._exchange, self._progress
        self._problem = error.detail or error.title
        raw_id = inbound.request_id(exchange.request.body)
        is_tellable = progress is not None and progress.is_between_events and not progress.has_id
        self._close()
        if is_tellable and raw_id is not None:
            exchange.write(replies.last_event(error, raw_id))
            exchange.finish()
        else:
            exchange.abort()

    def _let_go(self) -> None:
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._is_worth_sending:
            connection.leave()
        else:
            connection.cut()

    @property
    def _is_worth_sending(self) -> bool:
        """Whether the instance is to have the message even when nobody waits for the answer."""
        return self._target.era is Era.LEGACY and self._exchange.request.method != "GET"

    def _listen(self) -> None:
        listener = self._plane.listener(self._target, self._exchange, self._account, self._request_id)
        self._ear = Ear(listener) if listener is not None else None

    def _overhear(self, chunk: bytes) -> None:
        """Whoever listens may do so only since a moment ago: what is whole is still heard whole."""
        progress = self._progress
        if self._ear is None and (progress is not None or not self._exchange.has_started):
            self._listen()
            if self._ear is not None and progress is not None:
                self._ear.join(self._status, is_within=not progress.is_between_events)
            elif self._ear is not None:
                self._ear.head(self._status, self._head)
        if self._ear is not None:
            self._ear.feed(chunk)

    def _look_at(self, said: bytes) -> None:
        if may_tell_of_one(said):
            self._failure = failure_in(said) or self._failure

    def _close(self, body: int = 0) -> None:
        """The books. body: bytes of answer that are about to be written."""
        if self._has_ended:
            return
        self._has_ended = True
        exchange, plane = self._exchange, self._plane
        received, sent = len(exchange.request.body), exchange.sent + body
        counters = plane.counters
        counters.in_flight -= 1
        counters.bytes_in += received
        counters.bytes_out += sent
        if 200 <= self._status < 300:
            counters.by_class[2] += 1
        else:
            counters.answered(self._status)
        if self._progress is not None:
            plane.end_stream(self)
        plane.done(self._target)
        problem = self._problem or self._failure
        self._account.ended(status=self._status, bytes_in=received, bytes_out=sent, problem=problem)
        if self._ear is not None:
            self._ear.end(self._status, self._problem)


def _plain_lines(known: Known) -> bytes | object:
    """The head as each client sees it, up to the request's id; _NOT_PLAIN where more of it hangs on the call."""
    passed = client_headers(known.headers)
    if any(name == REQUEST_ID or (name == b"content-type" and is_event_stream(value)) for name, value in passed):
        return _NOT_PLAIN
    if known.status == 204 or any(name == mcp.SESSION_HEADER for name, _ in known.headers):
        return _NOT_PLAIN
    return head_lines(known.status, passed) + b"\r\nx-request-id: "
