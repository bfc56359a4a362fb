"""The gateway's own HTTP/1.1 client against servers that behave, and servers that don't."""

import asyncio
import logging
import socket

import msgspec
import pytest

from gateway.core.errors import GatewayError
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.deadlines import Deadlines
from gateway.dataplane.upstream import Upstream
from gateway.wire.http1 import Headers
from gateway.wire.resources import Timeouts
from tests.support.mcp_scripts import CALL, MODERN, answers, legacy_server
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import served

JSON = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


async def test_calls_one_after_the_other_share_one_connection() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        for _ in range(3):
            async with gateway.client() as client:
                for _ in range(20):
                    assert (await client.ask(CALL)).status == 200
        assert upstream.connections == gateway.pipeline.upstream.connects == 1


async def test_calls_at_once_have_a_connection_each_and_no_more() -> None:
    arrived = asyncio.Semaphore(0)
    may_answer = asyncio.Event()

    async def waits(asked: Asked) -> None:
        arrived.release()
        await may_answer.wait()
        await legacy_server(asked)

    async with scripted_upstream(waits) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as one, gateway.client() as two, gateway.client() as three:
            for client in (one, two, three):
                await client.send(CALL)
            for _ in range(3):
                await arrived.acquire()
            may_answer.set()
            for client in (one, two, three):
                assert (await client.reply()).status == 200
                assert (await client.ask(CALL)).status == 200
        assert upstream.connections == 3


async def test_resting_connection_that_the_server_closes_costs_no_call() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            for _ in range(20):
                assert (await client.ask(CALL)).status == 200
                upstream.close_resting()  # its FIN crosses the next request
        assert len(upstream.asked) == 20


class Recorded:
    """connection.Answer that keeps what it is told, and sets `ended` at the end. is_wanted: by then."""

    def __init__(self, *, is_wanted: bool = True) -> None:
        self.status, self.body, self.is_wanted = 0, b"", is_wanted
        self.connected = asyncio.Event()
        self.error: GatewayError | None = None
        self.ended = asyncio.Event()

    on_whole = None

    def on_connection(self, connection: UpstreamConnection) -> bool:
        self.connected.set()
        return self.is_wanted

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:
        self.status = status

    def on_body(self, chunk: bytes) -> None:
        self.body += chunk

    def on_read(self) -> None:
        """More is to come."""

    def on_end(self) -> None:
        self.ended.set()

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:
        self.error = error
        self.ended.set()


@pytest.mark.parametrize("method", [b"POST", b"GET"])
async def test_call_that_crosses_the_closing_of_its_connection_goes_again_on_a_fresh_one(method: bytes) -> None:
    request = method + b" /mcp HTTP/1.1\r\nHost: x\r\n\r\n"
    deadlines = Deadlines()
    async with (
        scripted_upstream(answers(JSON + b"Content-Length: 2\r\n\r\n{}")) as server,
        Upstream(deadlines) as upstream,
    ):
        for _ in range(3):
            answer = Recorded()
            server.close_resting()  # no await between here and the next line: the two cross
            upstream.send(server.endpoint, request, answer, Timeouts())
            await answer.ended.wait()
            assert (answer.error, answer.status, answer.body) == (None, 200, b"{}")
        assert len(server.asked) == 3
        assert upstream.connects == server.connections == 3
    deadlines.close()


async def test_connection_whose_call_is_no_longer_wanted_rests_for_the_next() -> None:
    request = b"POST /mcp HTTP/1.1\r\nHost: x\r\n\r\n"
    deadlines = Deadlines()
    async with (
        scripted_upstream(answers(JSON + b"Content-Length: 2\r\n\r\n{}")) as server,
        Upstream(deadlines) as upstream,
    ):
        for _ in range(2):  # once while it connects, once at rest
            unwanted = Recorded(is_wanted=False)
            upstream.send(server.endpoint, request, unwanted, Timeouts())
            await unwanted.connected.wait()
        answer = Recorded()
        upstream.send(server.endpoint, request, answer, Timeouts())
        await answer.ended.wait()
        assert (answer.body, upstream.connects, len(server.asked)) == (b"{}", 1, 1)
    deadlines.close()


async def test_server_that_closes_after_it_had_the_call_is_not_asked_again() -> None:
    async def takes_two(asked: Asked) -> None:
        if len(asked.upstream.asked) % 2:
            await legacy_server(asked)
        else:
            asked.writer.close()

    async with scripted_upstream(takes_two) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            assert (await client.ask(CALL)).status == 200
            assert (await client.ask(CALL)).status == 502
        assert len(upstream.asked) == 2


async def test_get_and_delete_may_go_again_on_a_fresh_connection_but_once() -> None:
    async def only_the_first(asked: Asked) -> None:
        if len(asked.upstream.asked) == 1:
            await legacy_server(asked)
        else:
            asked.hang_up()

    async with scripted_upstream(only_the_first) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            assert (await client.ask(CALL)).status == 200
            assert (await client.ask(method="DELETE")).status == 502
        assert [asked.method for asked in upstream.asked] == ["POST", "DELETE", "DELETE"]


async def test_connection_close_is_heeded() -> None:
    script = answers(JSON + b"Connection: close\r\nContent-Length: 2\r\n\r\n{}")
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            for _ in range(3):
                assert (await client.ask(CALL)).body == b"{}"
        assert upstream.connections == 3


async def test_keep_alive_timeout_that_the_server_names_is_kept() -> None:
    script = answers(JSON + b"Keep-Alive: timeout=1, max=5\r\nContent-Length: 2\r\n\r\n{}")
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        await client.ask(CALL)
        await upstream.asked[0].left()  # the gateway is the first to close


@pytest.mark.parametrize(
    "answer",
    [
        b"Transfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;ext=1\r\n}\r\n0\r\nTrailer: dropped\r\n\r\n",
        b"Content-Length: 2\r\n\r\n{}",
        b"Connection: close\r\n\r\n{}",  # its end is the connection's
    ],
)
async def test_bodies_of_every_framing_arrive_whole(answer: bytes) -> None:
    async def script(asked: Asked) -> None:
        await asked.raw(JSON + answer)
        if b"close" in answer:
            asked.writer.close()

    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):
            reply = await client.ask(CALL)
            assert (reply.status, reply.body) == (200, b"{}")
            assert "trailer" not in reply.headers


async def test_answer_in_any_pieces_is_the_same_answer() -> None:
    whole = JSON + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n"

    async def drips(asked: Asked) -> None:
        for index in range(len(whole)):
            await asked.raw(whole[index : index + 1])
            await asyncio.sleep(0)

    async with scripted_upstream(drips) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):
            assert (await client.ask(CALL)).body == b"{}"
        assert upstream.connections == 1


async def test_interim_answers_are_passed_over() -> None:
    script = answers(
        b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n"
        + JSON
        + b"Content-Length: 2\r\n\r\n{}"
    )
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):
            reply = await client.ask(CALL)
            assert (reply.status, reply.body) == (200, b"{}")
            assert "link" not in reply.headers
        assert upstream.connections == 1


@pytest.mark.parametrize("status", [b"202 Accepted\r\nContent-Length: 0", b"204 No Content"])
async def test_answers_without_a_body_pass(status: bytes) -> None:
    script = answers(b"HTTP/1.1 " + status + b"\r\n\r\n")
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):
            reply = await client.ask(CALL)
            assert (reply.status, reply.body) == (int(status[:3]), b"")
        assert upstream.connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: a\r\n b\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\n",
        b"HTTP/1.1 999 Odd\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 051 Odd\r\nContent-Length: 2\r\n\r\n{}",
        b"HTTP/1.1 103 Early Hints\r\nContent-Length: 2\r\n\r\n{}HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200_000,
    ],
    ids=[
        "another protocol",
        "two lengths",
        "two framings",
        "no length",
        "no size",
        "upgrade",
        "a sixth class",
        "no status",
        "hints with a body",
        "endless head",
    ],
)
async def test_answer_that_is_no_http_is_502_and_its_connection_cut(answer: bytes) -> None:
    async with scripted_upstream(answers(answer)) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(CALL)
            assert (reply.status, reply.json["id"]) == (502, 7)
            await upstream.asked[0].left()
        assert gateway.pipeline.counters.in_flight == 0


async def test_second_answer_to_one_call_poisons_the_connection_not_the_next_call() -> None:
    once = JSON + b"Content-Length: 2\r\n\r\n{}"
    smuggled = JSON + b"Content-Length: 4\r\n\r\nevil"
    async with scripted_upstream(answers(once + smuggled)) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            for _ in range(3):
                assert (await client.ask(CALL)).body == b"{}"
        assert upstream.connections == 3


async def test_bytes_that_nobody_asked_for_close_a_resting_connection() -> None:
    async def talks_on(asked: Asked) -> None:
        await legacy_server(asked)
        await asked.raw(b"HTTP/1.1 200 OK\r\n")

    async with (
        scripted_upstream(talks_on) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        await client.ask(CALL)
        await upstream.asked[0].left()


async def test_header_of_an_upstream_can_not_add_lines() -> None:
    script = answers(JSON + b"ETag: a\rSet-Cookie: b\r\nContent-Length: 2\r\n\r\n{}")
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        assert (await client.ask(CALL)).status == 502


async def test_instance_that_dies_before_its_answer_is_502_with_the_requests_id() -> None:
    async def dies(asked: Asked) -> None:
        asked.hang_up()

    async with scripted_upstream(dies) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for headers in ({}, MODERN):
            reply = await client.ask(CALL, headers=headers)
            assert (reply.status, reply.json["id"]) == (502, 7)
            assert "broke off before it answered" in reply.json["error"]["message"]


async def test_host_that_does_not_resolve_is_502() -> None:
    async with scripted_upstream(legacy_server) as upstream:
        nowhere = msgspec.structs.replace(upstream.endpoint, host="nowhere.invalid")
        async with served(nowhere) as gateway, gateway.client() as client:
            assert (await client.ask(CALL)).status == 502


async def test_connection_that_is_not_accepted_in_time_is_502() -> None:
    full = socket.create_server(("127.0.0.1", 0), backlog=0)
    port = full.getsockname()[1]
    crowd = [socket.socket() for _ in range(8)]
    try:
        for each in crowd:
            each.setblocking(False)
            each.connect_ex(("127.0.0.1", port))
        async with scripted_upstream(legacy_server) as upstream:
            endpoint = msgspec.structs.replace(upstream.endpoint, port=port)
            route = {"timeouts": Timeouts(connect=0.05)}
            async with served(endpoint, route=route) as gateway, gateway.client() as client:
                reply = await client.ask(CALL)
        assert (reply.status, reply.headers["retry-after"]) == (502, "1")
        assert "accepted no connection within 0.05 s" in reply.json["error"]["message"]
    finally:
        for each in (full, *crowd):
            each.close()


async def test_large_bodies_pass_in_both_directions() -> None:
    async def echoes(asked: Asked) -> None:
        await asked.json(asked.body)

    body = b'{"jsonrpc":"2.0","id":1,"method":"x","params":"' + b"y" * 3_000_000 + b'"}'
    async with scripted_upstream(echoes) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        assert (await client.ask(body)).body == body


async def test_deadlines_are_never_early_and_stop_looking_when_nothing_is_watched() -> None:
    class Item:
        deadline = 0.0
        over = asyncio.Event()

        def expired(self) -> None:
            self.deadline = 0.0
            self.over.set()

    loop, deadlines, item = asyncio.get_running_loop(), Deadlines(0.01), Item()
    deadlines.watch(item)
    began = loop.time()
    item.deadline = deadlines.after(0.03)
    await item.over.wait()
    assert loop.time() >= began + 0.03
    assert deadlines.after(0) == 0
    deadlines.forget(item)
    deadlines.close()


async def test_bug_in_a_callback_is_logged_and_ends_one_call_only(caplog: pytest.LogCaptureFixture) -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        with pytest.MonkeyPatch.context() as patch, caplog.at_level(logging.ERROR):
            patch.setattr("gateway.dataplane.relay.client_headers", lambda headers: headers.missing)
            assert (await client.ask(CALL)).status == 502
        assert "could not be handled" in caplog.text
        assert (await client.ask(CALL)).status == 200
