"""Event streams between two sockets: nothing buffered, nothing lost, and no broken answer that looks whole."""

import asyncio
import gc
from collections.abc import Mapping

import msgspec
import pytest

from gateway.dataplane import relay
from gateway.dataplane.lane import LaneConnection
from gateway.wire import jsonrpc, sse
from gateway.wire.resources import Timeouts
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, legacy_server, silent
from tests.support.scripted_upstream import Asked, ScriptedUpstream, scripted_upstream
from tests.support.served import Served, served
from tests.support.wire_client import Reply, WireClient

WINDOW = 64 * 1024  # at which a transport says that its client reads too slowly
ONE_READ = 320 * 1024  # what the loops read at once, and a chunk that was begun

LISTEN = jsonrpc.request(9, "subscriptions/listen", {"notifications": {}})
LISTENING = MODERN | {"Mcp-Method": "subscriptions/listen"}
EVENT = sse.encode(b'{"jsonrpc":"2.0","method":"notifications/progress"}')


async def opens_a_stream(asked: Asked) -> None:
    """The head and one event; the test does the rest."""
    await asked.stream()
    await asked.chunk(EVENT)
    await asyncio.Event().wait()


async def streaming(
    client: WireClient,
    upstream: ScriptedUpstream,
    body: bytes = CALL,
    *,
    method: str = "POST",
    headers: Mapping[str, str] | None = None,
) -> tuple[Reply, Asked]:
    """A stream whose first event has arrived."""
    await client.send(body, method=method, headers=headers)
    asked = await upstream.next()
    head = await client.head()
    assert await client.chunk() == EVENT
    return head, asked


async def nothing_in_hand(gateway: Served) -> None:
    """Waits until no call is under way."""
    await gateway.accounts.all_ended()
    assert gateway.pipeline.counters.in_flight == gateway.pipeline.counters.streams == 0


async def test_each_event_is_on_its_way_before_the_next_is_there() -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        head, asked = await streaming(client, upstream)
        assert head.headers["content-type"] == "text/event-stream"
        assert head.headers["x-accel-buffering"] == "no"
        assert gateway.pipeline.counters.streams == 1
        for number in range(5):
            await asked.event(b"%d" % number, event_id=str(number))
            assert await client.chunk() == sse.encode(b"%d" % number, event_id=str(number))
        await asked.finish()
        assert await client.chunk() == b""
        await nothing_in_hand(gateway)


async def test_head_of_a_stream_does_not_wait_for_its_first_event() -> None:
    async def says_nothing(asked: Asked) -> None:
        await asked.stream()
        await asyncio.Event().wait()

    async with (
        scripted_upstream(says_nothing) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        await client.send(method="GET")
        assert (await client.head()).status == 200


async def test_comments_ids_and_retry_pass_untouched() -> None:
    pieces = [b": ping\r\n\r\n", b"id: 1\ndata:\n\n", b"retry: 5\n", b"\nevent: message\ndata: {}\n\n"]

    async def script(asked: Asked) -> None:
        await asked.stream()
        for piece in pieces:
            await asked.chunk(piece)
        await asked.finish()

    async with scripted_upstream(script) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        assert (await client.ask(CALL)).body == b"".join(pieces)


async def test_client_that_stops_reading_holds_up_the_upstream_and_little_more_than_a_window() -> None:
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
        gateway.client() as client,
    ):
        await client.send(CALL)
        await client.head()
        before = -1
        while sent != before:  # until nothing moves any more
            before = sent
            for _ in range(200):
                await asyncio.sleep(0.001)
        assert _held_for_clients() <= WINDOW + ONE_READ
        assert sent < 64 * 1024 * 1024
        for _ in range(sent // 65536 // 2):
            assert len(await client.chunk()) > 0
        assert sent > before  # it goes on once the client reads
        client.leave()
        await nothing_in_hand(gateway)


def _held_for_clients() -> int:
    """Bytes that the gateway itself, not the kernel, keeps for clients."""
    lanes = [each for each in gc.get_objects() if isinstance(each, LaneConnection)]
    assert lanes
    return sum(each.transport.get_write_buffer_size() for each in lanes)


async def test_modern_client_that_leaves_closes_the_upstream_stream() -> None:
    async with scripted_upstream(opens_a_stream) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            _, asked = await streaming(client, upstream, headers=MODERN)
        await asked.left()
        await nothing_in_hand(gateway)
        assert gateway.accounts.calls[0].ends == [(200, len(CALL), len(EVENT))]


async def test_modern_client_that_leaves_before_the_answer_closes_the_upstream_request() -> None:
    async with scripted_upstream(silent) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            await client.send(CALL, headers=MODERN)
            asked = await upstream.next()
        await asked.left()
        await nothing_in_hand(gateway)
        assert gateway.accounts.calls[0].ends == [(0, len(CALL), 0)]


async def test_legacy_client_that_leaves_its_get_stream_frees_it_upstream_at_once() -> None:
    async with scripted_upstream(opens_a_stream) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            _, asked = await streaming(client, upstream, b"", method="GET")
            assert gateway.accounts.calls[0].is_stream
        await asked.left()
        await nothing_in_hand(gateway)


async def test_legacy_post_is_delivered_whole_even_when_its_client_leaves_at_once() -> None:
    body = jsonrpc.request(7, "tools/call", {"name": "x" * 1_000_000})
    async with scripted_upstream(silent) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            await client.send(body)
            client.writer.write_eof()
        asked = await upstream.next()
        assert asked.body == body


async def test_legacy_client_that_leaves_a_post_stream_closes_it_without_cancelling() -> None:
    async with scripted_upstream(opens_a_stream) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            _, asked = await streaming(client, upstream)
        await asked.left()
        await nothing_in_hand(gateway)
        assert len(upstream.asked) == 1  # nothing was said to the server about it


async def test_stream_that_breaks_off_ends_with_an_error_for_its_request() -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream)
        asked.hang_up()
        (event,) = sse.Decoder().feed(await client.chunk())
        error = msgspec.json.decode(event.data or b"")
        assert (error["id"], error["error"]["code"]) == (7, 502)
        assert error["error"]["data"] == {"source": "mcpdeck", "code": "upstream-broke"}
        assert await client.chunk() == b""
        await nothing_in_hand(gateway)


@pytest.mark.parametrize(
    "broken",
    [
        sse.encode(b"{}", event_id="1"),  # resumable: a client asks for the rest by GET
        b"event: message\ndata: {",  # within an event: nothing can be put in
    ],
)
async def test_stream_that_breaks_off_resumable_or_within_an_event_is_cut_never_ended(broken: bytes) -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream)
        await asked.chunk(broken)
        assert await client.chunk() == broken
        asked.hang_up()
        assert await client.ended() == b""  # a whole answer would end with a last chunk


async def test_get_stream_that_breaks_off_is_cut() -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream, b"", method="GET")
        asked.hang_up()
        assert await client.ended() == b""


async def test_json_that_breaks_off_is_cut() -> None:
    async def half(asked: Asked) -> None:
        await asked.raw(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 10\r\n\r\n{")
        await asyncio.Event().wait()

    async with scripted_upstream(half) as upstream, served(upstream.endpoint) as gateway, gateway.client() as client:
        await client.send(CALL)
        assert (await client.head()).headers["content-length"] == "10"
        assert await client.reader.readexactly(1) == b"{"
        upstream.asked[0].hang_up()
        assert await client.ended() == b""


async def test_stream_that_falls_silent_beyond_its_limit_is_broken_off() -> None:
    route = {"timeouts": Timeouts(idle=0.05)}
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint, route=route) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream)
        (event,) = sse.Decoder().feed(await client.chunk())
        assert b"sent nothing for 0.05 s" in (event.data or b"")
        assert await client.chunk() == b""
        await asked.left()


async def test_silent_stream_is_kept_alive_by_comments_between_events_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relay, "KEEP_ALIVE", 0.02)
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream)
        assert await client.chunk() == b": keep-alive\n\n"
        assert await client.chunk() == b": keep-alive\n\n"
        await asked.chunk(b"data: {")
        while (piece := await client.chunk()) == b": keep-alive\n\n":
            pass
        assert piece == b"data: {"
        for _ in range(10):
            await asyncio.sleep(0.01)  # several comments' worth, none of which may come
        await asked.chunk(b"}\n\n")
        assert await client.chunk() == b"}\n\n"


async def test_stop_ends_a_subscription_with_its_result_and_a_get_stream_cleanly() -> None:
    async with scripted_upstream(opens_a_stream) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as modern, gateway.client() as legacy:
            await streaming(modern, upstream, LISTEN, headers=LISTENING)
            await streaming(legacy, upstream, b"", method="GET")
            gateway.stop.set()
            (event,) = sse.Decoder().feed(await modern.chunk())
            assert msgspec.json.decode(event.data or b"") == {
                "jsonrpc": "2.0",
                "id": 9,
                "result": {
                    "resultType": "complete",
                    "_meta": {"io.modelcontextprotocol/subscriptionId": 9},
                },
            }
            assert await modern.chunk() == b""
            assert await legacy.chunk() == b""
            assert await legacy.ended() == b""
        assert gateway.stopping.is_set()


async def test_stop_lets_a_call_finish() -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        _, asked = await streaming(client, upstream)
        gateway.stop.set()
        await asked.event(b'{"jsonrpc":"2.0","id":7,"result":{}}')
        await asked.finish()
        assert b"result" in await client.chunk()
        assert await client.chunk() == b""
        assert await client.ended() == b""


async def test_stop_breaks_off_a_call_that_takes_too_long_with_an_error() -> None:
    async with (
        scripted_upstream(opens_a_stream) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        await streaming(client, upstream)
        gateway.stop.set()
        assert b"shutting down" in await client.chunk()
        assert await client.chunk() == b""


async def test_session_goes_on_after_its_stream_was_cut() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = {"Mcp-Session-Id": (await client.ask(INITIALIZE)).headers["mcp-session-id"]}
            upstream.script = opens_a_stream
            await upstream.next()
            _, asked = await streaming(client, upstream, b"", method="GET", headers=session)
            asked.hang_up()
            await client.ended()
        upstream.script = legacy_server
        async with gateway.client() as client:
            assert (await client.ask(CALL, headers=session)).status == 200
