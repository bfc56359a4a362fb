"""The HTTP face: which requests are served at all, and which bridge or session each one goes to.

Every request is answered, or handed to a bridge with a `Reply`, before the callback returns; only `initialize` waits.
"""

from collections.abc import Callable
from typing import Final

from gateway.wire import envelope, jsonrpc, mcp, validation
from gateway.wire.envelope import Message, Unreadable
from gateway.wire.hosts import Hosts
from gateway.wire.http1 import Connection, Exchange, Limits, Request
from gateway.wire.mcp import Era
from gateway.wire.media import accepts, is_json
from gateway.wire.replies import JSON, BatchReply, Header, Reply
from gateway.wire.validation import ModernNotification, ModernRequest, Refusal
from sidecar.bridge.legacy import Session
from sidecar.bridge.modern import ModernBridge
from sidecar.household import Household
from sidecar.leaving import Leaving
from sidecar.sessions import Sessions

type Head = dict[bytes, bytes]

_TEXT: Final[Header] = (b"content-type", b"text/plain; charset=utf-8")
_BATCHING: Final = "2025-03-26"  # the only version that has batches
_INITIALIZE: Final = b'"initialize"'


class Face:
    """Serves `path`, /healthz and /drained. name: the adapter's, for sentences."""

    def __init__(
        self,
        household: Household,
        sessions: Sessions,
        modern: ModernBridge,
        leaving: Leaving,
        *,
        path: str,
        hosts: Hosts,
        limits: Limits,
        name: str,
    ) -> None:
        self._household, self._sessions, self._modern, self._leaving = household, sessions, modern, leaving
        self._paths = frozenset({path.rstrip("/") or "/", path.rstrip("/") + "/"})
        self._hosts, self._limits, self._name = hosts, limits, name
        self._connections: set[Connection] = set()
        self._by_method: dict[str, Callable[[Exchange, Head], None]] = {
            "POST": self._post,
            "GET": self._get,
            "DELETE": self._delete,
        }

    def connect(self) -> Connection:
        """asyncio's protocol factory."""
        return Connection(self._serve, self._limits, on_open=self._connections.add, on_close=self._connections.discard)

    def close(self) -> None:
        """Take no further requests; those under way are still answered."""
        for connection in tuple(self._connections):
            connection.close_when_idle()

    def _serve(self, exchange: Exchange) -> None:
        request = exchange.request
        head = dict(request.headers)
        refusal = self._hosts.refusal(head.get(b"host"), head.get(b"origin"))
        if refusal is not None:
            exchange.respond(refusal.status, (_TEXT,), refusal.sentence.encode())
        elif request.path in self._paths:
            serve = self._by_method.get(request.method)
            if serve is None:
                exchange.respond(405, ((b"allow", b"POST, GET, DELETE"),))
            else:
                serve(exchange, head)
        elif request.path == "/healthz" and request.method in ("GET", "HEAD"):
            self._health(exchange)
        elif request.path == "/drained" and request.method == "GET":
            self._leaving.ask(exchange)
        else:
            exchange.respond(404, (_TEXT,), b"nothing is served at this path")

    def _health(self, exchange: Exchange) -> None:
        trouble = self._household.trouble
        if trouble is None:
            exchange.respond(200, (_TEXT,), f"{self._name} speaks the {self._household.era} protocol\n".encode())
        else:
            exchange.respond(503, (_TEXT,), f"{trouble}\n".encode())

    # POST

    def _post(self, exchange: Exchange, head: Head) -> None:
        if not is_json(head.get(b"content-type")):
            exchange.respond(415, (_TEXT,), b"the body must be application/json")
            return
        takes_json, takes_stream = accepts(head.get(b"accept"))
        if _is_modern(exchange.request, head):
            if takes_json and takes_stream:
                self._modern_post(exchange)
            else:
                exchange.respond(406, (_TEXT,), b"Accept must list application/json and text/event-stream")
        elif takes_json or takes_stream:
            self._legacy_post(exchange, head, Reply(exchange, accepts_json=takes_json, accepts_stream=takes_stream))
        else:
            exchange.respond(406, (_TEXT,), b"Accept must list application/json and text/event-stream")

    def _modern_post(self, exchange: Exchange) -> None:
        request = exchange.request
        if self._household.era is not Era.MODERN:
            self._refuse_modern(exchange)
            return
        match validation.examine(request.body, request.headers, self._modern.versions):
            case ModernRequest(method=mcp.INITIALIZE) as call:
                error = jsonrpc.error(call.raw_id, jsonrpc.METHOD_NOT_FOUND, "2026-07-28 has no initialize")
                exchange.respond(404, (JSON,), error)
            case ModernRequest() as call:
                self._modern.request(call, request.headers, Reply(exchange))
            case ModernNotification():
                exchange.respond(202)
            case Refusal() as refusal:
                exchange.respond(refusal.status, (JSON,), refusal.body())

    def _refuse_modern(self, exchange: Exchange) -> None:
        """A child of the other era, or of none yet. Clients of both eras read the first as: use the handshake."""
        message = envelope.parse(exchange.request.body)
        raw_id = None if isinstance(message, Unreadable) else envelope.raw_id(message)
        if self._household.era is None:
            trouble = self._household.trouble or "the server is starting"
            error = envelope.own_error(raw_id, jsonrpc.INTERNAL_ERROR, trouble, "not-running")
            exchange.respond(503, (JSON, (b"retry-after", b"2")), error)
            return
        asked = (exchange.request.header(mcp.VERSION_HEADER) or b"").decode("latin-1")
        sentence = (
            f"{self._name} speaks MCP up to {mcp.LEGACY_VERSIONS[0]}, with a handshake; this client asked for {asked}"
        )
        error = envelope.own_error(
            raw_id, mcp.UNSUPPORTED_VERSION, sentence, "era", supported=mcp.LEGACY_VERSIONS, requested=asked
        )
        exchange.respond(400, (JSON,), error)

    def _legacy_post(self, exchange: Exchange, head: Head, reply: Reply) -> None:
        body = exchange.request.body
        if envelope.is_batch(body):
            self._batch(exchange, head)
            return
        message = envelope.parse(body)
        if isinstance(message, Unreadable):
            reply.final(jsonrpc.error(None, message.code, message.sentence), 400)
            return
        raw_id = envelope.raw_id(message)
        if raw_id is not None and "method" in message and bytes(message["method"]) == _INITIALIZE:
            self._initialize(exchange, message, raw_id, reply)
            return
        session = self._session(exchange, head, raw_id)
        if session is not None:
            self._deliver(session, message, raw_id, reply)

    def _initialize(self, exchange: Exchange, message: Message, raw_id: bytes, reply: Reply) -> None:
        """A stale session id beside it is of no concern."""
        if self._household.era is None:
            trouble = self._household.trouble or "the server is starting"
            error = envelope.own_error(raw_id, jsonrpc.INTERNAL_ERROR, trouble, "not-running")
            exchange.respond(503, (JSON, (b"retry-after", b"2")), error)
        elif not envelope.is_valid_id(raw_id):
            reply.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "an id is text or a number"), 400)
        else:
            self._sessions.open(message, reply)

    def _deliver(self, session: Session, message: Message, raw_id: bytes | None, reply: Reply) -> None:
        bridge = session.bridge
        if "method" not in message:
            if raw_id is None:
                reply.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "a message has a method or an id"), 400)
            else:
                reply.bare(202 if bridge.response(session, message) else 503)
        elif raw_id is None:
            reply.bare(202 if bridge.notification(session, message) else 503)
        elif not envelope.is_valid_id(raw_id):
            reply.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "an id is text or a number"), 400)
        else:
            bridge.request(session, message, reply)

    def _batch(self, exchange: Exchange, head: Head) -> None:
        """A 2025-03-26 batch is taken apart: one event for each answer. In any other version it is an error."""
        session = self._session(exchange, head, None)
        if session is None:
            return
        elements = envelope.parse_batch(exchange.request.body)
        messages = [] if isinstance(elements, Unreadable) else [envelope.parse(bytes(each)) for each in elements]
        whole = [message for message in messages if not isinstance(message, Unreadable)]
        is_sound = len(whole) == len(messages) and all("method" in each or "id" in each for each in whole)
        if session.version != _BATCHING or not whole or not is_sound:
            problem = f"a body is one message; only {_BATCHING} sessions may send several, each an object"
            exchange.respond(400, (JSON,), jsonrpc.error(None, jsonrpc.INVALID_REQUEST, problem))
            return
        ids = [envelope.raw_id(message) if "method" in message else None for message in whole]
        requests = sum(raw_id is not None for raw_id in ids)
        reply = BatchReply(exchange, requests)
        for message in whole:
            self._deliver(session, message, envelope.raw_id(message), reply)

    def _session(self, exchange: Exchange, head: Head, raw_id: bytes | None) -> Session | None:
        """The session a request names. None where it names none that there is, which it has been told."""
        session_id = head.get(mcp.SESSION_HEADER)
        if session_id is None:
            error = jsonrpc.error(raw_id, jsonrpc.INVALID_REQUEST, "Mcp-Session-Id is missing; initialize gives one")
            exchange.respond(400, (JSON,), error)
            return None
        session = self._sessions.find(session_id)
        if session is None:
            exchange.respond(404, (JSON,), envelope.own_error(raw_id, 404, "Session not found", "session-lost"))
        return session

    # GET and DELETE

    def _get(self, exchange: Exchange, head: Head) -> None:
        if mcp.era_of(_version(head)) is Era.MODERN or self._sessions.is_refused:
            exchange.respond(405, ((b"allow", b"POST"),))
        elif not accepts(head.get(b"accept"))[1]:
            exchange.respond(406, (_TEXT,), b"Accept must list text/event-stream")
        elif (session := self._session(exchange, head, None)) is not None:
            session.bridge.open_stream(session, Reply(exchange))

    def _delete(self, exchange: Exchange, head: Head) -> None:
        if mcp.era_of(_version(head)) is Era.MODERN or self._sessions.is_refused:
            exchange.respond(405, ((b"allow", b"POST"),))
        elif (session := self._session(exchange, head, None)) is not None:
            self._sessions.end(session, "the session was ended by its client")
            exchange.respond(204)


def _version(head: Head) -> str | None:
    version = head.get(mcp.VERSION_HEADER)
    return None if version is None else version.decode("latin-1")


def _is_modern(request: Request, head: Head) -> bool:
    """By the version header alone; a request without one that still carries modern metadata has forgotten it."""
    version = head.get(mcp.VERSION_HEADER)
    if version is not None:
        return mcp.era_of(version.decode("latin-1")) is Era.MODERN
    return mcp.SESSION_HEADER not in head and b'"io.modelcontextprotocol/protocolVersion"' in request.body
