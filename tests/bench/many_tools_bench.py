"""A thousand tools of fifty adapters at /mcp: memory, the list, and what a call costs beside the adapters' own routes.

    python -m tests.bench.many_tools_bench [--adapters 50] [--tools 20] [--rounds 5] [--calls 6000]

The gateway has a core for itself; adapters (this house's own stubs, by URL) and clients have the others. CPU time is the
gateway's alone, and both ways are measured in turns in one run: read the ratios. Linux only.
"""

import argparse
import asyncio
import json
import os
import random
import statistics
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Callable, Iterator, Sequence
from contextlib import AsyncExitStack
from itertools import cycle, islice
from pathlib import Path
from typing import Any, Final

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.access import Ownership
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Route, Routes, RoutingTable
from gateway.core.tools import DesiredTool, Registered
from gateway.dataplane.pipeline import Pipeline
from gateway.server import listen, run, serve
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.toolrouter.router import Router
from gateway.wire import mcp
from gateway.wire.hosts import Hosts
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.tools import ALL, ToolSpec
from tests.bench.lane_bench import nothing
from tests.support.desired import THEN
from tests.support.gateway_fakes import FakeBackend
from tests.support.mcp_backend import backend
from tests.support.tools_gateway import endpoint

CONNECTIONS: Final = 32
LISTS: Final = 200
_META: Final = {mcp.META_VERSION: mcp.MODERN_VERSION, mcp.META_CLIENT_CAPABILITIES: {}}

type Call = tuple[str, str]  # a path, and a tool's name there


def definition(adapter: int, number: int) -> dict[str, Any]:
    properties = {f"argument_{each}": {"type": "string", "description": "One of several words."} for each in range(6)}
    schema = {"type": "object", "properties": properties, "required": ["argument_0"]}
    described = "Does what its number says, and nothing else, for as long as somebody asks for it."
    return {"name": f"tool_{adapter}_{number}", "description": described, "inputSchema": schema}


async def stubs(adapters: int, tools: int) -> None:
    async with AsyncExitStack() as stack:
        found = [
            await stack.enter_async_context(backend(*(definition(adapter, number) for number in range(tools))))
            for adapter in range(adapters)
        ]
        print(json.dumps([each.url for each in found]), flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


async def gateway(urls: Sequence[str]) -> None:
    """Says its port, waits for a line, registers all, says how long that took until every list was read."""
    names = [AdapterName(f"a{number}") for number in range(len(urls))]
    eras = frozenset({Era.MODERN})
    table = {
        name: Route(name, Ownership("dev"), (endpoint(name, url, f"uid-{name}", eras),))
        for name, url in zip(names, urls, strict=True)
    }
    keys, routes, stop = [new_key()], Routes(RoutingTable(table)), asyncio.Event()
    sealer = Sealer(keys)
    router, sessions = Router(routes, sealer), Sessions(routes, FakeBackend(), hub=Hub())
    hosts = Hosts(is_loopback=True)
    pipeline = Pipeline(routes, DevAuthenticator(), sessions, sealer, seals=Seals(keys), hosts=hosts, tools=router)
    listeners = listen("127.0.0.1", 0)
    async with pipeline, router.serving(pipeline), asyncio.TaskGroup() as tasks:
        tasks.create_task(serve(listeners, pipeline, nothing, stop=stop, on_stopping=router.stop))
        say(port=listeners[0].getsockname()[1])
        read = asyncio.get_running_loop().run_in_executor
        await read(None, sys.stdin.readline)
        began = time.monotonic()
        router.publish(Registered(tuple(map(_desired, names))))
        await router.settled()
        say(seconds=time.monotonic() - began, offered=len(router.offered()))
        await read(None, sys.stdin.read)
        stop.set()


def _desired(name: AdapterName) -> DesiredTool:
    spec = ToolSpec(name=name, adapter=name, tool_name=ALL)
    return DesiredTool(spec=spec, created_by="dev", created_at=THEN, last_updated_at=THEN)


def say(**words: Any) -> None:
    print(json.dumps(words), flush=True)


class Measured:
    """A process, with what it has used."""

    def __init__(self, process: Process) -> None:
        self.process = process
        self._folder = Path(f"/proc/{process.pid}")

    async def said(self) -> Any:
        assert self.process.stdout is not None
        return json.loads(await self.process.stdout.readline())

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n".encode())

    @property
    def cpu(self) -> float:
        """Seconds, of all its threads."""
        tasks = (self._folder / "task").iterdir()
        return sum(int((each / "schedstat").read_text().split()[0]) for each in tasks) / 1e9

    @property
    def memory(self) -> float:
        """MiB."""
        line = next(each for each in (self._folder / "status").read_text().splitlines() if each.startswith("VmRSS"))
        return int(line.split()[1]) / 1024

    async def end(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.close()
        await self.process.wait()


async def started(role: str, *words: str, core: int | None = None) -> Measured:
    def pinned() -> None:
        if core is not None:
            os.sched_setaffinity(0, {core})

    program = (sys.executable, "-m", "tests.bench.many_tools_bench", "--role", role, *words)
    return Measured(await asyncio.create_subprocess_exec(*program, stdin=PIPE, stdout=PIPE, preexec_fn=pinned))


def request(path: str, method: str, params: dict[str, Any], **headers: str) -> bytes:
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": method, "params": params | {"_meta": _META}}).encode()
    told = {
        "Host": "127.0.0.1",
        "Accept": "application/json, text/event-stream",
        "Content-Type": "application/json",
        "MCP-Protocol-Version": mcp.MODERN_VERSION,
        "Mcp-Method": method,
        "Content-Length": str(len(body)),
    } | headers
    return (
        "\r\n".join([f"POST {path} HTTP/1.1", *(f"{name}: {value}" for name, value in told.items()), "", ""]).encode()
        + body
    )


async def asked(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, data: bytes) -> bytes:
    writer.write(data)
    head = await reader.readuntil(b"\r\n\r\n")
    lines = head.lower().split(b"\r\n")
    length = next(int(each.split(b":")[1]) for each in lines if each.startswith(b"content-length"))
    body = await reader.readexactly(length)
    assert head.startswith(b"HTTP/1.1 200"), head + body
    return body


async def called(port: int, calls: Iterator[bytes]) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for each in calls:
        assert b'"isError":true' not in await asked(reader, writer, each)
    writer.close()


async def spent(measured: Measured, port: int, calls: int, ways: Callable[[int], Iterator[bytes]]) -> float:
    """Microseconds of the gateway's CPU per call. ways: a connection's requests, without end."""
    each = calls // CONNECTIONS
    began = measured.cpu
    async with asyncio.TaskGroup() as tasks:
        for number in range(CONNECTIONS):
            tasks.create_task(called(port, islice(ways(number), each)))
    return (measured.cpu - began) / (each * CONNECTIONS) * 1e6


def requests(ways: Sequence[Call], *, is_mixed: bool) -> Callable[[int], Iterator[bytes]]:
    """is_mixed: each connection calls one tool after the other, else one of them over and over."""
    made = [
        request(path, "tools/call", {"name": name, "arguments": {"argument_0": "word"}}, **{"Mcp-Name": name})
        for path, name in ways
    ]

    def of(number: int) -> Iterator[bytes]:
        first = number * len(made) // CONNECTIONS
        return cycle([*made[first:], *made[:first]]) if is_mixed else cycle([made[first]])

    return of


async def main(adapters: int, tools: int, *, rounds: int, calls: int) -> None:
    servers = await started("stubs", "--adapters", str(adapters), "--tools", str(tools), core=0)
    house = await started("gateway", "--urls", json.dumps(await servers.said()), core=1)
    os.sched_setaffinity(0, set(range(os.cpu_count() or 1)) - {1} or {0})
    port = (await house.said())["port"]
    empty = house.memory
    house.tell("register")
    settled = await house.said()
    print(f"{settled['offered']} tools of {adapters} adapters, offered after {settled['seconds']:.2f} s")
    print(f"memory: {empty:.1f} MiB before, {house.memory:.1f} MiB with all")
    await print_lists(house, port)
    grid = [(adapter, number) for adapter in range(adapters) for number in range(tools)]
    own = [(f"/adapters/a{adapter}/mcp", f"tool_{adapter}_{number}") for adapter, number in grid]
    ours = [("/mcp", name) for _, name in own]
    ways = {
        f"{name}, {kind}": requests(each, is_mixed=kind == "mixed")
        for name, each in (("adapter", own), ("mcp", ours))
        for kind in ("mixed", "steady")
    }
    found: dict[str, list[float]] = {name: [] for name in ways}
    for turn in range(rounds + 1):  # the first warms up
        for name in random.sample(list(ways), len(ways)):
            microseconds = await spent(house, port, calls, ways[name])
            found[name] += [microseconds] * bool(turn)
    middle = {name: statistics.median(each) for name, each in found.items()}
    for kind in ("mixed", "steady"):
        route, through = middle[f"adapter, {kind}"], middle[f"mcp, {kind}"]
        print(f"a call, {kind}: adapter route {route:.1f} us, /mcp {through:.1f} us, {through / route:.2f} x")
    print(f"memory: {house.memory:.1f} MiB after {calls * (rounds + 1) * len(ways)} calls")
    await house.end()
    await servers.end()


async def print_lists(house: Measured, port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1 << 26)
    asking = request("/mcp", "tools/list", {})
    took: list[float] = []
    body, cpu = b"", 0.0
    for number in range(LISTS + 1):
        began = time.perf_counter()
        body = await asked(reader, writer, asking)
        took.append((time.perf_counter() - began) * 1e3)
        cpu = cpu if number else house.cpu
    first, *rest = took
    each = (house.cpu - cpu) / LISTS * 1e3
    told = f"{len(body) / 1024:.0f} KiB, first {first:.1f} ms, then {statistics.median(rest):.1f} ms"
    print(f"tools/list: {told} (p99 {sorted(rest)[len(rest) * 99 // 100]:.1f}), {each:.2f} ms of CPU")
    writer.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--adapters", type=int, default=50)
    parser.add_argument("--tools", type=int, default=20)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=6000)
    parser.add_argument("--role", choices=("stubs", "gateway"), help=argparse.SUPPRESS)
    parser.add_argument("--urls", type=json.loads, default=[], help=argparse.SUPPRESS)
    given = parser.parse_args()
    match given.role:
        case "stubs":
            asyncio.run(stubs(given.adapters, given.tools))
        case "gateway":
            run(gateway(given.urls))
        case _:
            asyncio.run(main(given.adapters, given.tools, rounds=given.rounds, calls=given.calls))
