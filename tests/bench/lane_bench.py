"""The gateway's data plane alone, for measuring: one adapter `stub` whose two instances are the bench's stubs.

    python -m tests.bench.lane_bench [--port 8700] [--workers 1]

Everything that a call costs on a laptop is on: who calls, permission, Host check, sealed affinity, identity headers, the
question of eras, live sessions, counters. `identity_bench` has real tokens and the audit log besides.
"""

import argparse
import asyncio
import os
import signal
from typing import Any

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.access import Ownership
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.core.tools import Registered
from gateway.dataplane.pipeline import Pipeline
from gateway.server import listen, run, serve
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.toolrouter.router import Router
from gateway.wire.hosts import Hosts
from gateway.wire.names import AdapterName, instance_name
from tests.support.gateway_fakes import FakeBackend

STUB = AdapterName("stub")
PORTS = (9100, 9101)


def table() -> RoutingTable:
    endpoints = tuple(
        Endpoint(instance_name(STUB, ordinal), f"uid-{port}", "127.0.0.1", port) for ordinal, port in enumerate(PORTS)
    )
    return RoutingTable({STUB: Route(STUB, Ownership("dev", frozenset({"mcp.dev"})), endpoints)})


async def nothing(scope: Any, receive: Any, send: Any) -> None:
    """Stands for the control plane."""
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 404, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})


def pipeline(sealer: Sealer, *, registered: Registered | None = None) -> Pipeline:
    """registered: what /mcp is to know, where there is one."""
    routes = Routes(table())
    sessions = Sessions(routes, FakeBackend(), hub=Hub())
    seals, hosts, tools = Seals([new_key()]), Hosts(is_loopback=True), None
    if registered is not None:
        tools = Router(routes, sealer)
        tools.publish(registered)
    return Pipeline(routes, DevAuthenticator(), sessions, sealer, seals=seals, hosts=hosts, tools=tools)


async def main(port: int, key: bytes, *, is_shared: bool) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with pipeline(Sealer([key])) as serving:
        await serve(listen("127.0.0.1", port, is_shared=is_shared), serving, nothing, stop=stop)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8700)
    parser.add_argument("--workers", type=int, default=1)
    words = parser.parse_args()
    key = new_key()
    children: list[int] = []
    for _ in range(words.workers - 1):
        pid = os.fork()
        if not pid:
            children = []
            break
        children.append(pid)
    run(main(words.port, key, is_shared=words.workers > 1))
    for child in children:
        os.kill(child, signal.SIGTERM)
        os.waitpid(child, 0)
