"""Requests whose era their adapter does not speak: parsed, and given to the bridge that translates them.

Holds the bridges' state, one set per adapter, and lets go of what nobody uses. A request that passes never comes here.
"""

import itertools
import secrets
from collections.abc import Callable
from typing import Final

from msgspec import Raw

from gateway.bridge.channel import Channel, Channelled, Machine
from gateway.bridge.decision import Way
from gateway.bridge.declared import Declared
from gateway.bridge.guest import TICK, Guest, Kept
from gateway.bridge.legacy_client import LegacyClient
from gateway.bridge.legacy_clients import LegacyClients
from gateway.bridge.legacy_servers import LegacyServers
from gateway.bridge.legacy_session import Connect
from gateway.bridge.modern_call import Parked, refuse_state
from gateway.bridge.opening import Opening
from gateway.bridge.same_era import SameEra
from gateway.bridge.sealing import Sealed, Seals, is_sealed_here
from gateway.bridge.sides import Answer, Header, Server
from gateway.core import affinity, inbound
from gateway.core.access import Principal
from gateway.core.affinity import SESSION_LIFETIME
from gateway.core.errors import MethodNotAllowed, NothingReady, SessionLost
from gateway.core.ports import Exchange
from gateway.core.routes import MESSAGES, SSE, Endpoint, Route, Routes
from gateway.dataplane.heads import session_in
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.spoken import Answered, Caller, Instance, Nobody
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message, Unreadable
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, PrincipalId
from gateway.wire.validation import ModernNotification, Refusal, examine

RELAYED_IDLE: Final = 360  # ticks without a call or a stream after which a session with an HTTP+SSE server ends
_BATCHED: Final = "2025-03-26"  # the one version with batches
_MOST_IN_BATCH: Final = 100  # messages: each may be a call of its own at the server
_OURS: Final = frozenset({b"accept", b"content-type", b"host", mcp.LAST_EVENT_ID_HEADER})  # and all of MCP's
_MCP_PREFIX: Final = b"mcp-"
_STATE: Final = b'"requestState"'


class Relayed(Sealed, frozen=True, array_like=True, kw_only=True):
    """What the id of a session says that is held with an HTTP+SSE server."""

    home: str
    number: int


class Bridges:
    """home: this replica's address, where others can forward to, and a mark of this process behind `#`.

    Of the process, since what was held by one that is gone is not what the next one holds under the same number.
    """

    def __init__(
        self, plane: Plane, routes: Routes, seals: Seals, *, clock: Callable[[], float], home: str = ""
    ) -> None:
        self.deadline = 0.0
        self._plane, self._routes, self._seals = plane, routes, seals
        self._clock, self._home = clock, home or f"#{secrets.token_hex(8)}"
        self._clients: dict[AdapterName, LegacyClients] = {}
        self._servers: dict[AdapterName, LegacyServers] = {}
        self._channels: dict[int, Channel] = {}
        self._relayed: dict[int, SameEra] = {}
        self._numbers = itertools.count(1)

    def home_of(self, request: Request, name: AdapterName, principal: PrincipalId) -> str:
        """The replica that holds what a request is about; "" where it is this one, or any will do."""
        found: Channelled | Relayed | Kept | Parked | None = None
        now = self._clock()
        if request.path.endswith(MESSAGES):
            found = self._seals.open(Channelled, session_in(request.query) or b"", name, principal, now=now)
        elif is_sealed_here(session := request.header(mcp.SESSION_HEADER)):
            found = self._seals.open(Relayed, session or b"", name, principal, now=now) or self._seals.open(
                Kept, session or b"", name, principal, now=now
            )
        elif _STATE in request.body and not isinstance(message := envelope.parse(request.body), Unreadable):
            state = envelope.text(envelope.members(message.get("params")).get("requestState", Raw())) or ""
            found = self._seals.open(Parked, state.encode(errors="replace"), name, principal, now=now)
        return found.home if found is not None and found.home != self._home else ""

    def serve(self, exchange: Exchange, target: Target, way: Way, session: bytes | None = None) -> None:
        """target: as for a request that passes. session: one of the bridge's own ids."""
        self._wind()
        answer = Answered(self._plane, exchange, target)
        if way is Way.TO_LEGACY:
            self._to_legacy(exchange.request, answer, target, exchange.peer)
        elif way is Way.TO_SSE:
            self._to_sse(exchange.request, answer, target, exchange.peer, session)
        else:
            self._to_modern(exchange.request, answer, target, exchange.peer, session)

    def serve_old(self, exchange: Exchange, target: Target, way: Way) -> None:
        """A client of HTTP+SSE: its stream, or a message of its, posted where the stream's first event said."""
        self._wind()
        request, name = exchange.request, target.route.adapter
        answer = Answered(self._plane, exchange, target)
        if request.path.endswith(SSE):
            if request.method == "GET":
                self._open_channel(request, answer, target, way, exchange.peer)
            else:
                answer.refuse(MethodNotAllowed("HTTP+SSE opens its stream with GET"))
            return
        session = session_in(request.query) or b""
        found = self._seals.open(Channelled, session, name, target.principal.id, now=self._clock())
        channel = self._channels.get(found.number) if found is not None and found.home == self._home else None
        message = envelope.parse(request.body)
        if request.method != "POST":
            answer.refuse(MethodNotAllowed("HTTP+SSE takes messages as POST"))
        elif channel is None:
            answer.refuse(SessionLost("this stream has ended, or never was here; open another one"))
        elif isinstance(message, Unreadable):
            answer.final(jsonrpc.error(None, message.code, message.sentence), 400)
        else:
            answer.bare(202)
            channel.posted(message)

    def _wind(self) -> None:
        if not self.deadline:
            self._plane.deadlines.watch(self)
            self.deadline = self._plane.deadlines.after(TICK)

    def close(self) -> None:
        """The gateway stops."""
        for channel in tuple(self._channels.values()):
            channel.end()
        for relayed in tuple(self._relayed.values()):
            relayed.end()
        for clients in self._clients.values():
            clients.end_all()
        for servers in self._servers.values():
            servers.end()

    def expired(self) -> None:
        """Every TICK seconds."""
        self.deadline = self._plane.deadlines.after(TICK)
        for channel in tuple(self._channels.values()):
            channel.tick()
        for number, relayed in tuple(self._relayed.items()):
            relayed.tick()
            if relayed.is_over or relayed.ticks >= RELAYED_IDLE:
                self._relayed.pop(number).end()
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
            most_parked=self._plane.bounds.parked,
        )
        return servers

    def _legacy_instance(self, name: AdapterName, principal: Principal, caller: Caller) -> tuple[Server, bool]:
        endpoint = self._choose(name, Era.LEGACY)
        return self._reach(name, endpoint, principal, Era.LEGACY, caller), endpoint is not None and endpoint.is_sse

    # HTTP+SSE on either side

    def _to_sse(self, request: Request, answer: Answered, target: Target, peer: str, session: bytes | None) -> None:
        name, principal = target.route.adapter, target.principal
        if target.is_initialize:
            message = envelope.parse(request.body)
            if isinstance(message, Unreadable):
                answer.final(jsonrpc.error(None, message.code, message.sentence), 400)
                return
            number = next(self._numbers)
            sealed = Relayed(home=self._home, number=number, expires_at=int(self._clock()) + SESSION_LIFETIME)
            answer.headers = ((mcp.SESSION_HEADER, self._seals.seal(sealed, name, principal.id)),)
            machine = self._relayed[number] = self._same_era(request, target, peer)
            machine.initialize(message, answer)
            return
        found = self._seals.open(Relayed, session or b"", name, principal.id, now=self._clock())
        relayed = self._relayed.get(found.number) if found is not None and found.home == self._home else None
        if relayed is None or relayed.is_over:
            error = SessionLost("this session has ended, or never was here; begin anew with initialize")
            answer.refuse(error, inbound.request_id(request.body))
        elif request.method == "POST":
            self._posted(request, answer, relayed, "")
        elif request.method == "GET":
            relayed.open_stream(answer)
        elif found is not None:
            self._relayed.pop(found.number).end()
            answer.bare(204)

    def _same_era(self, request: Request, target: Target, peer: str) -> SameEra:
        caller = Caller(peer, request.header(b"host") or b"", _passing(request))
        return SameEra(lambda: self._legacy_instance(target.route.adapter, target.principal, caller))

    def _open_channel(self, request: Request, answer: Answered, target: Target, way: Way, peer: str) -> None:
        name, principal = target.route.adapter, target.principal.id
        number = next(self._numbers)
        sealed = Channelled(home=self._home, number=number, expires_at=int(self._clock()) + SESSION_LIFETIME)

        def begin(channel: Channel, message: Message, spoken: Answer) -> None:
            if way is not Way.TO_MODERN:
                machine = self._same_era(request, target, peer)
                channel.machine = machine
                machine.initialize(message, spoken)
                return
            connect = self._modern_connect(request, target, peer)

            def mint(kept: Kept) -> bytes:
                channel.machine = LegacyClient(Guest(name, kept, Declared(), connect))
                return b""

            Opening(name, connect, mint, home=self._home, now=self._clock()).initialize(message, spoken)

        def left() -> None:
            self._channels.pop(number, None)

        self._channels[number] = Channel(answer, begin, left)
        answer.open_stream()
        answer.endpoint(f"{MESSAGES}?session_id={self._seals.seal(sealed, name, principal).decode()}")

    # a legacy client, a modern server

    def _to_modern(self, request: Request, answer: Answered, target: Target, peer: str, session: bytes | None) -> None:
        name = target.route.adapter
        connect = self._modern_connect(request, target, peer)
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

    def _modern_connect(self, request: Request, target: Target, peer: str) -> Callable[[], Server]:
        name, principal = target.route.adapter, target.principal
        caller = Caller(peer, request.header(b"host") or b"", _passing(request))
        return lambda: self._reach(name, self._choose(name, Era.MODERN), principal, Era.MODERN, caller)

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

    def _posted(self, request: Request, answer: Answered, client: Machine, version: str) -> None:
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

    def _batch(self, body: bytes, answer: Answered, client: Machine, version: str) -> None:
        messages = _messages_in(body)
        if not 0 < len(messages) <= _MOST_IN_BATCH or version != _BATCHED or not answer.accepts_stream:
            sentence = (
                f"a batch is of MCP {_BATCHED}, of 1 to {_MOST_IN_BATCH} messages, "
                "and for clients that take text/event-stream"
            )
            answer.final(jsonrpc.error(None, jsonrpc.INVALID_REQUEST, sentence), 400)
            return
        requests = [each for each in messages if _is_request(each)]
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


def _passing(request: Request) -> tuple[Header, ...]:
    """The client's own headers, but for those that say what the translation says itself."""
    return tuple(pair for pair in request.headers if pair[0] not in _OURS and not pair[0].startswith(_MCP_PREFIX))


def _messages_in(batch: bytes) -> list[Message]:
    """None of them where anything in it is no message, or has an id that is neither text nor a number."""
    elements = envelope.parse_batch(batch)
    found = [] if isinstance(elements, Unreadable) else [envelope.parse(bytes(each)) for each in elements]
    messages = [each for each in found if not isinstance(each, Unreadable)]
    is_sound = all(envelope.is_valid_id(envelope.raw_id(each) or b"") for each in messages if _is_request(each))
    return messages if is_sound and len(messages) == len(found) else []


def _is_request(message: Message) -> bool:
    return "method" in message and envelope.raw_id(message) is not None


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
