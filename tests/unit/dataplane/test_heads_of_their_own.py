"""What is each call's own passes with the call, whether its head was parsed or not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.http1 import Likeness, Limits
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, legacy_server
from tests.support.scripted_upstream import scripted_upstream
from tests.support.served import served
from tests.unit.dataplane.test_alike_heads import seen

HEAD = (
    b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\nTraceparent: %b\r\nX-Request-Id: %b\r\n"
    b"content-length: 2\r\nX-B: 2\r\n\r\n"
)


def own(trace: bytes, request_id: bytes) -> bytes:
    return HEAD % (trace, request_id) + b"{}"


@pytest.mark.parametrize("extra", [{}, MODERN])
async def test_each_call_brings_its_own_trace_and_id_to_its_server(extra: dict[str, str]) -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        headers = dict(extra)
        if not extra:
            headers["Mcp-Session-Id"] = (await client.ask(INITIALIZE)).headers["mcp-session-id"]
        for number in range(6):
            mine = {"Traceparent": f"00-{number}", "Tracestate": f"v={number}, w", "X-Request-Id": f"id-{number}"}
            reply = await client.ask(CALL, headers=headers | mine)
            assert reply.headers["x-request-id"] == f"id-{number}"
            asked = upstream.asked[-1]
            assert asked.values("traceparent") == [f"00-{number}"]
            assert asked.values("tracestate") == [f"v={number}, w"]
            assert asked.values("x-request-id") == [f"id-{number}"]


@pytest.mark.parametrize("hop", ["traceparent"])
async def test_a_trace_that_is_called_hop_by_hop_stays_here(hop: str) -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        for number in range(4):
            await client.ask(CALL, headers=MODERN | {"Connection": hop, "Traceparent": f"00-{number}"})
            assert upstream.asked[-1].values("traceparent") == []


async def test_an_id_too_long_to_be_taken_is_replaced_call_by_call() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        for given_id, is_kept in (("a", True), ("b" * 129, False), ("c", True), ("d" * 300, False)):
            reply = await client.ask(CALL, headers=MODERN | {"X-Request-Id": given_id})
            assert (reply.headers["x-request-id"] == given_id) is is_kept


@given(st.lists(st.tuples(st.binary(max_size=12), st.binary(max_size=12)), min_size=1, max_size=4))
async def test_values_come_out_as_if_each_head_were_parsed(values: list[tuple[bytes, bytes]]) -> None:
    pieces = [own(*each) for each in values]
    remembering = seen(own(b"00-1", b"a"), *pieces)
    found, answered, is_closed = remembering
    fresh = seen(*pieces)
    assert (found[1:], answered - 1, is_closed) == fresh


@pytest.mark.parametrize(
    "value", [b"a\r\nX-C: 1", b"a\nb", b"a\rb", b"", b" a", b"a ", b"\x00", b"\xff", b"x" * 513, b"a\tb"]
)
async def test_only_what_is_printable_passes_for_a_value(value: bytes) -> None:
    likeness = Likeness.of_request(own(b"00-1", b"a")[:-2], 4096)
    assert likeness is not None
    assert likeness.split(own(b"00-2", b"b")) == b"{}"
    assert likeness.split(own(value, b"b")) is None


async def test_a_head_that_grows_beyond_its_limit_is_refused() -> None:
    first = own(b"00-1", b"a")
    limits = Limits(head=len(first) - 2 + 100)
    found, answered, _ = seen(first, own(b"0" * 90, b"a"), own(b"0" * 110, b"a"), limits=limits)
    assert (len(found), answered) == (2, 3)
