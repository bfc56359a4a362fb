"""Heads that are not parsed again: nothing may come out otherwise than if they were."""

from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.core.access import Ownership, Principal
from gateway.core.routes import RoutingTable
from gateway.wire.http1 import Connection, Exchange, Likeness, Limits
from gateway.wire.names import PrincipalId
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, answers, instance_in, legacy_server
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import X, served

HEAD = b"POST /adapters/x/mcp?a=1 HTTP/1.1\r\nHost: localhost\r\nX-A: 1\r\ncontent-Length: %d\r\nX-B: 2\r\n\r\n"
MESSAGE = HEAD % 2 + b"{}"


class Transport:
    """Where a Connection writes. It stops at an end, as a socket does."""

    def __init__(self) -> None:
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes) -> None:
        self.written += data

    def get_extra_info(self, name: str) -> Any:
        return None

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None: ...

    def resume_reading(self) -> None: ...

    def close(self) -> None:
        self.is_closed = True

    abort = close


def seen(*pieces: bytes, limits: Limits | None = None) -> tuple[list[Any], int, bool]:
    """The requests that come out of these reads, how many answers were written, and whether the connection was closed."""
    found: list[Any] = []

    def serve(exchange: Exchange) -> None:
        request = exchange.request
        found.append((request.method, request.target, request.path, request.query, request.headers, request.body))
        exchange.respond(200, (), b"ok")

    transport, connection = Transport(), Connection(serve, limits or Limits())
    connection.connection_made(cast("Any", transport))
    for piece in pieces:
        if not transport.is_closed:
            connection.data_received(piece)
    connection.connection_lost(None)
    return found, transport.written.count(b"HTTP/1.1 "), transport.is_closed


async def test_request_with_a_head_like_the_one_before_is_read_without_a_parser() -> None:
    found, answered, _ = seen(MESSAGE, HEAD % 12 + b"twelve bytes", MESSAGE)
    assert [request[5] for request in found] == [b"{}", b"twelve bytes", b"{}"]
    assert [dict(request[4])[b"content-length"] for request in found] == [b"2", b"12", b"2"]
    assert found[0] == found[2]
    assert answered == 3


@given(
    st.lists(
        st.tuples(
            st.integers(0, len(MESSAGE)),
            st.integers(0, 3),
            st.sampled_from([b"", b"0", b"9", b"\r\n", b" ", b"X", b"\n"]),
        ),
        max_size=3,
    ),
    st.lists(st.integers(0, 2 * len(MESSAGE)), max_size=3),
)
async def test_whatever_follows_comes_out_as_if_it_were_parsed(
    edits: list[tuple[int, int, bytes]], cuts: list[int]
) -> None:
    changed = MESSAGE
    for place, length, put in edits:
        changed = changed[:place] + put + changed[place + length :]
    stream = changed + MESSAGE
    places = sorted({min(cut, len(stream)) for cut in cuts})
    pieces = [stream[start:end] for start, end in zip([0, *places], [*places, len(stream)], strict=True) if end > start]
    remembering = seen(MESSAGE, *pieces)
    chunked = MESSAGE[:20], MESSAGE[20:]  # a head in two reads is parsed, then remembered all the same
    assert seen(*chunked, *pieces) == remembering
    found, answered, is_closed = remembering
    fresh, fresh_answered, fresh_closed = seen(*pieces)
    assert (found[1:], answered - 1, is_closed) == (fresh, fresh_answered, fresh_closed)


@pytest.mark.parametrize("digits", [b"-1", b"+2", b" 2", b"2 ", b"0x2", b"2,2", "²".encode(), b"", b"9" * 20])
async def test_only_digits_pass_for_a_length(digits: bytes) -> None:
    likeness = Likeness.of(HEAD % 2)
    assert likeness is not None
    assert likeness.split(MESSAGE) == b"{}"
    assert likeness.split(HEAD % 12 + b"twelve bytes") == b"twelve bytes"
    assert likeness.values == [b"12"]
    assert likeness.split((HEAD % 2).replace(b": 2\r\nX-B", b": " + digits + b"\r\nX-B") + b"{}") is None


async def test_a_body_beyond_the_limit_is_refused_whatever_the_head() -> None:
    found, answered, is_closed = seen(MESSAGE, HEAD % 50 + b"x" * 50, limits=Limits(body=40))
    assert (len(found), answered, is_closed) == (1, 2, False)


async def test_what_changes_meanwhile_is_noticed_call_by_call() -> None:
    """The same head again and again, while routes, permissions and sessions change."""
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = {"Mcp-Session-Id": (await client.ask(INITIALIZE)).headers["mcp-session-id"]}
        for _ in range(3):
            assert instance_in((await client.ask(CALL, headers=session)).body) == "x-0"
        gateway.point(first.endpoint, ownership=Ownership("somebody else"))
        assert (await client.ask(CALL, headers=session)).status == 404
        gateway.point(first.endpoint)
        assert (await client.ask(CALL, headers=session)).status == 200
        gateway.accounts.refused.add(("uid-x-0", b"s-x-0"))
        assert (await client.ask(CALL, headers=session)).status == 404
        gateway.accounts.refused.clear()
        assert (await client.ask(CALL, headers=session)).status == 200
        gateway.point(second.endpoint)
        assert (await client.ask(CALL, headers=session)).status == 404
        gateway.routes.table = RoutingTable({})
        assert (await client.ask(CALL, headers=session)).status == 404


async def test_initialize_beside_the_session_of_earlier_calls_opens_a_new_one() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = {"Mcp-Session-Id": (await client.ask(INITIALIZE)).headers["mcp-session-id"]}
        for _ in range(2):
            await client.ask(CALL, headers=session)
        assert (await client.ask(INITIALIZE, headers=session)).headers["mcp-session-id"] != session["Mcp-Session-Id"]
        assert upstream.asked[-1].values("mcp-session-id") == []


async def test_modern_calls_with_one_head_still_spread_and_leave_what_is_not_ready() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint, second.endpoint) as gateway,
        gateway.client() as client,
    ):
        homes = {instance_in((await client.ask(CALL, headers=MODERN)).body) for _ in range(30)}
        assert homes == {"x-0", "x-1"}
        gateway.point(second.endpoint)
        assert {instance_in((await client.ask(CALL, headers=MODERN)).body) for _ in range(5)} == {"x-1"}
        second.die()
        assert (await client.ask(CALL, headers=MODERN)).status == 502
        gateway.point(first.endpoint)
        assert (await client.ask(CALL, headers=MODERN)).status == 200


async def test_token_that_ends_between_two_calls_with_one_head_is_noticed() -> None:
    class Once:
        principal = Principal(PrincipalId("dev"))

        def known(self, headers: Any) -> Any:
            return self.principal

        async def verify(self, headers: Any) -> Any:
            return self.principal

    authenticator = Once()
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, authenticator=authenticator) as gateway,
        gateway.client() as client,
    ):
        for _ in range(2):
            assert (await client.ask(CALL)).status == 200
        authenticator.principal = Principal(PrincipalId("somebody else"))
        assert (await client.ask(CALL)).status == 404
    assert X in gateway.routes.table.routes


async def test_answers_that_differ_in_their_head_are_told_apart() -> None:
    def answer(status: str, body: bytes, *more: str) -> bytes:
        lines = [f"HTTP/1.1 {status}", "Content-Type: application/json", f"Content-Length: {len(body)}", *more, "", ""]
        return "\r\n".join(lines).encode() + body

    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            for status, body, more in (
                ("200 OK", b"{}", ()),
                ("200 OK", b'{"a":1}', ()),
                ("200 OK", b"", ()),
                ("400 Bad", b"{}", ()),
                ("400 Bad", b"{}", ("ETag: x",)),
                ("200 OK", b"{}", ("ETag: y",)),
            ):
                upstream.script = answers(answer(status, body, *more))
                for _ in range(3):
                    reply = await client.ask(CALL)
                    assert (reply.status, reply.body) == (int(status[:3]), body)
                    assert reply.headers.get("etag") == (more[0][-1] if more else None)
        assert upstream.connections == 1


async def test_each_answer_with_a_known_head_has_its_own_ids() -> None:
    """Some servers name the session in each answer, and the client must never see their name for it."""

    async def naming(asked: Asked) -> None:
        await asked.json(b'{"jsonrpc":"2.0","id":7,"result":{}}', *([f"Mcp-Session-Id: {name}"] if name else []))

    name = "s-x-0"
    async with (
        scripted_upstream(naming) as upstream,
        served(upstream.endpoint) as gateway,
        gateway.client() as client,
    ):
        sealed = (await client.ask(INITIALIZE)).headers["mcp-session-id"]
        assert sealed != name
        for _ in range(5):
            assert (await client.ask(CALL, headers={"Mcp-Session-Id": sealed})).headers["mcp-session-id"] == sealed
        name = ""
        replies = [await client.ask(CALL, headers={"Mcp-Session-Id": sealed}) for _ in range(5)]
        assert len({reply.headers["x-request-id"] for reply in replies}) == 5
        assert not any("mcp-session-id" in reply.headers for reply in replies)
        given = {"Mcp-Session-Id": sealed, "X-Request-Id": "mine"}
        assert {(await client.ask(CALL, headers=given)).headers["x-request-id"] for _ in range(5)} == {"mine"}
        assert upstream.asked[-1].value("x-request-id") == "mine"
        assert upstream.connections == 1
