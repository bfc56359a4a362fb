"""Bytes that two servers may read differently: refused before any instance hears of them, or passed on as exactly one request.

Through raw sockets, over the lane and over the second door; what the instance received is looked at each time.
"""

import asyncio
from collections.abc import AsyncIterator

import pytest

from gateway.wire.http1 import Limits
from tests.support.scripted_upstream import Asked, ScriptedUpstream, scripted_upstream
from tests.support.served import Served, served
from tests.support.wire_client import WireClient

LINE = b"POST /adapters/x/mcp HTTP/1.1\r\n"
HOST = b"Host: localhost\r\n"
SMUGGLED = b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nX-Smuggled: 1\r\nContent-Length: 2\r\n\r\n[]"
CHUNKED = b"Transfer-Encoding: chunked\r\n"


async def echoes(asked: Asked) -> None:
    await asked.json(asked.body)


@pytest.fixture
async def upstream() -> AsyncIterator[ScriptedUpstream]:
    async with scripted_upstream(echoes) as upstream:
        yield upstream


@pytest.fixture
async def gateway(upstream: ScriptedUpstream) -> AsyncIterator[Served]:
    async with served(upstream.endpoint) as gateway:
        yield gateway


REFUSED = {
    "length then chunked": LINE + HOST + b"Content-Length: 4\r\n" + CHUNKED + b"\r\n0\r\n\r\n" + SMUGGLED,
    "chunked then length": LINE + HOST + CHUNKED + b"Content-Length: 4\r\n\r\n0\r\n\r\n" + SMUGGLED,
    "two lengths": LINE + HOST + b"Content-Length: 0\r\nContent-Length: 71\r\n\r\n" + SMUGGLED,
    "one length twice": LINE + HOST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}" + SMUGGLED,
    "a list of lengths": LINE + HOST + b"Content-Length: 2, 2\r\n\r\n{}",
    "a signed length": LINE + HOST + b"Content-Length: +2\r\n\r\n{}",
    "a hexadecimal length": LINE + HOST + b"Content-Length: 0x2\r\n\r\n{}",
    "a length with a space": LINE + HOST + b"Content-Length: 1 2\r\n\r\n{}",
    "no length": LINE + HOST + b"Content-Length: \r\n\r\n{}",
    "an endless length": LINE + HOST + b"Content-Length: 18446744073709551618\r\n\r\n{}",
    "chunked twice": LINE + HOST + CHUNKED * 2 + b"\r\n0\r\n\r\n",
    "chunked, chunked": LINE + HOST + b"Transfer-Encoding: chunked, chunked\r\n\r\n0\r\n\r\n",
    "chunked not last": LINE + HOST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "compressed": LINE + HOST + b"Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
    "compressed, and chunked in a header of its own": LINE
    + HOST
    + b"Transfer-Encoding: gzip\r\n"
    + CHUNKED
    + b"\r\n0\r\n\r\n",
    "nearly chunked": LINE + HOST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "chunked by a vertical tab": LINE + HOST + b"Transfer-Encoding: \x0bchunked\r\n\r\n0\r\n\r\n",
    "a space before the colon": LINE + HOST + b"Transfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    "a tab before the colon": LINE + HOST + b"Content-Length\t: 2\r\n\r\n{}",
    "a folded header": LINE + HOST + b"X: a\r\n Transfer-Encoding: chunked\r\n\r\n",
    "a folded length": LINE + HOST + b"Content-Length:\r\n 2\r\n\r\n{}",
    "a fold before any header": LINE + b" X: a\r\n" + HOST + b"\r\n",
    "a bare line feed": LINE + HOST + b"X: a\nContent-Length: 2\r\n\r\n{}",
    "a bare carriage return": LINE + HOST + b"X: a\rContent-Length: 2\r\n\r\n{}",
    "a bare end of the head": LINE + HOST + b"X: a\n\r\n\r\n",
    "a NUL": LINE + HOST + b"X: a\0b\r\n\r\n",
    "a NUL in a name": LINE + HOST + b"X\0: a\r\n\r\n",
    "no name": LINE + HOST + b": a\r\n\r\n",
    "no colon": LINE + HOST + b"X\r\n\r\n",
    "two hosts": LINE + HOST + b"Host: other\r\n\r\n",
    "no host": LINE + b"Content-Length: 2\r\n\r\n{}",
    "a host with a user": LINE + b"Host: evil@localhost\r\n\r\n",
    "a host with a path": LINE + b"Host: localhost/evil\r\n\r\n",
    "a host with a quote": LINE + b'Host: localhost"\r\n\r\n',
    "a host with a backslash": LINE + b"Host: localhost\\\r\n\r\n",
    "two hosts in one": LINE + b"Host: localhost evil\r\n\r\n",
    "chunked in HTTP/1.0": LINE.replace(b"1.1", b"1.0") + HOST + CHUNKED + b"\r\n0\r\n\r\n",
    "a chunk without a size": LINE + HOST + CHUNKED + b"\r\n\r\n\r\n",
    "a chunk's size signed": LINE + HOST + CHUNKED + b"\r\n-1\r\n\r\n",
    "a chunk's size with a prefix": LINE + HOST + CHUNKED + b"\r\n0x2\r\n{}\r\n0\r\n\r\n",
    "a chunk's size of 17 digits": LINE + HOST + CHUNKED + b"\r\n00000000000000002\r\n{}\r\n0\r\n\r\n",
    "a chunk's size before a bare line feed": LINE + HOST + CHUNKED + b"\r\n2\n{}\r\n0\r\n\r\n",
    "a chunk ended by a bare line feed": LINE + HOST + CHUNKED + b"\r\n2\r\n{}\n0\r\n\r\n",
    "a chunk that is longer": LINE + HOST + CHUNKED + b"\r\n2\r\n{}[]\r\n0\r\n\r\n",
    "a chunk's size with a space after it": LINE + HOST + CHUNKED + b"\r\n2 \r\n{}\r\n0\r\n\r\n",
    "an extension with a bare line feed": LINE + HOST + CHUNKED + b"\r\n2;a\nb\r\n{}\r\n0\r\n\r\n",
    "an extension with a bare carriage return": LINE + HOST + CHUNKED + b"\r\n2;a\rb\r\n{}\r\n0\r\n\r\n",
    "too long an extension": LINE + HOST + CHUNKED + b"\r\n2;" + b"a" * 300 + b"\r\n{}\r\n0\r\n\r\n",
    "too many extensions": LINE + HOST + CHUNKED + b"\r\n" + (b"1;" + b"a" * 250 + b"\r\nx\r\n") * 80 + b"0\r\n\r\n",
    "a trailer with a bare line feed": LINE + HOST + CHUNKED + b"\r\n0\r\nX: a\n\r\n\r\n" + SMUGGLED,
}


@pytest.mark.parametrize("said", REFUSED.values(), ids=REFUSED.keys())
@pytest.mark.parametrize("way", ["at once", "byte by byte"])
async def test_what_can_be_read_in_two_ways_reaches_no_instance(
    gateway: Served, upstream: ScriptedUpstream, said: bytes, way: str
) -> None:
    async with gateway.client() as client:
        await _say(client, said, way)
        reply = await client.reply()
        assert (reply.status, reply.headers["connection"]) == (400, "close")
        assert reply.json["error"]["data"]["source"] == "mcpdeck"
        assert await client.ended() == b""
    assert not upstream.asked


async def _say(client: WireClient, said: bytes, way: str) -> None:
    if way == "at once":
        await client.raw(said)
        return
    for index in range(min(len(said), 600)):
        await client.raw(said[index : index + 1])
        await asyncio.sleep(0)
    await client.raw(said[600:])


async def test_trailer_without_an_end_is_refused(gateway: Served, upstream: ScriptedUpstream) -> None:
    async with gateway.client() as client:
        await client.raw(LINE + HOST + CHUNKED + b"\r\n0\r\n" + b"X: y\r\n" * 5000)
        assert (await client.reply()).status == 431
    assert not upstream.asked


PASSED = {
    "a length with zeros": (LINE + HOST + b"Content-Length: 002\r\n\r\n{}", b"{}"),
    "a length in other case": (LINE + HOST + b"cONTENT-lENGTH:\t2 \t\r\n\r\n{}", b"{}"),
    "chunked in other case": (LINE + HOST + b"TRANSFER-ENCODING: Chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", b"{}"),
    "chunks of many sizes": (LINE + HOST + CHUNKED + b"\r\n01\r\n{\r\n00000001\r\n}\r\n000\r\n\r\n", b"{}"),
    "an extension with a space": (LINE + HOST + CHUNKED + b"\r\n2 ;a=b\r\n{}\r\n0;c\r\n\r\n", b"{}"),
    "what looks like a request": (
        LINE + HOST + b"Content-Length: %d\r\n\r\n%b" % (len(SMUGGLED), SMUGGLED), SMUGGLED,
    ),
    "chunks that look like a request": (
        LINE + HOST + CHUNKED + b"\r\n%x\r\n%b\r\n0\r\n\r\n" % (len(SMUGGLED), SMUGGLED), SMUGGLED,
    ),
    "trailers that look like headers": (
        LINE + HOST + CHUNKED + b"\r\n2\r\n{}\r\n0\r\nContent-Length: 9\r\nX-Trailer: 1\r\n\r\n", b"{}",
    ),
    "a Host with a port": (LINE + b"Host: LOCALHOST:80\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "a Host of IPv6": (LINE + b"Host: [::1]:80\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "a header of odd bytes": (LINE + HOST + b"X: \xe9\xff\t~\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "a header without a value": (LINE + HOST + b"X:\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "an unknown expectation": (LINE + HOST + b"Expect: tea\r\nContent-Length: 2\r\n\r\n{}", b"{}"),
    "an offer of HTTP/2": (
        LINE + HOST + b"Connection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n"
        b"Content-Length: 2\r\n\r\n{}", b"{}",
    ),
    "an offer of a websocket": (
        LINE + HOST + b"Connection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: x\r\nContent-Length: 2\r\n\r\n{}",
        b"{}",
    ),
    "an absolute target": (
        b"POST http://localhost:1/adapters/x/mcp HTTP/1.1\r\nHost: localhost:1\r\nContent-Length: 2\r\n\r\n{}", b"{}",
    ),
}  # fmt: skip


@pytest.mark.parametrize(("said", "body"), PASSED.values(), ids=PASSED.keys())
@pytest.mark.parametrize("way", ["at once", "byte by byte"])
async def test_what_is_only_odd_is_one_request_with_one_framing(
    gateway: Served, upstream: ScriptedUpstream, said: bytes, body: bytes, way: str
) -> None:
    async with gateway.client() as client:
        for count in (1, 2):
            await _say(client, said, way)
            reply = await client.reply()
            assert (reply.status, reply.body) == (200, body)
            assert len(upstream.asked) == count
    for asked in upstream.asked:
        assert asked.body == body
        assert asked.values("content-length") == [str(len(body))]
        assert asked.head.count(b"\n") == asked.head.count(b"\r\n")
        hidden = ("transfer-encoding", "upgrade", "http2-settings", "x-trailer", "x-smuggled", "expect", "connection")
        assert not [name for name, _ in asked.headers if name in hidden]


async def test_absolute_target_names_the_host_whatever_host_says(gateway: Served, upstream: ScriptedUpstream) -> None:
    for target, host, status in (
        (b"http://localhost/adapters/x/mcp", b"evil.example", 200),
        (b"http://evil.example/adapters/x/mcp", b"localhost", 421),
        (b"http://a@localhost/adapters/x/mcp", b"localhost", 400),
    ):
        async with gateway.client() as client:
            await client.raw(b"POST %b HTTP/1.1\r\nHost: %b\r\nContent-Length: 2\r\n\r\n{}" % (target, host))
            assert (await client.reply()).status == status
    assert len(upstream.asked) == 1
    assert 'host="localhost"' in (upstream.asked[0].value("forwarded") or "")


CALL = LINE + HOST + b"Content-Length: %d\r\n\r\n%b"
ASK = b"GET /%b HTTP/1.1\r\nHost: localhost\r\n\r\n"


async def test_pipeline_over_the_hand_over_is_answered_in_its_order(
    gateway: Served, upstream: ScriptedUpstream
) -> None:
    async with gateway.client() as client:
        await client.raw(
            CALL % (1, b"1") + CALL % (2, b"22") + ASK % b"a" + CALL % (3, b"333") + ASK % b"b" + CALL % (1, b"4")
        )
        said = [(await client.reply()).body for _ in range(6)]
    assert said == [b"1", b"22", b"control plane: /a", b"333", b"control plane: /b", b"4"]
    assert [asked.body for asked in upstream.asked] == [b"1", b"22", b"333", b"4"]


async def test_pipeline_cut_anywhere_is_the_same_over_the_hand_over(
    gateway: Served, upstream: ScriptedUpstream
) -> None:
    whole = CALL % (2, b"{}") + ASK % b"a" + CALL % (2, b"[]")
    for place in range(1, len(whole), 7):
        async with gateway.client() as client:
            await client.raw(whole[:place])
            await asyncio.sleep(0)
            await client.raw(whole[place:])
            assert [(await client.reply()).body for _ in range(3)] == [b"{}", b"control plane: /a", b"[]"]
    assert {asked.body for asked in upstream.asked} == {b"{}", b"[]"}


async def test_body_that_looks_like_a_request_of_the_other_plane_stays_a_body(
    gateway: Served, upstream: ScriptedUpstream
) -> None:
    hidden = ASK % b"adapters"
    async with gateway.client() as client:
        await client.raw(CALL % (len(hidden), hidden) + ASK % b"a" + CALL % (len(hidden), hidden))
        assert [(await client.reply()).body for _ in range(3)] == [hidden, b"control plane: /a", hidden]
    assert [asked.body for asked in upstream.asked] == [hidden, hidden]


@pytest.mark.parametrize(
    "name",
    ["length then chunked", "two lengths", "a space before the colon", "a host with a quote"],
)
async def test_what_is_refused_on_the_lane_smuggles_nothing_after_the_hand_over_either(
    gateway: Served, upstream: ScriptedUpstream, name: str
) -> None:
    """Hypercorn answers there, in words of its own; what counts is that no second request comes out of it."""
    async with gateway.client() as client:
        await client.raw(ASK % b"a" + REFUSED[name])
        await client.reply()
        assert (await client.reply()).status in (400, 501)
        assert await client.ended() == b""
    assert not upstream.asked


async def test_rest_of_a_refused_request_is_no_request(gateway: Served, upstream: ScriptedUpstream) -> None:
    async with gateway.client() as client:
        await client.raw(LINE + HOST + b"Content-Length: x\r\n\r\n")
        assert (await client.reply()).status == 400
        await client.raw(SMUGGLED)
        assert await client.ended() == b""
    assert not upstream.asked


async def test_head_beyond_the_limits_is_refused_whole_and_in_pieces(upstream: ScriptedUpstream) -> None:
    async with served(upstream.endpoint, limits=Limits(head=2048, header_count=8)) as gateway:
        for said in (
            LINE + HOST + b"X: y\r\n" * 8 + b"\r\n",
            LINE + HOST + b"X: " + b"y" * 3000,
            b"POST /adapters/" + b"y" * 3000,
        ):
            for way in ("at once", "byte by byte"):
                async with gateway.client() as client:
                    await _say(client, said, way)
                    assert (await client.reply()).status == 431
    assert not upstream.asked


async def test_continue_is_said_once_and_not_to_who_has_sent_the_body(gateway: Served) -> None:
    async with gateway.client() as client:
        await client.raw(LINE + HOST + CHUNKED + b"Expect: 100-continue\r\n\r\n")
        assert (await client.head()).status == 100
        await client.raw(b"1\r\n{\r\n")
        await client.raw(b"1\r\n}\r\n0\r\n\r\n")
        assert (await client.reply()).body == b"{}"
        await client.raw(LINE + HOST + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n{}")
        assert (await client.reply()).body == b"{}"
        await client.raw(LINE + HOST + b"Expect: 100-continue\r\nContent-Length: 9999999\r\n\r\n")
        assert (await client.reply()).status == 413  # without asking for it first


async def test_head_has_the_head_of_an_answer_and_no_body(gateway: Served) -> None:
    async with gateway.client() as client:
        await client.raw(b"HEAD /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\n\r\n" + CALL % (2, b"{}"))
        assert (await client.head()).status == 405
        assert (await client.reply()).body == b"{}"  # begins right behind it


@pytest.mark.parametrize(
    "target", [b"*", b"localhost:80", b"ftp://localhost/adapters/x/mcp", b"adapters/x/mcp", b"//adapters/x/mcp"]
)
async def test_targets_of_other_forms_reach_no_instance(
    gateway: Served, upstream: ScriptedUpstream, target: bytes
) -> None:
    async with gateway.client() as client:
        await client.raw(b"POST %b HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n" % target)
        await client.head()
    assert not upstream.asked
