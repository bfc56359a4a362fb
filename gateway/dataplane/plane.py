"""What all calls share: the load, the accounts, the sealing, and the form in which a request goes upstream."""

import time
from collections.abc import Callable
from typing import Any, Protocol

import msgspec

from gateway.core import affinity
from gateway.core.access import Principal
from gateway.core.affinity import SESSION_LIFETIME, Binding, Sealer
from gateway.core.errors import GatewayError, TooManyRequests, Unsupported, UpstreamBroke
from gateway.core.overhearing import Listener, Talk, Tap
from gateway.core.ports import Account, Accounts, Asking, Assertions, Exchange, Series, Tokens
from gateway.core.routes import Endpoint, Route, Routes
from gateway.dataplane.bounds import NO_BOUNDS, Bounds
from gateway.dataplane.deadlines import Deadlines
from gateway.dataplane.heads import Opening, bearer_of, identity_lines, upstream_opening, upstream_request
from gateway.dataplane.metrics import Counters
from gateway.dataplane.tap import Guarded
from gateway.dataplane.upstream import Upstream
from gateway.wire.mcp import Era
from gateway.wire.names import PrincipalId
from gateway.wire.resources import Timeouts


class Target(msgspec.Struct, frozen=True):
    """Where a call goes, and as whose.

    session: the instance's own id; sealed: the same as the client knows it. Both None where the call belongs to no
    session, and then another instance would do as well. path: in place of the instance's own, for tool servers.
    is_lasting: a stream without an end of its own, which its principal may not have too many of.
    """

    route: Route
    endpoint: Endpoint
    principal: Principal
    era: Era
    session: bytes | None = None
    sealed: bytes | None = None
    is_initialize: bool = False
    path: str = ""
    is_lasting: bool = False


class Course:
    """How requests with one head go to one instance: what is worked out once, and holds while the head does.

    is_named: whether each brings an id of its own. is_plain: their answers, too, are passed on as they come.
    series: of the account of the one before.
    """

    __slots__ = ("is_named", "is_plain", "opening", "series", "target")

    def __init__(self, target: Target, opening: Opening, *, is_named: bool, is_plain: bool) -> None:
        self.target, self.opening, self.is_named, self.is_plain = target, opening, is_named, is_plain
        self.series: Series | None = None


class Stream(Protocol):
    """An event stream on its way to a client."""

    deadline: float

    @property
    def is_lasting(self) -> bool: ...

    def expired(self) -> None: ...

    def stop(self) -> None: ...


class Rescue(Protocol):
    """Takes a call over that its instance did not answer."""

    def __call__(self, call: Any, error: GatewayError, /, *, is_undone: bool) -> bool: ...


class Plane:
    """scheme: `https` where clients reach the gateway by it; adapters read it in Forwarded.

    tokens: where adapters' access tokens are had; without it such adapters can't be called.
    """

    def __init__(
        self,
        routes: Routes,
        accounts: Accounts,
        sealer: Sealer,
        *,
        upstream: Upstream,
        deadlines: Deadlines,
        counters: Counters,
        assertions: Assertions | None = None,
        tokens: Tokens | None = None,
        scheme: str = "http",
        clock: Callable[[], float] = time.time,
        bounds: Bounds = NO_BOUNDS,
    ) -> None:
        self.upstream, self.deadlines, self.counters, self.bounds = upstream, deadlines, counters, bounds
        self._tokens = tokens
        self._routes, self._accounts, self._sealer = routes, accounts, sealer
        self._assertions, self._scheme, self._clock = assertions, scheme, clock
        self.streams: set[Stream] = set()
        self.tap: Tap | None = None  # core.overhearing.Tapped
        self.present: Callable[[Binding], Binding] | None = None  # where a session is that was resurrected
        self.rescue: Rescue | None = None
        self.on_end: Callable[[Target], None] | None = None  # a session ended whose adapter resurrects
        self.refuse: Callable[[Exchange, GatewayError, Principal], None]
        self.load: dict[str, int] = {}  # requests in hand, by an instance's uid
        self._lasting: dict[PrincipalId, int] = {}  # streams that last

    def choose(self, route: Route, tried: tuple[str, ...] = ()) -> Endpoint | None:
        """An instance for what belongs to no session. tried: uids that had their chance."""
        ready = self._routes.table.ready(route.adapter)
        if tried:
            ready = tuple(each for each in ready if each.uid not in tried)
        return affinity.choose(ready, self.load)

    def opened(self, target: Target, exchange: Asking, request_id: bytes) -> Account:
        """One more call in hand; `done` takes it off again."""
        uid = target.endpoint.uid
        self.load[uid] = self.load.get(uid, 0) + 1
        if target.is_lasting:
            self.stream_came(target.principal)
        request = exchange.request
        return self._accounts.opened(
            target.session,
            target.route.adapter,
            target.endpoint,
            target.principal,
            target.era,
            request.body if target.is_initialize or target.era is Era.MODERN else None,  # where a client says its name
            asking=exchange,
            request_id=request_id,
            is_stream=request.method == "GET",
        )

    def opened_again(self, course: Course, exchange: Asking, request_id: bytes) -> Account | None:
        """As `opened`, of what is neither initialize nor a stream; None where it is to be decided upon anew."""
        series = course.series
        account = series.opened(exchange, request_id) if series is not None else None
        if account is not None:
            uid, load = course.target.endpoint.uid, self.load
            load[uid] = load.get(uid, 0) + 1
        return account

    def listener(self, target: Target, exchange: Exchange, account: Account, request_id: bytes) -> Listener | None:
        """Who wants to hear of this call, and has heard of its request when this returns."""
        if self.tap is None or target.route.is_tool:
            return None
        listener = self.tap.listen(
            Talk(
                account=account,
                adapter=target.route.adapter,
                endpoint=target.endpoint,
                principal=target.principal,
                era=target.era,
                asking=exchange,
                request_id=request_id,
            )
        )
        if listener is None:
            return None
        guarded = Guarded(listener)
        guarded.asked()
        return guarded

    def done(self, target: Target) -> None:
        uid = target.endpoint.uid
        rest = self.load[uid] - 1
        if rest:
            self.load[uid] = rest
        else:
            del self.load[uid]
        if target.is_lasting:
            self.stream_went(target.principal)

    def stream_came(self, principal: Principal) -> None:
        self._lasting[principal.id] = self._lasting.get(principal.id, 0) + 1

    def stream_went(self, principal: Principal) -> None:
        rest = self._lasting[principal.id] - 1
        if rest:
            self._lasting[principal.id] = rest
        else:
            del self._lasting[principal.id]

    def is_busy(self, route: Route) -> bool:
        """Whether its adapter has all the requests in hand that it may have."""
        most = self.bounds.requests
        if not most or self.counters.in_flight < most:  # of all adapters together: most often that settles it
            return False
        return sum(self.load.get(each.uid, 0) for each in route.endpoints) >= most

    def excess(
        self, principal: Principal, route: Route | None, *, is_lasting: bool, is_initialize: bool = False
    ) -> TooManyRequests | None:
        """What one more such request is too much for, if anything. route: None for the gateway's own server."""
        bounds = self.bounds
        if is_lasting and 0 < bounds.streams <= self._lasting.get(principal.id, 0):
            return TooManyRequests(f"you have {bounds.streams} streams open, as many as one may: close one", retry=5.0)
        if is_initialize and bounds.sessions and not self._accounts.has_room(principal, bounds.sessions):
            sentence = f"you have {bounds.sessions} sessions, as many as one may: end one with DELETE"
            return TooManyRequests(sentence, retry=30.0)
        if route is not None and self.is_busy(route):
            return TooManyRequests(f"adapter '{route.adapter}' has {bounds.requests} requests in hand; try again soon")
        return None

    def begin_stream(self, stream: Stream) -> None:
        self.streams.add(stream)
        self.counters.streams += 1
        self.deadlines.watch(stream)

    def end_stream(self, stream: Stream) -> None:
        self.streams.discard(stream)
        self.counters.streams -= 1
        self.deadlines.forget(stream)

    def opening(self, target: Target, exchange: Asking) -> Opening:
        """How every request with this head begins for its instance."""
        request = exchange.request
        host = request.header(b"host") or b""
        identity = identity_lines(target.principal, exchange.peer, host, self._scheme)
        endpoint = target.endpoint if not target.path else msgspec.structs.replace(target.endpoint, path=target.path)
        return upstream_opening(request, target.route, endpoint, session=target.session, identity=identity)

    def request(self, target: Target, exchange: Asking, request_id: bytes, opening: Opening | None = None) -> bytes:
        """The call as its instance gets it. opening: where it is known already."""
        if opening is None:
            opening = self.opening(target, exchange)
        is_fresh = self._assertions is not None or target.route.grant is not None
        fresh = self._fresh(target) if is_fresh else b""
        return upstream_request(opening, exchange.request, request_id=request_id, fresh=fresh)

    def _fresh(self, target: Target) -> bytes:
        """Header lines that may be others with each request, each after a line break."""
        fresh = b""
        if self._assertions is not None:
            fresh = b"\r\nx-mcp-identity: " + self._assertions.assertion(target.principal, target.route.adapter)
        grant = target.route.grant
        if grant is not None and self._tokens is not None:
            authorization = self._tokens.last(grant, target.principal)
            if authorization is not None:
                fresh += b"\r\nauthorization: " + authorization
        return fresh

    def timeouts(self, route: Route, *, is_lasting: bool) -> Timeouts:
        """Of one request. What lasts has no end to be waited for."""
        own = route.timeouts
        return own if not own.total or not is_lasting else msgspec.structs.replace(own, total=0.0)

    def has_token(self, route: Route, principal: Principal) -> bool:
        """Whether a request can go to this adapter at once, as far as its access token is concerned."""
        if route.grant is None:
            return True
        return self._tokens is not None and self._tokens.known(route.grant, principal) is not None

    async def fetch_token(self, route: Route, principal: Principal, asking: Asking) -> None:
        """So that there is one. Raises GatewayError."""
        if route.grant is None:
            return
        if self._tokens is None:
            raise Unsupported(f"adapter '{route.adapter}' wants an access token, and this gateway gets none")
        await self._tokens.authorization(route.grant, principal, token=bearer_of(asking.request))

    def token_refused(self, target: Target) -> UpstreamBroke | None:
        """The instance answered 401: the error, where that is about the gateway's own token."""
        grant = target.route.grant
        if grant is None or self._tokens is None:
            return None
        self._tokens.refused(grant, target.principal)
        return UpstreamBroke(f"adapter '{target.route.adapter}' refuses the token that {grant.token_url} gave for it")

    def seal(self, target: Target, minted: bytes, hello: bytes = b"") -> bytes:
        """The id that the client gets for a session that the instance has just opened. hello: see Binding."""
        binding = Binding(target.endpoint.uid, minted, int(self._clock()) + SESSION_LIFETIME, hello)
        return self._sealer.seal(binding, target.route.adapter, target.principal.id)

    def is_ended(self, target: Target) -> bool:
        """Whether its session was ended at the gateway meanwhile."""
        return target.session is not None and self._accounts.is_ended(target.session, target.endpoint)

    def binding(self, route: Route, principal: Principal, sealed: bytes) -> Binding | None:
        """What a sealed id says, whatever has become of it since."""
        return self._sealer.open(sealed, route.adapter, principal.id, now=self._clock())

    def bound(self, route: Route, principal: Principal, sealed: bytes) -> tuple[Endpoint, bytes] | None:
        """The instance that a sealed id leads to, and its own id; None where the session can't go on."""
        binding = self.binding(route, principal, sealed)
        if binding is None:
            return None
        if self.present is not None and route.is_resurrecting:
            binding = self.present(binding)
        endpoint = route.by_uid(binding.uid)
        if endpoint is None or self._accounts.is_ended(binding.upstream, endpoint):
            return None
        return endpoint, binding.upstream
