"""Heads that differ in what names a single call: nothing else may differ with it, and it decides nothing."""

from typing import Any, Final, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http1 import Connection, Exchange, Limits, Request
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, legacy_server
from tests.support.scripted_upstream import ScriptedUpstream, scripted_upstream
from tests.support.served import served
from tests.unit.dataplane.test_alike_heads import Transport, seen

HEAD: Final = (
    b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nTraceparent: %b\r\nX-Request-Id: %b\r\n"
    b"Content-Length: %d\r\nMcp-Name: %b\r\nX-Last: 1\r\n\r\n"
)
BODY: Final = b"{}"
FIRST: Final = HEAD % (b"00-aa-bb-01", b"r-1", 2, b"echo") + BODY


def message(name: bytes, body: bytes = BODY) -> bytes:
    return HEAD % (b"00-cc-dd-01", b"r-2", len(body), name) + body


def read(*pieces: bytes) -> list[Request]:
    """Of one connection, each answered at once."""
    found: list[Request] = []

    def serve(exchange: Exchange) -> None:
        found.append(exchange.request)
        exchange.respond(200, (), b"ok")

    connection = Connection(serve, Limits())
    connection.connection_made(cast("Any", Transport()))
    for piece in pieces:
        connection.data_received(piece)
    connection.connection_lost(None)
    return found


def alone(piece: bytes, limits: Limits | None = None) -> object:
    """What comes of it on a connection that has read nothing else."""
    return seen(piece, limits=limits)


def after(piece: bytes, limits: Limits | None = None) -> object:
    """What comes of it after one that was read, as `alone` says it."""
    found, answered, is_closed = seen(FIRST, piece, limits=limits)
    return found[1:], answered - 1, is_closed


async def test_request_with_a_name_of_its_own_is_read_without_a_parser_and_leaves_earlier_ones_as_they_were() -> None:
    requests = read(FIRST, message(b"other", b"three"), message(b"third"))
    assert requests[0].shape is requests[1].shape is requests[2].shape is not None
    assert [dict(request.headers)[b"mcp-name"] for request in requests] == [b"echo", b"other", b"third"]
    assert after(message(b"other", b"three")) == alone(message(b"other", b"three"))


@pytest.mark.parametrize("length", [511, 512, 513, 20_000])
async def test_long_values_come_out_as_if_they_were_parsed_first_or_later(length: int) -> None:
    long = message(b"x" * length)
    assert after(long) == alone(long)
    found, _, is_closed = seen(long, FIRST)
    assert is_closed or found[1:] == seen(FIRST)[0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(FIRST)),
            st.integers(0, 3),
            st.sampled_from([b"", b"0", b"\r\n", b"\r", b"\n", b" ", b"\t", b"X", b":", b"\xff", b"x" * 600]),
        ),
        max_size=3,
    )
)
async def test_whatever_follows_a_named_call_comes_out_as_if_it_were_parsed(
    edits: list[tuple[int, int, bytes]],
) -> None:
    changed = FIRST
    for place, length, put in edits:
        changed = changed[:place] + put + changed[place + length :]
    assert after(changed) == alone(changed)


@pytest.mark.parametrize("more", range(-2, 3))
async def test_a_head_that_grows_by_its_values_meets_the_same_limit(more: int) -> None:
    limits = Limits(head=len(FIRST) - len(BODY) + 20)
    grown = message(b"echo" + b"x" * (20 + more))
    assert after(grown, limits) == alone(grown, limits)
    assert len(seen(FIRST, grown, limits=limits)[0]) == (2 if more <= 0 else 1)


@pytest.mark.parametrize(
    "other",
    [
        FIRST.replace(b"Traceparent: 00-aa-bb-01\r\n", b""),
        FIRST.replace(
            b"Traceparent: 00-aa-bb-01\r\nX-Request-Id: r-1", b"X-Request-Id: r-1\r\nTraceparent: 00-aa-bb-01"
        ),
        FIRST.replace(b"Mcp-Name: echo", b"Mcp-Name: echo\r\nMcp-Name: delete"),
        FIRST.replace(b"X-Last", b"Content-Length: 2\r\nX-Last"),
        FIRST.replace(b"Mcp-Name: echo", b"Transfer-Encoding: chunked"),
        FIRST.replace(b"Traceparent", b"Authorization"),
        FIRST.replace(b"X-Last: 1", b"X-Last: 2"),
    ],
)
async def test_lines_that_come_go_or_change_places_are_parsed(other: bytes) -> None:
    shapes = [request.shape for request in read(FIRST, other)]
    assert shapes[0] not in shapes[1:]
    assert after(other) == alone(other)


def names_of(upstream: ScriptedUpstream, name: str) -> list[list[str]]:
    return [asked.values(name) for asked in upstream.asked]


async def test_each_call_brings_its_own_headers_to_the_server_once() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
        gateway.client() as other,
    ):
        for number in range(3):
            for asking, letter in ((client, "a"), (other, "b")):
                own = {
                    "Mcp-Name": f"{letter}{number}",
                    "Mcp-Param-City": f"c{letter}{number}",
                    "Baggage": f"{letter}=1",
                }
                await asking.ask(CALL, headers=MODERN | own)
        said = [f"{letter}{number}" for number in range(3) for letter in "ab"]
        assert names_of(upstream, "mcp-name") == [[each] for each in said]
        assert names_of(upstream, "mcp-param-city") == [[f"c{each}"] for each in said]
        assert names_of(upstream, "baggage") == [[f"{each[0]}=1"] for each in said]


async def test_what_a_client_calls_hop_by_hop_or_the_adapter_sets_stays_here_in_every_call() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, route={"headers": ((b"baggage", b"ours"),)}) as gateway,
        gateway.client() as client,
    ):
        for number in range(4):
            own = {"Connection": "traceparent, mcp-name", "Traceparent": f"t{number}", "Mcp-Name": f"n{number}"}
            await client.ask(CALL, headers=MODERN | own | {"Baggage": f"theirs={number}", "Tracestate": f"s={number}"})
        assert names_of(upstream, "traceparent") == names_of(upstream, "mcp-name") == [[]] * 4
        assert names_of(upstream, "baggage") == [["ours"]] * 4
        assert names_of(upstream, "tracestate") == [[f"s={number}"] for number in range(4)]


@pytest.mark.parametrize("given_id", ["", "x" * 128, "x" * 129, "x" * 512, "x" * 513, "two words", "é"])
async def test_request_ids_count_or_not_as_in_the_first_call(given_id: str) -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:

        async def said(*before: str) -> str:
            """The id of a call's answer, and `new` where the gateway made it."""
            async with gateway.client() as client:
                for each in before:
                    await client.ask(CALL, headers=MODERN | {"X-Request-Id": each})
                answered = (await client.ask(CALL, headers=MODERN | {"X-Request-Id": given_id})).headers["x-request-id"]
                assert upstream.asked[-1].values("x-request-id") == [answered]
                return "new" if answered not in (given_id, given_id.encode().decode("latin-1")) else answered

        assert await said("r-1", "r-2") == await said("x" * 129, "x" * 130) == await said()


async def test_another_session_beside_a_new_trace_is_another_session() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = (await client.ask(INITIALIZE)).headers["mcp-session-id"]
        for number in range(3):
            said = {"Mcp-Session-Id": session, "Traceparent": f"t{number}"}
            assert (await client.ask(CALL, headers=said)).status == 200
        forged = {"Mcp-Session-Id": session[:-1] + ("A" if session[-1] != "A" else "B"), "Traceparent": "t9"}
        assert (await client.ask(CALL, headers=forged)).status == 404
        other = {"Mcp-Session-Id": session, "Traceparent": "t3", "X-Dev-UserId": "eve"}
        assert (await client.ask(CALL, headers=other)).status == 404
