"""Answers of instances that would add headers, answers or bytes of their own to what a client gets."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from gateway.core.routes import Endpoint
from gateway.wire.names import InstanceName
from tests.support.mcp_scripts import CALL, answers
from tests.support.scripted_upstream import scripted_upstream
from tests.support.served import served

OK = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
END = b"Content-Length: 2\r\n\r\n{}"


@pytest.mark.parametrize(
    "head",
    [
        OK + b"ETag: a\nSet-Cookie: b\r\n" + END,
        OK + b"ETag: a\r\n\tSet-Cookie: b\r\n" + END,
        OK + b"ETag: a\0b\r\n" + END,
        OK + b"ETag : a\r\n" + END,
        OK + b"ET ag: a\r\n" + END,
        OK + b": a\r\n" + END,
        OK + b"Content-Type\r\n" + END,
        OK.replace(b"200 OK", b"200 O\nX: y\nK") + END,
        OK.replace(b"200 OK", b"200 O\rK") + END,
        OK.replace(b"HTTP/1.1", b"HTTP/9.9") + END,
        OK.replace(b"200", b"20") + END,
        OK + b"Content-Length: 2\r\n" + END,
        OK + b"Content-Length: 1, 2\r\n\r\n{}",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\n\r\n",
        OK + b"Transfer-Encoding: chunked\r\n\r\n2;\n{}\r\n0\r\n\r\n",
    ],
)
async def test_head_that_is_not_one_is_502_and_none_of_it_passes(head: bytes) -> None:
    async with scripted_upstream(answers(head)) as upstream, served(upstream.endpoint) as gateway:
        for _ in range(2):
            async with gateway.client() as client:
                reply = await client.ask(CALL)
                assert reply.status == 502
                assert not {"etag", "set-cookie", "x"} & reply.headers.keys()


async def test_headers_that_are_not_for_clients_do_not_pass() -> None:
    script = answers(
        OK + b"Set-Cookie: a=b\r\nLocation: http://evil\r\nWWW-Authenticate: Bearer\r\nConnection: ETag, keep-alive\r\n"
        b"Access-Control-Allow-Origin: *\r\nServer: s\r\nTrailer: X\r\nUpgrade: h2c\r\nETag: e\r\nX-Odd: \xff\r\n" + END
    )
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):  # parsed, then known by its likeness
            reply = await client.ask(CALL)
            assert reply.body == b"{}"
            assert reply.headers.keys() <= {"content-type", "content-length", "date", "etag", "x-request-id"}


async def test_blanks_behind_a_value_do_not_pass() -> None:
    script = answers(OK + b"ETag: e \t\r\n" + END)
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        assert b"\r\netag: e\r\n" in (await client.ask(CALL)).head.lower()


async def test_trailers_of_an_instance_are_dropped() -> None:
    script = answers(OK + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\nSet-Cookie: a=b\r\nETag: e\r\n\r\n")
    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        for _ in range(2):
            reply = await client.ask(CALL)
            assert (reply.status, reply.body) == (200, b"{}")
            assert reply.headers["content-length"] == "2"
            assert not {"set-cookie", "etag"} & reply.headers.keys()


@asynccontextmanager
async def hasty(answer: bytes) -> AsyncIterator[Endpoint]:
    """An instance that answers when it has seen the first bytes of a request, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(100)
        writer.write(answer)
        writer.write_eof()
        while await reader.read(65536):
            pass
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield Endpoint(InstanceName("x-0"), "uid-x-0", "127.0.0.1", server.sockets[0].getsockname()[1])


@pytest.mark.parametrize("framing", [b"Content-Length: 4\r\n\r\nearl", b"Connection: close\r\n\r\nearl"])
async def test_answer_before_the_body_was_read_is_the_answer_and_its_connection_is_not_used_again(
    framing: bytes,
) -> None:
    body = b'{"jsonrpc":"2.0","id":7,"method":"x","params":"' + b"x" * 3_000_000 + b'"}'
    async with hasty(b"HTTP/1.1 413 Content Too Large\r\n" + framing) as endpoint, served(endpoint) as gateway:
        async with gateway.client() as client:
            for _ in range(3):
                reply = await client.ask(body)
                assert (reply.status, reply.body) == (413, b"earl")
        assert gateway.pipeline.counters.in_flight == 0
