"""A data plane with the gateway's own MCP server on a real port: adapters by URL, tools as registered, all in memory."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import msgspec

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.access import Ownership, folded
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset, Registered
from gateway.dataplane.metrics import Counters
from gateway.dataplane.pipeline import Pipeline
from gateway.server import Patience, listen, serve
from gateway.toolrouter.router import Router
from gateway.wire.hosts import Hosts
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, instance_name
from gateway.wire.policies import PolicySpec
from gateway.wire.resources import Timeouts
from gateway.wire.tools import ToolsetSpec, ToolSpec
from tests.support.accounts import CountingAccounts
from tests.support.desired import THEN
from tests.support.served import control_plane

BOTH = frozenset(Era)
QUICK = Timeouts(connect=2.0, first_byte=30.0, idle=0.0)


class ToolsGateway:
    """`url` is /mcp's. Adapters and tools may change while it serves."""

    def __init__(
        self, port: int, routes: Routes, router: Router, accounts: CountingAccounts, keys: list[bytes]
    ) -> None:
        self.root = f"http://127.0.0.1:{port}"
        self.url = f"{self.root}/mcp"
        self.port, self.routes, self.router, self.accounts = port, routes, router, accounts
        self.counters = Counters()  # the data plane's, once there is one
        self.keys = keys
        self.stop = asyncio.Event()
        self._routes: dict[AdapterName, Route] = {}
        self._tools: dict[str, DesiredTool] = {}
        self._toolsets: dict[str, DesiredToolset] = {}
        self._policies: dict[str, DesiredPolicy] = {}

    def adapter(self, name: str, url: str | None, *, roles: Iterable[str] = (), uid: str = "", **changes: Any) -> None:
        """Where an adapter is; url None: nowhere at the moment. changes: of its Route."""
        route = Route(
            AdapterName(name), Ownership("dev", folded(roles)), timeouts=QUICK, reason=f"'{name}' is not ready"
        )
        eras = changes.pop("eras", BOTH)
        endpoints = () if url is None else (endpoint(name, url, uid or f"uid-{name}", eras),)
        self._routes[AdapterName(name)] = msgspec.structs.replace(route, endpoints=endpoints, **changes)
        self.publish_routes()

    def publish_routes(self) -> None:
        self.routes.table = RoutingTable(self._routes)
        self.router.heed({})

    def tool(self, name: str, *, by: str = "dev", **members: Any) -> None:
        """Register a tool; members as on the wire. A tool server's route is made of its url."""
        spec = msgspec.convert({"name": name, **members}, ToolSpec)
        self._tools[name] = DesiredTool(spec=spec, created_by=by, created_at=THEN, last_updated_at=THEN)
        workload = self._tools[name].workload()
        if workload is not None:
            self.adapter(name, workload.spec.url, is_tool=True)
        self.publish()

    def drop_tool(self, name: str) -> None:
        del self._tools[name]
        self.publish()

    def toolset(self, name: str, *, by: str = "dev", **members: Any) -> str:
        """Its URL."""
        spec = msgspec.convert({"name": name, **members}, ToolsetSpec)
        self._toolsets[name] = DesiredToolset(spec=spec, created_by=by, created_at=THEN, last_updated_at=THEN)
        self.publish()
        return f"{self.url}/{name}"

    def policy(self, name: str, **members: Any) -> None:
        spec = msgspec.convert({"name": name, **members}, PolicySpec)
        self._policies[name] = DesiredPolicy(spec=spec, created_by="root", created_at=THEN, last_updated_at=THEN)
        self.publish()

    def drop_policy(self, name: str) -> None:
        del self._policies[name]
        self.publish()

    def problem(self, adapter: str) -> str:
        return self.router.problem(AdapterName(adapter))

    def publish(self) -> None:
        tools, toolsets = tuple(self._tools.values()), tuple(self._toolsets.values())
        self.router.publish(Registered(tools, toolsets, tuple(self._policies.values())))


def endpoint(name: str, url: str, uid: str, eras: frozenset[Era]) -> Endpoint:
    parts = urlsplit(url)
    instance = instance_name(AdapterName(name), 0)
    return Endpoint(instance, uid, parts.hostname or "", parts.port or 80, path=parts.path or "/", eras=eras)


@asynccontextmanager
async def tools_gateway(
    adapters: Mapping[str, str] | None = None, *, keys: list[bytes] | None = None
) -> AsyncIterator[ToolsGateway]:
    """adapters: names and URLs; all tools of each are registered under the same name. keys: another replica's."""
    routes, accounts = Routes(), CountingAccounts(keeps_calls=True)
    keys = keys or [new_key()]
    sealer = Sealer(keys)
    router = Router(routes, sealer, tick=0.05)
    pipeline = Pipeline(
        routes,
        DevAuthenticator(),
        accounts,
        sealer,
        seals=Seals(keys),
        hosts=Hosts(is_loopback=True),
        tools=router,
        tick=0.05,
    )
    listeners = listen("127.0.0.1", 0)
    gateway = ToolsGateway(listeners[0].getsockname()[1], routes, router, accounts, keys)
    gateway.counters = pipeline.counters
    serving = asyncio.Event()
    async with pipeline, router.serving(pipeline), asyncio.TaskGroup() as tasks:
        serves = serve(
            listeners,
            pipeline,
            control_plane,
            stop=gateway.stop,
            on_serving=serving.set,
            on_stopping=router.stop,
            patience=Patience(drain=0.2),
        )
        tasks.create_task(serves, name="the gateway")
        await serving.wait()
        for name, url in (adapters or {}).items():
            gateway.adapter(name, url)
            gateway.tool(name, adapter=name, toolName="*")
        try:
            yield gateway
        finally:
            gateway.stop.set()
