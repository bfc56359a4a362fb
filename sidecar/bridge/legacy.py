"""A child of the handshake era and the HTTP sessions it serves: one in a process of its own, or several that share it.

On stdio nothing says which request of a client a message of the server belongs to, except a progress token. Where one
request is under way, a message is its; otherwise it goes to the session's GET stream, and waits until one is open.

Limits of a shared child (`--isolation shared`), beside the capabilities of the first client holding for all: what the
server asks goes to a client only where one session alone can be meant, and its log messages likewise; what it announces
(`list_changed` and the like) goes to all.
"""

from collections import deque
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message, Unreadable
from gateway.wire.replies import Reply
from sidecar.bridge.calls import NOT_READING, TOKEN, Call, Calls, Send

RESTED: Final = 2  # ticks without a call, after which a session is not in use
_HELD: Final = 256  # messages that wait for a GET stream; the oldest go first
_ASKED: Final = 1024  # requests of the server that no client has answered yet
_ANNOUNCED: Final = frozenset(  # of no request: these go to GET streams only
    {
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/elicitation/complete",
    }
)


class Session:
    """What a client's Mcp-Session-Id stands for. `ticks`: how long it is idle, RESTED at most while it listens."""

    def __init__(self, session_id: bytes, bridge: "LegacyBridge") -> None:
        self.id = session_id
        self.bridge = bridge
        self.version = mcp.ASSUMED_VERSION
        self.calls: dict[bytes, Call] = {}  # by the client's own ids
        self.stream: Reply | None = None
        self.ticks = 0
        self._held: deque[bytes] = deque()

    @property
    def is_busy(self) -> bool:
        return bool(self.calls) or (self.stream is not None and self.stream.is_open)

    def open_stream(self, reply: Reply) -> None:
        """The GET stream. A newer one takes the older one's place: that may be a connection nobody holds any more."""
        if self.stream is not None:
            self.stream.finish()
        self.stream = reply
        reply.open_stream()
        held, self._held = self._held, deque()
        for message in held:
            reply.event(message)

    def say(self, message: bytes) -> None:
        """To the GET stream, or to the one that comes."""
        if self.stream is not None and self.stream.is_open:
            self.stream.event(message)
            return
        if len(self._held) >= _HELD:
            self._held.popleft()
        self._held.append(message)

    def end(self, error: Callable[[bytes], bytes]) -> None:
        """error: the JSON-RPC error for a raw id."""
        for call in self.calls.values():
            call.fail(error(bytes(call.raw_id)))
        self.calls.clear()
        if self.stream is not None:
            self.stream.finish()


class LegacyBridge:
    """log: for people. pause: holds the child's output back while a call's client does not read, where no one
    else waits for that child. call_ticks: after how many ticks a call is given up, 0 for never."""

    def __init__(
        self,
        send: Send,
        log: Callable[[str], None],
        *,
        pause: Callable[[bool], None] | None = None,
        call_ticks: int = 0,
    ) -> None:
        self.sessions: list[Session] = []
        self._send = send
        self._log = log
        self._pause = pause
        self._calls = Calls(limit=call_ticks)
        self._is_initialized = False
        self._asked: dict[jsonrpc.Id, Session] = {}

    # the clients' side

    def request(
        self,
        session: Session,
        message: Message,
        reply: Reply | None,
        *,
        settle: Callable[[Message], None] | None = None,
    ) -> None:
        """settle: called in place of the reply, with the response or an error made here."""
        written = envelope.raw_id(message)
        assert written is not None  # noqa: S101 - that is what makes it a request
        if written in session.calls:
            error = jsonrpc.error(written, jsonrpc.INVALID_REQUEST, "a request with this id is under way")
            if reply is not None:
                reply.final(error, 400)
            return
        call = self._calls.begin(message, reply, written)
        call.owner, call.settle = session, settle
        session.calls[written] = call
        session.ticks = 0
        if self._pause is not None and reply is not None:
            reply.on_pause = self._pause
        if not self._send(envelope.line(message)):
            self._calls.drop(call)
            self._forget(call)
            call.fail(envelope.own_error(written, jsonrpc.INTERNAL_ERROR, NOT_READING, "not-reading"), 503)

    def notification(self, session: Session, message: Message) -> bool:
        """False where the child does not read."""
        session.ticks = 0
        method = envelope.method(message)
        if method == mcp.CANCELLED and not self._is_cancelling(session, message):
            return True
        if method == mcp.INITIALIZED:
            if self._is_initialized:  # a child that sessions share hears it once
                return True
            self._is_initialized = True
        return self._send(envelope.line(message))

    def response(self, session: Session, message: Message) -> bool:
        """A client's answer to what the server asked. Only whom it was asked of may answer. False as above."""
        session.ticks = 0
        asked = envelope.id_of(message.get("id"))
        if self._asked.get(asked) is not session:
            return True
        if not self._send(envelope.line(message)):
            return False
        del self._asked[asked]
        return True

    def open_stream(self, session: Session, reply: Reply) -> None:
        session.ticks = 0
        session.open_stream(reply)

    def tick(self) -> None:
        """Every `calls.TICK` seconds."""
        for call in self._calls.tick():
            self._calls.drop(call)
            self._forget(call)
            if call.is_cancelled:
                error = jsonrpc.error(call.raw_id, envelope.CANCELLED_BY_CLIENT, "Request cancelled")
            else:
                self._send(
                    jsonrpc.notification(mcp.CANCELLED, {"requestId": call.number, "reason": "it took too long"})
                )
                reason = "the server did not answer in time"
                error = envelope.own_error(bytes(call.raw_id), jsonrpc.INTERNAL_ERROR, reason, "timeout")
            call.fail(error, 200 if call.is_cancelled else 504)
        for session in self.sessions:
            if session.stream is not None:
                session.stream.tick()
            session.ticks = 0 if session.calls else session.ticks + 1
            if session.stream is not None and session.stream.is_open:
                session.ticks = min(session.ticks, RESTED)

    def end(self, session: Session, reason: str) -> None:
        """The session is over; the child goes on."""
        if session in self.sessions:
            self.sessions.remove(session)
        for call in session.calls.values():
            self._calls.drop(call)
        self._asked = {asked: who for asked, who in self._asked.items() if who is not session}
        session.end(lambda raw_id: envelope.own_error(raw_id, jsonrpc.INTERNAL_ERROR, reason, "session-ended"))

    # the child's side

    def received(self, line: bytes) -> None:
        if envelope.is_batch(line):
            self._batch(line)
            return
        message = envelope.parse(line)
        if isinstance(message, Unreadable):
            self._log(f"skipped a line on the server's stdout that is no message ({message.sentence}): {line[:200]!r}")
        elif "method" not in message:
            self._response(message)
        elif envelope.raw_id(message) is not None:
            self._request(message)
        else:
            self._notification(message)

    def lost(self, reason: str) -> None:
        sessions, self.sessions = self.sessions, []
        for call in self._calls.drain():
            self._forget(call)
            error = envelope.own_error(bytes(call.raw_id), jsonrpc.INTERNAL_ERROR, reason, "server-exited")
            if call.settle is not None:
                call.settle(envelope.members(Raw(error)))
            else:
                call.fail(error)
        for session in sessions:
            self.end(session, reason)

    def _batch(self, line: bytes) -> None:
        elements = envelope.parse_batch(line)
        if isinstance(elements, Unreadable):
            self._log(f"skipped a line on the server's stdout that is no batch ({elements.sentence}): {line[:200]!r}")
            return
        for element in elements:
            if bytes(element)[:1] == b"{":
                self.received(bytes(element))

    def _response(self, message: Message) -> None:
        call = self._calls.take(message)
        if call is None:
            return
        self._forget(call)
        message["id"] = call.raw_id
        if call.settle is not None:
            call.settle(message)
        elif call.reply is not None:
            call.reply.final(envelope.line(message))

    def _notification(self, message: Message) -> None:
        method = envelope.method(message)
        if method == mcp.PROGRESS:
            self._progress(message)
        elif method == mcp.CANCELLED:
            self._cancelled_by_server(message)
        elif method in _ANNOUNCED:
            line = envelope.line(message)
            for session in self.sessions:
                session.say(line)
        elif (meant := self._meant()) is not None:
            self._say(meant, envelope.line(message))

    def _progress(self, message: Message) -> None:
        params = envelope.members(message.get("params"))
        call = self._calls.get(envelope.number_of(params.get(TOKEN)))
        if call is None or call.token is None or call.reply is None:
            return
        params[TOKEN] = call.token
        message["params"] = envelope.raw(params)
        if _can_carry(call):
            call.reply.event(envelope.line(message))
        elif isinstance(call.owner, Session):
            call.owner.say(envelope.line(message))

    def _request(self, message: Message) -> None:
        session = self._meant()
        asked = envelope.id_of(message.get("id"))
        if asked is None:
            self._log("skipped a request of the server's whose id is neither text nor a number")
        elif session is None:
            self._send(jsonrpc.error(message["id"], jsonrpc.INTERNAL_ERROR, "which client is asked cannot be told"))
        elif envelope.method(message) == "ping" and not self._can_hear(session):
            self._send(jsonrpc.response(message["id"], {}))  # no one to carry it to; silence would look like death
        else:
            if len(self._asked) >= _ASKED:
                del self._asked[next(iter(self._asked))]
            self._asked[asked] = session
            self._say(session, envelope.line(message))

    def _cancelled_by_server(self, message: Message) -> None:
        asked = envelope.id_of(envelope.members(message.get("params")).get("requestId"))
        session = self._asked.pop(asked, None)
        if session is not None:
            self._say(session, envelope.line(message))

    # whose is it

    def _meant(self) -> Session | None:
        """The session that a message of the server's is for: the only one, or the only one with a call under way."""
        if len(self.sessions) == 1:
            return self.sessions[0]
        busy = [session for session in self.sessions if session.calls]
        return busy[0] if len(busy) == 1 else None

    def _say(self, session: Session, line: bytes) -> None:
        """To the call it belongs to where there is just one; else to the GET stream; else to the latest call."""
        able = [call for call in session.calls.values() if _can_carry(call)]
        has_stream = session.stream is not None and session.stream.is_open
        if able and (len(session.calls) == 1 or not has_stream):
            reply = able[-1].reply
            assert reply is not None  # noqa: S101 - what makes it able
            reply.event(line)
        else:
            session.say(line)

    def _can_hear(self, session: Session) -> bool:
        has_stream = session.stream is not None and session.stream.is_open
        return has_stream or any(_can_carry(call) for call in session.calls.values())

    def _is_cancelling(self, session: Session, message: Message) -> bool:
        """Whether the call to cancel is the session's own and under way; its id is exchanged for the child's."""
        params = envelope.members(message.get("params"))
        call = session.calls.get(bytes(params.get("requestId", Raw())))
        if call is None:
            return False
        params["requestId"] = Raw(b"%d" % call.number)
        message["params"] = envelope.raw(params)
        call.is_cancelled, call.ticks = True, 0
        return True

    def _forget(self, call: Call) -> None:
        if isinstance(call.owner, Session):
            call.owner.calls.pop(bytes(call.raw_id), None)


def _can_carry(call: Call) -> bool:
    reply = call.reply
    return reply is not None and call.settle is None and reply.accepts_stream and reply.is_open
