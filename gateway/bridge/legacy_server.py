"""A server of the handshake era before clients of 2026-07-28: one session with it, which a principal's requests share.

Which request a message of the server's belongs to is told by the stream it comes on, or by its progress token. On the
GET stream, and over HTTP+SSE where there is no other, it is told only while one request alone can be meant. One whose
client waits is meant before one that is parked on a question already: whose client went away for good looks parked.
"""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from gateway.bridge import newer, words
from gateway.bridge.declared import Declared
from gateway.bridge.legacy_session import Connect, Identity, LegacySession, StreamState
from gateway.bridge.modern_call import ModernCall, Parked, dismissal, refuse_state
from gateway.bridge.sides import Answer
from gateway.bridge.subscribers import Subscribers
from gateway.core import render
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message
from gateway.wire.validation import ModernRequest

REMOVED: Final = frozenset(  # methods of the handshake era that 2026-07-28 does not have
    {mcp.INITIALIZE, "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}
)
_DROPPED: Final = frozenset({"notifications/elicitation/complete", "notifications/tasks/status"})
_MOST_DISPLACED: Final = 1000  # calls that made room, of which is known that they did
_DISPLACED: Final = "too many calls of yours wait for an answer, and this one made room: it had waited longest"
_DISMISSED: Final = "no request of the client's is under way that could carry a question"

type Park = Callable[[int, int, bytes], bytes]


class LegacyServer:
    """park: seals a call's number, its round and its request's digest into a requestState."""

    def __init__(self, adapter: str, identity: Identity, connect: Connect, declared: Declared, park: Park) -> None:
        self.ticks = 0  # since it was last used
        self._adapter, self._declared, self._park = adapter, declared, park
        self._session = LegacySession(identity, connect, self)
        self._calls: dict[int, ModernCall] = {}
        self._displaced: dict[int, None] = {}  # numbers of calls, the oldest first
        self._asides: dict[int, Callable[[Message | GatewayError], None]] = {}  # the gateway's own requests
        self._subscribers = Subscribers(self, self._unlistened)
        self._may_be_asked = any(name in envelope.members(Raw(identity.capabilities)) for name in words.ASKING.values())
        self._level: int | None = None  # the most verbose that anyone has asked for
        if self._may_be_asked:
            self._session.want_stream()

    @property
    def is_busy(self) -> bool:
        return bool(self._calls) or len(self._subscribers) > 0

    @property
    def parked(self) -> list[ModernCall]:
        return [call for call in self._calls.values() if call.is_parked]

    # clients

    def request(self, request: ModernRequest, answer: Answer) -> None:
        """A sound request that carries no requestState of ours."""
        self.ticks = 0
        if request.method in REMOVED or request.method.startswith(words.TASK_METHODS):
            sentence = f"MCP {mcp.MODERN_VERSION} has no {request.method!r} here (adapter '{self._adapter}')"
            error = envelope.own_error(request.raw_id, jsonrpc.METHOD_NOT_FOUND, sentence, "no-counterpart")
            answer.final(error, mcp.HTTP_STATUS_OF_CODE[jsonrpc.METHOD_NOT_FOUND])
            return
        self._session.when_open(lambda problem: self._begin(request, answer, problem))

    def resume(self, request: ModernRequest, answer: Answer, parked: Parked) -> None:
        self.ticks = 0
        call = self._calls.get(parked.call)
        if call is not None:
            call.resume(request, answer, parked)
        elif parked.call in self._displaced:
            refuse_state(request, answer, _DISPLACED)
        else:
            refuse_state(request, answer)

    def displace(self, call: ModernCall) -> None:
        """A parked call ends for one more to be parked. Its client is told when it comes back."""
        if len(self._displaced) >= _MOST_DISPLACED:
            del self._displaced[next(iter(self._displaced))]
        self._displaced[call.number] = None
        call.cancel("too many calls of this client wait for an answer")

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        self.ticks = 0 if self.is_busy else self.ticks + 1
        for call in tuple(self._calls.values()):
            call.tick()
        self._subscribers.tick()
        self._session.tick()

    def end(self) -> None:
        for call in tuple(self._calls.values()):
            call.cancel("the gateway stops")
        self._subscribers.end()
        self._session.end()

    def _begin(self, request: ModernRequest, answer: Answer, problem: GatewayError | Message | None) -> None:
        if not answer.is_open:
            return
        if isinstance(problem, GatewayError):
            answer.final(render.as_jsonrpc(problem, request.raw_id), problem.status)
        elif problem is not None:
            self._refused(request, answer, problem)
        elif request.method == mcp.DISCOVER:
            versions = [*mcp.MODERN_VERSIONS, self._session.version]
            result = bytes(newer.discovered(self._session.initialized, versions))
            answer.final(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (request.raw_id, result))
        elif request.method == mcp.LISTEN:
            self._subscribers.listen(request, answer)
        else:
            self._call(request, answer)

    def _refused(self, request: ModernRequest, answer: Answer, response: Message) -> None:
        """The server would not be initialized."""
        said = envelope.text(envelope.members(response.get("error")).get("message", Raw(b'""')))
        sentence = (
            f"adapter '{self._adapter}' opens no session of MCP {mcp.LEGACY_VERSIONS[0]}, which this client's "
            f"{mcp.MODERN_VERSION} would be translated into: {said or 'no reason given'}"
        )
        answer.final(envelope.own_error(request.raw_id, jsonrpc.INTERNAL_ERROR, sentence, "not-translated"), 502)

    def _call(self, request: ModernRequest, answer: Answer) -> None:
        number = self._session.number()
        call = self._calls[number] = ModernCall(self, number, request, answer)
        if call.log_level is None or not self._is_more(call.log_level):
            self._session.ask(number, call.message())
            return

        def levelled(_: Message | GatewayError) -> None:
            if number in self._calls:
                self._session.ask(number, call.message())

        self._set_level(call.log_level, levelled)

    def _is_more(self, level: int) -> bool:
        return "logging" in self.capabilities and (self._level is None or level < self._level)

    def _set_level(self, level: int, then: Callable[[Message | GatewayError], None]) -> None:
        self._level = level
        self.request_aside("logging/setLevel", {"level": words.LEVELS[level]}, then)

    # what calls and subscribers need

    @property
    def server_info(self) -> Raw | None:
        return self._session.initialized.get("serverInfo")

    @property
    def capabilities(self) -> Message:
        return self._session.capabilities

    @property
    def stream_state(self) -> StreamState:
        return self._session.stream_state

    def want_stream(self) -> None:
        self._session.want_stream()

    def park(self, *, call: int, round: int, digest: bytes) -> bytes:  # noqa: A002 - MRTR's word
        return self._park(call, round, digest)

    def tell(self, message: bytes) -> None:
        self._session.tell(message)

    def leave(self, call: ModernCall) -> None:
        self._calls.pop(call.number, None)
        self._session.leave(call.number)

    def request_aside(
        self, method: str, params: dict[str, object], then: Callable[[Message | GatewayError], None]
    ) -> None:
        number = self._session.number()
        self._asides[number] = then
        self._session.ask(number, envelope.members(Raw(jsonrpc.request(number, method, params))))

    def _unlistened(self) -> None:
        if not self._may_be_asked:
            self._session.unwant_stream()

    # what the server says

    def message(self, message: Message, number: int | None) -> None:
        call = self._calls.get(number) if number is not None else None
        if "method" not in message:
            aside = self._asides.pop(number, None) if number is not None else None
            if aside is not None:
                aside(message)
            elif call is not None:
                if call.method == "tools/list" and "result" in message:
                    self._declared.learn(message["result"])
                call.responded(message)
        elif envelope.raw_id(message) is not None:
            self._asked(message, call)
        else:
            self._notified(message, call)

    def broken(self, number: int, problem: GatewayError) -> None:
        aside = self._asides.pop(number, None)
        call = self._calls.get(number)
        if aside is not None:
            aside(problem)
        elif call is not None:
            call.broke(problem)

    def stream_changed(self, *, was_lost: bool) -> None:
        self._subscribers.stream_changed(was_lost=was_lost)

    def reopened(self) -> None:
        level, self._level = self._level, None
        if level is not None and self._is_more(level):
            self._set_level(level, lambda _: None)
        self._subscribers.reopened()

    def ended(self) -> None:
        """It never is: the next request opens another one."""

    def _asked(self, message: Message, call: ModernCall | None) -> None:
        method = envelope.method(message) or ""
        if method == "ping":
            self.tell(jsonrpc.response(message["id"], {}))
        elif method not in words.ASKING:
            self.tell(jsonrpc.error(message["id"], jsonrpc.METHOD_NOT_FOUND, f"{method!r} is not known here"))
        elif (meant := call or self._meant(method)) and meant.can_be_asked(method):
            meant.asked(message)
        elif method == words.ELICIT:
            self.tell(dismissal(message))
        else:
            self.tell(jsonrpc.error(message["id"], jsonrpc.METHOD_NOT_FOUND, _DISMISSED))

    def _notified(self, message: Message, call: ModernCall | None) -> None:
        method = envelope.method(message) or ""
        if method == mcp.PROGRESS:
            self._progressed(message)
        elif method == words.LOGGED:
            self._logged(message, call)
        elif method == mcp.CANCELLED:
            raw_id = bytes(envelope.members(message.get("params")).get("requestId", Raw()))
            any(each.withdrawn(raw_id) for each in tuple(self._calls.values()))
        elif method == words.UPDATED or method in words.LIST_CHANGED.values():
            self._subscribers.announce(method, message)
        elif call is not None and method not in _DROPPED:
            call.said(message)

    def _progressed(self, message: Message) -> None:
        params = envelope.members(message.get("params"))
        number = envelope.number_of(params.get("progressToken"))
        call = self._calls.get(number) if number is not None else None
        if call is not None:
            call.progressed(message, params)

    def _logged(self, message: Message, call: ModernCall | None) -> None:
        """To who asked for logs of this level, where it can be told whose they are."""
        meant = call or self._only(lambda one: one.log_level is not None)
        level = words.level_of(envelope.members(message.get("params")).get("level"))
        if meant is not None and meant.log_level is not None and level is not None and level >= meant.log_level:
            meant.said(message)

    def _meant(self, method: str) -> ModernCall | None:
        may = [call for call in self._calls.values() if call.can_be_asked(method)]
        live = [call for call in may if not call.is_parked] or may
        return live[0] if len(live) == 1 else None

    def _only(self, is_meant: Callable[[ModernCall], bool]) -> ModernCall | None:
        found = [call for call in self._calls.values() if is_meant(call)]
        return found[0] if len(found) == 1 else None
