"""What the rooms above need of each other, as Protocols. `compose` is where they meet."""

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

import msgspec

from gateway.core.access import Principal
from gateway.core.desired import Desired, Revision
from gateway.core.errors import GatewayError, Unauthenticated
from gateway.core.grants import Grant
from gateway.core.inbound import Legacy, Modern
from gateway.core.observed import Observed
from gateway.core.routes import Endpoint, Route
from gateway.core.tools import DesiredToolset, Registered
from gateway.wire.http1 import Request
from gateway.wire.jsonrpc import Envelope
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import AdapterSpec, Authorization
from gateway.wire.tools import OfferedTool, ToolsCost


class Asking(Protocol):
    """A request, and from where it came."""

    request: Request

    @property
    def peer(self) -> str: ...


class Exchange(Asking, Protocol):
    """One request and its answer, whatever door it came through. What each member does: see wire.http1.Exchange."""

    status: int
    sent: int
    has_started: bool
    has_ended: bool
    on_leave: Callable[[], None] | None
    on_pause: Callable[[], None] | None
    on_resume: Callable[[], None] | None

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None: ...

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None: ...

    def write(self, chunk: bytes) -> None: ...

    def flush(self) -> None: ...

    def finish(self) -> None: ...

    def abort(self) -> None: ...


type Go = Callable[["Exchange", Callable[[], None]], None]  # the exchange to answer, and what to call at its end


def nothing() -> None:
    """What to call at the end of a call that was not counted."""


class ToolsDoor(Protocol):
    """The gateway's own MCP server, at /mcp and below it, and its policies."""

    @property
    def has_policies(self) -> bool:
        """Whether tool calls on adapters' own routes have to pass `weigh`."""

    def serve(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:
        """Answer it, now or later. Called on the loop and must not wait; the principal has been let in."""

    def weigh(
        self,
        exchange: Exchange,
        principal: Principal,
        adapter: AdapterName,
        *,
        said: Envelope,
        era: Era,
        go: Go,
        refused: Callable[[int], None],
    ) -> None:
        """Something that may be a tools/call, straight at an adapter. go: passes it on; perhaps at once, perhaps never.

        said: the body, as `inbound.tools_call` has it. refused: told the status that it was answered with here; 0 where
        its client left. As `serve`, it must not wait.
        """


class Offers(Protocol):
    """What is offered at /mcp of all that is registered."""

    def publish(self, registered: Registered) -> None:
        """It holds when this returns, for every request from then on."""

    async def settled(self) -> None:
        """Returns once each adapter that is named was asked for its tools, or is out of reach; or after a while."""

    def offered(self, tool: str | None = None) -> Sequence[OfferedTool]:
        """All of them, or those of one registration."""

    def problem(self, source: AdapterName) -> str:
        """What is wrong with an adapter's lists, in a sentence; "" where nothing is."""

    def cost(self, principal: Principal | None, toolset: DesiredToolset | None) -> ToolsCost:
        """Of the list that a principal gets; None: of all that is in it. toolset: None for /mcp itself."""


class AdaptersDoor(Protocol):
    """What is behind the data plane's door, for who is inside already: /mcp calls adapters as their own clients do."""

    def admit(self, exchange: Exchange, principal: Principal) -> None:
        """A request for /adapters/{name}/mcp: permission, session, era and instance as for any client's.

        Neither Host and Origin nor a token are looked at. Called on the loop and must not wait.
        """

    def forward(self, exchange: Exchange, principal: Principal, route: Route) -> None:
        """A request to any ready instance of a route, at its endpoint's path: for tool servers, which speak no MCP."""


class Authenticator(Protocol):
    """Who a request is from. `known` is the fast half: a cache look-up that never waits."""

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        """The principal, a refusal, or None: not known yet, ask `verify`. Header names are lower case."""

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        """The same with time to fetch keys and check a signature; `known` answers from then on."""


@runtime_checkable
class RecognisingAuthenticator(Authenticator, Protocol):
    """An Authenticator that need not look at the same headers twice."""

    def ticket(self, headers: Mapping[bytes, bytes]) -> bytes | None:
        """What `recognised` knows these headers by, and nothing that they say; None where they say nobody."""

    def recognised(self, ticket: bytes) -> Principal | None:
        """As `known`, at a fraction of its cost: the same principal for as long as it holds."""


class Assertions(Protocol):
    """The gateway's signed word on who calls, for the `X-Mcp-Identity` header."""

    def assertion(self, principal: Principal, adapter: AdapterName) -> bytes:
        """About this principal, for this adapter alone. Served from memory; never waits."""


class Tokens(Protocol):
    """Access tokens for `url` adapters. `known` and `last` are the fast half: look-ups that never wait."""

    def known(self, grant: Grant, principal: Principal) -> bytes | None:
        """The Authorization header's value; None: ask `authorization`."""

    def last(self, grant: Grant, principal: Principal) -> bytes | None:
        """The same, about to end or not: for what can't wait. None where there never was one."""

    async def authorization(self, grant: Grant, principal: Principal, *, token: str) -> bytes:
        """The same with time to ask. token: the caller's own, "" where it has none; it goes to the issuer at most.

        Raises Forbidden, NothingReady, Unauthenticated, Unsupported, UpstreamBroke.
        """

    def refused(self, grant: Grant, principal: Principal) -> None:
        """The adapter did not take it: the next call gets another."""

    def refusal(self, authorization: Authorization) -> str:
        """Why such tokens can't be had here, in a sentence; "" where it can be tried."""


class Accounts(Protocol):
    """What the data plane tells about live sessions and calls. Every method is called on the loop and must not wait."""

    def opened(
        self,
        session: bytes | None,
        adapter: AdapterName,
        endpoint: Endpoint,
        principal: Principal,
        era: Era,
        body: bytes | None,
        *,
        asking: Asking | None = None,
        request_id: bytes = b"",
        is_stream: bool = False,
    ) -> "Account":
        """A request begins; `session` is the upstream's own id, None without one; body: what initialize said.

        asking, request_id: what came, and its X-Request-Id, for the audit log. is_stream: a GET, which lasts as long as
        its client likes.
        """

    def has_room(self, principal: Principal, most: int) -> bool:
        """Whether a principal has fewer sessions than that."""

    def is_ended(self, session: bytes, endpoint: Endpoint) -> bool:
        """Whether this session was ended at the gateway: its id is refused from then on, whatever the upstream says."""


class Account(Protocol):
    """One request under way, from its head to its end. opened_at: seconds since the epoch."""

    @property
    def opened_at(self) -> float: ...

    @property
    def series(self) -> "Series | None":
        """For the next call of the same caller, session and instance; None where that can't be told."""

    @property
    def session_id(self) -> str:
        """Of the live session, or group of calls, that it belongs to, as callers know it; "" until that is known."""

    def learned(self, session: bytes) -> None:
        """The upstream minted this session id in its answer to initialize."""

    def ended(self, *, status: int, bytes_in: int, bytes_out: int, problem: str = "") -> None:
        """status: what the client got; 0 when it left, or the upstream broke off, before a status.

        problem: what the gateway, or in MCP the adapter, says went wrong, in a sentence.
        """

    def closed(self) -> None:
        """The session has ended: a DELETE succeeded, or the upstream no longer knows it."""


class Series(Protocol):
    """What a call's account shares with the next ones that differ in their bodies alone."""

    def opened(self, asking: Asking, request_id: bytes) -> Account | None:
        """As Accounts.opened, of one more request that is no stream; None where it is to be opened there, if at all.

        That is so for a session that was ended meanwhile.
        """


class Witness(Protocol):
    """What is told of requests that reach no adapter. Called on the loop, and must not wait."""

    def refused(self, asking: Asking, principal: Principal | None, error: GatewayError, *, request_id: bytes) -> None:
        """principal: None where it is not known."""

    def answered(
        self, asking: Asking, principal: Principal, *, status: int, bytes_out: int, request_id: bytes, began: float
    ) -> None:
        """The gateway's own server at /mcp has. status: 0 where the client left before one. began: seconds since the
        epoch."""


class Store[Stored = Desired](Protocol):
    """Desired state of one kind. A write is on disk when it returns; two writers of one revision: one of them fails."""

    async def list(self) -> Sequence[Stored]:
        """All, by name."""

    async def get(self, name: AdapterName) -> Stored | None: ...

    async def put(self, desired: Stored, *, expect: Revision | None) -> Stored:
        """With its new revision. expect: the one it replaces, None to create.

        Raises Conflict when it exists and None was expected, NotFound when it doesn't, PreconditionFailed when its
        revision is another one.
        """

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        """expect: None for any revision. Raises NotFound, PreconditionFailed."""


@runtime_checkable
class WatchedStore(Store, Protocol):
    """A store that others write to as well, and that says so."""

    async def changed(self) -> None:
        """Returns when something was written since the last call returned, by anyone."""


type Position = tuple[int, int]  # of a line in its instance's log: a life of the instance, and where in it


class LogLine(msgspec.Struct, frozen=True):
    """One line without its end, and when it was seen."""

    position: Position
    at: datetime
    text: str


class LogSource(Protocol):
    """The logs of instances, living and gone."""

    def instances(self, adapter: AdapterName) -> Sequence[InstanceName]:
        """Those that have a log, by ordinal."""

    async def read(
        self, instance: InstanceName, *, tail: int | None, since: datetime | None, previous: bool = False
    ) -> Sequence[LogLine]:
        """What there is now. tail: at most that many, the last. previous: of the life before the last restart."""

    async def end(self, instance: InstanceName) -> Position:
        """Behind the last line there is now."""

    def follow(self, instance: InstanceName, after: Position) -> AsyncIterator[LogLine]:
        """What comes behind a position, for as long as one reads."""


class Backend(Protocol):
    """Where adapters run. It keeps what it was last told to, restarts what ends, and says what it sees."""

    async def refusal(self, spec: AdapterSpec) -> GatewayError | None:
        """Why this can't run here (Invalid, Unsupported), for who deploys it; None when it can be tried."""

    async def apply(self, desired: Sequence[Desired]) -> None:
        """Make it so: what is missing in the list goes. Returns soon; `observed` tells how it goes on."""

    def observed(self, adapter: AdapterName) -> Observed: ...

    async def changed(self) -> None:
        """Returns when something observed has changed since the last call returned."""

    async def end_session(self, endpoint: Endpoint, session: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        """Tell the upstream that a session is over. Raises UpstreamBroke, UpstreamSlow."""
