"""Whether memory stays flat: a gateway's data plane in this process, many requests, many sessions that come and go.

    python -m tests.bench.soak [--requests 300000] [--sessions 50000] [--longest SECONDS]

Needs Go and ../shared/bench for stubs and load. Each line tells what was served so far, this process's memory, and how
many objects of Python's it holds; at the end, how memory grew with requests, with sessions, and over the second half.
"""

import argparse
import asyncio
import gc
import os
import socket
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import msgspec
import psutil

from gateway.auth.dev import DevAuthenticator
from gateway.bridge.sealing import Seals
from gateway.core.affinity import Sealer, new_key
from gateway.core.routes import Routes, RoutingTable
from gateway.dataplane.pipeline import Pipeline
from gateway.server import listen, run, serve
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.wire.hosts import Hosts
from tests.bench.lane_bench import STUB, nothing, table
from tests.support.gateway_fakes import FakeBackend
from tests.support.mcp_scripts import CALL, INITIALIZE
from tests.support.wire_client import wire_client

BENCH = Path(__file__).parents[3] / "shared" / "bench"
INTERVAL = 3.0
CONNECTIONS = 16
PATH = f"/adapters/{STUB}/mcp"


class Sample(msgspec.Struct, frozen=True):
    requests: int
    sessions: int  # opened and closed again
    live: int
    objects: int
    rss: int  # bytes

    def __str__(self) -> str:
        return (
            f"{self.requests:>9,} requests  {self.sessions:>7,} sessions  {self.live:>5} live"
            f"  {self.objects:>8,} objects  {self.rss / 2**20:7.1f} MiB"
        )


class Soak:
    """The gateway that is watched, and what was seen of it."""

    def __init__(self, pipeline: Pipeline, sessions: Sessions, port: int) -> None:
        self.pipeline, self.port = pipeline, port
        self.sessions_done = 0
        self._sessions, self._process = sessions, psutil.Process()

    def sample(self) -> Sample:
        gc.collect()
        live = sum(self._sessions.counts().values())
        counted = sum(self.pipeline.counters.by_class)
        return Sample(counted, self.sessions_done, live, len(gc.get_objects()), self._process.memory_info().rss)

    async def watched(self, work: "asyncio.Task[object]") -> list[Sample]:
        samples = [self.sample()]
        print(samples[-1], flush=True)
        while not work.done():
            await asyncio.wait([work], timeout=INTERVAL)
            samples.append(self.sample())
            print(samples[-1], flush=True)
        return samples


@asynccontextmanager
async def soaked() -> AsyncIterator[Soak]:
    """A gateway before two stubs."""
    routes, key = Routes(), new_key()
    sessions = Sessions(routes, FakeBackend(), hub=Hub())
    hosts, stop = Hosts(is_loopback=True), asyncio.Event()
    pipeline = Pipeline(
        routes, DevAuthenticator(), sessions, Sealer([key]), seals=Seals([key]), hosts=hosts
    )  # fmt: skip
    listeners = listen("127.0.0.1", 0)
    async with stubs() as ports, pipeline, asyncio.TaskGroup() as tasks:
        route = table().routes[STUB]
        endpoints = tuple(
            msgspec.structs.replace(endpoint, port=port) for endpoint, port in zip(route.endpoints, ports, strict=True)
        )
        routes.table = RoutingTable({STUB: msgspec.structs.replace(route, endpoints=endpoints)})
        tasks.create_task(serve(listeners, pipeline, nothing, stop=stop), name="the gateway")
        yield Soak(pipeline, sessions, listeners[0].getsockname()[1])
        stop.set()


@asynccontextmanager
async def stubs() -> AsyncIterator[tuple[int, int]]:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = one.getsockname()[1], two.getsockname()[1]
    places = ",".join(f"127.0.0.1:{port}" for port in ports)
    process = await asyncio.create_subprocess_exec(await built("upstream"), "-l", places)
    try:
        for port in ports:
            await _listening(port)
        yield ports
    finally:
        process.terminate()
        await process.wait()


async def _listening(port: int) -> None:
    for _ in range(100):
        try:
            _, writer = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            await asyncio.sleep(0.05)
        else:
            writer.close()
            return
    raise SystemExit(f"the stub does not listen on {port}")


async def built(name: str) -> str:
    """One of the bench's programs."""
    target = Path(tempfile.gettempdir()) / "mcpdeck-soak" / name
    await asyncio.to_thread(target.parent.mkdir, parents=True, exist_ok=True)
    process = await asyncio.create_subprocess_exec("go", "build", "-o", str(target), f"./{name}", cwd=BENCH)
    if await process.wait():
        raise SystemExit(f"{name} could not be built in {BENCH}")
    return str(target)


async def requests(soak: Soak, count: int, longest: float) -> None:
    """Calls of 32 sessions on as many connections."""
    url, limit = f"http://127.0.0.1:{soak.port}{PATH}", ["-max", str(count), "-d", f"{longest:g}s"]
    generator = await built("loadgen")
    process = await asyncio.create_subprocess_exec(generator, "-url", url, "-mode", "rr", "-c", "32", *limit)
    await process.wait()


async def sessions(soak: Soak, count: int, longest: float) -> None:
    """Sessions that are opened, called in and closed, from another process: its cost is not to be seen here."""
    here = [sys.executable, "-m", "tests.bench.soak", "--client", str(soak.port), "--sessions", str(count)]
    process = await asyncio.create_subprocess_exec(
        *here, "--longest", f"{longest:g}", stdout=asyncio.subprocess.PIPE, env=dict(os.environ)
    )
    assert process.stdout is not None
    async for line in process.stdout:
        soak.sessions_done = int(line)
    if await process.wait():
        raise SystemExit("the sessions' client failed")


async def client(port: int, count: int, longest: float) -> None:
    """Says on each line how many sessions it has closed so far."""
    done, until = 0, time.monotonic() + longest

    async def talks() -> None:
        nonlocal done
        async with wire_client(port, PATH) as wire:
            while done < count and time.monotonic() < until:
                done += 1
                opened = await wire.ask(INITIALIZE)
                session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
                assert (await wire.ask(CALL, headers=session)).status == 200
                assert (await wire.ask(method="DELETE", headers=session)).status == 200
                if done % 100 == 0:
                    print(done, flush=True)

    async with asyncio.TaskGroup() as tasks:
        for _ in range(CONNECTIONS):
            tasks.create_task(talks(), name="a client")
    print(done, flush=True)


def slope(samples: list[Sample], by: str) -> float:
    """Bytes of memory for each one more, over the second half: the first one fills caches."""
    half = samples[len(samples) // 2 :]
    along = [float(getattr(sample, by)) for sample in half]
    if len(set(along)) < 2:
        return 0.0
    return statistics.linear_regression(along, [float(sample.rss) for sample in half]).slope


async def main(request_count: int, session_count: int, longest: float) -> None:
    async with soaked() as soak, asyncio.TaskGroup() as tasks:
        for what, work, count in (
            ("requests", requests, request_count),
            ("sessions", sessions, session_count),
            ("requests", requests, request_count // 4),
        ):
            task: asyncio.Task[object] = tasks.create_task(work(soak, count, longest), name=what)
            samples = await soak.watched(task)
            print(f"  {slope(samples, what):+.2f} bytes for each of the {what}, over the second half", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--requests", type=int, default=300_000)
    parser.add_argument("--sessions", type=int, default=50_000)
    parser.add_argument("--longest", type=float, default=300.0, help="seconds that each part may take")
    parser.add_argument("--client", type=int, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.client:
        asyncio.run(client(given.client, given.sessions, given.longest))
    else:
        run(main(given.requests, given.sessions, given.longest))
