"""Everything on one port: the lane, HTTP/1.1 for the rest, HTTP/2, TLS; and how it stops."""

import asyncio
import socket
from pathlib import Path
from typing import Any

import h2.events
import httpx
import pytest

from gateway.dataplane.lane import Lane
from gateway.server import Patience, listen
from gateway.wire.http1 import Limits
from tests.support.certificates import localhost_certificate, trusting
from tests.support.http2_client import http2_client
from tests.support.mcp_scripts import CALL, INITIALIZE, instance_in, legacy_server, silent
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import control_plane, served
from tests.support.wire_client import Reply, wire_client

MCP = "/adapters/x/mcp"


def request_bytes(path: str, body: bytes = b"") -> bytes:
    method = b"POST" if body else b"GET"
    return b"%b %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: %d\r\n\r\n%b" % (
        method,
        path.encode(),
        len(body),
        body,
    )


async def test_each_path_goes_to_who_serves_it() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        for path in ("/", "/adapters", "/adapters/x", "/adapters/x/mcp/more", "/mcpx", "/adapters//", "/x?/mcp"):
            async with gateway.client() as client:
                reply = await client.ask(method="GET", path=path)
                assert reply.body == f"control plane: {path.partition('?')[0]}".encode()
        async with gateway.client() as client:
            assert instance_in((await client.ask(CALL)).body) == "x-0"
            assert instance_in((await client.ask(CALL, path="/adapters/x/mcp/")).body) == "x-0"


async def test_connection_that_turns_to_another_path_is_handed_over_and_still_serves_mcp() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        assert (await client.ask(CALL)).status == 200
        assert (await client.ask(method="GET", path="/adapters")).body == b"control plane: /adapters"
        reply = await client.ask(INITIALIZE)  # by Hypercorn and the other door now
        assert instance_in(reply.body) == "x-0"
        session = {"Mcp-Session-Id": reply.headers["mcp-session-id"]}
        assert (await client.ask(CALL, headers=session)).status == 200
        assert (await client.ask(method="GET", path="/ping")).body == b"control plane: /ping"
        assert upstream.connections == 1


async def test_pipelined_requests_are_answered_in_order_across_the_hand_over() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        paths = [MCP, MCP, "/a", MCP, "/b"]
        await client.raw(b"".join(request_bytes(path, CALL if path == MCP else b"") for path in paths))
        bodies = [(await client.reply()).body for _ in paths]
        assert [instance_in(bodies[index]) for index in (0, 1, 3)] == ["x-0"] * 3
        assert (bodies[2], bodies[4]) == (b"control plane: /a", b"control plane: /b")


async def test_body_that_holds_a_request_is_a_body_on_either_side_of_the_hand_over() -> None:
    smuggled = request_bytes("/smuggled")

    async def echoes(asked: Asked) -> None:
        await asked.json(asked.body)

    async with scripted_upstream(echoes) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        await client.raw(request_bytes(MCP, smuggled) + request_bytes("/a") + request_bytes(MCP, smuggled))
        assert (await client.reply()).body == smuggled
        assert (await client.reply()).body == b"control plane: /a"
        assert (await client.reply()).body == smuggled


async def test_requests_may_come_byte_by_byte() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        whole = request_bytes(MCP, CALL) + request_bytes("/a") + request_bytes(MCP, CALL)
        for index in range(len(whole)):
            await client.raw(whole[index : index + 1])
            await asyncio.sleep(0)
        assert [(await client.reply()).status for _ in range(3)] == [200, 200, 200]


@pytest.mark.parametrize(
    "beginning", [b"\x16\x03\x01\x02\x00\x01", b"SSH-2.0-x\r\n", b"get / http/1.1\r\n\r\n", b"\x00"]
)
async def test_what_is_no_request_is_not_the_lanes_and_ends_the_connection(beginning: bytes) -> None:
    async with served() as gateway, gateway.client() as client:
        await client.raw(beginning + b"\r\n\r\n")
        client.writer.write_eof()
        assert b" 200 " not in await client.ended()


@pytest.mark.parametrize("path", ["/adapters/%78/mcp", "/adapters/x%2fmcp", "//adapters/x/mcp", "/adapters/./x/mcp"])
async def test_a_path_has_one_verdict_at_every_door(path: str) -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            lane = await client.ask(CALL, path=path)
        async with gateway.client() as client:
            await client.ask(method="GET", path="/a")
            door = await client.ask(CALL, path=path)
        assert (lane.status, _without_id(lane)) == (door.status, _without_id(door))
        assert not upstream.asked


def _without_id(reply: Reply) -> dict[str, str]:
    return {name: value for name, value in reply.headers.items() if name not in ("x-request-id", "date")}


@pytest.mark.parametrize(
    ("headers", "path", "status"),
    [
        ({"Host": "evil.example"}, MCP, 421),
        ({"Origin": "https://evil.example"}, MCP, 403),
        ({"Mcp-Session-Id": "forged"}, MCP, 404),
        ({}, "/adapters/y/mcp", 404),
        ({}, "/mcp", 404),
        ({}, f"{MCP}?access_token=x", 400),
        ({"X-Dev-UserId": "eve", "X-Dev-Roles": "none"}, MCP, 404),
    ],
)
async def test_both_doors_refuse_in_the_same_words(headers: dict[str, str], path: str, status: int) -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            lane = await client.ask(CALL, path=path, headers=headers)
        async with gateway.client() as client:
            await client.ask(method="GET", path="/a")
            door = await client.ask(CALL, path=path, headers=headers)
    assert lane.status == door.status == status
    assert (lane.body, _without_id(lane)) == (door.body, _without_id(door))


async def test_limits_hold_at_the_second_door_too() -> None:
    async with served(limits=Limits(head=4096, header_count=20, body=1000)) as gateway:
        for headers, body, status in (
            ({}, b"x" * 1001, 413),
            ({f"X-{number}": "y" for number in range(30)}, CALL, 431),
        ):
            async with gateway.client() as client:
                await client.ask(method="GET", path="/a")
                reply = await client.ask(body, headers=headers)
                assert (reply.status, reply.json["error"]["data"]["source"]) == (status, "mcpdeck")


# HTTP/2


async def test_http2_with_prior_knowledge_serves_mcp_and_the_rest() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        await client.send(CALL, path=MCP)
        status, headers, body = await client.answer()
        assert (status, headers["content-type"], instance_in(body)) == (200, "application/json", "x-0")
        await client.send(method="GET", path="/adapters")
        assert (await client.answer())[2] == b"control plane: /adapters"


async def test_http2_stream_arrives_event_by_event_and_is_let_go_when_reset() -> None:
    async def script(asked: Asked) -> None:
        await asked.stream()
        await asked.event(b"1")
        await asyncio.Event().wait()

    async with (
        scripted_upstream(script) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        stream = await client.send(CALL, path=MCP, headers=[("mcp-protocol-version", "2026-07-28")])
        asked = await upstream.next()
        assert b"data: 1" in await client.data()
        await asked.event(b"2")
        assert b"data: 2" in await client.data()
        await client.reset(stream)
        await asked.left()
        await gateway.accounts.all_ended()


async def test_http2_answer_that_breaks_off_is_reset_never_ended() -> None:
    async def half(asked: Asked) -> None:
        await asked.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
        await asyncio.Event().wait()

    async with (
        scripted_upstream(half) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        stream = await client.send(CALL, path=MCP)
        assert await client.data() == b"{"
        upstream.asked[0].hang_up()
        assert (await client.next(h2.events.StreamReset)).stream_id == stream
        await client.send(method="GET", path="/a")  # the connection itself lives on
        assert (await client.answer())[0] == 200


async def test_http2_client_that_stops_reading_holds_up_the_upstream() -> None:
    sent = 0

    async def floods(asked: Asked) -> None:
        nonlocal sent
        await asked.stream()
        while True:
            await asked.chunk(b"x" * 65536)
            sent += 65536

    async with (
        scripted_upstream(floods) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        client.reads_on = False
        await client.send(CALL, path=MCP)
        await client.next(h2.events.DataReceived)
        before = -1
        while sent != before:
            before = sent
            for _ in range(200):
                await asyncio.sleep(0.001)
        assert sent < 32 * 1024 * 1024
        client.writer.transport.abort()
        await gateway.accounts.all_ended()


@pytest.mark.parametrize(
    "headers",
    [
        [("x-mcp-userid", "a\r\nX-Evil: b")],
        [("x-a", "b\nGET / HTTP/1.1")],
        [("x-a", "\0")],
        [("transfer-encoding", "chunked")],
    ],
)
async def test_http2_headers_can_not_become_lines_of_http1(headers: list[tuple[str, str]]) -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        await client.send(CALL, path=MCP, headers=headers)
        kinds = h2.events.ResponseReceived | h2.events.StreamReset | h2.events.ConnectionTerminated
        event = await client.next(h2.events.Event)
        while not isinstance(event, kinds):
            event = await client.next(h2.events.Event)
        if isinstance(event, h2.events.ResponseReceived):
            assert (b":status", b"400") in (event.headers or ())
        assert not upstream.asked


async def test_http2_query_can_not_become_a_request_line() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        http2_client(gateway.port) as client,
    ):
        await client.send(CALL, path=f"{MCP}?a b HTTP/1.1")
        assert (await client.answer())[0] == 400
        assert not upstream.asked


# TLS


@pytest.mark.parametrize("is_http2", [False, True])
async def test_tls_serves_both_versions_and_says_https_to_adapters(tmp_path: Path, is_http2: bool) -> None:
    tls = localhost_certificate(tmp_path)
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, tls=tls, scheme="https") as gateway,
        httpx.AsyncClient(verify=trusting(tls), http2=is_http2) as client,
    ):
        url = f"https://localhost:{gateway.port}"
        reply = await client.post(url + MCP, content=CALL)
        assert (reply.status_code, instance_in(reply.content)) == (200, "x-0")
        assert reply.http_version == ("HTTP/2" if is_http2 else "HTTP/1.1")
        assert (await client.get(url + "/a")).text == "control plane: /a"
        assert "proto=https" in (upstream.asked[0].value("forwarded") or "")


async def test_https_instances_are_called_by_their_name_and_trusted_only_so(tmp_path: Path) -> None:
    import msgspec

    tls = localhost_certificate(tmp_path)
    async with scripted_upstream(legacy_server) as plain, served(plain.endpoint, tls=tls) as upstream:
        instance = msgspec.structs.replace(
            plain.endpoint, port=upstream.port, path=MCP, is_tls=True, authority=f"localhost:{upstream.port}"
        )
        stranger = msgspec.structs.replace(instance, uid="another", authority="other.example")
        async with served(instance, upstream_tls=trusting(tls)) as gateway, gateway.client() as client:
            assert instance_in((await client.ask(CALL)).body) == "x-0"
            gateway.point(stranger)
            assert (await client.ask(CALL)).status == 502


# starting and stopping


async def test_stop_closes_the_port_and_every_resting_connection() -> None:
    async with scripted_upstream(legacy_server) as upstream:
        async with (
            served(upstream.endpoint) as gateway,
            gateway.client() as lane,
            gateway.client() as other,
            http2_client(gateway.port) as http2,
        ):
            await lane.ask(CALL)
            await other.ask(method="GET", path="/a")
            await http2.send(CALL, path=MCP)
            await http2.answer()
            gateway.stop.set()
            assert await lane.ended() == b""
            assert await other.ended() == b""
            await http2.ended()
        with pytest.raises(ConnectionError):
            async with wire_client(gateway.port):
                pass
        await upstream.asked[-1].left()


async def test_clients_hear_that_their_connection_ends_before_it_does() -> None:
    lane = Lane(lambda exchange: exchange.respond(200), lambda transport, _received: transport.abort())
    server = await asyncio.get_running_loop().create_server(lane.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server, wire_client(port) as early:
        assert "connection" not in (await early.ask(CALL)).headers
        lane.leave()
        assert (await early.ask(CALL)).headers["connection"] == "close"
        assert await early.ended() == b""
        async with wire_client(port) as late:
            assert (await late.ask(CALL)).headers["connection"] == "close"
            assert await late.ended() == b""


async def test_call_under_way_is_answered_before_the_stop() -> None:
    may_answer = asyncio.Event()

    async def waits(asked: Asked) -> None:
        await may_answer.wait()
        await legacy_server(asked)

    async with (
        scripted_upstream(waits) as upstream,
        served(upstream.endpoint, patience=Patience(drain=5)) as gateway,
        gateway.client() as lane,
        http2_client(gateway.port) as http2,
    ):
        await lane.send(CALL)
        await http2.send(CALL, path=MCP)
        await upstream.next()
        await upstream.next()
        gateway.stop.set()
        await gateway.stopping.wait()
        may_answer.set()
        reply = await lane.reply()
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert (await http2.answer())[0] == 200


async def test_call_that_never_ends_does_not_hold_up_a_stop() -> None:
    async with (
        scripted_upstream(silent) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as lane,
        http2_client(gateway.port) as http2,
    ):
        await lane.send(CALL)
        await http2.send(CALL, path=MCP)
        await upstream.next()
        await upstream.next()
        gateway.stop.set()
        assert await lane.ended() == b""
    assert gateway.pipeline.counters.in_flight == 0


async def test_nothing_is_left_running() -> None:
    async with scripted_upstream(legacy_server) as upstream:
        before = asyncio.all_tasks()
        async with served(upstream.endpoint) as gateway, gateway.client() as client:
            await client.ask(CALL)
            await client.ask(method="GET", path="/a")
        await upstream.asked[-1].left()
        assert {task for task in asyncio.all_tasks() - before if task.get_name() != "a scripted connection"} == set()


async def test_application_that_fails_to_start_is_an_error() -> None:
    async def broken(scope: Any, receive: Any, send: Any) -> None:
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "no database"})

    with pytest.raises(BaseExceptionGroup) as raised:
        async with served(app=broken):
            pass
    assert "no database" in str(raised.value.exceptions) or raised.group_contains(Exception, match="no database")


async def test_error_in_the_application_is_one_connections_own() -> None:
    async def breaks(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] == "http" and scope["path"] == "/broken":
            raise RuntimeError("a bug")
        await control_plane(scope, receive, send)

    async with served(app=breaks) as gateway:
        async with gateway.client() as client:
            assert (await client.ask(method="GET", path="/broken")).status == 500
        async with gateway.client() as client:
            assert (await client.ask(method="GET", path="/a")).status == 200


def test_listening_twice_on_one_port_needs_to_be_shared() -> None:
    (first,) = listen("127.0.0.1", 0, is_shared=True)
    port = first.getsockname()[1]
    try:
        (second,) = listen("127.0.0.1", port, is_shared=True)
        second.close()
        with pytest.raises(OSError, match="in use"):
            listen("127.0.0.1", port)
    finally:
        first.close()


def test_all_addresses_of_a_host_share_one_port() -> None:
    sockets = listen("", 0)
    try:
        assert len({each.getsockname()[1] for each in sockets}) == 1
        assert len({each.family for each in sockets}) == len(sockets)
        assert all(each.family in (socket.AF_INET, socket.AF_INET6) for each in sockets)
    finally:
        for each in sockets:
            each.close()
