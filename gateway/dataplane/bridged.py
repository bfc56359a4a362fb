"""Requests whose era their adapter does not speak: parsed, and given to the bridge that translates them.

Holds the bridges' state, one set per adapter, and lets go of what nobody uses. A request that passes never comes here.
"""

from collections.abc import Callable
from typing import Final

from gateway.bridge.decision import Way
from gateway.bridge.guest import TICK, Kept
from gateway.bridge.legacy_client import LegacyClient
from gateway.bridge.legacy_clients import LegacyClients
from gateway.bridge.legacy_servers import LegacyServers
from gateway.bridge.legacy_session import Connect
from gateway.bridge.modern_call import Parked, refuse_state
from gateway.bridge.opening import Opening
from gateway.bridge.sealing import Seals
from gateway.bridge.sides import Header, Server
from gateway.core import affinity, inbound
from gateway.core.access import Principal
from gateway.core.errors import MethodNotAllowed, NothingReady, SessionLost
from gateway.core.ports import Exchange
from gateway.core.routes import Endpoint, Route, Routes
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.spoken import Answered, Caller, Instance, Nobody
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Unreadable
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.validation import ModernNotification, Refusal, examine

_BATCHED: Final = "2025-03-26"  # the one version with batches
_OURS: Final = frozenset({b"accept", b"content-type", b"host", mcp.LAST_EVENT_ID_HEADER})  # and all of MCP's
_MCP_PREFIX: Final = b"mcp-"


class Bridges:
    """home: this replica's address, where others can forward to; "" where there is but one."""

    def __init__(
        self, plane: Plane, routes: Routes, seals: Seals, *, clock: Callable[[], float], home: str = ""
    ) -> None:
        self.deadline = 0.0
        self._plane, self._routes, self._seals = plane, routes, seals
        self._clock, self._home = clock, home
        self._clients: dict[AdapterName, LegacyClients] = {}
        self._servers: dict[AdapterName, LegacyServers] = {}

    def serve(self, exchange: Exchange, target: Target, way: Way, session: bytes | None = None) -> None:
        """target: as for a request that passes. session: one of the bridge's own ids."""
        if not self.deadline:
            self._plane.deadlines.watch(self)
            self.deadline = self._plane.deadlines.after(TICK)
        answer = Answered(self._plane, exchange, target)
        if way is Way.TO_LEGACY:
            self._to_legacy(exchange.request, answer, target, exchange.peer)
        else:
            self._to_modern(exchange.request, answer, target, exchange.peer, session)

    def close(self) -> None:
        """The gateway stops."""
        for clients in self._clients.values():
            clients.end_all()
        for servers in self._servers.values():
            servers.end()

    def expired(self) -> None:
        """Every TICK seconds."""
        self.deadline = self._plane.deadlines.after(TICK)
        for name, clients in tuple(self._clients.items()):
            clients.tick()
            if name not in self._routes.table.routes:
                self._clients.pop(name).end_all()
        for name, servers in tuple(self._servers.items()):
            servers.tick()
            if name not in self._routes.table.routes:
                self._servers.pop(name).end()

    # a modern client, a legacy server

    def _to_legacy(self, request: Request, answer: Answered, target: Target, peer: str) -> None:
        found = examine(request.body, request.headers, mcp.MODERN_VERSIONS)
        if isinstance(found, ModernNotification):
            answer.bare(202)
            return
        if isinstance(found, Refusal):
            answer.final(found.body(), found.status)
            return
        name, principal = target.route.adapter, target.principal
        servers = self._servers.get(name) or self._new_servers(name, Caller(peer, request.header(b"host") or b""))
        if not servers.is_mirrored(found, request.headers, answer):
            return
        state = envelope.members(found.message.get("params")).get("requestState")
        if state is None:
            servers.request(principal, found, answer)
            return
        sealed = (envelope.text(state) or "").encode()
        parked = self._seals.open(Parked, sealed, name, principal.id, now=self._clock())
        if parked is None or parked.home not in ("", self._home):
            refuse_state(found, answer)
        else:
            servers.resume(principal, found, answer, parked)

    def _new_servers(self, name: AdapterName, caller: Caller) -> LegacyServers:
        def connect(principal: Principal) -> Connect:
            return lambda: self._legacy_instance(name, principal, caller)

        servers = self._servers[name] = LegacyServers(
            name,
            connect,
            lambda parked, principal: self._seals.seal(parked, name, principal),
            home=self._home,
            clock=self._clock,
        )
        return servers

    def _legacy_instance(self, name: AdapterName, principal: Principal, caller: Caller) -> tuple[Server, bool]:
        endpoint = self._choose(name, Era.LEGACY)
        return self._reach(name, endpoint, principal, Era.LEGACY, caller), endpoint is not None and endpoint.is_sse

    # a legacy client, a modern server

    def _to_modern(self, request: Request, answer: Answered, target: Target, peer: str, session: bytes | None) -> None:
        name = target.route.adapter
        headers = tuple(
            pair for pair in request.headers if pair[0] not in _OURS and not pair[0].startswith(_MCP_PREFIX)
        )
        caller = Caller(peer, request.header(b"host") or b"", headers)

        def connect() -> Server:
            return self._reach(name, self._choose(name, Era.MODERN), target.principal, Era.MODERN, caller)

        clients = self._clients.get(name)
        if clients is None:
            clients = self._clients[name] = LegacyClients(name)
        if target.is_initialize:
            self._initialize(request, answer, target, connect)
            return
        if session is None:
            version = (request.header(mcp.VERSION_HEADER) or mcp.ASSUMED_VERSION.encode()).decode("latin-1")
            if request.method == "POST":
                self._posted(request, answer, clients.nameless(version, connect), version)
            else:
                answer.refuse(MethodNotAllowed(f"{request.method} needs the Mcp-Session-Id that initialize gives"))
            return
        kept = self._seals.open(Kept, session, name, target.principal.id, now=self._clock())
        if kept is None or clients.has_ended(kept):
            error = SessionLost("this session has ended, or never was here; begin anew with initialize")
            answer.refuse(error, inbound.request_id(request.body))
        elif request.method == "POST":
            self._posted(request, answer, clients.client(kept, connect), kept.version)
        elif request.method == "DELETE":
            clients.end(kept)
            answer.bare(204)
        else:
            clients.client(kept, connect).open_stream(answer)

    def _initialize(self, request: Request, answer: Answered, target: Target, connect: Callable[[], Server]) -> None:
        message = envelope.parse(request.body)
        if isinstance(message, Unreadable):
            answer.final(jsonrpc.error(None, message.code, message.sentence), 400)
            return
        name, principal = target.route.adapter, target.principal.id
        opening = Opening(
            name,
            connect,
            lambda kept: self._seals.seal(kept, name, principal),
            home=self._home,
            now=self._clock(),
        )
        opening.initialize(message, answer)

    def _posted(self, request: Request, answer: Answered, client: LegacyClient, version: str) -> None:
        body = request.body
        if envelope.is_batch(body):
            self._batch(body, answer, client, version)
            return
        message = envelope.parse(body)
        if isinstance(message, Unreadable):
            answer.final(jsonrpc.error(None, message.code, message.sentence), 400)
        elif "method" not in message:
            client.response(message)
            answer.bare(202)
        elif envelope.raw_id(message) is None:
            client.notification(message)
            answer.bare(202)
        elif not envelope.is_valid_id(envelope.raw_id(message) or b""):
            answer.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, "an id is text or a number"), 400)
        else:
            client.request(message, answer)

    def _batch(self, body: bytes, answer: Answered, client: LegacyClient, version: str) -> None:
        elements = envelope.parse_batch(body)
        is_sound = not isinstance(elements, Unreadable) and elements and version == _BATCHED
        if isinstance(elements, Unreadable) or not is_sound or not answer.accepts_stream:
            sentence = f"a batch is of MCP {_BATCHED}, not empty, and for clients that take text/event-stream"
            answer.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, sentence), 400)
            return
        messages = [envelope.members(element) for element in elements]
        requests = [each for each in messages if "method" in each and envelope.raw_id(each) is not None]
        for each in messages:
            if "method" not in each:
                client.response(each)
            elif envelope.raw_id(each) is None:
                client.notification(each)
        if not requests:
            answer.bare(202)
            return
        parts = _Parts(answer, len(requests))
        for each in requests:
            client.request(each, parts.part())

    # instances

    def _choose(self, name: AdapterName, era: Era, tried: tuple[str, ...] = ()) -> Endpoint | None:
        ready = self._routes.table.ready(name)
        return affinity.choose([each for each in ready if era in each.eras and each.uid not in tried])

    def _reach(
        self, name: AdapterName, endpoint: Endpoint | None, principal: Principal, era: Era, caller: Caller
    ) -> Server:
        route: Route | None = self._routes.table.routes.get(name)
        if route is None or endpoint is None:
            reason = route.reason if route is not None else ""
            return Nobody(NothingReady(reason or f"adapter '{name}' has no ready instance; try again soon"))
        target = Target(route, endpoint, principal, era)
        return Instance(self._plane, target, caller, lambda tried: self._choose(name, era, tried))


class _Parts:
    """One answer for a batch. Each of its requests is answered by an event, the last of which ends the stream."""

    def __init__(self, answer: Answered, requests: int) -> None:
        self._answer, self._awaited = answer, requests
        self._parts: list[_Part] = []
        answer.on_leave = self._left

    def part(self) -> "_Part":
        part = _Part(self._answer, self._ended)
        self._parts.append(part)
        return part

    def _ended(self) -> None:
        self._awaited -= 1
        if self._awaited == 0:
            self._answer.finish()

    def _left(self) -> None:
        for part in self._parts:
            if part.on_leave is not None:
                part.on_leave()


class _Part:
    """bridge.sides.Answer of one request in a batch."""

    def __init__(self, answer: Answered, ended: Callable[[], None]) -> None:
        self.accepts_stream = answer.accepts_stream
        self.headers: tuple[Header, ...] = ()
        self.on_leave: Callable[[], None] | None = None
        self._answer, self._ended = answer, ended
        self._is_open = True

    @property
    def is_open(self) -> bool:
        return self._is_open and self._answer.is_open

    def event(self, message: bytes) -> None:
        self._answer.event(message)

    def final(self, message: bytes, status: int = 200) -> None:  # noqa: ARG002 - a stream has one status
        if self._is_open:
            self._is_open, self.on_leave = False, None
            self._answer.event(message)
            self._ended()

    def open_stream(self) -> None:
        self._answer.open_stream()

    def finish(self) -> None:
        if self._is_open:
            self._is_open, self.on_leave = False, None
            self._ended()

    def bare(self, status: int) -> None:  # noqa: ARG002 - a stream has one status
        self.finish()

    def tick(self) -> None:
        self._answer.tick()
