"""A handshake-era client's session with one adapter: opened when first needed, and anew when the adapter has lost it.

The client's own initialize is repeated to the adapter, so that it knows whom it talks to and what that client can do.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from gateway.core.access import Principal
from gateway.core.ports import Exchange
from gateway.toolrouter.asking import path_of
from gateway.toolrouter.inner import ACCEPT, EVENT_STREAM, JSON, Events, Inner, Passing, media_type, request_to
from gateway.toolrouter.streams import Marking, Source
from gateway.wire import envelope, jsonrpc, mcp, sse
from gateway.wire.http1 import Headers, Noted, Request
from gateway.wire.names import AdapterName

_PATIENCE: Final = 30.0  # seconds for an adapter's answer to initialize
_FIRST_ID: Final = b'"mcpdeck-initialize"'


class Door(Protocol):
    """backstage.Backstage, as far as links need it."""

    def admit(self, inner: Inner, principal: Principal) -> None: ...


class Opened(msgspec.Struct, frozen=True):
    """session: as the data plane sealed it; b"" for an adapter without sessions."""

    session: bytes


class Failed(msgspec.Struct, frozen=True):
    """The adapter has no session for this client. body: its answer, or the data plane's, to pass on with the status."""

    status: int
    body: bytes


type Outcome = Opened | Failed
type Waiter = Callable[[Outcome], None]


class Greeting(msgspec.Struct, frozen=True):
    """What the client said to initialize, raw. level: what it set by logging/setLevel since."""

    version: str
    capabilities: bytes
    client: bytes
    level: bytes | None = None


class Link:
    """hear: what the adapter says on its GET stream, where the client has one of its own open.

    authorization: the client's, of its latest request: the data plane may exchange it for one of the adapter's issuer.
    """

    def __init__(self, door: Door, adapter: AdapterName, principal: Principal, greeting: Greeting) -> None:
        self.adapter = adapter
        self.session: bytes | None = None
        self.hear: Callable[[sse.Event, Source], None] | None = None
        self.authorization: bytes | None = None
        self._door, self._principal, self._greeting = door, principal, greeting
        self._path = path_of(adapter)
        self._alike: tuple[bytes | None, bytes | None, list[bytes]] | None = None
        self._headers: Headers = []
        self._shape = Noted()
        self._waiting: list[Waiter] = []
        self._opening: Events | None = None
        self._stream: Events | None = None
        self._timer: asyncio.TimerHandle | None = None

    @property
    def source(self) -> Source:
        return Source(self.adapter, self.session or b"")

    def when_open(self, waiter: Waiter) -> None:
        """Now, or once the adapter has answered initialize."""
        if self.session is not None:
            waiter(Opened(self.session))
            return
        self._waiting.append(waiter)
        if self._opening is None:
            self._open()

    def lost(self, session: bytes) -> None:
        """The adapter knows this session no more."""
        if self.session == session:
            self.session = None
            self._leave_stream()

    def request(self, body: bytes, traced: Headers) -> Request:
        """A message of the client's, in the adapter's session. traced: its headers that go along."""
        alike = (self.session, self.authorization, [name for name, _ in traced])
        if alike != self._alike:  # else its head differs in its trace alone, and what follows from it stands
            self._alike, self._headers, self._shape = alike, self.headers(), Noted()
        headers = [*self._headers, *traced] if traced else self._headers
        return request_to(self._path, body, headers, shape=self._shape)

    def headers(self) -> Headers:
        found = [*self._first_headers(), (mcp.VERSION_HEADER, self._greeting.version.encode())]
        return [*found, (mcp.SESSION_HEADER, self.session)] if self.session else found

    def _first_headers(self) -> Headers:
        found = [JSON, ACCEPT]
        return found if self.authorization is None else [*found, (b"authorization", self.authorization)]

    def post(self, body: bytes) -> None:
        """A notification, or an answer to what the adapter asked. What comes of it is of no interest."""
        request = request_to(self._path, body, self.headers())
        self._door.admit(Events(request, event=_ignored, over=_ignored), self._principal)

    def listen(self) -> None:
        """Open the GET stream, where there is none and somebody would hear it."""
        if self._stream is not None or self.hear is None or self.session is None:
            return
        request = request_to(self._path, b"", self.headers(), method="GET")
        self._stream = stream = Events(request, event=self._heard, over=self._stream_over)
        self._door.admit(stream, self._principal)

    def mute(self) -> None:
        """The client's own stream is gone."""
        self.hear = None
        self._leave_stream()

    def end(self) -> None:
        self._leave_stream()
        if self._timer is not None:
            self._timer.cancel()
        if self._opening is not None:
            self._opening.leave()
        if self.session:
            request = request_to(self._path, b"", self.headers(), method="DELETE")
            self._door.admit(Events(request, event=_ignored, over=_ignored), self._principal)
        self.session = None

    # opening

    def _open(self) -> None:
        greeting = self._greeting
        params: dict[str, Any] = {
            "protocolVersion": greeting.version,
            "capabilities": Raw(greeting.capabilities),
            "clientInfo": Raw(greeting.client),
        }
        body = b'{"jsonrpc":"2.0","id":%b,"method":"initialize","params":%b}' % (_FIRST_ID, msgspec.json.encode(params))
        answer = _Greeted(self._settle)
        request = request_to(self._path, body, self._first_headers())
        self._opening = Events(request, event=answer.event, over=answer.over, head=answer.head)
        self._timer = asyncio.get_running_loop().call_later(_PATIENCE, answer.late)
        self._door.admit(self._opening, self._principal)

    def _settle(self, outcome: Outcome) -> None:
        opening, self._opening = self._opening, None
        if opening is not None:
            opening.leave()
        if self._timer is not None:
            self._timer.cancel()
        if isinstance(outcome, Opened):
            self.session = outcome.session
            self.post(jsonrpc.notification(mcp.INITIALIZED))
            if self._greeting.level is not None:
                self.post(set_level(self._greeting.level))
            self.listen()
        waiting, self._waiting = self._waiting, []
        for waiter in waiting:
            waiter(outcome)

    # the adapter's stream

    def _heard(self, event: sse.Event) -> None:
        if self.hear is not None:
            self.hear(event, self.source)

    def _stream_over(self, problem: str) -> None:  # noqa: ARG002 - the client's next request tells what became of it
        self._stream = None

    def _leave_stream(self) -> None:
        stream, self._stream = self._stream, None
        if stream is not None:
            stream.leave()


class _Greeted:
    """The answer to initialize, on its way."""

    def __init__(self, settle: Waiter) -> None:
        self._settle = settle
        self._status = 0
        self._session = b""
        self._is_settled = False

    def head(self, status: int, headers: Headers) -> None:
        self._status = status
        self._session = next((value for name, value in headers if name == mcp.SESSION_HEADER), b"")

    def event(self, event: sse.Event) -> None:
        message = envelope.parse(event.data) if event.data else None
        if not isinstance(message, dict) or "method" in message:
            return
        if "result" in message:
            self._is(Opened(self._session))
        else:
            self._is(Failed(self._status if self._status >= 400 else 502, event.data or b""))

    def over(self, problem: str) -> None:
        sentence = f"the adapter did not answer initialize: {problem or f'HTTP {self._status}'}"
        self._is(Failed(502, jsonrpc.error(None, 502, sentence, {"source": "mcpdeck", "code": "upstream-broke"})))

    def late(self) -> None:
        sentence = f"the adapter did not answer initialize within {_PATIENCE:g} s"
        self._is(Failed(504, jsonrpc.error(None, 504, sentence, {"source": "mcpdeck", "code": "upstream-slow"})))

    def _is(self, outcome: Outcome) -> None:
        if not self._is_settled:
            self._is_settled = True
            self._settle(outcome)


class LinkedCall(Passing):
    """One request of a client's to an adapter in its session, with answers passed on and ids that lead back.

    lost: called in place of an answer when the adapter does not know the session. otherwise: in place of an error, to
    try something else. done: told the status and, of a JSON answer, the body; once.
    """

    def __init__(
        self,
        outer: Exchange,
        request: Request,
        source: Source,
        *,
        done: Callable[[int, bytes], None],
        lost: Callable[[], None] | None = None,
        otherwise: Callable[[], None] | None = None,
    ) -> None:
        super().__init__(outer, request, done)
        self._source, self._lost, self._otherwise = source, lost, otherwise
        self._marking: Marking | None = None

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        if status == 404 and self._lost is not None and self._source.session:
            self._lost()
            return
        self._tell(status, body)
        if self._outer.has_ended:
            return
        if self._otherwise is not None and not _is_result(status, body):
            self._otherwise()
        else:
            is_stream = media_type(headers) == EVENT_STREAM
            self._outer.respond(status, own(headers), Marking(self._source).fed(body) if is_stream else body)

    def began(self, status: int, headers: Headers, length: int | None) -> None:
        if media_type(headers) == EVENT_STREAM:
            self._marking, length = Marking(self._source), None
        super().began(status, own(headers), length)

    def went_on(self, chunk: bytes) -> None:
        try:
            self._outer.write(chunk if self._marking is None else self._marking.fed(chunk))
        except ValueError:  # an event that is larger than any should be
            self.leave()
            self._outer.abort()


def _is_result(status: int, body: bytes) -> bool:
    message = envelope.parse(body)
    return 200 <= status < 300 and isinstance(message, dict) and "result" in message


def own(headers: Headers) -> Headers:
    """Without the adapter's session id: the client has another one here."""
    return [pair for pair in headers if pair[0] != mcp.SESSION_HEADER]


def set_level(level: bytes) -> bytes:
    return b'{"jsonrpc":"2.0","id":"mcpdeck-level","method":"logging/setLevel","params":{"level":%b}}' % level


def _ignored(_: object) -> None:
    """Of no interest."""
