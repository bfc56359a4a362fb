"""The immutable routing table: which adapter has which instances. Swapped whole; a reader never sees half of one."""

from collections.abc import Mapping
from types import MappingProxyType

import msgspec

from gateway.core.access import Ownership
from gateway.core.grants import Grant
from gateway.wire.mcp import Era
from gateway.wire.names import DNS_LABEL, AdapterName, InstanceName
from gateway.wire.resources import EraPolicy, Recording, Timeouts

ADAPTERS_PREFIX = "/adapters/"
TOOLS_PATH = "/mcp"  # the gateway's own MCP server
SSE, MESSAGES = "sse", "messages"  # HTTP+SSE, 2024-11-05
_ENDPOINTS = ("mcp", "mcp/", SSE, MESSAGES)


class Endpoint(msgspec.Struct, frozen=True):
    """One instance's address. `uid` changes whenever the instance starts anew, and its sessions die with it.

    eras: what its readiness probe found it to speak; empty where nobody knows yet. is_sse: it speaks HTTP+SSE
    (2024-11-05) at `path`, and no streamable HTTP.
    """

    instance: InstanceName
    uid: str
    host: str
    port: int
    path: str = "/mcp"
    authority: str = ""  # the Host header that the upstream expects; host:port where empty
    is_tls: bool = False
    is_ready: bool = True  # False: keeps its sessions (a stumble, not a death), gets no new one
    is_draining: bool = False  # True: keeps its sessions, gets no new one, leaves soon
    eras: frozenset[Era] = frozenset()
    is_sse: bool = False


class Route(msgspec.Struct, frozen=True):
    """How to reach one adapter, and who may. `reason` says in a sentence why nothing is ready, when nothing is.

    grant: how the token is had that a `url` adapter wants in Authorization. made: when the adapter was, which tells it
    from an earlier one of its name.
    """

    adapter: AdapterName
    ownership: Ownership
    endpoints: tuple[Endpoint, ...] = ()
    headers: tuple[tuple[bytes, bytes], ...] = ()  # a `url` adapter's own, secrets included; lower-case names
    timeouts: Timeouts = Timeouts()
    reason: str = ""
    era: EraPolicy = EraPolicy.AUTO
    is_tool: bool = False  # an HTTP tool server, reached through /mcp alone
    grant: Grant | None = None
    recording: Recording = Recording()
    made: str = ""
    is_resurrecting: bool = False  # its sessions outlive their instances
    has_sidecar: bool = False  # its instances are our own, and hear of no Origin, which was judged here

    @property
    def ready(self) -> tuple[Endpoint, ...]:
        """The instances that may get a new session."""
        return tuple(each for each in self.endpoints if each.is_ready and not each.is_draining)

    def by_uid(self, uid: str) -> Endpoint | None:
        return next((each for each in self.endpoints if each.uid == uid), None)


class RoutingTable:
    """An immutable snapshot of all routes, by name: the adapters' in `routes`, tool servers' apart in `tools`."""

    __slots__ = ("_ready", "routes", "tools")

    def __init__(self, routes: Mapping[AdapterName, Route] = MappingProxyType({})) -> None:
        self.routes = MappingProxyType({name: route for name, route in routes.items() if not route.is_tool})
        self.tools = MappingProxyType({name: route for name, route in routes.items() if route.is_tool})
        self._ready = {name: route.ready for name, route in routes.items()}

    def ready(self, adapter: AdapterName) -> tuple[Endpoint, ...]:
        """As Route.ready, worked out once per table: this stands on the path of every request."""
        return self._ready.get(adapter, ())


class Routes:
    """The cell that holds the current table. The reconciler swaps it; the data plane reads it at each request."""

    __slots__ = ("table",)

    def __init__(self, table: RoutingTable | None = None) -> None:
        self.table = table or RoutingTable()


def adapter_of(path: str) -> AdapterName | None:
    """The adapter whose MCP endpoint a path is (`/adapters/x/mcp`, slash or not); None for any other.

    Its `/sse` and `/messages` are for clients of HTTP+SSE (2024-11-05), see `is_old_path`.
    """
    if not path.startswith(ADAPTERS_PREFIX):
        return None
    name, _, rest = path[len(ADAPTERS_PREFIX) :].partition("/")
    return AdapterName(name) if rest in _ENDPOINTS else None


def is_old_path(path: str) -> bool:
    """Whether an adapter's path is one of the two that HTTP+SSE has: a stream, and where to post."""
    return path.endswith((f"/{SSE}", f"/{MESSAGES}"))


def resource_of(path: str) -> str:
    """The protected resource (RFC 9728) a path belongs to, without a trailing slash; "" for the gateway as a whole."""
    bare = path.rstrip("/")
    if bare == TOOLS_PATH or bare.startswith(f"{TOOLS_PATH}/"):  # toolsets are parts of one server
        return TOOLS_PATH
    adapter = adapter_of(bare)
    return f"{ADAPTERS_PREFIX}{adapter}/mcp" if adapter is not None and DNS_LABEL.fullmatch(adapter) else ""
