"""The face of the handshake era: sessions by sealed ids, and with each adapter a session of its own behind them.

What an adapter asks of a client passes to it, and the answer back, whichever replica it comes to. Lists are answered
here; calls, prompts, resources and completions by whose they are.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw

from gateway.core.errors import Invalid, MethodNotAllowed, SessionLost
from gateway.core.inbound import Legacy
from gateway.core.ports import Exchange, nothing
from gateway.toolrouter import replies, resources, weighing
from gateway.toolrouter.asking import IDENTITY, path_of
from gateway.toolrouter.backstage import Backstage, noted
from gateway.toolrouter.calls import Answered, Caller, Ready, Refused, prepare
from gateway.toolrouter.inner import CLIENT_LEFT, JSON, request_to
from gateway.toolrouter.links import Failed, Greeting, Link, LinkedCall, Opened, Outcome, set_level
from gateway.toolrouter.modern import CAPABILITIES, LISTS, completed, instructions, renamed
from gateway.toolrouter.peer import KINDS
from gateway.toolrouter.sessions import Session, Sessions
from gateway.toolrouter.streams import ClientStream, Source, unmarked
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message, Unreadable
from gateway.wire.http1 import Headers
from gateway.wire.mcp import Era
from gateway.wire.media import accepts, is_json
from gateway.wire.names import AdapterName

_TRACED: Final = frozenset({b"traceparent", b"tracestate", b"baggage", b"x-request-id", b"x-correlation-id"})
_TO_ALL: Final = frozenset({"notifications/roots/list_changed", mcp.PROGRESS})
_EMPTY: Final = b"{}"
_REMEMBERED: Final = 60.0  # seconds; an id's expiry is looked at again then

type Done = Callable[[int, bytes], None]


class Asked:
    """One request of a client's, with all that answering it takes."""

    __slots__ = ("caller", "exchange", "message", "raw_id", "session")

    def __init__(
        self, exchange: Exchange, caller: Caller, session: Session, *, message: Message, raw_id: bytes
    ) -> None:
        self.exchange, self.caller, self.session = exchange, caller, session
        self.message, self.raw_id = message, raw_id

    def answer(self, result: bytes) -> None:
        replies.result(self.exchange, self.raw_id, result)

    def error(self, code: int, sentence: str) -> None:
        replies.rpc_error(self.exchange, Era.LEGACY, self.raw_id, code, sentence)


class _Seen:
    """Whose session a head names, for the next request on its connection that has the same."""

    __slots__ = ("_place", "_principal", "_until", "session")

    def __init__(self, session: Session, caller: Caller) -> None:
        self.session, self._principal, self._place = session, caller.principal, caller.place
        self._until = time.monotonic() + _REMEMBERED

    def holds(self, caller: Caller) -> bool:
        is_same = caller.principal is self._principal and caller.place == self._place
        return is_same and time.monotonic() < self._until


class LegacyFace:
    def __init__(self, backstage: Backstage, sessions: Sessions) -> None:
        self._backstage, self._sessions = backstage, sessions
        self._methods: dict[str, Callable[[Asked], None]] = {
            "ping": lambda asked: asked.answer(_EMPTY),
            "tools/call": self._call,
            "prompts/get": self._prompt,
            "resources/read": self._resource,
            "resources/subscribe": self._resource,
            "resources/unsubscribe": self._resource,
            "completion/complete": self._complete,
            "logging/setLevel": self._set_level,
            **dict.fromkeys(LISTS, self._list),
        }

    def serve(self, exchange: Exchange, caller: Caller, call: Legacy) -> None:
        method = exchange.request.method
        if method == "POST":
            self._post(exchange, caller, call)
        elif _is_modern(exchange):
            replies.refuse(exchange, MethodNotAllowed(f"{mcp.MODERN_VERSION} has no {method}; use POST"))
        elif (session := self._session(exchange, caller, call, None)) is None:
            return
        elif method == "GET":
            self._get(exchange, session)
        else:
            self._sessions.end(session)
            replies.bare(exchange, 204)

    # POST

    def _post(self, exchange: Exchange, caller: Caller, call: Legacy) -> None:
        request = exchange.request
        if not is_json(request.header(b"content-type")):
            replies.bare(exchange, 415, "the body must be application/json")
        elif not accepts(request.header(b"accept"))[0]:
            replies.bare(exchange, 406, "Accept must list application/json and text/event-stream")
        elif envelope.is_batch(request.body):
            replies.refuse(exchange, Invalid("a body is one message; batches are not served at /mcp"))
        else:
            message = envelope.parse(request.body)
            if isinstance(message, Unreadable):
                replies.rpc_error(exchange, Era.LEGACY, None, message.code, message.sentence)
            else:
                self._read(exchange, caller, call, message)

    def _read(self, exchange: Exchange, caller: Caller, call: Legacy, message: Message) -> None:
        raw_id = envelope.raw_id(message)
        if raw_id is not None and not envelope.is_valid_id(raw_id):
            replies.rpc_error(exchange, Era.LEGACY, None, jsonrpc.INVALID_REQUEST, "an id is text or a number")
        elif call.is_initialize and raw_id is not None:
            self._initialize(exchange, caller, message, raw_id)
        elif (session := self._session(exchange, caller, call, raw_id)) is None:
            return
        elif "method" not in message:
            self._response(session, message)
            replies.bare(exchange, 202)
        elif raw_id is None:
            self._notification(session, message, exchange.request.body)
            replies.bare(exchange, 202)
        else:
            self._request(Asked(exchange, caller, session, message=message, raw_id=raw_id))

    def _initialize(self, exchange: Exchange, caller: Caller, message: Message, raw_id: bytes) -> None:
        params = envelope.members(message.get("params"))
        asked = envelope.text(params.get("protocolVersion", Raw(b"null")))
        version = asked if asked in mcp.LEGACY_VERSIONS else mcp.LEGACY_VERSIONS[0]
        capabilities, client = (_object(params.get(member)) for member in ("capabilities", "clientInfo"))
        try:
            sealed = self._sessions.open(version, capabilities, client, caller.principal, caller.place)
        except ValueError as error:
            replies.rpc_error(exchange, Era.LEGACY, raw_id, jsonrpc.INVALID_PARAMS, str(error))
            return
        result = {
            "protocolVersion": version,
            "capabilities": CAPABILITIES,
            "serverInfo": IDENTITY,
            "instructions": instructions(caller),
        }
        replies.result(exchange, raw_id, msgspec.json.encode(result), (mcp.SESSION_HEADER, sealed))

    def _session(self, exchange: Exchange, caller: Caller, call: Legacy, raw_id: bytes | None) -> Session | None:
        """None where there is none, which the client has been told."""
        if call.session is None:
            if exchange.request.method != "POST":
                replies.refuse(exchange, Invalid("Mcp-Session-Id is missing; initialize gives one"))
                return None
            version = (exchange.request.header(mcp.VERSION_HEADER) or b"").decode("latin-1")
            return self._sessions.without_id(version or None, caller.principal)
        shape = noted(exchange.request)
        seen = shape.note if shape is not None else None
        if isinstance(seen, _Seen) and seen.holds(caller) and self._sessions.is_live(seen.session):
            return seen.session
        session = self._sessions.find(call.session, caller.principal, caller.place)
        if session is not None and shape is not None:
            shape.note = _Seen(session, caller)
        if session is None:
            lost = SessionLost("this session has ended, or never was here; begin anew with initialize")
            replies.refuse(exchange, lost, raw_id)
        return session

    def _response(self, session: Session, message: Message) -> None:
        """The client answers what an adapter asked: its id says which, in which session."""
        marked = unmarked(envelope.text(message.get("id", Raw(b"null"))) or "")
        if marked is None:
            return
        source, raw_id = marked
        body = envelope.line(message | {"id": Raw(raw_id)})
        link = Link(self._backstage, source.adapter, session.principal, _greeting(session))
        link.session = source.session
        link.post(body)

    def _notification(self, session: Session, message: Message, body: bytes) -> None:
        method = envelope.method(message)
        if method == mcp.CANCELLED:
            cancelled = envelope.members(message.get("params")).get("requestId")
            link = session.calls.get(bytes(cancelled)) if cancelled is not None else None
            if link is not None:
                link.post(body)
        elif method in _TO_ALL:
            for link in session.links.values():
                if link.session is not None:
                    link.post(body)

    def _request(self, asked: Asked) -> None:
        name = envelope.method(asked.message)
        method = self._methods.get(name or "")
        if method is None:
            asked.error(jsonrpc.METHOD_NOT_FOUND, f"there is no method {name!r} here")
        else:
            method(asked)

    # requests

    def _list(self, asked: Asked) -> None:
        cursor = envelope.members(asked.message.get("params")).get("cursor")
        if cursor is not None and bytes(cursor) != b"null":
            asked.error(jsonrpc.INVALID_PARAMS, "no list here has a second page: leave cursor out")
            return
        kind = LISTS[envelope.method(asked.message) or ""]
        caller = asked.caller
        asked.answer(self._backstage.sight.listed(caller.principal, kind, Era.LEGACY, caller.toolset))

    def _call(self, asked: Asked) -> None:
        request, sight = asked.exchange.request, self._backstage.sight
        match prepare(sight, asked.caller, asked.message, body=request.body, headers=request.headers):
            case Refused(code, sentence):
                asked.error(code, sentence)
            case Answered(result):
                asked.answer(result)
            case Ready() as ready:
                guard = self._backstage.guard
                if not guard.has_policies:
                    self._go(asked, ready, asked.exchange, nothing)
                    return
                meta = envelope.members(envelope.members(asked.message.get("params")).get("_meta"))
                weighed = weighing.offered(
                    guard.outlooks,
                    sight.catalog,
                    asked.caller,
                    ready,
                    raw_id=asked.raw_id,
                    token=meta.get("progressToken"),
                )
                guard.admit(asked.exchange, weighed, partial(self._go, asked, ready))

    def _go(self, asked: Asked, ready: Ready, exchange: Exchange, release: Callable[[], None]) -> None:
        """exchange: the request's own, or what stands for it after a wait."""
        asked.exchange = exchange
        refusal = self._backstage.refusal(ready.offer.source)
        if refusal is not None:
            release()
            replies.refuse(exchange, refusal, asked.raw_id)
        elif ready.offer.is_server:
            principal = asked.caller.principal
            self._backstage.call_server(exchange, principal, ready, release=release, say=asked.answer)
        else:
            done = self._backstage.watched(ready.offer, release)
            self._send(asked, self._link(asked.session, ready.offer.source), ready.body, done=done, otherwise=None)

    def _prompt(self, asked: Asked) -> None:
        name = envelope.text(envelope.members(asked.message.get("params")).get("name", Raw(b"null"))) or ""
        prompt = self._backstage.sight.prompt(asked.caller.principal, name)
        if prompt is None:
            asked.error(jsonrpc.INVALID_PARAMS, f"there is no prompt {name!r} here that you may use")
            return
        is_same = prompt.key == prompt.original
        body = asked.exchange.request.body if is_same else renamed(asked.message, prompt.original)
        self._pass(asked, [prompt.source], body)

    def _resource(self, asked: Asked) -> None:
        uri = envelope.text(envelope.members(asked.message.get("params")).get("uri", Raw(b"null"))) or ""
        owners = resources.owners(self._backstage.sight, asked.caller.principal, uri)
        if not owners:
            asked.error(_RESOURCE_NOT_FOUND, f"there is no resource {uri!r} here that you may read")
        else:
            self._pass(asked, owners, asked.exchange.request.body)

    def _complete(self, asked: Asked) -> None:
        found = completed(self._backstage, asked.caller, asked.message)
        if found is None:
            asked.error(jsonrpc.INVALID_PARAMS, "params.ref names no prompt or template that you may use")
            return
        source, message = found
        is_same = message is asked.message
        self._pass(asked, [source], asked.exchange.request.body if is_same else envelope.line(message))

    def _set_level(self, asked: Asked) -> None:
        """For every adapter's session, those to come included."""
        level = bytes(envelope.members(asked.message.get("params")).get("level", Raw(b"null")))
        asked.session.level = level
        for link in asked.session.links.values():
            if link.session is not None:
                link.post(set_level(level))
        asked.answer(_EMPTY)

    # to adapters

    def _pass(self, asked: Asked, sources: list[AdapterName], body: bytes) -> None:
        """To the first of these adapters that is not out of order, and on to the next where one knows of nothing."""
        source, *others = sources
        otherwise = partial(self._pass, asked, others, body) if others else None
        refusal = self._backstage.refusal(source)
        if refusal is None:

            def judged(status: int, _: bytes) -> None:
                self._backstage.judged(source, status)

            self._send(asked, self._link(asked.session, source), body, done=judged, otherwise=otherwise)
        elif otherwise is not None:
            otherwise()
        else:
            replies.refuse(asked.exchange, refusal, asked.raw_id)

    def _send(
        self,
        asked: Asked,
        link: Link,
        body: bytes,
        *,
        done: Done,
        otherwise: Callable[[], None] | None,
        is_again: bool = False,
    ) -> None:
        """In the adapter's session. One that it has lost is opened anew, once: nothing of the request was done."""
        calls, raw_id = asked.session.calls, asked.raw_id

        def finished(status: int, answer: bytes) -> None:
            calls.pop(raw_id, None)
            done(status, answer)

        def lost(session: bytes) -> None:
            link.lost(session)
            self._send(asked, link, body, done=done, otherwise=otherwise, is_again=True)

        def go(outcome: Outcome) -> None:
            if asked.exchange.has_ended:
                finished(CLIENT_LEFT, b"")
                return
            match outcome:
                case Failed(status, answer):
                    finished(status, answer)
                    _pass_failure(asked, status, answer)
                case Opened(session):
                    calls[raw_id] = link
                    request = link.request(body, _traced(asked.exchange))
                    call = LinkedCall(
                        asked.exchange,
                        request,
                        link.source,
                        done=finished,
                        lost=None if is_again else partial(lost, session),
                        otherwise=otherwise,
                    )
                    self._backstage.admit(call, asked.caller.principal)

        link.authorization = asked.exchange.request.header(b"authorization")
        link.when_open(go)

    def _link(self, session: Session, adapter: AdapterName) -> Link:
        link = session.links.get(adapter)
        if link is None:
            link = session.links[adapter] = Link(self._backstage, adapter, session.principal, _greeting(session))
            if session.stream is not None:
                link.hear = session.stream.pass_on
        return link

    # GET

    def _get(self, exchange: Exchange, session: Session) -> None:
        if not accepts(exchange.request.header(b"accept"))[1]:
            replies.bare(exchange, 406, "Accept must list text/event-stream")
            return
        last = (exchange.request.header(mcp.LAST_EVENT_ID_HEADER) or b"").decode("latin-1")
        resumed = unmarked(last) if last else None
        if resumed is not None:
            self._resume(exchange, session, *resumed)
        else:
            Standing(self._backstage, exchange, session)

    def _resume(self, exchange: Exchange, session: Session, source: Source, event_id: bytes) -> None:
        """What an adapter said after the event that the client last had of it."""
        link = self._link(session, source.adapter)
        if link.session is None:
            link.session = source.session
        headers: Headers = [*link.headers(), (mcp.LAST_EVENT_ID_HEADER, event_id)]
        request = request_to(path_of(source.adapter), b"", headers, method="GET")
        self._backstage.admit(LinkedCall(exchange, request, source, done=_ignored), session.principal)


class Standing:
    """backstage.Listener: a client's GET stream. A newer one takes the older one's place."""

    def __init__(self, backstage: Backstage, exchange: Exchange, session: Session) -> None:
        if session.stream is not None:
            session.stream.finish()
        exchange.on_leave = self._left
        self._backstage, self._session = backstage, session
        self._stream = session.stream = ClientStream(exchange)
        backstage.listeners.add(self)
        for link in session.links.values():
            link.hear = self._stream.pass_on
            link.listen()

    def changed(self, kinds: frozenset[str]) -> None:
        for kind in sorted(kinds):
            self._stream.event(jsonrpc.notification(KINDS[kind]))
        if not self._stream.is_open:
            self._backstage.listeners.discard(self)

    def tick(self) -> None:
        self._stream.tick()
        if not self._stream.is_open:
            self._backstage.listeners.discard(self)

    def stop(self) -> None:
        self._backstage.listeners.discard(self)
        self._stream.finish()

    def _left(self) -> None:
        self._backstage.listeners.discard(self)
        if self._session.stream is self._stream:
            self._session.stream = None
            for link in self._session.links.values():
                link.mute()


_RESOURCE_NOT_FOUND: Final = -32002  # up to 2025-11-25


def _pass_failure(asked: Asked, status: int, answer: bytes) -> None:
    """The answer to the adapter's initialize, as an answer to this request."""
    message = envelope.parse(answer)
    if isinstance(message, dict) and "error" in message:
        body = envelope.line(message | {"id": Raw(asked.raw_id)})
    else:
        body = jsonrpc.error(asked.raw_id, status, f"the adapter answered initialize with HTTP {status}")
    asked.exchange.respond(status if status != 404 else 502, (JSON,), body)  # 404 would end the client's session here


def _greeting(session: Session) -> Greeting:
    words = session.words
    return Greeting(words.version, words.capabilities, words.client, session.level)


def _traced(exchange: Exchange) -> Headers:
    return [pair for pair in exchange.request.headers if pair[0] in _TRACED]


def _object(raw: Raw | None) -> bytes:
    return bytes(raw) if raw is not None and bytes(raw)[:1] == b"{" else _EMPTY


def _is_modern(exchange: Exchange) -> bool:
    version = exchange.request.header(mcp.VERSION_HEADER)
    return version is not None and mcp.era_of(version.decode("latin-1")) is Era.MODERN


def _ignored(status: int, body: bytes) -> None:
    """Of no interest."""
