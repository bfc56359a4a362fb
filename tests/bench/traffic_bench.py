"""What listening costs: nothing while nobody does, and how much when somebody does. `python tests/bench/traffic_bench.py`

CPU time of this process, the least of many runs.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

sys.path.insert(0, str(Path(__file__).parents[2]))

from gateway.core.access import Ownership, Principal
from gateway.core.affinity import new_key
from gateway.core.overhearing import Talk
from gateway.core.recordings import InMemory, Recordings
from gateway.core.routes import Endpoint, Route, Routes, RoutingTable
from gateway.dataplane.spoken import Asked
from gateway.services import traffic_secrets
from gateway.services.events import Hub
from gateway.services.sessions import Sessions
from gateway.services.traffic import Traffic
from gateway.services.traffic_readers import Reader, Wish
from gateway.stores.recordings import RecordingsAtRest
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName, PrincipalId
from gateway.wire.resources import Recording
from tests.support.gateway_fakes import FakeBackend

ADAPTER = AdapterName("weather")
ENDPOINT = Endpoint(InstanceName("weather-0"), "uid", "127.0.0.1", 9)
BEA = Principal(PrincipalId("bea"))


def least(do: Callable[[], Any], *, times: int, runs: int = 50) -> float:
    """Microseconds."""
    best = float("inf")
    for _ in range(runs):
        began = time.process_time()
        for _ in range(times):
            do()
        best = min(best, (time.process_time() - began) / times)
    return best * 1e6


class Plane:
    tap = None


class Relay:
    __slots__ = ("plane",)

    def __init__(self) -> None:
        self.plane = Plane()


def the_test() -> float:
    relay = Relay()

    def tested() -> bool:
        return relay.plane.tap is not None

    def untested() -> bool:
        return False

    return least(tested, times=20_000) - least(untested, times=20_000)


def a_call_watched() -> float:
    sessions = Sessions(Routes(), FakeBackend(), hub=Hub())
    traffic = Traffic(sessions._routes, sessions)
    reader = Reader(Wish(ADAPTER))
    traffic._readers.add(reader)
    traffic._turn()
    call = _calling(sessions, traffic)

    def watched() -> None:
        call()
        for _ in reader.taken("x"):
            pass

    return least(watched, times=200)


async def a_call_recorded(recordings: Recordings) -> Callable[[], Awaitable[tuple[float, float]]]:
    """One run of it, in which everything is written: microseconds of all threads together, and of the loop's own."""
    routes = Routes(RoutingTable({ADAPTER: Route(ADAPTER, Ownership("bea"), recording=Recording(enabled=True))}))
    sessions = Sessions(routes, FakeBackend(), hub=Hub())
    traffic = Traffic(routes, sessions, recordings=recordings)
    traffic.observed({})
    call = _calling(sessions, traffic)

    async def run(times: int = 2000) -> tuple[float, float]:
        began, own = time.process_time(), time.thread_time()
        for number in range(times):
            call()
            if number % 100 == 0:
                await asyncio.sleep(0)  # as the loop of a gateway has it
        if isinstance(recordings, RecordingsAtRest):
            recordings.flush()
            await recordings.clerk.done(lambda: None)
        return (time.process_time() - began) / times * 1e6, (time.thread_time() - own) / times * 1e6

    return run


async def recorded_both_ways() -> tuple[tuple[float, float], tuple[float, float]]:
    """In memory alone and at rest as well, in turn: the least of each."""
    with tempfile.TemporaryDirectory() as folder:
        at_rest = RecordingsAtRest(Path(folder) / "r", [new_key()])
        first, second = await a_call_recorded(InMemory()), await a_call_recorded(at_rest)
        found = [(await first(), await second()) for _ in range(15)]
        await at_rest.close()
    return min(each for each, _ in found), min(each for _, each in found)


def _calling(sessions: Sessions, traffic: Traffic) -> Callable[[], None]:
    """A call of two messages, as it is listened to."""
    request = Request()
    request.method, request.body = "POST", _message(400)
    request.headers = [(b"user-agent", b"bench"), (b"content-type", b"application/json")]
    answer = _message(400, method=None)
    sessions.touch = lambda live: None  # type: ignore[method-assign]  # no loop runs here

    def call() -> None:
        asking = Asked(request, "127.0.0.1")
        account = sessions.opened(b"s", ADAPTER, ENDPOINT, BEA, Era.LEGACY, None, asking=asking, request_id=b"r")
        talk = Talk(
            account=account,
            adapter=ADAPTER,
            endpoint=ENDPOINT,
            principal=BEA,
            era=Era.LEGACY,
            asking=asking,
            request_id=b"r",
        )
        listener = traffic.listen(talk)
        assert listener is not None
        listener.asked()
        listener.answering(200, ((b"content-type", b"application/json"),))
        listener.said(answer, len(answer))
        account.ended(status=200, bytes_in=1, bytes_out=1)
        listener.ended(200)

    return call


def _message(size: int, *, method: str | None = "tools/call", name: str = "text") -> bytes:
    rows = [{"city": "Oslo", name: "rain and wind", "number": number} for number in range(max(1, size // 56))]
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": 1}
    if method is None:
        return msgspec.json.encode(body | {"result": {"structuredContent": rows}})
    return msgspec.json.encode(body | {"method": method, "params": {"name": "x", "arguments": {"rows": rows}}})


def main() -> None:
    print(f"{datetime.now(UTC):%Y-%m-%d}, microseconds of CPU")
    print(f"{the_test():10.3f}  per test whether somebody listens")
    print(f"{a_call_watched():10.1f}  per call of two messages of 400 bytes, watched by one reader, accounts included")
    (in_memory, own), (at_rest, loops) = asyncio.run(recorded_both_ways())
    print(f"{in_memory:10.1f}  per such a call, recorded in memory alone")
    print(
        f"{at_rest:10.1f}  the same, at rest as well: {(at_rest - in_memory) / 2:.1f} more a message, of which "
        f"{(loops - own) / 2:.1f} on the loop"
    )
    for size in (400, 10_000, 120_000):
        for name in ("text", "token"):
            data = _message(size, name=name)
            seconds = least(lambda data=data: traffic_secrets.shown(data, len(data)), times=3)  # type: ignore[misc]
            print(
                f"{seconds:10.1f}  to hide what is secret in {len(data)} bytes {'with' if name == 'token' else 'without'} any"
            )


if __name__ == "__main__":
    main()
