"""The gateway's data plane on a real port, with everything behind it in memory: what most of its tests need."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import msgspec

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.access import Ownership
from gateway.core.affinity import Sealer, new_key
from gateway.core.ports import Authenticator
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.dataplane.asgi import App
from gateway.dataplane.bounds import NO_BOUNDS, Bounds
from gateway.dataplane.certificates import Tls
from gateway.dataplane.pipeline import Pipeline
from gateway.server import Patience, listen, serve
from gateway.wire.hosts import Hosts
from gateway.wire.http1 import DEFAULT_LIMITS, Limits
from gateway.wire.names import AdapterName
from gateway.wire.resources import Timeouts
from tests.support.accounts import CountingAccounts
from tests.support.wire_client import WireClient, wire_client

X = AdapterName("x")
OWNER = Ownership("dev")
QUICK = Timeouts(connect=5.0, first_byte=30.0, idle=0.0)
TICK = 0.01


async def control_plane(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the Quart app: says which path it was asked for."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = f"control plane: {scope['path']}".encode()
    headers = [(b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class Served:
    """`routes` may be changed while it serves, by `point`."""

    def __init__(self, pipeline: Pipeline, routes: Routes, accounts: CountingAccounts, port: int) -> None:
        self.pipeline, self.routes, self.accounts, self.port = pipeline, routes, accounts, port
        self.stop, self.renew = asyncio.Event(), asyncio.Event()
        self.stopping = asyncio.Event()

    def point(self, *endpoints: Endpoint, **changes: Any) -> None:
        """Adapter `x` has these instances from now on. changes: of its Route."""
        route = msgspec.structs.replace(Route(X, OWNER, endpoints, timeouts=QUICK), **changes)
        self.routes.table = RoutingTable({X: route})

    def client(self, path: str = "/adapters/x/mcp") -> AbstractAsyncContextManager[WireClient]:
        return wire_client(self.port, path)


@asynccontextmanager
async def served(
    *endpoints: Endpoint,
    app: App = control_plane,
    authenticator: Authenticator | None = None,
    hosts: Hosts | None = None,
    limits: Limits = DEFAULT_LIMITS,
    bounds: Bounds = NO_BOUNDS,
    patience: Patience | None = None,
    tls: Tls | None = None,
    sealer: Sealer | None = None,
    route: dict[str, Any] | None = None,
    **options: Any,
) -> AsyncIterator[Served]:
    """route: what is special about adapter `x`. options: of the pipeline."""
    routes, accounts = Routes(), CountingAccounts(keeps_calls=True)
    pipeline = Pipeline(
        routes,
        authenticator or DevAuthenticator(),
        accounts,
        sealer or Sealer([new_key()]),
        seals=Seals([new_key()]),
        hosts=hosts or Hosts(is_loopback=True),
        tick=TICK,
        bounds=bounds,
        **options,
    )
    listeners = listen("127.0.0.1", 0)
    gateway = Served(pipeline, routes, accounts, listeners[0].getsockname()[1])
    gateway.point(*endpoints, **(route or {}))
    serving = asyncio.Event()
    async with pipeline, asyncio.TaskGroup() as tasks:
        tasks.create_task(
            serve(
                listeners,
                pipeline,
                app,
                stop=gateway.stop,
                on_serving=serving.set,
                on_stopping=gateway.stopping.set,
                tls=tls,
                renew=gateway.renew,
                limits=limits,
                bounds=bounds,
                patience=patience or Patience(drain=0.2),
            ),
            name="the gateway",
        )
        await serving.wait()
        try:
            yield gateway
        finally:
            gateway.stop.set()
