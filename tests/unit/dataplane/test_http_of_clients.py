"""What clients may do with HTTP/1.1, at the lane and at the second door alike."""

import asyncio
import itertools
from collections.abc import AsyncIterator

import pytest

from gateway.dataplane.asgi import WINDOW, AsgiExchange
from gateway.wire.http1 import Request
from tests.support.mcp_scripts import CALL, INITIALIZE, instance_in, legacy_server
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import Served, served
from tests.support.wire_client import WireClient

POST = b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\n"


async def echoes(asked: Asked) -> None:
    await asked.json(asked.body)


@pytest.fixture(params=["lane", "second door"])
async def client(request: pytest.FixtureRequest) -> AsyncIterator[WireClient]:
    """A client whose connection the lane keeps, or has handed over."""
    async with (
        scripted_upstream(echoes) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        if request.param != "lane":
            await client.ask(method="GET", path="/a")
        yield client


async def test_chunked_body_goes_upstream_whole_and_counted(client: WireClient) -> None:
    for extension in (b"", b";name=value"):
        await client.raw(
            POST + b"Transfer-Encoding: chunked\r\n\r\n3" + extension + b"\r\nabc\r\n2\r\nde\r\n0\r\nTrailer: x\r\n\r\n"
        )
        assert (await client.reply()).body == b"abcde"


async def test_body_that_waits_for_100_continue_is_asked_for(client: WireClient) -> None:
    for _ in range(2):
        await client.raw(POST + b"Content-Length: 2\r\nExpect: 100-continue\r\n\r\n")
        assert (await client.head()).status == 100
        await client.raw(b"{}")
        assert (await client.reply()).body == b"{}"


async def test_offer_to_upgrade_is_declined(client: WireClient) -> None:
    await client.raw(POST + b"Content-Length: 2\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n{}")
    assert (await client.reply()).body == b"{}"


async def test_client_that_wants_the_connection_closed_has_it_closed(client: WireClient) -> None:
    reply = await client.ask(b"{}", headers={"Connection": "close"})
    assert reply.headers["connection"] == "close"
    assert await client.ended() == b""


async def test_http_1_0_is_answered_without_chunks() -> None:
    async def streams(asked: Asked) -> None:
        await asked.stream()
        await asked.event(b"{}")
        await asked.finish()

    async with scripted_upstream(streams) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        await client.raw(b"POST /adapters/x/mcp HTTP/1.0\r\nHost: localhost\r\nContent-Length: 2\r\n\r\n{}")
        reply = await client.head()
        assert "transfer-encoding" not in reply.headers
        assert await client.ended() == b"event: message\ndata: {}\n\n"


async def test_empty_lines_before_a_request_are_passed_over() -> None:
    async with (
        scripted_upstream(echoes) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        await client.raw(b"\r\n\r\n" + POST + b"Content-Length: 2\r\n\r\n{}")
        assert (await client.reply()).body == b"{}"


@pytest.mark.parametrize("body", [b"zz\r\n", b"3\r\nabcde\r\n", b"2;" + b"x" * 300 + b"\r\nab\r\n"])
async def test_chunks_that_do_not_add_up_reach_no_instance(body: bytes) -> None:
    async with scripted_upstream(echoes) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            await client.raw(POST + b"Transfer-Encoding: chunked\r\n\r\n" + body)
            assert (await client.reply()).status == 400
            assert await client.ended() == b""
        assert not upstream.asked


async def test_client_that_leaves_within_its_body_reaches_no_instance() -> None:
    async with scripted_upstream(echoes) as upstream, served(upstream.endpoint) as gateway:
        for handed in (False, True):
            async with gateway.client() as client:
                if handed:
                    await client.ask(method="GET", path="/a")
                await client.raw(POST + b"Content-Length: 10\r\n\r\n{}")
            await _settled(gateway)
        assert not upstream.asked


async def _settled(gateway: Served) -> None:
    """What the last client did has been seen once another one is answered."""
    async with gateway.client() as client:
        await client.ask(method="GET", path="/a")


async def test_many_clients_and_sessions_at_once_are_never_mixed_up() -> None:
    async def tells(asked: Asked) -> None:
        if b"initialize" in asked.body:
            await legacy_server(asked)
        else:
            await asked.json(b"%b from %b" % (asked.body, asked.upstream.endpoint.instance.encode()))

    async with (
        scripted_upstream(tells, "x-0") as first,
        scripted_upstream(tells, "x-1") as second,
        served(first.endpoint, second.endpoint) as gateway,
        asyncio.TaskGroup() as tasks,
    ):
        for number in range(20):
            tasks.create_task(_talks(gateway, number), name=f"client {number}")


async def _talks(gateway: Served, number: int) -> None:
    async with gateway.client() as client:
        reply = await client.ask(INITIALIZE)
        home, session = instance_in(reply.body), {"Mcp-Session-Id": reply.headers["mcp-session-id"]}
        for call in range(20):
            body = b"%d of %d" % (call, number)
            assert (await client.ask(body, headers=session)).body == body + f" from {home}".encode()


async def test_second_door_holds_the_instance_up_while_its_client_is_slow_and_lets_it_go_on() -> None:
    told: list[str] = []
    may_send = asyncio.Event()
    sent: list[bytes] = []

    async def send(message: object) -> None:
        await may_send.wait()
        assert isinstance(message, dict)
        sent.append(message.get("body", b""))

    exchange = AsgiExchange(Request(), "")
    exchange.on_pause = lambda: told.append("pause")
    exchange.on_resume = lambda: told.append("resume")
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(exchange.deliver(send), name="deliver")
        exchange.start(200)
        for _ in itertools.takewhile(lambda _: not told, itertools.count()):
            exchange.write(b"x" * 1000)
        assert exchange.sent == (WINDOW // 1000 + 1) * 1000
        may_send.set()
        while told == ["pause"]:  # noqa: ASYNC110 - on_resume is called within deliver
            await asyncio.sleep(0)
        assert told == ["pause", "resume"]
        exchange.finish()
    assert len(b"".join(sent)) == exchange.sent


async def test_call_after_call_on_one_connection_has_one_answer_each() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        for _ in range(50):
            await client.send(CALL)
        for _ in range(50):
            assert (await client.reply()).status == 200
        assert len(upstream.asked) == 50
        assert upstream.connections == 1
