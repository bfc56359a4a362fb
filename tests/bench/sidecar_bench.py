"""What bridging a stdio server costs per call, the child's own work included, beside nginx and whoever else is named.

    python -m tests.bench.sidecar_bench [--rounds 3] [NAME=PORT=COMMAND ...]

Needs Go, nginx and ../shared/bench: its `stdioecho` is the child, its stub stands behind nginx. COMMAND serves MCP at
http://127.0.0.1:PORT/mcp; STDIOECHO in it becomes the child's path. Targets take turns, on a core of their own; medians
are printed, and what share of the sidecar's cost its children have.
"""

import argparse
import asyncio
import json
import random
import shlex
import statistics
import sys
import urllib.request
from collections import defaultdict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil

from tests.bench.soak import BENCH, built

CONNECTIONS = (32, 1)
PYTHON = f"{sys.executable} -m sidecar --state /tmp/mcpdeck-sidecar-bench"
INITIALIZE = json.dumps({
    "jsonrpc": "2.0", "id": 0, "method": "initialize",
    "params": {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "bench", "version": "1"}},
}).encode()  # fmt: skip
HEADERS = {"Content-Type": "application/json", "Accept": "application/json, text/event-stream"}


@asynccontextmanager
async def served(command: str, port: int) -> AsyncIterator[psutil.Process]:
    """Started, and left once it has answered an initialize. Its core is the second one."""
    process = await asyncio.create_subprocess_exec(
        "taskset",
        "-c",
        "1",
        *shlex.split(command),
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        for _ in range(200):
            if await asyncio.to_thread(_answers, port):
                break
            await asyncio.sleep(0.1)
        else:
            raise SystemExit(f"{command} does not answer at port {port}")
        yield psutil.Process(process.pid)
    finally:
        process.terminate()
        await process.wait()


def _answers(port: int) -> bool:
    request = urllib.request.Request(f"http://127.0.0.1:{port}/mcp", INITIALIZE, HEADERS)
    try:
        with urllib.request.urlopen(request, timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def spent(process: psutil.Process) -> tuple[float, float]:
    """Seconds of CPU: of the process, and of its children."""
    own = sum(process.cpu_times()[:2])
    return own, sum(sum(child.cpu_times()[:2]) for child in process.children(recursive=True))


async def measured(generator: str, port: int, process: psutil.Process, connections: int) -> tuple[float, float, int]:
    """CPU microseconds per call, the share that children have, and errors."""
    url, load = f"http://127.0.0.1:{port}/mcp", ["-mode", "rr", "-c", str(connections), "-d", "3s", "-warm", "1s"]
    run = await asyncio.create_subprocess_exec(
        "taskset", "-c", "0", generator, "-url", url, "-pid", str(process.pid), *load, stdout=asyncio.subprocess.PIPE
    )
    await asyncio.sleep(2)  # past the warm-up
    own, children = spent(process)
    await asyncio.sleep(1)
    now_own, now_children = spent(process)
    said, _ = await run.communicate()
    result = json.loads(said)
    share = (now_children - children) / max(1e-9, now_own - own + now_children - children)
    return result["cpu_us"], share, result["errors"]


async def main(rounds: int, others: list[str]) -> None:
    generator, child, stub = await built("loadgen"), await built("stdioecho"), await built("upstream")
    folder = Path(child).parent
    targets = {
        "nginx": (9200, f"nginx -p {folder} -c {BENCH}/conf/nginx.conf"),
        "sidecar": (8731, f"{PYTHON} --port 8731 -- {child}"),
        "sidecar, shared": (8731, f"{PYTHON} --port 8731 --isolation shared -- {child}"),
    }
    for other in others:
        name, number, started = other.split("=", 2)
        targets[name] = (int(number), started.replace("STDIOECHO", child))
    found: dict[tuple[str, int], list[tuple[float, float, int]]] = defaultdict(list)
    stubs = await asyncio.create_subprocess_exec("taskset", "-c", "0", stub, "-l", "127.0.0.1:9100,127.0.0.1:9101")
    try:
        for _ in range(rounds):
            for name in random.sample(list(targets), len(targets)):
                port, command = targets[name]
                async with served(command, port) as process:
                    for connections in CONNECTIONS:
                        found[name, connections].append(await measured(generator, port, process, connections))
    finally:
        stubs.terminate()
        await stubs.wait()
    for connections in CONNECTIONS:
        print(f"\n{connections} connections{'CPU us':>25}{'children':>10}{'x nginx':>9}{'errors':>8}")
        first = statistics.median(run[0] for run in found["nginx", connections])
        for name in targets:
            runs = found[name, connections]
            cost, share = statistics.median(run[0] for run in runs), statistics.median(run[1] for run in runs)
            print(f"{name:24}{cost:14.1f}{share:10.0%}{cost / first:9.2f}{sum(run[2] for run in runs):8}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("others", nargs="*", metavar="NAME=PORT=COMMAND")
    given = parser.parse_args()
    asyncio.run(main(given.rounds, given.others))
