"""A session that the gateway holds with a server of the handshake era, over streamable HTTP or HTTP+SSE (2024-11-05).

Opens it when first needed, and anew when the server has lost it. Knows what carries a message, not what it means: that
is for the session's `Owner`.
"""

import itertools
from collections.abc import Callable
from enum import Enum
from typing import Final, Protocol
from urllib.parse import urljoin, urlsplit

import msgspec
from msgspec import Raw

from gateway.bridge.holding import Holding
from gateway.bridge.once import Once, messages_of, without_response
from gateway.bridge.sides import Header, Server
from gateway.core.errors import GatewayError, SessionLost, UpstreamBroke, UpstreamSlow
from gateway.wire import envelope, jsonrpc, mcp, sse
from gateway.wire.envelope import Message

type OnOpen = Callable[[GatewayError | Message | None], None]

RETRY: Final = 1.0  # seconds before a stream that ended is opened again, where the server names none
_LONGEST_RETRY: Final = 60.0
_OPEN_TICKS: Final = 12
_RESUMPTIONS: Final = 20  # of one request's stream, without a message in between


class Identity(msgspec.Struct, frozen=True):
    """As whom a session was opened; another identity gets another session. JSON, in the handshake era's words."""

    capabilities: bytes
    client_info: bytes
    version: str = mcp.LEGACY_VERSIONS[0]  # which is asked for


class Connect(Protocol):
    """An instance, chosen anew. is_sse: it speaks HTTP+SSE."""

    def __call__(self) -> tuple[Server, bool]: ...


class Owner(Protocol):
    """Whose requests these are. They are told apart by the numbers that `LegacySession.number` gave out."""

    def message(self, message: Message, number: int | None) -> None:
        """number: of the request that a response answers, or on whose stream a message came; None on the GET stream."""

    def broken(self, number: int, problem: GatewayError) -> None:
        """A request will get no answer."""

    def stream_changed(self, *, was_lost: bool) -> None:
        """The GET stream is open now, or refused. was_lost: what was said since the last one ended is lost."""

    def reopened(self) -> None:
        """Another session has taken the place of one that the server lost, which knew of subscriptions and levels."""

    def ended(self) -> None:
        """The server lost the session, and none takes its place."""


class _State(Enum):
    CLOSED = "closed"
    OPENING = "opening"
    OPEN = "open"


class StreamState(Enum):
    """The GET stream: not asked for, asked for, there, or not to be had from this server."""

    UNWANTED = "unwanted"
    AWAITED = "awaited"
    OPEN = "open"
    REFUSED = "refused"


class LegacySession:
    """One at a time; nothing is sent before `when_open`.

    reopens: whether another session may take the place of a lost one, as where clients know of none.
    """

    def __init__(self, identity: Identity, connect: Connect, owner: Owner, *, reopens: bool = True) -> None:
        self.initialized: Message = {}  # the InitializeResult
        self.version = mcp.LEGACY_VERSIONS[0]
        self.stream_state = StreamState.UNWANTED
        self._identity, self._connect, self._owner, self._reopens = identity, connect, owner, reopens
        self._state = _State.CLOSED
        self._server: Server | None = None
        self._is_sse = False
        self._target = ""
        self._id: bytes | None = None
        self._numbers = itertools.count(1)
        self._waiting: list[OnOpen] = []
        self._under_way: dict[int, _Carrier] = {}
        self._stream: _Stream | None = None
        self._wants_stream = self._has_been_open = False
        self._fruitless = 0  # GET streams in a row that ended without a message
        self._ticks = 0

    @property
    def is_lost(self) -> bool:
        """Whether it was open and is no more, nor will be again."""
        return self._has_been_open and self._state is _State.CLOSED and not self._reopens

    @property
    def capabilities(self) -> Message:
        return envelope.members(self.initialized.get("capabilities"))

    def number(self) -> int:
        """An id for a request to the server, never used before."""
        return next(self._numbers)

    def when_open(self, then: OnOpen) -> None:
        """Calls it with None once the session is open, or with why it can't be: an error response, or ours."""
        if self._state is _State.OPEN:
            then(None)
            return
        if self.is_lost:
            then(SessionLost("the adapter ended this session; begin anew with initialize"))
            return
        self._waiting.append(then)
        if self._state is _State.CLOSED:
            self._open()

    def ask(self, number: int, message: Message) -> None:
        """A request under one of our numbers, in an open session. One that the server never got is sent once more."""
        carrier = self._under_way[number] = _Carrier(self, number, message | {"id": Raw(b"%d" % number)})
        carrier.send()

    def tell(self, message: bytes) -> None:
        """A notification, or the answer to a question. What becomes of it nobody hears."""
        if self._state is _State.OPEN and self._server is not None:
            self._server.post(message, self._headers(), Once(lambda _: None, needs_response=False), target=self._target)

    def leave(self, number: int) -> None:
        """No longer listen for what a request brings."""
        carrier = self._under_way.pop(number, None)
        if carrier is not None:
            carrier.close()

    def want_stream(self) -> None:
        """The GET stream, from now on."""
        self._wants_stream = True
        if self._state is _State.OPEN and not self._is_sse and self.stream_state is StreamState.UNWANTED:
            self._open_stream()

    def unwant_stream(self) -> None:
        self._wants_stream = False
        if not self._is_sse:
            self._close_stream()
            self.stream_state = StreamState.UNWANTED

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        self._ticks += 1
        if self._state is _State.OPENING and self._ticks >= _OPEN_TICKS:
            self._close_stream()
            self._state = _State.CLOSED
            self._opened(UpstreamSlow("the adapter did not open a session in time"))

    def end(self) -> None:
        """Tell the server, and forget it."""
        for number in tuple(self._under_way):
            self.leave(number)
        self._close_stream()
        if self._state is _State.OPEN and self._id is not None and self._server is not None:
            self._server.delete(self._headers())
        self._state, self._id = _State.CLOSED, None

    # opening

    def _open(self) -> None:
        self._state, self._ticks = _State.OPENING, 0
        self._id, self._target = None, ""
        self._close_stream()
        self.stream_state = StreamState.UNWANTED
        self._server, self._is_sse = self._connect()
        if self._is_sse:
            self._open_stream()
        else:
            self._initialize()

    def _initialize(self) -> None:
        params = {
            "protocolVersion": self._identity.version,
            "capabilities": Raw(self._identity.capabilities),
            "clientInfo": Raw(self._identity.client_info),
        }
        number = self.number()
        heard = Once(lambda response: self._initialized(response, heard.session), needs_response=not self._is_sse)
        if self._is_sse:
            self._under_way[number] = _Carrier(self, number, {})
        self._post(jsonrpc.request(number, mcp.INITIALIZE, params), heard)

    def _initialized(self, response: Message | GatewayError, session: bytes | None) -> None:
        if not response or self._state is not _State.OPENING:
            return  # HTTP+SSE: accepted, the response comes on the stream
        result = response.get("result") if isinstance(response, dict) else None
        version = envelope.text(envelope.members(result).get("protocolVersion", Raw(b"null")))
        if result is None or version is None:
            self._state = _State.CLOSED
            self._opened(response)
            return
        self.initialized, self.version, self._id = envelope.members(result), version, session
        heard = Once(self._acknowledged, needs_response=False)
        self._post(jsonrpc.notification(mcp.INITIALIZED), heard)

    def _acknowledged(self, response: Message | GatewayError) -> None:
        if isinstance(response, GatewayError):
            self._state = _State.CLOSED
            self._opened(response)
            return
        self._state = _State.OPEN
        if self._wants_stream and not self._is_sse:
            self._open_stream()
        elif self._is_sse:
            self.stream_state = StreamState.OPEN
        if self._has_been_open:
            self._owner.reopened()
        self._has_been_open = True
        self._opened(None)

    def _opened(self, problem: GatewayError | Message | None) -> None:
        waiting, self._waiting = self._waiting, []
        for then in waiting:
            then(problem)

    def _post(self, body: bytes, heard: Once) -> None:
        assert self._server is not None  # noqa: S101 - opening chose one
        self._server.post(body, self._headers(), heard, target=self._target)

    def _headers(self) -> list[Header]:
        headers = [] if not self.initialized else [(mcp.VERSION_HEADER, self.version.encode())]
        return headers if self._id is None else [*headers, (mcp.SESSION_HEADER, self._id)]

    # what the carriers bring

    def received(self, message: Message, number: int | None) -> None:
        if "method" in message:
            self._owner.message(message, number)
            return
        answered = envelope.number_of(message.get("id"))
        if answered is None:
            answered = number  # an error that the server gives no id, in answer to this very POST
        carrier = None if answered is None else self._under_way.pop(answered, None)
        if carrier is None:
            return
        carrier.has_been_answered()
        if self._is_sse and self._state is _State.OPENING:
            self._initialized(message, None)
        else:
            self._owner.message(message, answered)

    def broke(self, number: int, problem: GatewayError) -> None:
        if self._under_way.pop(number, None) is not None:
            self._owner.broken(number, problem)

    def lost(self, carrier: "_Carrier") -> None:
        """The server does not know the session any more, or is gone: ask again in a new one."""
        if self._state is _State.OPEN and carrier.server is self._server and carrier.session == self._id:
            self._state = _State.CLOSED
            self._has_ended()

        def again(problem: GatewayError | Message | None) -> None:
            if carrier.number not in self._under_way:
                return
            if problem is None:
                carrier.send()
            else:
                self.broke(carrier.number, problem if isinstance(problem, GatewayError) else UpstreamBroke(_NOT_AGAIN))

        self.when_open(again)

    def send(self, carrier: "_Carrier") -> None:
        assert self._server is not None  # noqa: S101 - only an open session sends
        carrier.server, carrier.session = self._server, self._id
        exchange = self._server.post(envelope.line(carrier.message), self._headers(), carrier, target=self._target)
        carrier.keep(exchange)

    def resume(self, carrier: "_Carrier", event_id: str, after: float) -> None:
        assert self._server is not None  # noqa: S101 - as above
        headers = [*self._headers(), (mcp.LAST_EVENT_ID_HEADER, event_id.encode())]
        carrier.keep(self._server.stream(headers, carrier, after=after))

    @property
    def is_sse(self) -> bool:
        return self._is_sse

    # the GET stream

    def _open_stream(self, event_id: str | None = None, *, after: float = 0.0) -> None:
        assert self._server is not None  # noqa: S101 - as above
        self.stream_state = StreamState.AWAITED
        headers = self._headers()
        if event_id is not None:
            headers.append((mcp.LAST_EVENT_ID_HEADER, event_id.encode()))
        stream = self._stream = _Stream(self, is_again=after > 0 and event_id is None)
        stream.keep(self._server.stream(headers, stream, after=after))

    def _close_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.close()

    def stream_began(self, stream: "_Stream", status: int) -> None:
        if stream is not self._stream or self._is_sse:
            return
        self.stream_state = StreamState.OPEN if status == 200 else StreamState.REFUSED
        self._owner.stream_changed(was_lost=stream.is_again)

    def stream_said(self, stream: "_Stream", event: sse.Event) -> None:
        if stream is not self._stream:
            return
        if self._is_sse and event.event == "endpoint" and not self._target:
            self._target = _same_origin(event.data or b"")
            self._initialize()
            return
        for message in messages_of(event):
            self._fruitless = 0
            self.received(message, None)

    def stream_ended(self, stream: "_Stream", problem: GatewayError | None) -> None:
        if stream is not self._stream:
            return
        self._stream = None
        if self._is_sse:
            self._channel_lost(problem or UpstreamBroke("the adapter ended its HTTP+SSE stream", retry=1.0))
        elif self.stream_state is not StreamState.REFUSED and self._wants_stream and self._state is _State.OPEN:
            after = min(stream.retry * 2**self._fruitless, _LONGEST_RETRY)
            self._fruitless = min(self._fruitless + 1, 8)
            self._open_stream(stream.event_id, after=after)

    def _has_ended(self) -> None:
        if not self._reopens:
            self._owner.ended()

    def _channel_lost(self, problem: GatewayError) -> None:
        """With the stream the session is gone, and every answer that it owed."""
        was_opening = self._state is _State.OPENING
        self._state, self._target = _State.CLOSED, ""
        for number in tuple(self._under_way):
            self.broke(number, problem)
        if was_opening:
            self._opened(problem)
            return
        self._has_ended()
        if self._wants_stream and self._reopens:
            self.when_open(lambda _: None)


_NOT_AGAIN: Final = "the adapter lost the session and refused another one"


class _Stream(Holding):
    """One GET stream. is_again: what was said since the one before it ended is lost."""

    def __init__(self, session: LegacySession, *, is_again: bool) -> None:
        super().__init__()
        self.is_again = is_again
        self.event_id: str | None = None
        self.retry = RETRY
        self._session = session

    def began(self, status: int, session: bytes | None) -> None:  # noqa: ARG002 - as Heard has it
        self._session.stream_began(self, status)

    def event(self, event: sse.Event) -> None:
        if event.id is not None:
            self.event_id = event.id
        if event.retry is not None:
            self.retry = min(event.retry / 1000, _LONGEST_RETRY)
        self._session.stream_said(self, event)

    def ended(self, problem: GatewayError | None, *, was_sent: bool = True) -> None:  # noqa: ARG002 - as Heard has it
        self.is_over = True
        self._session.stream_ended(self, problem)


class _Carrier(Holding):
    """One request's exchange, and those that resume its stream."""

    def __init__(self, session: LegacySession, number: int, message: Message) -> None:
        super().__init__()
        self.number, self.message = number, message
        self.server: Server | None = None
        self.session: bytes | None = None
        self._owner = session
        self._status = self._resumed = 0
        self._event_id: str | None = None
        self._retry = RETRY
        self._is_again = self._is_lost = False

    def send(self) -> None:
        self._is_lost = False
        self._owner.send(self)

    def has_been_answered(self) -> None:
        """The exchange ends by itself; there is nothing left to resume."""
        self.is_over = True

    def began(self, status: int, session: bytes | None) -> None:  # noqa: ARG002 - only initialize brings a new one
        self._status = status
        self._is_lost = status == 404 and self.session is not None and not self._event_id

    def event(self, event: sse.Event) -> None:
        if self._is_lost or self.is_over:
            return
        if event.id is not None:
            self._event_id = event.id
        if event.retry is not None:
            self._retry = min(event.retry / 1000, _LONGEST_RETRY)
        for message in messages_of(event):
            self._resumed = 0
            self._owner.received(message, self.number)

    def ended(self, problem: GatewayError | None, *, was_sent: bool = True) -> None:
        self.exchange = None
        if self.is_over:
            return
        if (self._is_lost or not was_sent) and not self._is_again:
            self._is_again = True
            self._owner.lost(self)
        elif self._event_id is not None and self._status < 400 and self._resumed < _RESUMPTIONS:
            self._resumed += 1
            self._owner.resume(self, self._event_id, self._retry)
        elif problem is not None or self._status >= 400 or not self._owner.is_sse:
            self._owner.broke(self.number, problem or without_response(self._status))


def _same_origin(endpoint: bytes) -> str:
    """Where HTTP+SSE wants messages posted: path and query, never another host, whatever the server says."""
    parts = urlsplit(urljoin("http://x/", endpoint.decode(errors="replace").strip()))
    return f"{parts.path}?{parts.query}" if parts.query else parts.path
