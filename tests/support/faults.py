"""What happens to many sessions when something fails beneath or beside a gateway: the faults, and what clients see.

Everything is a process of its own: the gateway, and a server that fails as it is told. `tests/bench/faults_bench.py` has
a thousand sessions, tests have a few.
"""

import asyncio
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import httpx
import msgspec

from gateway.stores.keys import rotate_keys
from tests.support.gateways import Gateway, gateway
from tests.support.programs import PYTHON, Program, program
from tests.support.wire_client import WireClient, wire_client

AT_ONCE = 32
ADAPTER = "faulty"
FIRST_BYTE = 2.0  # seconds that the adapter has for an answer
OF_CALLS = ("mid-json", "mid-sse", "before the first byte", "reset", "half-closed", "hung", "slow")
OK = "ok"
CUT = "cut"


class Seen(msgspec.Struct):
    """What clients saw of one fault. struck: of the calls that it was meant for; others: of all calls beside them;
    after: of one more call in each session."""

    fault: str
    struck: Counter[str]
    others: Counter[str]
    after: Counter[str]

    @property
    def lost(self) -> int:
        """Sessions that did not go on."""
        return sum(count for outcome, count in self.after.items() if outcome != OK)


type Within = Callable[[list[str]], list[str]]


class Rig:
    """A gateway and its server, either of which may go and come back."""

    def __init__(
        self, folder: Path, sessions: int, *, env: Mapping[str, str] | None, host: str, within: Within
    ) -> None:
        self.folder, self.wanted, self.env, self.host, self.within = folder, sessions, env, host, within
        self.sessions: list[str] = []
        self.port = 0
        self.upstream_port = 0
        self.house: Gateway
        self.server: Program
        self._gateways, self._servers = AsyncExitStack(), AsyncExitStack()

    async def start(self) -> None:
        await self.start_server()
        await self.start_gateway()
        url = f"http://{self.host}:{self.upstream_port}/mcp"
        timeouts = {"connect": 2.0, "firstByte": FIRST_BYTE}
        await self.house.deploy(ADAPTER, url=url, timeouts=timeouts)
        self.sessions = await self.each(self._open, range(self.wanted))
        assert all(self.sessions), "every session was to begin"

    async def start_gateway(self) -> None:
        self._gateways = AsyncExitStack()
        bind = f"127.0.0.1:{self.port}"
        house = gateway(self.folder / "data", "--drain", "5", bind=bind, env=self.env, within=self.within)
        self.house = await self._gateways.enter_async_context(house)
        self.port = httpx.URL(self.house.url).port or 0

    async def stop_gateway(self, number: signal.Signals) -> None:
        await self.house.program.stop(number)
        await self._gateways.aclose()

    async def start_server(self) -> None:
        self._servers = AsyncExitStack()
        argv = [PYTHON, "-m", "tests.support.faulty_server", "--port", str(self.upstream_port)]
        self.server = await self._servers.enter_async_context(program(argv))
        found = await self.server.hear(r"http://127\.0\.0\.1:(\d+)/mcp")
        self.upstream_port = int(found[1])

    async def stop_server(self) -> None:
        await self.server.stop(signal.SIGKILL)
        await self._servers.aclose()

    async def close(self) -> None:
        await self._gateways.aclose()
        await self._servers.aclose()

    async def ready(self) -> None:
        await self.house.ready(ADAPTER)

    async def each[Item, Result](
        self, do: Callable[[WireClient, Item], Awaitable[Result]], items: "list[Item] | range"
    ) -> list[Result]:
        """Of every item, a few at once, each of these on a connection that it keeps while it can."""
        todo, results = list(enumerate(items)), dict[int, Result]()

        async def work() -> None:
            while todo:
                async with wire_client(self.port, f"/adapters/{ADAPTER}/mcp") as client:
                    while todo and not client.writer.transport.is_closing() and not client.reader.at_eof():
                        number, item = todo.pop()
                        results[number] = await do(client, item)  # type: ignore[arg-type]

        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(work())
        return [results[number] for number in range(len(results))]

    async def _open(self, client: WireClient, _: int) -> str:
        params = {"protocolVersion": "2025-06-18", "capabilities": {}, "clientInfo": {"name": "faults", "version": "1"}}
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}).encode()
        reply = await client.ask(body)
        return reply.headers.get("mcp-session-id", "") if reply.status == 200 else ""

    async def calls(self, faults: "list[str]") -> list[str]:
        """One call in each session, with these faults, in order. What became of each."""
        pairs = list(zip(self.sessions, faults, strict=True))
        return await self.each(lambda client, pair: called(client, *pair), pairs)


async def called(client: WireClient, session: str, fault: str = "") -> str:
    """`ok`, `cut`, or the status and code of an error."""
    params = {"name": "x", "arguments": {"fault": fault}}
    body = json.dumps({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params}).encode()
    try:
        reply = await client.ask(body, headers={"Mcp-Session-Id": session})
    except (asyncio.IncompleteReadError, ConnectionError, TimeoutError):
        client.leave()
        return CUT
    if reply.headers.get("connection") == "close":
        client.leave()
    data = reply.body
    if b"text/event-stream" in reply.head:
        data = data.strip().rpartition(b"data: ")[2]
    try:
        message = json.loads(data)
    except ValueError:
        return f"{reply.status} unreadable"
    if "error" in message:
        return f"{reply.status} {message['error'].get('data', {}).get('code', message['error']['code'])}"
    return OK


@asynccontextmanager
async def rigged(
    folder: Path,
    sessions: int,
    *,
    env: Mapping[str, str] | None = None,
    host: str = "127.0.0.1",
    within: Within = list,
) -> AsyncIterator[Rig]:
    """env: more of the gateway's environment. host: the server's, as its adapter says it. within: `gateway`'s."""
    rig = Rig(folder, sessions, env=env, host=host, within=within)
    try:
        await rig.start()
        yield rig
    finally:
        await rig.close()


async def of_a_call(rig: Rig, fault: str) -> Seen:
    """One call in ten fails so, the others are as ever."""
    faults = [fault if number % 10 == 0 else "" for number in range(rig.wanted)]
    outcomes = await rig.calls(faults)
    struck = Counter(outcome for outcome, its in zip(outcomes, faults, strict=True) if its)
    others = Counter(outcome for outcome, its in zip(outcomes, faults, strict=True) if not its)
    return Seen(f"upstream {fault}", struck, others, await _after(rig))


async def refused(rig: Rig) -> Seen:
    """The server is killed, and comes back at the same place."""
    await rig.stop_server()
    struck = Counter(await rig.calls([""] * rig.wanted))
    await rig.start_server()
    await rig.ready()
    return Seen("upstream refused, then back", struck, Counter(), await _after(rig))


async def killed_server(rig: Rig) -> Seen:
    """While it has calls in hand."""
    async with asyncio.TaskGroup() as tasks:
        calling = tasks.create_task(rig.calls(["busy"] * rig.wanted))
        await asyncio.sleep(0.3)
        await rig.stop_server()
        await rig.start_server()
        await rig.ready()
    return Seen("upstream killed with calls in hand", Counter(calling.result()), Counter(), await _after(rig))


async def terminated(rig: Rig, streams: int) -> Seen:
    """SIGTERM while streams are open and calls are in hand; then the next gateway."""
    path, ended = f"/adapters/{ADAPTER}/mcp", Counter[str]()

    async def listen(session: str, opened: asyncio.Event) -> None:
        async with wire_client(rig.port, path) as client:
            await client.send(method="GET", headers={"Mcp-Session-Id": session})
            assert (await client.head()).status == 200
            opened.set()
            try:
                while await client.chunk():
                    pass
            except (asyncio.IncompleteReadError, ConnectionError):
                ended["stream cut"] += 1
            else:
                ended["stream ended properly"] += 1

    async def call(session: str) -> str:
        async with wire_client(rig.port, path) as client:
            return await called(client, session, "busy")

    async with asyncio.TaskGroup() as tasks:
        events = [asyncio.Event() for _ in range(streams)]
        for session, event in zip(rig.sessions, events, strict=False):
            tasks.create_task(listen(session, event))
        for event in events:
            await event.wait()
        calls = [tasks.create_task(call(session)) for session in rig.sessions[: min(100, rig.wanted)]]
        await asyncio.sleep(0.2)
        await rig.stop_gateway(signal.SIGTERM)
    await rig.start_gateway()
    await rig.ready()
    name = f"gateway SIGTERM, {streams} streams open"
    return Seen(name, Counter(each.result() for each in calls), ended, await _after(rig))


async def killed_gateway(rig: Rig) -> Seen:
    """kill -9 with calls in hand; the same ids go on with the next gateway."""
    path = f"/adapters/{ADAPTER}/mcp"

    async def call(session: str) -> str:
        async with wire_client(rig.port, path) as client:
            return await called(client, session, "busy")

    async with asyncio.TaskGroup() as tasks:
        calls = [tasks.create_task(call(session)) for session in rig.sessions[: min(100, rig.wanted)]]
        await asyncio.sleep(0.2)
        await rig.stop_gateway(signal.SIGKILL)
    await rig.start_gateway()
    await rig.ready()
    return Seen("gateway killed, then the next", Counter(each.result() for each in calls), Counter(), await _after(rig))


async def rotated(rig: Rig) -> Seen:
    """The sealing keys rotate while calls go on; ids from before are still opened, also by the next gateway."""
    during = Counter[str]()
    async with asyncio.TaskGroup() as tasks:
        rotate_keys(rig.folder / "data" / "seal.keys")
        heard = tasks.create_task(rig.house.program.hear("its keys open from now on"))
        while not heard.done():
            during += await _after(rig)
    fresh = Counter("ok" if each else "lost" for each in await rig.each(rig._open, range(min(50, rig.wanted))))
    await rig.stop_gateway(signal.SIGTERM)
    await rig.start_gateway()
    await rig.ready()
    return Seen("sealing keys rotated under load", fresh, during, await _after(rig))


async def _after(rig: Rig) -> Counter[str]:
    return Counter(await rig.calls([""] * rig.wanted))


def all_faults(rig: Rig, streams: int) -> list[Awaitable[Seen]]:
    """Each once, in an order in which none needs more than the one before leaves."""
    return [
        *(of_a_call(rig, fault) for fault in OF_CALLS),
        refused(rig),
        killed_server(rig),
        terminated(rig, streams),
        killed_gateway(rig),
        rotated(rig),
    ]
