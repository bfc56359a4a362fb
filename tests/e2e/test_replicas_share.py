"""Two gateways, one Redis: what one of them has, the other shows, ends, counts and decides; and how they do without."""

import asyncio
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest

from gateway.stores.keys import load_keys
from gateway.wire import mcp, sse
from gateway.wire.http1 import Exchange
from tests.support.gateways import Gateway, gateway
from tests.support.legacy_backend import LegacyBackend, legacy_backend
from tests.support.mcp_backend import STREAM, Backend, backend, hang, tool
from tests.support.programs import Program
from tests.support.redis import RedisServer, free_port, needs_redis
from tests.support.sidecar_process import McpClient, modern_meta

pytestmark = [needs_redis, pytest.mark.timeout(180)]

ADAPTER = "legacy"
ELICIT = "elicitation/create"


class Pair:
    """one, two: replicas. redis: what they share through, and `server` its process."""

    def __init__(self, one: Gateway, two: Gateway, redis: RedisServer, server: Program, backend: LegacyBackend) -> None:
        self.one, self.two, self.redis, self.server, self.backend = one, two, redis, server, backend

    async def policy(self, **spec: Any) -> None:
        """In a cluster it is one object; here each of them keeps its own."""
        for each in (self.one, self.two):
            answer = await each.client.post("/policies", json={"name": "p", **spec})
            assert answer.status_code == 201, answer.text


@asynccontextmanager
async def pair(data: Path, **variables: str) -> AsyncIterator[Pair]:
    redis = RedisServer()
    env = {"MCPDECK_REDIS_URL": redis.url, "MCPDECK_REPLICA_TTL": "2", **variables}
    for name in ("one", "two"):
        (data / name).mkdir(mode=0o700)
    load_keys(data / "one" / "seal.keys")
    (data / "two" / "seal.keys").write_bytes((data / "one" / "seal.keys").read_bytes())
    (data / "two" / "seal.keys").chmod(0o600)
    async with (
        redis.running() as server,
        legacy_backend(tool("who"), tool("hang")) as backend,
        reachable(data / "one", env) as one,
        reachable(data / "two", env) as two,
    ):
        backend.behaviours["hang"] = hang
        for each in (one, two):
            await each.deploy(ADAPTER, url=backend.url)
            await until(partial(is_ready, each))
        yield Pair(one, two, redis, server, backend)


@asynccontextmanager
async def reachable(data: Path, env: dict[str, str]) -> AsyncIterator[Gateway]:
    """By the other one as well, which has to know its port before it is there."""
    port = free_port()
    told = {**env, "MCPDECK_REPLICA_URL": f"http://127.0.0.1:{port}"}
    async with gateway(data, bind=f"127.0.0.1:{port}", env=told) as house:
        yield house


async def until[Found](look: Callable[[], Awaitable[Found]]) -> Found:
    async with asyncio.timeout(30):
        while not (found := await look()):  # noqa: ASYNC110 - another process's state
            await asyncio.sleep(0.05)
        return found


async def is_ready(house: Gateway, status: str = "ready") -> bool:
    answer = await house.client.get("/readyz")
    return bool(answer.json()["status"] == status)


async def sessions(house: Gateway) -> list[dict[str, Any]]:
    answer = await house.client.get("/sessions/live", params={"adapter": ADAPTER})
    assert answer.status_code == 200, answer.text
    found: list[dict[str, Any]] = answer.json()
    return found


async def count(house: Gateway, number: int) -> list[dict[str, Any]]:
    async def look() -> list[list[dict[str, Any]]]:
        found = await sessions(house)
        return [found] if len(found) == number else []

    return (await until(look))[0]


async def opened(http: httpx.AsyncClient, house: Gateway) -> McpClient:
    client = McpClient(http, house.mcp(ADAPTER))
    answer = await client.initialize()
    assert answer.status_code == 200, answer.text
    return client


def at(house: Gateway, client: McpClient) -> McpClient:
    """The same session through another gateway."""
    other = McpClient(client.http, house.mcp(ADAPTER))
    other.session = client.session
    return other


async def test_sessions_are_seen_from_both_and_ended_from_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        client = await opened(http, both.one)
        assert (await at(both.two, client).call("who")).status_code == 200
        (here,) = await until(lambda: with_calls(both.one, 3))  # initialize, initialized, and the other's call
        (there,) = await until(lambda: with_calls(both.two, 3))
        assert here["id"] == there["id"]
        only = await opened(http, both.one)
        (gone,) = [each for each in await count(both.two, 2) if each["id"] != here["id"]]
        ended = await both.two.client.delete(f"/sessions/live/{gone['id']}")
        assert ended.status_code == 204, ended.text
        assert len(both.backend.clients()) == 1, "its server was told"
        assert (await only.call("who")).status_code == 404
        await until(lambda: is_refused(at(both.two, only)))
        assert (await client.call("who")).status_code == 200
        await count(both.one, 1)
        await count(both.two, 1)


async def test_a_session_at_mcp_that_was_ended_at_one_is_refused_by_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        for each in (both.one, both.two):
            answer = await each.client.post("/tools", json={"name": ADAPTER, "adapter": ADAPTER, "toolName": "*"})
            assert answer.status_code == 201, answer.text
        client = McpClient(http, f"{both.one.url}/mcp")
        assert (await client.initialize()).status_code == 200
        there = McpClient(http, f"{both.two.url}/mcp")
        there.session = client.session
        assert (await there.call("who")).status_code == 200
        ended = await http.delete(client.url, headers=client.session)
        assert ended.status_code == 204, ended.text
        await until(lambda: is_refused(there))
        assert await is_refused(client)
        fresh = McpClient(http, there.url)
        assert (await fresh.initialize()).status_code == 200
        assert (await fresh.call("who")).status_code == 200


async def with_calls(house: Gateway, calls: int) -> list[dict[str, Any]]:
    return [each for each in await sessions(house) if each["calls"] == calls]


async def is_refused(client: McpClient) -> bool:
    return (await client.call("who")).status_code == 404


async def test_the_sessions_of_a_killed_replica_go(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        await opened(http, both.one)
        await opened(http, both.two)
        await count(both.two, 2)
        await both.one.program.stop(signal.SIGKILL)
        await count(both.two, 1)


async def test_a_replica_that_stops_in_good_order_is_gone_at_once(tmp_path: Path) -> None:
    async with pair(tmp_path, MCPDECK_REPLICA_TTL="600") as both, httpx.AsyncClient(timeout=30) as http:
        await opened(http, both.one)
        await count(both.two, 1)
        await both.one.program.stop()
        await count(both.two, 0)


async def test_a_limit_holds_for_both_together(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        await both.policy(limits=[{"name": "few", "perMinute": 2}])
        first, second = await opened(http, both.one), await opened(http, both.two)
        assert (await first.call("who")).status_code == 200
        assert (await second.call("who")).status_code == 200
        for client in (first, second):
            refused = await client.call("who")
            assert refused.status_code == 429, refused.text
            assert "limit 'few' of policy 'p'" in refused.text


async def test_what_a_killed_replica_had_running_counts_no_more(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as tasks:
        await both.policy(limits=[{"name": "one", "concurrent": 1}])
        first, second = await opened(http, both.one), await opened(http, both.two)
        running = tasks.create_task(broken_off(first))
        await both.backend.until(1, "tools/call")
        del both.backend.behaviours["hang"]
        assert not await is_served(second)
        await both.one.program.stop(signal.SIGKILL)
        await running
        await until(lambda: is_served(second))


async def broken_off(client: McpClient) -> None:
    with pytest.raises(httpx.TransportError):
        await client.call("hang")


async def is_served(client: McpClient) -> bool:
    answer = await client.call("hang")
    assert answer.status_code in (200, 429), answer.text
    return answer.status_code == 200


async def test_a_held_call_is_seen_and_decided_at_the_other(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as tasks:
        await both.policy(rules=[{"name": "ask", "when": 'tool.name == "who"', "effect": "approve"}])
        client = await opened(http, both.one)
        call = tasks.create_task(client.call("who"))
        (pending,) = await until(lambda: approvals(both.two))
        wrong = {"approve": True, "digest": "sha256:0"}
        refused = await both.two.client.post(f"/approvals/{pending['id']}", json=wrong)
        assert refused.status_code == 412, refused.text
        right = {"approve": True, "digest": pending["digest"]}
        agreed = await both.two.client.post(f"/approvals/{pending['id']}", json=right)
        assert agreed.status_code == 200, agreed.text
        assert (await call).status_code == 200
        assert both.backend.received("tools/call")
        await until(lambda: no_approvals(both.two))
        again = await both.two.client.post(f"/approvals/{pending['id']}", json=right)
        assert again.status_code == 404, again.text


async def approvals(house: Gateway) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = (await house.client.get("/approvals")).json()
    return found


async def no_approvals(house: Gateway) -> bool:
    return not await approvals(house)


@pytest.mark.parametrize("of", ["session", "all"])
async def test_traffic_at_one_is_watched_at_the_other(tmp_path: Path, of: str) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as tasks:
        client = await opened(http, both.one)
        (seen,) = await count(both.two, 1)
        decoder, methods, stop = sse.Decoder(), [], asyncio.Event()
        calling = tasks.create_task(keep_calling(client, stop))
        path = "/traffic" if of == "all" else f"/sessions/live/{seen['id']}/traffic"
        async with both.two.client.stream("GET", path, timeout=60) as watched:
            async for chunk in watched.aiter_bytes():
                found = [each.data for each in decoder.feed(chunk) if each.data and each.event == "message"]
                methods += [msgspec.json.decode(each).get("method") for each in found]
                if "tools/call" in methods:
                    break
        stop.set()
        await calling


async def keep_calling(client: McpClient, stop: asyncio.Event) -> None:
    while not stop.is_set():
        assert (await client.call("who")).status_code == 200
        await asyncio.sleep(0.05)


async def test_without_redis_calls_go_on_and_lists_say_that_they_may_lack_something(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        await both.policy(limits=[{"name": "few", "perMinute": 2}])
        first, second = await opened(http, both.one), await opened(http, both.two)
        await count(both.two, 2)
        await both.server.stop(signal.SIGKILL)
        await until(lambda: is_ready(both.two, "degraded"))
        await until(lambda: is_ready(both.one, "degraded"))
        listed = await both.two.client.get("/sessions/live")
        assert "Redis can't be reached" in listed.headers["X-Mcpdeck-Partial"]
        assert len(listed.json()) == 2, "what was known is still told"
        for client in (first, second):  # each counts its own: four calls for two
            assert [(await client.call("who")).status_code for _ in range(3)] == [200, 200, 429]
        assert "mcpdeck_redis_up 0" in (await both.two.client.get("/metrics")).text
        async with both.redis.running():
            await until(lambda: is_ready(both.two))
            await until(lambda: is_ready(both.one))
            await count(both.two, 2)
            assert "X-Mcpdeck-Partial" not in (await both.two.client.get("/sessions/live")).headers
            assert "mcpdeck_redis_up 1" in (await both.two.client.get("/metrics")).text


async def test_limits_can_be_told_to_refuse_without_redis(tmp_path: Path) -> None:
    async with pair(tmp_path, MCPDECK_LIMITS_WITHOUT_REDIS="closed") as both, httpx.AsyncClient(timeout=30) as http:
        await both.policy(limits=[{"name": "few", "when": 'tool.name == "who"', "perMinute": 50}])
        client = await opened(http, both.one)
        await both.server.stop(signal.SIGKILL)
        await until(lambda: is_ready(both.one, "degraded"))
        refused = await client.call("who")
        assert refused.status_code == 503
        assert "calls can't be counted now" in refused.text


async def test_a_waiting_call_is_resumed_through_the_other_replica(tmp_path: Path) -> None:
    """A 2026-07-28 client of a legacy server: the open call is in one replica, the client's answer comes to the other."""
    asked: list[tuple[Exchange, dict[str, Any]]] = []

    def ask(exchange: Exchange, message: dict[str, Any]) -> None:
        asked.append((exchange, message))
        exchange.start(200, [STREAM])
        params = {"message": "who?", "requestedSchema": {"type": "object", "properties": {"name": {"type": "string"}}}}
        exchange.write(
            sse.encode(msgspec.json.encode({"jsonrpc": "2.0", "id": "q", "method": ELICIT, "params": params}))
        )
        exchange.flush()

    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=60) as http, asyncio.TaskGroup() as tasks:
        both.backend.behaviours["who"] = ask
        one, two = McpClient(http, both.one.mcp(ADAPTER)), McpClient(http, both.two.mcp(ADAPTER))
        able: dict[str, Any] = {mcp.META_CLIENT_CAPABILITIES: {"elicitation": {"form": {}}}}
        waits = message_of(await one.modern_call("who", meta=able))["result"]
        assert waits["resultType"] == "input_required", waits
        (name,) = waits["inputRequests"]
        again = {
            "name": "who",
            "arguments": {},
            "requestState": waits["requestState"],
            "inputResponses": {name: {"action": "accept", "content": {"name": "Ada"}}},
        }
        retried = tasks.create_task(two.modern("tools/call", again | {"_meta": modern_meta() | able}))
        (answered,) = await until(lambda: answers_to("q", both.backend))
        assert answered["result"]["content"] == {"name": "Ada"}
        exchange, message = asked[0]
        result = {"content": [{"type": "text", "text": "hello Ada"}]}
        exchange.write(sse.encode(msgspec.json.encode({"jsonrpc": "2.0", "id": message["id"], "result": result})))
        exchange.finish()
        assert message_of(await retried)["result"]["content"][0]["text"] == "hello Ada"


async def answers_to(question: str, backend: LegacyBackend) -> list[dict[str, Any]]:
    return [each for _, each in backend.posted if each.get("id") == question and "method" not in each]


async def test_a_legacy_clients_call_at_a_modern_server_is_cancelled_through_the_other_replica(tmp_path: Path) -> None:
    """Either replica serves the session; what it has under way is where it was opened, and is closed there."""
    async with (
        pair(tmp_path) as both,
        backend(tool("who"), tool("hang")) as modern,
        httpx.AsyncClient(timeout=60) as http,
        asyncio.TaskGroup() as tasks,
    ):
        modern.behaviours["hang"] = hang
        for each in (both.one, both.two):
            await each.deploy("modern", url=modern.url)
        one, two = McpClient(http, both.one.mcp("modern")), McpClient(http, both.two.mcp("modern"))
        assert (await one.initialize()).status_code == 200
        two.session = one.session
        assert message_of(await two.call("who"))["result"]["content"]
        held = one.request("tools/call", {"name": "hang", "arguments": {}})
        call = tasks.create_task(one.post(held))
        await until(lambda: under_way(modern))
        told = await two.post({"jsonrpc": "2.0", "method": mcp.CANCELLED, "params": {"requestId": held["id"]}})
        assert told.status_code == 202, told.text
        answered = await call
        assert "error" in message_of(answered), answered.text
        async with asyncio.timeout(30):
            await modern.left.wait()  # which is how a 2026-07-28 server hears of it


async def under_way(modern: Backend) -> list[str]:
    return [each["name"] for each in modern.calls if each["name"] == "hang"]


async def test_what_a_client_of_http_and_sse_posts_reaches_the_replica_with_its_stream(tmp_path: Path) -> None:
    async with pair(tmp_path) as both, httpx.AsyncClient(timeout=30) as http:
        decoder, place = sse.Decoder(), ""
        async with http.stream("GET", f"{both.one.url}/adapters/{ADAPTER}/sse") as stream:
            async for chunk in stream.aiter_bytes():
                for event in decoder.feed(chunk):
                    if event.event == "endpoint" and event.data:
                        place = event.data.decode()
                        url = httpx.URL(f"{both.two.url}/adapters/{ADAPTER}/sse").join(place)
                        info = {"name": "old", "version": "1"}
                        params = {"protocolVersion": "2024-11-05", "capabilities": {}, "clientInfo": info}
                        message = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": params}
                        posted = await http.post(url, json=message)
                        assert posted.status_code == 202, posted.text
                    elif event.event == "message" and event.data:
                        assert msgspec.json.decode(event.data)["result"]["serverInfo"]["name"] == "legacy"
                        return
            raise AssertionError(f"the stream ended; {place}")


def message_of(answer: httpx.Response) -> dict[str, Any]:
    """The response in a JSON answer or at the end of a stream."""
    assert answer.status_code == 200, answer.text
    if answer.headers["content-type"] == "application/json":
        found: dict[str, Any] = answer.json()
        return found
    events = [each.data for each in sse.Decoder().feed(answer.content) if each.data]
    return msgspec.json.decode(events[-1], type=dict[str, Any])
