"""What one tools/call costs the gateway in Python alone: the whole path of bytes, with no socket and no kernel.

    python -m tests.bench.call_cost [--modern] [--changing] [--policy] [--profile | --steps]

The best of many short rounds, so that it says the same on a busy machine; for seeing what a change gains or costs.
"""

import argparse
import asyncio
import cProfile
import itertools
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from types import FrameType
from typing import Any, cast

from gateway.core.affinity import Binding, Sealer, new_key
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.lane import Lane
from gateway.dataplane.pipeline import Pipeline
from gateway.dataplane.upstream import Pool
from gateway.wire.names import PrincipalId
from tests.bench.lane_bench import PORTS, STUB, pipeline, table
from tests.bench.tools_bench import registered

BODY = b'{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{"name":"echo","arguments":{"text":"hello-7"}}}'
ANSWER = b'{"jsonrpc":"2.0","id":7,"result":{"content":[{"type":"text","text":"hello-7"}],"isError":false}}'
ROUNDS, CALLS = 2000, 40


class Transport:
    """Where bytes go. peername as a socket's."""

    def __init__(self) -> None:
        self.written = 0
        self.last = b""

    def write(self, data: bytes) -> None:
        self.written += len(data)
        self.last = data

    def get_extra_info(self, name: str) -> Any:
        return ("127.0.0.1", 40000) if name == "peername" else None

    def get_write_buffer_size(self) -> int:
        return 0

    def is_closing(self) -> bool:
        return False

    def abort(self) -> None:
        """Nothing to cut."""


def modern_request() -> bytes:
    """As the bench's load generator says it."""
    meta = (
        b'"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28","io.modelcontextprotocol/clientInfo":'
        b'{"name":"bench","version":"1"},"io.modelcontextprotocol/clientCapabilities":{}}'
    )
    body = BODY.replace(b'"hello-7"}', b'"hello-7"},' + meta)
    head = (
        "POST /adapters/stub/mcp HTTP/1.1\r\nHost: 127.0.0.1:8700\r\nUser-Agent: bench/1\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
        f"Mcp-Method: tools/call\r\nMcp-Name: echo\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def request(session: bytes) -> bytes:
    head = (
        "POST /adapters/stub/mcp HTTP/1.1\r\nHost: 127.0.0.1:8700\r\nUser-Agent: bench/1\r\n"
        "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2025-06-18\r\n"
        f"Mcp-Session-Id: {session.decode()}\r\nContent-Type: application/json\r\nContent-Length: {len(BODY)}\r\n\r\n"
    )
    return head.encode() + BODY


def traced(asked: bytes, number: int) -> bytes:
    """As clients that are watched say it."""
    line, _, rest = asked.partition(b"\r\n")
    own = b"traceparent: 00-%032x-%016x-01\r\ntracestate: vendor=%x\r\nx-request-id: %x" % ((number,) * 4)
    return b"\r\n".join((line, own, rest))


@asynccontextmanager
async def way(
    *, is_modern: bool, is_changing: bool = False, is_weighed: bool = False
) -> AsyncIterator[Callable[[], bytes]]:
    """What sends one call through the gateway, and returns what its client gets. The same connection's, again and again.

    is_changing: each call has a trace and an id of its own. is_weighed: there is a policy, which lets it go.
    """
    sealer = Sealer([new_key()])
    async with pipeline(sealer, registered=registered(0, has_policy=True) if is_weighed else None) as serving:
        first, second = (_connection(serving, number) for number in range(len(PORTS)))
        client, lane = Transport(), Lane(serving.serve, lambda _transport, _received: None).connect()
        lane.connection_made(cast("asyncio.Transport", client))
        sealed = sealer.seal(Binding("uid-9100", b"s-9100-1", int(time.time()) + 900), STUB, PrincipalId("dev"))
        asked = modern_request() if is_modern else request(sealed)
        several = itertools.cycle([traced(asked, number) for number in range(1000)] if is_changing else [asked])
        answer = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%b" % (
            len(ANSWER),
            ANSWER,
        )
        transport = cast("Transport", first.transport)

        def call() -> bytes:
            before = transport.written
            lane.data_received(next(several))
            (first if transport.written != before else second).data_received(answer)
            return client.last

        yield call


def steps(call: Callable[[], bytes], calls: int = 100) -> Counter[str]:
    """Which Python functions a call enters, and how often in so many calls."""
    found: Counter[str] = Counter()

    def entered(frame: FrameType, event: str, _argument: Any) -> None:
        if event == "call" and "/tests/" not in frame.f_code.co_filename:
            found[frame.f_code.co_qualname] += 1

    sys.setprofile(entered)
    try:
        for _ in range(calls):
            call()
    finally:
        sys.setprofile(None)
    return found


async def main(*, is_modern: bool, is_changing: bool, is_weighed: bool, is_profiled: bool, is_counted: bool) -> None:
    async with way(is_modern=is_modern, is_changing=is_changing, is_weighed=is_weighed) as call:
        call()
        if is_counted:
            found = steps(call)
            print(*(f"{count / 100:6.2f} {name}" for name, count in found.most_common()), sep="\n")
            print(f"{found.total() / 100:.2f} functions per call")
            return
        profile = cProfile.Profile() if is_profiled else None
        if profile is not None:
            profile.enable()
        best = min(_round(call) for _ in range(ROUNDS))
        if profile is not None:
            profile.disable()
            profile.print_stats("tottime")
        print(f"{best * 1e6 / CALLS:.2f} us per call")


def _round(call: Callable[[], bytes]) -> float:
    began = time.perf_counter()
    for _ in range(CALLS):
        call()
    return time.perf_counter() - began


def _connection(serving: Pipeline, number: int) -> UpstreamConnection:
    """A connection to a stub, resting in its pool."""
    endpoint = table().routes[STUB].endpoints[number]
    pool = serving.upstream._pools[endpoint.uid] = Pool(serving.upstream, endpoint)
    connection = UpstreamConnection(endpoint.instance, pool, serving.deadlines)
    connection.connection_made(cast("asyncio.Transport", Transport()))
    pool.take_back(connection)
    return connection


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profile", action="store_true")
    parser.add_argument("--steps", action="store_true", help="count the functions that a call enters, and no time")
    parser.add_argument("--modern", action="store_true", help="a request of 2026-07-28, without a session")
    parser.add_argument("--changing", action="store_true", help="each call has a trace and an id of its own")
    parser.add_argument("--policy", action="store_true", help="one of three rules is in force, none of which holds")
    given = parser.parse_args()
    asyncio.run(
        main(
            is_modern=given.modern,
            is_changing=given.changing,
            is_weighed=given.policy,
            is_profiled=given.profile,
            is_counted=given.steps,
        )
    )
