"""What one client, principal or adapter may take of the gateway at once, and what is said to who wants more."""

import asyncio
import socket

import pytest

from gateway.dataplane.bounds import SLOWEST, Bounds
from gateway.wire import jsonrpc
from gateway.wire.hosts import Hosts
from gateway.wire.resources import Timeouts
from tests.support.http2_client import http2_client
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, legacy_server, silent
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import served
from tests.support.wire_client import WireClient

MCP = "/adapters/x/mcp"
LISTEN = jsonrpc.request(9, "subscriptions/listen", {"notifications": {}})
LISTENING = MODERN | {"Mcp-Method": "subscriptions/listen"}
SOON = Bounds(request_time=0.05, keep_alive=0.0, sweep=0.01)
BOB = {"X-Dev-UserId": "bob", "X-Dev-Roles": "mcp.admin"}


async def streams(asked: Asked) -> None:
    """To GET and to subscriptions/listen a stream without an end; else as a legacy server."""
    if asked.method == "GET" or b"listen" in asked.body:
        await asked.stream()
        await asked.event(b"{}")
        await asyncio.Event().wait()
    await legacy_server(asked)


async def refused(client: WireClient) -> tuple[int, str]:
    reply = await client.reply()
    return reply.status, reply.json["error"]["data"]["code"]


# slow clients


@pytest.mark.parametrize(
    "beginning",
    [
        b"",
        b"POST",
        b"POST /adapters/x/mcp HTTP/1.1\r\nHost: loc",
        b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 9\r\n\r\n{",
        b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n9\r\n{",
    ],
)
async def test_request_that_does_not_get_whole_in_time_is_408_and_the_connection_closed(beginning: bytes) -> None:
    async with served(bounds=SOON) as gateway, gateway.client() as client:
        await client.raw(beginning)
        assert await refused(client) == (408, "request-too-slow")
        assert await client.ended() == b""


async def test_trickle_does_not_prolong_the_time_a_head_has() -> None:
    async with served(bounds=SOON) as gateway, gateway.client() as client:
        await client.raw(b"POST /adapters/x/mcp HTTP/1.1\r\n")
        answer = asyncio.ensure_future(client.reply())  # noqa: TID251 - a test may
        while not answer.done():
            await client.raw(b"X-A: b\r\n")
            await asyncio.sleep(0.005)
        assert answer.result().status == 408


async def test_large_body_that_comes_at_a_fair_pace_is_waited_for() -> None:
    half = b"x" * SLOWEST * 200

    async def swallows(asked: Asked) -> None:
        await asked.json(b"{}")

    async with (
        scripted_upstream(swallows) as upstream,
        served(upstream.endpoint, bounds=SOON) as gateway,
        gateway.client() as fair,
        gateway.client() as slow,
    ):
        head = b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n"
        await fair.raw(head % (2 * len(half)) + half)
        await slow.raw(head % 9)
        assert (await slow.reply()).status == 408
        await fair.raw(half)
        assert (await fair.reply()).body == b"{}"
        assert len(upstream.asked[0].body) == 2 * len(half)


async def test_call_that_its_instance_takes_long_over_is_no_slow_request() -> None:
    async with (
        scripted_upstream(silent) as upstream,
        served(upstream.endpoint, bounds=SOON) as gateway,
        gateway.client() as waits,
        gateway.client() as slow,
    ):
        await waits.send(CALL)
        asked = await upstream.next()
        assert (await slow.reply()).status == 408
        await asked.json(b"{}")
        assert (await waits.reply()).body == b"{}"


async def test_connection_that_rests_for_too_long_is_closed() -> None:
    bounds = Bounds(request_time=0.0, keep_alive=0.05, sweep=0.01)
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, bounds=bounds) as gateway,
        gateway.client() as client,
    ):
        assert (await client.ask(CALL)).status == 200
        assert await client.ended() == b""


async def test_client_that_leaves_its_answer_unread_for_too_long_is_cut_and_its_instance_freed() -> None:
    async def floods(asked: Asked) -> None:
        await asked.stream()
        while True:
            await asked.chunk(b"x" * 65536)

    bounds = Bounds(request_time=0.0, keep_alive=0.05, sweep=0.01)
    async with (
        scripted_upstream(floods) as upstream,
        served(upstream.endpoint, bounds=bounds) as gateway,
        gateway.client() as client,
    ):
        client.writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.reader._transport.pause_reading()  # type: ignore[attr-defined]
        await client.send(CALL, headers=MODERN)
        await (await upstream.next()).left()
        await gateway.accounts.all_ended()


async def test_body_that_trickles_over_http2_is_408() -> None:
    async with served(bounds=SOON) as gateway, http2_client(gateway.port) as client:
        pseudo = [(":method", "POST"), (":path", MCP), (":scheme", "http"), (":authority", "localhost")]
        client.h2.send_headers(1, pseudo)
        client.h2.send_data(1, b"{")
        await client._flush()
        status, _, body = await client.answer()
        assert (status, b"request-too-slow" in body) == (408, True)


# connections


async def test_connection_too_many_hears_503_until_another_one_goes() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, bounds=Bounds(connections=2)) as gateway,
        gateway.client() as other,
    ):
        async with gateway.client() as handed, gateway.client() as third:
            assert (await other.ask(CALL)).status == 200
            assert (await handed.ask(method="GET", path="/a")).body == b"control plane: /a"
            assert await refused(third) == (503, "too-many-connections")
            assert await third.ended() == b""
        async with asyncio.timeout(10):
            while True:  # until the gateway has seen both go
                async with gateway.client() as fourth:
                    if (await fourth.ask(CALL)).status == 200:
                        break


async def test_connection_too_many_of_one_address_hears_429() -> None:
    bounds = Bounds(connections_per_peer=1)
    async with served(bounds=bounds) as gateway, gateway.client() as first, gateway.client() as second:
        assert await refused(second) == (429, "too-many-connections")
        assert (await first.ask(CALL)).status == 503


# principals and adapters


async def test_stream_too_many_of_one_principal_is_429_and_nobody_elses_matter() -> None:
    async with (
        scripted_upstream(streams) as upstream,
        served(upstream.endpoint, bounds=Bounds(streams=2)) as gateway,
        gateway.client() as first,
        gateway.client() as second,
        gateway.client() as third,
    ):
        await first.send(method="GET")
        await second.send(LISTEN, headers=LISTENING)
        assert (await first.head()).status == (await second.head()).status == 200
        for body, method, headers in ((b"", "GET", {}), (LISTEN, "POST", LISTENING)):
            reply = await third.ask(body, method=method, headers=headers)
            assert (reply.status, reply.json["error"]["data"]["code"]) == (429, "too-many-requests")
            assert reply.headers["retry-after"] == "5"
        assert (await third.ask(CALL)).status == 200
        async with gateway.client() as bobs:
            await bobs.send(method="GET", headers=BOB)
            assert (await bobs.head()).status == 200
        first.leave()
        async with asyncio.timeout(10):
            while gateway.pipeline.counters.streams > 1:
                gateway.accounts.an_end.clear()
                await gateway.accounts.an_end.wait()
        await third.send(method="GET")
        assert (await third.head()).status == 200


async def test_session_too_many_of_one_principal_is_429() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, bounds=Bounds(sessions=1)) as gateway,
        gateway.client() as client,
    ):
        opened = await client.ask(INITIALIZE)
        assert opened.status == 200
        again = await client.ask(INITIALIZE)
        assert (again.status, again.json["id"], again.json["error"]["code"]) == (429, 1, 429)
        session = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
        assert (await client.ask(CALL, headers=session)).status == 200
        assert (await client.ask(method="DELETE", headers=session)).status == 200
        assert (await client.ask(INITIALIZE)).status == 200


@pytest.mark.parametrize("headers", [{}, MODERN])
async def test_request_too_many_of_one_adapter_is_429_also_where_its_like_went_before(headers: dict[str, str]) -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, bounds=Bounds(requests=1)) as gateway,
        gateway.client() as slow,
        gateway.client() as client,
    ):
        assert (await client.ask(CALL, headers=headers)).status == 200
        await upstream.next()
        may_answer = asyncio.Event()

        async def waits(asked: Asked) -> None:
            await may_answer.wait()
            await legacy_server(asked)

        upstream.script = waits
        await slow.send(CALL, headers=headers)
        await upstream.next()
        reply = await client.ask(CALL, headers=headers)
        assert (reply.status, reply.json["id"], reply.json["error"]["data"]["code"]) == (429, 7, "too-many-requests")
        may_answer.set()
        assert (await slow.reply()).status == 200
        assert (await client.ask(CALL, headers=headers)).status == 200


# answers


async def test_event_that_is_too_large_breaks_its_stream_off_and_smaller_ones_pass() -> None:
    async with (
        scripted_upstream(streams) as upstream,
        served(upstream.endpoint, bounds=Bounds(event=5000)) as gateway,
        gateway.client() as client,
    ):
        await client.send(method="GET")
        asked = await upstream.next()
        await client.head()
        await client.chunk()
        for _ in range(10):
            await asked.event(b"x" * 900)
        said = b""
        while said.count(b"x" * 900) < 10:
            said += await client.chunk()
        await asked.raw(b"fffff\r\ndata: ")
        for _ in range(10):
            await asked.raw(b"y" * 900)
        assert b"0\r\n\r\n" not in await client.ended()
        await asked.left()


async def test_answer_that_trickles_on_is_broken_off_when_its_total_time_is_over() -> None:
    async def trickles(asked: Asked) -> None:
        await asked.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n")
        while True:
            await asked.raw(b" ")
            await asyncio.sleep(0.005)

    timeouts = Timeouts(connect=5.0, first_byte=5.0, idle=5.0, total=0.1)
    async with (
        scripted_upstream(trickles) as upstream,
        served(upstream.endpoint, route={"timeouts": timeouts}) as gateway,
        gateway.client() as client,
    ):
        await client.send(CALL)
        assert (await client.head()).status == 200
        await client.ended()
        await upstream.asked[0].left()
        upstream.script = silent
        async with gateway.client() as other:
            reply = await other.ask(CALL)
        assert (reply.status, reply.json["error"]["data"]["code"]) == (504, "upstream-slow")
        assert "within 0.1 s" in reply.json["error"]["message"]


async def test_total_time_is_not_for_streams_that_last() -> None:
    timeouts = Timeouts(connect=5.0, first_byte=5.0, idle=0.0, total=0.05)
    async with (
        scripted_upstream(streams) as upstream,
        served(upstream.endpoint, route={"timeouts": timeouts}) as gateway,
        gateway.client() as client,
        gateway.client() as other,
    ):
        await client.send(method="GET")
        lasting = await upstream.next()
        upstream.script = silent
        assert (await other.ask(CALL)).status == 504  # that time is over now
        await client.head()
        await client.chunk()
        await lasting.event(b"{}")
        assert await client.chunk()


# pages of other origins


async def test_page_of_an_allowed_origin_is_told_what_it_may_send_and_read() -> None:
    hosts = Hosts(is_loopback=True, origins=frozenset({"https://page.example"}))
    page = {"Origin": "https://page.example"}
    asked = page | {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "authorization, mcp-param-region",
    }
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, hosts=hosts) as gateway,
        gateway.client() as client,
    ):
        preflight = await client.ask(method="OPTIONS", headers=asked)
        assert preflight.status == 204
        assert preflight.headers["access-control-allow-origin"] == "https://page.example"
        assert preflight.headers["access-control-allow-headers"] == "authorization, mcp-param-region"
        assert "DELETE" in preflight.headers["access-control-allow-methods"]
        for _ in range(2):  # the second one's head has been seen before
            reply = await client.ask(CALL, headers=page)
            assert (reply.status, reply.headers["access-control-allow-origin"]) == (200, "https://page.example")
            assert "Mcp-Session-Id" in reply.headers["access-control-expose-headers"]
        lost = await client.ask(CALL, headers=page | {"Mcp-Session-Id": "forged"})
        assert (lost.status, lost.headers["access-control-allow-origin"]) == (404, "https://page.example")
        evil = await client.ask(method="OPTIONS", headers=asked | {"Origin": "https://evil.example"})
        assert (evil.status, "access-control-allow-origin" in evil.headers) == (403, False)
        assert "access-control-allow-origin" not in (await client.ask(CALL)).headers
        assert (await client.ask(method="OPTIONS")).status == 405
