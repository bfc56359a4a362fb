"""Which instance serves which session, seen from a client's socket."""

import base64
import time

import msgspec
import pytest

from gateway.core.affinity import Binding, Sealer, new_key
from gateway.wire.mcp import Era
from gateway.wire.names import PrincipalId
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, instance_in, legacy_server, session_of
from tests.support.scripted_upstream import Asked, scripted_upstream
from tests.support.served import X, served
from tests.support.wire_client import WireClient

ADMIN = {"X-Dev-UserId": "eve", "X-Dev-Roles": "mcp.admin"}


async def opened(client: WireClient) -> dict[str, str]:
    """The headers that a client of a new session sends from then on."""
    reply = await client.ask(INITIALIZE)
    assert reply.status == 200
    return {"Mcp-Session-Id": reply.headers["mcp-session-id"]}


async def test_all_calls_of_a_session_reach_its_instance_and_sessions_spread() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint, second.endpoint) as gateway,
        gateway.client() as client,
    ):
        homes = set()
        for _ in range(30):
            session = await opened(client)
            home = {instance_in((await client.ask(CALL, headers=session)).body) for _ in range(4)}
            assert len(home) == 1
            homes |= home
        assert homes == {"x-0", "x-1"}


async def test_client_never_sees_the_upstreams_own_session_id() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            await client.ask(CALL, headers=session)
        assert "s-x-0" not in session["Mcp-Session-Id"]
        assert [asked.values("mcp-session-id") for asked in upstream.asked] == [[], ["s-x-0"]]


async def test_session_id_is_taken_from_the_query_too_and_goes_no_further() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = (await opened(client))["Mcp-Session-Id"]
            reply = await client.ask(CALL, path=f"/adapters/x/mcp?a=1&session_id={session}&b=2")
        assert reply.status == 200
        assert upstream.asked[1].target == "/mcp?a=1&b=2"
        assert upstream.asked[1].value("mcp-session-id") == "s-x-0"


async def test_sessions_outlive_a_gateway_that_shares_the_key() -> None:
    sealer = Sealer([new_key()])
    async with scripted_upstream(legacy_server) as upstream:
        async with served(upstream.endpoint, sealer=sealer) as gateway, gateway.client() as client:
            session = await opened(client)
        async with served(upstream.endpoint, sealer=sealer) as gateway, gateway.client() as client:
            assert (await client.ask(CALL, headers=session)).status == 200


async def test_another_principals_session_is_not_found_even_for_an_administrator() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            reply = await client.ask(CALL, headers=session | ADMIN)
        assert (reply.status, reply.json["id"], reply.json["error"]["code"]) == (404, 7, 404)
        assert len(upstream.asked) == 1


@pytest.mark.parametrize("session", ["forged", "", "A" * 140, "!" * 9])
async def test_forged_session_is_not_found_and_the_error_carries_the_requests_id(session: str) -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(CALL, headers={"Mcp-Session-Id": session or "x"})
        assert reply.status == 404
        assert reply.headers["content-type"] == "application/json"
        assert reply.json["id"] == 7
        assert reply.json["error"]["data"] == {"source": "mcpdeck", "code": "session-lost"}
        assert not upstream.asked


async def test_session_of_an_instance_that_is_gone_is_not_found_and_others_notice_nothing() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint) as gateway,
        gateway.client() as client,
    ):
        lost = await opened(client)
        gateway.point(second.endpoint)
        kept = await opened(client)
        assert (await client.ask(CALL, headers=lost)).status == 404
        assert (await client.ask(CALL, headers=kept)).status == 200


async def test_instance_that_only_fails_to_answer_keeps_its_sessions() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = await opened(client)
        gateway.point(first.endpoint, second.endpoint)
        first.die()
        reply = await client.ask(CALL, headers=session)
        assert (reply.status, reply.json["id"]) == (502, 7)
        await first.start(first.endpoint.port)
        assert (await client.ask(CALL, headers=session)).status == 200
        assert not second.asked


async def test_draining_instance_keeps_its_sessions_and_gets_no_new_one() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = await opened(client)
        gateway.point(msgspec.structs.replace(first.endpoint, is_draining=True), second.endpoint)
        for _ in range(8):
            assert instance_in((await client.ask(INITIALIZE)).body) == "x-1"
        assert instance_in((await client.ask(CALL, headers=session)).body) == "x-0"


async def test_session_of_an_instance_that_has_left_is_not_found_even_before_the_gateway_hears_of_it() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        served(first.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = await opened(client)
        gateway.point(msgspec.structs.replace(first.endpoint, is_draining=True))
        first.die()
        broken = await client.ask(CALL, headers=session)  # on a connection that was still open, perhaps
        assert broken.status in (404, 502)
        reply = await client.ask(CALL, headers=session)
        assert (reply.status, reply.json["id"], reply.json["error"]["data"]["code"]) == (404, 7, "session-lost")
        assert not gateway.accounts.live


async def test_stale_session_beside_initialize_is_dropped() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(INITIALIZE, headers={"Mcp-Session-Id": "stale"})
        assert reply.status == 200
        assert upstream.asked[0].values("mcp-session-id") == []


async def test_expired_session_is_not_found() -> None:
    sealer = Sealer([new_key()])
    expired = sealer.seal(Binding("uid-x-0", b"s-x-0", 5), X, PrincipalId("dev")).decode()
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint, sealer=sealer) as gateway:
        async with gateway.client() as client:
            assert (await client.ask(CALL, headers={"Mcp-Session-Id": expired})).status == 404
        assert not upstream.asked


@pytest.mark.parametrize("skew", [-3600.0, 3600.0])
async def test_gateways_whose_clocks_differ_open_each_others_sessions(skew: float) -> None:
    sealer = Sealer([new_key()])
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, sealer=sealer) as one,
        served(upstream.endpoint, sealer=sealer, clock=lambda: time.time() + skew) as other,
        one.client() as client,
        other.client() as elsewhere,
    ):
        session = await opened(client)
        assert (await elsewhere.ask(CALL, headers=session)).status == 200
        back = await opened(elsewhere)
        assert (await client.ask(CALL, headers=back)).status == 200


async def test_session_ended_at_the_gateway_is_refused_whatever_the_upstream_says() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            gateway.accounts.refused.add(("uid-x-0", b"s-x-0"))
            assert (await client.ask(CALL, headers=session)).status == 404
        assert len(upstream.asked) == 1


async def test_session_that_the_upstream_no_longer_knows_is_closed_and_its_404_passes() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            assert list(gateway.accounts.live) == [("uid-x-0", b"s-x-0")]

            async def forgets(asked: Asked) -> None:
                await asked.json(b'{"error":"gone"}', status="404 Not Found")

            upstream.script = forgets
            reply = await client.ask(CALL, headers=session)
        assert (reply.status, reply.body) == (404, b'{"error":"gone"}')
        assert not gateway.accounts.live


async def test_delete_closes_the_session_where_the_upstream_agrees() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            reply = await client.ask(method="DELETE", headers=session)
        assert reply.status == 200
        assert (upstream.asked[1].method, upstream.asked[1].value("mcp-session-id")) == ("DELETE", "s-x-0")
        assert not gateway.accounts.live


async def test_delete_that_the_upstream_refuses_keeps_the_session() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)

            async def refuses(asked: Asked) -> None:
                await asked.empty("405 Method Not Allowed")

            upstream.script = refuses
            assert (await client.ask(method="DELETE", headers=session)).status == 405
        assert gateway.accounts.live


@pytest.mark.parametrize(("body", "status"), [(CALL, "200 OK"), (INITIALIZE, "400 Bad Request")])
async def test_session_id_is_learnt_from_a_good_answer_to_initialize_only(body: bytes, status: str) -> None:
    async def offers(asked: Asked) -> None:
        await asked.json(b"{}", "Mcp-Session-Id: bait", status=status)

    async with scripted_upstream(offers) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(body)
        assert "mcp-session-id" not in reply.headers
        assert not gateway.accounts.live


async def test_session_id_that_the_upstream_repeats_is_repeated_as_the_client_knows_it() -> None:
    async def repeats(asked: Asked) -> None:
        await asked.json(b"{}", f"Mcp-Session-Id: {session_of(asked)}")

    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            upstream.script = repeats
            reply = await client.ask(CALL, headers=session)
        assert reply.headers["mcp-session-id"] == session["Mcp-Session-Id"]


async def test_modern_request_has_no_session_in_either_direction() -> None:
    async def offers(asked: Asked) -> None:
        await asked.json(b"{}", "Mcp-Session-Id: bait")

    async with scripted_upstream(offers) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(CALL, headers=MODERN | {"Mcp-Session-Id": "stale"})
        assert "mcp-session-id" not in reply.headers
        assert upstream.asked[0].values("mcp-session-id") == []
        assert gateway.accounts.calls[0].era is Era.MODERN


async def test_modern_requests_go_to_any_ready_instance() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint, second.endpoint) as gateway,
        gateway.client() as client,
    ):
        for _ in range(30):
            await client.ask(CALL, headers=MODERN)
        assert first.asked
        assert second.asked


async def test_accounts_hear_what_initialize_said_and_how_each_call_ended() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = await opened(client)
            reply = await client.ask(CALL, headers=session)
        first, second = gateway.accounts.calls
        assert first.initialized == INITIALIZE
        assert second.initialized is None
        assert (first.session, second.session) == (b"s-x-0", b"s-x-0")
        assert second.ends == [(200, len(CALL), len(reply.body))]


async def test_instance_that_refuses_connections_costs_a_new_session_nothing_while_another_is_ready() -> None:
    async with (
        scripted_upstream(legacy_server, "x-0") as first,
        scripted_upstream(legacy_server, "x-1") as second,
        served(first.endpoint, second.endpoint) as gateway,
        gateway.client() as client,
    ):
        first.die()
        for _ in range(20):
            assert instance_in((await client.ask(INITIALIZE)).body) == "x-1"
            assert (await client.ask(CALL, headers=MODERN)).status == 200
        assert gateway.pipeline.counters.in_flight == 0
        assert all(len(call.ends) == 1 for call in gateway.accounts.calls)


async def test_sealed_id_is_url_safe_text() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            session = (await opened(client))["Mcp-Session-Id"]
        assert base64.urlsafe_b64decode(session + "=" * (-len(session) % 4))
        assert len(session) < 200
