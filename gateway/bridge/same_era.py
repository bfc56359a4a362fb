"""One legacy client and one legacy server that don't share a transport: HTTP+SSE (2024-11-05) on one side or on both.

The messages stay as they are. Ids and progress tokens are exchanged for numbers, since one stream of the server's may
answer what came on many of the client's.
"""

from collections import deque
from typing import Final

from msgspec import Raw

from gateway.bridge.legacy_session import Connect, Identity, LegacySession
from gateway.bridge.sides import Answer
from gateway.core import render
from gateway.core.errors import GatewayError, Invalid
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

HELD: Final = 256  # messages that wait for a GET stream; the oldest go first
_TOKEN: Final = "progressToken"  # noqa: S105 - MCP's word


class SameEra:
    """One session, which ends where the server's does: what it knew, no other session would know."""

    def __init__(self, connect: Connect) -> None:
        self.ticks = 0  # since it was last used
        self._connect = connect
        self._session: LegacySession | None = None
        self._calls: dict[int, _Call] = {}
        self._stream: Answer | None = None
        self._held: deque[bytes] = deque(maxlen=HELD)

    @property
    def is_over(self) -> bool:
        return self._session is not None and self._session.is_lost

    # the client's side

    def initialize(self, message: Message, answer: Answer) -> None:
        params = envelope.members(message.get("params"))
        identity = Identity(
            bytes(params.get("capabilities", Raw(b"{}"))),
            bytes(params.get("clientInfo", Raw(b"{}"))),
            envelope.text(params.get("protocolVersion", Raw(b"null"))) or mcp.LEGACY_VERSIONS[0],
        )
        session = self._session = LegacySession(identity, self._connect, self, reopens=False)
        session.want_stream()
        written = envelope.raw_id(message) or b"null"

        def opened(problem: GatewayError | Message | None) -> None:
            if isinstance(problem, GatewayError):
                answer.final(render.as_jsonrpc(problem, written), problem.status)
            elif problem is not None:
                answer.final(envelope.line(problem | {"id": Raw(written)}), 400)
            else:
                result = bytes(envelope.raw(session.initialized))
                answer.final(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (written, result))

        session.when_open(opened)

    def request(self, message: Message, answer: Answer) -> None:
        self.ticks = 0
        session, written = self._session, envelope.raw_id(message) or b"null"
        if session is None:
            error = Invalid("a session begins with initialize")
            answer.final(render.as_jsonrpc(error, written), error.status)
            return
        number = session.number()
        token = None
        if "params" in message:
            message["params"], token = envelope.swap_meta(message["params"], _TOKEN, Raw(b"%d" % number))
        self._calls[number] = _Call(Raw(written), token, answer)

        def opened(problem: GatewayError | Message | None) -> None:
            if problem is None:
                session.ask(number, message)
            else:
                self.broken(number, problem if isinstance(problem, GatewayError) else Invalid("there is no session"))

        session.when_open(opened)

    def notification(self, message: Message) -> None:
        self.ticks = 0
        method = envelope.method(message)
        if method == mcp.CANCELLED:
            params = envelope.members(message.get("params"))
            number = self._number_of(bytes(params.get("requestId", Raw())))
            if number is None:
                return
            params["requestId"] = Raw(b"%d" % number)
            message = message | {"params": envelope.raw(params)}
        if self._session is not None and method != mcp.INITIALIZED:  # which the server has been told already
            self._session.tell(envelope.line(message))

    def response(self, message: Message) -> None:
        self.ticks = 0
        if self._session is not None:
            self._session.tell(envelope.line(message))

    def open_stream(self, answer: Answer) -> None:
        """The GET stream, or the one stream that a client of HTTP+SSE has."""
        before, self._stream = self._stream, answer
        if before is not None:
            before.on_leave = None
            before.finish()
        answer.on_leave = self._stream_left
        answer.open_stream()
        while self._held:
            answer.event(self._held.popleft())

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        is_busy = bool(self._calls) or self._stream is not None
        self.ticks = 0 if is_busy else self.ticks + 1
        for call in tuple(self._calls.values()):
            call.answer.tick()
        if self._stream is not None:
            self._stream.tick()
        if self._session is not None:
            self._session.tick()

    def end(self) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            error = envelope.own_error(
                bytes(call.written), jsonrpc.INTERNAL_ERROR, "the session has ended", "session-ended"
            )
            call.answer.final(error)
        if self._session is not None:
            self._session.end()
        self._end_stream()

    # the server's side: legacy_session.Owner

    def message(self, message: Message, number: int | None) -> None:
        if "method" not in message:
            call = self._calls.pop(number, None) if number is not None else None
            if call is not None:
                call.answer.final(envelope.line(message | {"id": call.written}))
            return
        params = envelope.members(message.get("params"))
        if envelope.method(message) == mcp.PROGRESS:
            call = self._calls.get(envelope.number_of(params.get(_TOKEN)) or 0)
            if call is None or call.token is None:
                return
            params[_TOKEN] = call.token
            self._say(envelope.line(message | {"params": envelope.raw(params)}), call)
            return
        if number is None and len(self._calls) == 1:
            number = next(iter(self._calls))
        self._say(envelope.line(message), self._calls.get(number or 0))

    def broken(self, number: int, problem: GatewayError) -> None:
        call = self._calls.pop(number, None)
        if call is not None:
            call.answer.final(render.as_jsonrpc(problem, bytes(call.written)), problem.status)

    def stream_changed(self, *, was_lost: bool) -> None:
        """Before 2026-07-28 a client is told nothing of gaps."""

    def reopened(self) -> None:
        """It never is."""

    def ended(self) -> None:
        self._end_stream()

    def _say(self, line: bytes, call: "_Call | None") -> None:
        """On the stream of the call that it belongs to, if that can carry it; else on the GET stream, or the next."""
        if call is not None and call.answer.accepts_stream and call.answer.is_open:
            call.answer.event(line)
        elif self._stream is not None:
            self._stream.event(line)
        else:
            self._held.append(line)

    def _number_of(self, written: bytes) -> int | None:
        return next((number for number, call in self._calls.items() if bytes(call.written) == written), None)

    def _stream_left(self) -> None:
        self._stream = None

    def _end_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.on_leave = None
            stream.finish()


class _Call:
    """written: the client's own id. token: its own progress token."""

    def __init__(self, written: Raw, token: Raw | None, answer: Answer) -> None:
        self.written, self.token, self.answer = written, token, answer
