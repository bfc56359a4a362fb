"""One MCP request from its head to where it goes: who, what, whether, and which instance. The same for every door.

Decides, and answers refusals; `relay` does the rest. Callbacks only: a task runs just for a token not seen before.
"""

import ssl
import time
from collections.abc import Callable, Mapping
from functools import partial
from types import TracebackType
from typing import Final, Self, assert_never

import msgspec

from gateway.bridge.decision import Way, way
from gateway.bridge.sealing import Seals, is_sealed_here
from gateway.core import access, inbound
from gateway.core.access import Principal
from gateway.core.affinity import Sealer
from gateway.core.errors import Challenge, GatewayError, Invalid, NotFound, NothingReady, SessionLost, Unauthenticated
from gateway.core.inbound import Legacy, Modern, Rejection
from gateway.core.overhearing import Tapped
from gateway.core.ports import Accounts, Assertions, Authenticator, Exchange, Tokens, ToolsDoor, Witness, nothing
from gateway.core.routes import TOOLS_PATH, Route, Routes, adapter_of, is_old_path, resource_of
from gateway.dataplane import replies
from gateway.dataplane.bounds import NO_BOUNDS, Bounds
from gateway.dataplane.bridged import Bridges
from gateway.dataplane.deadlines import TICK, Deadlines
from gateway.dataplane.forwarding import Forwards, Homes
from gateway.dataplane.heads import is_lasting, session_in
from gateway.dataplane.metrics import Counters
from gateway.dataplane.pages import ForPages, is_preflight, preflight
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.relay import Relay
from gateway.dataplane.resurrection import Resurrections
from gateway.dataplane.standing import Standings
from gateway.dataplane.tasks import Tasks
from gateway.dataplane.upstream import Upstream
from gateway.dataplane.watched import Watched
from gateway.wire import mcp
from gateway.wire.hosts import Hosts
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

_LAST_WORDS: Final = 0.5  # seconds in which instances are told that their bridged sessions are over
_DECISIVE: Final = (b"authorization", b"origin", mcp.SESSION_HEADER, mcp.VERSION_HEADER)  # which may come once only
_TOOLS_BELOW: Final = f"{TOOLS_PATH}/"


def is_mcp_path(path: str) -> bool:
    """Whether the data plane answers here."""
    return adapter_of(path) is not None or path == TOOLS_PATH or path.startswith(_TOOLS_BELOW)


class Pipeline:
    """`async with` while it serves. `counters` are for /metrics.

    challenge: what a token that is bound elsewhere is answered with. scheme: `https` where clients reach the gateway by
    it. upstream_tls: whom to trust as https instances; the platform's store without it. tick: seconds, how exactly
    time-outs are kept. seals: what eras are bridged with; without it every request passes in its own. witness: is told
    of what reaches no adapter. bounds: how much one caller, or one adapter, may take at once.
    elsewhere: who answers in this one's place what is more than passing bytes on. home, homes: this replica as others
    reach it (see Bridges), and which others there are.
    """

    def __init__(
        self,
        routes: Routes,
        authenticator: Authenticator,
        accounts: Accounts,
        sealer: Sealer,
        *,
        hosts: Hosts,
        assertions: Assertions | None = None,
        tokens: Tokens | None = None,
        tools: ToolsDoor | None = None,
        witness: Witness | None = None,
        challenge: Challenge | None = None,
        seals: Seals | None = None,
        scheme: str = "http",
        upstream_tls: ssl.SSLContext | None = None,
        clock: Callable[[], float] = time.time,
        tick: float = TICK,
        bounds: Bounds = NO_BOUNDS,
        elsewhere: Callable[[Exchange], None] | None = None,
        home: str = "",
        homes: Homes | None = None,
    ) -> None:
        self.counters = Counters()
        self.deadlines = Deadlines(tick)
        self.upstream = Upstream(self.deadlines, tls=upstream_tls)
        self._plane = Plane(
            routes,
            accounts,
            sealer,
            upstream=self.upstream,
            deadlines=self.deadlines,
            counters=self.counters,
            assertions=assertions,
            tokens=tokens,
            scheme=scheme,
            clock=clock,
            bounds=bounds,
        )
        self._standings = Standings(self._plane, routes, authenticator)
        self._bridges = Bridges(self._plane, routes, seals, clock=clock, home=home) if seals is not None else None
        self._forwards: Forwards | None = None
        if seals is not None and homes is not None:
            self._forwards = Forwards(self._plane, seals, homes, clock=clock)
        self._routes, self._authenticator, self._hosts, self._tools = routes, authenticator, hosts, tools
        self._bound_elsewhere = _bound_elsewhere(challenge or Challenge())
        self._witness, self._clock, self._elsewhere = witness, clock, elsewhere
        self._diverted: frozenset[AdapterName] = frozenset()
        self._tasks = Tasks()
        self._resurrections = Resurrections(
            self._plane, routes, self._tasks, send_on=self._send_on if elsewhere is not None else None
        )
        self._plane.present, self._plane.rescue = self._resurrections.present, self._resurrections.rescue
        self._plane.on_end = self._resurrections.end
        self._plane.refuse = lambda exchange, error, principal: self._refuse(exchange, error, principal=principal)

    @property
    def tapped(self) -> Tapped:
        """Where messages pass, for who listens."""
        return self._plane

    def divert(self, adapters: frozenset[AdapterName]) -> None:
        """Requests for these are answered elsewhere from now on."""
        self._diverted = adapters

    def _send_on(self, exchange: Exchange) -> None:
        """It is counted where it is answered."""
        if self._elsewhere is not None:
            self.counters.requests -= 1
            self._elsewhere(exchange)

    def serve(self, exchange: Exchange) -> None:
        """Answer, now or later."""
        self.counters.requests += 1
        if self._diverted and self._elsewhere and adapter_of(exchange.request.path) in self._diverted:
            self._send_on(exchange)
            return
        tools = self._tools
        if self._standings.serve(exchange, weigh=self._weigh_again if tools and tools.has_policies else None):
            return
        if (standing := self._standings.tools(exchange)) is not None:
            self._serve_tools(exchange, standing.principal, standing.call)
            return
        request = exchange.request
        headers = dict(request.headers)
        if len(headers) != len(request.headers) and (twice := _given_twice(request.headers)):
            self._refuse(exchange, Invalid(f"the header {twice} comes more than once"))
            return
        refusal = inbound.misplaced(self._hosts, headers.get(b"host"), headers.get(b"origin"))
        if refusal is not None:
            self._refuse(exchange, refusal)
        elif request.query and inbound.is_token_in(request.query):
            self._refuse(exchange, Invalid("a token in the query string ends up in logs: send it as Authorization"))
        elif (origin := headers.get(b"origin")) is None:
            self._identify(exchange, headers)
        elif is_preflight(exchange.request):
            self.counters.answered(204)
            exchange.respond(204, preflight(exchange.request, origin))
        else:
            self._identify(ForPages(exchange, origin), headers)

    def admit(self, exchange: Exchange, principal: Principal) -> None:
        """ports.AdaptersDoor: for the gateway's own server, which has let the principal in."""
        if not self._standings.serve(exchange, principal):
            self._judge(exchange, dict(exchange.request.headers), principal, is_ours=True)

    def forward(self, exchange: Exchange, principal: Principal, route: Route) -> None:
        """ports.AdaptersDoor: to a tool server, at its own path or the one that the request's target is."""
        if self._plane.has_token(route, principal):
            self._forward(exchange, principal, route)
        else:
            self._get_token(exchange, principal, route, partial(self._forward, exchange, principal, route))

    def _forward(self, exchange: Exchange, principal: Principal, route: Route) -> None:
        endpoint = self._plane.choose(route)
        if endpoint is None:
            error = NothingReady(route.reason or f"'{route.adapter}' has no ready instance")
            self._refuse(exchange, error, principal=principal)
        else:
            path = exchange.request.target.decode("ascii")
            Relay(self._plane, exchange, Target(route, endpoint, principal, Era.MODERN, path=path)).begin()

    def _identify(self, exchange: Exchange, headers: Mapping[bytes, bytes]) -> None:
        principal = self._authenticator.known(headers)
        if principal is None:
            self._tasks.spawn(self._verify(exchange, headers), name="verify a token")
        else:
            self._judge(exchange, headers, principal)

    async def _verify(self, exchange: Exchange, headers: Mapping[bytes, bytes]) -> None:
        try:
            principal = await self._authenticator.verify(headers)
        except GatewayError as error:
            self._refuse(exchange, error)
        else:
            self._judge(exchange, headers, principal)

    def _judge(
        self,
        exchange: Exchange,
        headers: Mapping[bytes, bytes],
        principal: Principal | Unauthenticated,
        *,
        is_ours: bool = False,
    ) -> None:
        """is_ours: it comes from the gateway's own server, and was weighed there."""
        if exchange.has_ended:  # the client did not wait for its token to be verified
            return
        if isinstance(principal, Unauthenticated):
            self._refuse(exchange, principal)
            return
        request = exchange.request
        if principal.resource and access.is_bound_elsewhere(principal, resource_of(request.path)):
            self._refuse(exchange, self._bound_elsewhere, principal=principal)
            return
        version = headers.get(mcp.VERSION_HEADER)
        call = inbound.classify(
            request.method,
            version=None if version is None else version.decode("latin-1"),
            session=headers.get(mcp.SESSION_HEADER) or (session_in(request.query) if request.query else None),
            body=request.body,
        )
        match call:
            case Rejection():
                self._refuse(exchange, call.error, call.request_id, principal=principal)
            case Modern() | Legacy():
                self._admit(exchange, principal, call, is_ours=is_ours)
            case other:
                assert_never(other)

    def _admit(self, exchange: Exchange, principal: Principal, call: Modern | Legacy, *, is_ours: bool) -> None:
        adapter = adapter_of(exchange.request.path)
        if adapter is None:
            self._standings.remember_tools(exchange, principal, call)
            self._serve_tools(exchange, principal, call)
            return
        route = self._routes.table.routes.get(adapter)
        if route is None or not access.may_read(principal, route.ownership):
            self._refuse(exchange, _no_adapter(adapter), principal=principal)
        elif self._forwards is None or is_ours or not self._is_forwarded(exchange, principal, call, route):
            self._weigh(exchange, principal, call, route, is_ours=is_ours)

    def _is_forwarded(self, exchange: Exchange, principal: Principal, call: Modern | Legacy, route: Route) -> bool:
        """To the replica that holds what it is about, which weighs it."""
        bridges, forwards = self._bridges, self._forwards
        if bridges is None or forwards is None:
            return False
        home = bridges.home_of(exchange.request, route.adapter, principal.id)
        if not home or not forwards.can_reach(home, exchange.request, route, principal.id):
            return False
        otherwise = partial(self._weigh, exchange, principal, call, route, is_ours=False)
        forwards.send(exchange, route, principal.id, home, otherwise)
        return True

    def _weigh(
        self, exchange: Exchange, principal: Principal, call: Modern | Legacy, route: Route, *, is_ours: bool
    ) -> None:
        tools, request, said = self._tools, exchange.request, None
        if tools is not None and tools.has_policies and not is_ours:  # else no body is looked into
            said = inbound.tools_call(request.method, request.body)
        if said is None or tools is None:
            self._enter(exchange, principal, call, route)
        elif self._elsewhere is not None:
            self._send_on(exchange)
        else:
            go, refused = partial(self._weighed, principal, call, route), self.counters.answered
            tools.weigh(exchange, principal, route.adapter, said=said, era=_era(call), go=go, refused=refused)

    def _weighed(
        self,
        principal: Principal,
        call: Modern | Legacy,
        route: Route,
        exchange: Exchange,
        release: Callable[[], None],
    ) -> None:
        self._enter(_releasing(exchange, release), principal, call, route)

    def _weigh_again(self, exchange: Exchange, target: Target, relay: Callable[[Exchange], None]) -> None:
        """While there are policies, one whose head is known already. relay: passes it on as the one before."""
        tools, request = self._tools, exchange.request
        said = inbound.tools_call(request.method, request.body)
        if said is None or tools is None:
            relay(exchange)
        elif self._elsewhere is not None:
            self._send_on(exchange)
        else:
            adapter, go = target.route.adapter, partial(self._weighed_again, exchange, target.principal, relay)
            refused = self.counters.answered
            tools.weigh(exchange, target.principal, adapter, said=said, era=target.era, go=go, refused=refused)

    def _weighed_again(
        self,
        exchange: Exchange,
        principal: Principal,
        relay: Callable[[Exchange], None],
        through: Exchange,
        release: Callable[[], None],
    ) -> None:
        watched = _releasing(through, release)
        if through is exchange:
            relay(watched)
        elif not self._standings.serve(watched, principal):  # it has waited: things may be otherwise
            self._judge(watched, dict(exchange.request.headers), principal, is_ours=True)

    def _enter(self, exchange: Exchange, principal: Principal, call: Modern | Legacy, route: Route) -> None:
        if route.grant is None or self._plane.has_token(route, principal):
            self._pass_on(exchange, principal, call, route)
        else:
            self._get_token(exchange, principal, route, partial(self._pass_on, exchange, principal, call, route))

    def _get_token(self, exchange: Exchange, principal: Principal, route: Route, then: Callable[[], None]) -> None:
        self._tasks.spawn(self._with_token(exchange, principal, route, then), name="get a token for an adapter")

    async def _with_token(
        self, exchange: Exchange, principal: Principal, route: Route, then: Callable[[], None]
    ) -> None:
        try:
            await self._plane.fetch_token(route, principal, exchange)
        except GatewayError as error:
            if self._elsewhere is None or not isinstance(error, Unauthenticated):
                self._refuse(exchange, error, principal=principal)
            elif not exchange.has_ended:  # the lead signed the caller in, and knows the issuer's token
                self._send_on(exchange)
        else:
            if not exchange.has_ended:
                then()

    def _pass_on(self, exchange: Exchange, principal: Principal, call: Modern | Legacy, route: Route) -> None:
        kept = _kept_here(call)
        lasts = is_lasting(exchange.request, _era(call))
        target = self._target(route, principal, call if kept is None else Legacy(None), is_lasting=lasts)
        if isinstance(target, SessionLost) and self._is_resurrected(exchange, principal, call, route):
            return
        if isinstance(target, GatewayError):
            self._refuse(exchange, target, principal=principal)
        elif excess := self._plane.excess(principal, route, is_lasting=lasts, is_initialize=target.is_initialize):
            self._refuse(exchange, excess, principal=principal)
        elif is_old_path(exchange.request.path):
            self._serve_old(exchange, target)
        elif (self._bridges is not None or self._elsewhere) and (kept is not None or target.session is None):
            self._cross(exchange, target, kept)
        else:
            self._standings.relay(exchange, target)

    def _is_resurrected(self, exchange: Exchange, principal: Principal, call: Modern | Legacy, route: Route) -> bool:
        """Whether a session that has lost its instance goes on with another one."""
        session = call.session if isinstance(call, Legacy) else None
        if session is None or not route.is_resurrecting:
            return False
        lasts = is_lasting(exchange.request, Era.LEGACY)

        def go(target: Target) -> None:
            Relay(self._plane, exchange, msgspec.structs.replace(target, is_lasting=lasts)).begin()

        return self._resurrections.serve(exchange, principal, route, session, go)

    def _cross(self, exchange: Exchange, target: Target, kept: bytes | None) -> None:
        """Where the eras of client and adapter may differ. kept: a session's id that is only the gateway's."""
        crossing = way(target.route.era, target.era, target.endpoint)
        if self._elsewhere is not None and (crossing is not Way.PASS or kept is not None):
            self._send_on(exchange)
        elif self._bridges is not None and crossing is not Way.PASS:
            self._bridges.serve(exchange, target, crossing, kept)
        elif kept is None:
            self._standings.relay(exchange, target)
        else:
            error = SessionLost("the adapter speaks this client's era now; begin anew with initialize")
            self._refuse(exchange, error, principal=target.principal)

    def _serve_old(self, exchange: Exchange, target: Target) -> None:
        """Clients of HTTP+SSE, 2024-11-05."""
        if self._elsewhere is not None:
            self._send_on(exchange)
        elif self._bridges is None:
            self._refuse(exchange, NotFound("adapters are at /adapters/NAME/mcp"))
        else:
            crossing = way(target.route.era, target.era, target.endpoint)
            self._bridges.serve_old(exchange, target, crossing)

    def _serve_tools(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:
        if self._elsewhere is not None:
            self._send_on(exchange)
            return
        if self._tools is None:
            error = NotFound(f"nothing is served at {TOOLS_PATH}; adapters are at /adapters/NAME/mcp")
            self._refuse(exchange, error, principal=principal)
            return
        if is_lasting(exchange.request, _era(call)):
            if excess := self._plane.excess(principal, None, is_lasting=True):
                self._refuse(exchange, excess, principal=principal)
                return
            self._plane.stream_came(principal)
            exchange = Watched(exchange, lambda _status, _sent: self._plane.stream_went(principal))
        if self._witness is not None:
            exchange = self._watched(exchange, principal, self._witness)
        self._tools.serve(exchange, principal, call)

    def _watched(self, exchange: Exchange, principal: Principal, witness: Witness) -> Exchange:
        began, request_id = self._clock(), replies.request_id_of(exchange)

        def ended(status: int, sent: int) -> None:
            witness.answered(exchange, principal, status=status, bytes_out=sent, request_id=request_id, began=began)

        return Watched(exchange, ended)

    def _target(
        self, route: Route, principal: Principal, call: Modern | Legacy, *, is_lasting: bool = False
    ) -> Target | GatewayError:
        """The instance this call goes to: its session's, or any that is ready."""
        if isinstance(call, Legacy) and call.session is not None:
            bound = self._plane.bound(route, principal, call.session)
            if bound is None:
                return SessionLost("this session has ended, or never was here; begin anew with initialize")
            instance, session = bound
            return Target(
                route, instance, principal, Era.LEGACY, session=session, sealed=call.session, is_lasting=is_lasting
            )
        endpoint = self._plane.choose(route)
        if endpoint is None:
            return NothingReady(route.reason or f"adapter '{route.adapter}' has no ready instance; try again soon")
        if isinstance(call, Modern):
            return Target(route, endpoint, principal, Era.MODERN, is_lasting=is_lasting)
        is_initialize = call.is_initialize
        return Target(route, endpoint, principal, Era.LEGACY, is_initialize=is_initialize, is_lasting=is_lasting)

    def _refuse(
        self,
        exchange: Exchange,
        error: GatewayError,
        raw_id: bytes | None = None,
        *,
        principal: Principal | None = None,
    ) -> None:
        if exchange.has_ended:
            return
        self.counters.answered(error.status)
        request_id = replies.request_id_of(exchange)
        replies.refuse(exchange, error, raw_id or inbound.request_id(exchange.request.body), request_id=request_id)
        if self._witness is not None:
            self._witness.refused(exchange, principal, error, request_id=request_id)

    def stop_streams(self, *, only_lasting: bool) -> None:
        """End event streams because the gateway goes. only_lasting: those that have no end of their own."""
        for stream in tuple(self._plane.streams):
            if stream.is_lasting or not only_lasting:
                stream.stop()

    async def __aenter__(self) -> Self:
        await self.upstream.__aenter__()
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bridges is not None:
            self._bridges.close()
            await self.upstream.settle(_LAST_WORDS)
        self.stop_streams(only_lasting=False)
        await self._tasks.__aexit__(kind, error, trace)
        await self.upstream.__aexit__(kind, error, trace)
        self.deadlines.close()


def _releasing(exchange: Exchange, release: Callable[[], None]) -> Exchange:
    return exchange if release is nothing else Watched(exchange, lambda _status, _sent: release())


def _given_twice(headers: list[tuple[bytes, bytes]]) -> str:
    """The first header that decides something and comes more than once; its readers would not agree on which holds."""
    names = [name for name, _ in headers]
    return next((name.decode() for name in _DECISIVE if names.count(name) > 1), "")


def _kept_here(call: Modern | Legacy) -> bytes | None:
    session = call.session if isinstance(call, Legacy) else None
    return session if is_sealed_here(session) else None


def _era(call: Modern | Legacy) -> Era:
    return Era.MODERN if isinstance(call, Modern) else Era.LEGACY


def _bound_elsewhere(challenge: Challenge) -> Unauthenticated:
    sentence = "this token was issued for another resource of this gateway"
    return Unauthenticated(
        sentence, challenge=msgspec.structs.replace(challenge, error="invalid_token", description=sentence)
    )


def _no_adapter(adapter: AdapterName) -> NotFound:
    return NotFound(f"there is no adapter {adapter!r} here that you may use")
