"""What the data plane refuses, and in which words."""

import asyncio
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest

from gateway.core.access import Ownership, Principal
from gateway.core.errors import Challenge, IssuerUnreachable, Unauthenticated
from gateway.core.inbound import Legacy, Modern
from gateway.core.ports import Exchange
from gateway.wire.hosts import Hosts
from gateway.wire.http1 import Limits
from gateway.wire.names import PrincipalId
from gateway.wire.resources import Timeouts
from tests.support.mcp_scripts import CALL, INITIALIZE, MODERN, answers, legacy_server, silent
from tests.support.scripted_upstream import scripted_upstream
from tests.support.served import served

ANN = Principal(PrincipalId("ann"), roles=frozenset({"mcp.admin"}))


class Authenticator:
    """core.ports.Authenticator that knows one token, and learns another when asked to verify."""

    def __init__(self, verified: Principal | Unauthenticated | Exception) -> None:
        self.verified = verified
        self.asked = asyncio.Event()
        self.may_answer = asyncio.Event()
        self.may_answer.set()

    def known(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated | None:
        if b"authorization" not in headers:
            return Unauthenticated("a token, please", challenge=Challenge(public_url="https://gw.example"))
        return None

    async def verify(self, headers: Mapping[bytes, bytes]) -> Principal | Unauthenticated:
        self.asked.set()
        await self.may_answer.wait()
        if isinstance(self.verified, Exception):
            raise self.verified
        return self.verified


def code(body: bytes) -> Any:
    return msgspec.json.decode(body)["error"]["data"]["code"]


async def test_adapter_that_is_unknown_or_not_the_callers_is_not_found_either_way() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            unknown = await client.ask(CALL, path="/adapters/y/mcp")
            foreign = await client.ask(CALL, headers={"X-Dev-UserId": "eve", "X-Dev-Roles": "none"})
        assert (unknown.status, foreign.status) == (404, 404)
        assert unknown.body.replace(b"'y'", b"'x'") == foreign.body
        assert not upstream.asked


async def test_a_required_role_lets_a_caller_in() -> None:
    route = {"ownership": Ownership("ann", frozenset({"readers"}))}
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint, route=route) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(CALL, headers={"X-Dev-UserId": "eve", "X-Dev-Roles": "Readers"})
        assert reply.status == 200


async def test_no_token_is_401_with_the_challenge_of_exactly_this_adapter() -> None:
    async with scripted_upstream(legacy_server) as upstream:
        async with served(upstream.endpoint, authenticator=Authenticator(ANN)) as gateway, gateway.client() as client:
            reply = await client.ask(CALL, path="/adapters/x/mcp/")
        assert (reply.status, reply.json["id"], reply.json["error"]["message"]) == (401, 7, "a token, please")
        wanted = 'Bearer resource_metadata="https://gw.example/.well-known/oauth-protected-resource/adapters/x/mcp"'
        assert reply.headers["www-authenticate"] == wanted


async def test_cold_token_is_verified_in_a_task_and_then_served() -> None:
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, authenticator=Authenticator(ANN)) as gateway,
        gateway.client() as client,
    ):
        assert (await client.ask(CALL, headers={"Authorization": "Bearer new"})).status == 200


async def test_issuer_that_can_not_be_reached_is_503_with_retry_after() -> None:
    authenticator = Authenticator(IssuerUnreachable("the issuer sleeps"))
    async with served(authenticator=authenticator) as gateway, gateway.client() as client:
        reply = await client.ask(CALL, headers={"Authorization": "Bearer new"})
    assert (reply.status, reply.headers["retry-after"], code(reply.body)) == (503, "10", "issuer-unreachable")


async def test_client_that_leaves_while_its_token_is_verified_is_forgotten() -> None:
    authenticator = Authenticator(ANN)
    authenticator.may_answer.clear()
    async with scripted_upstream(legacy_server) as upstream:
        async with served(upstream.endpoint, authenticator=authenticator) as gateway:
            async with gateway.client() as client:
                await client.send(CALL, headers={"Authorization": "Bearer new"})
                await authenticator.asked.wait()
            async with gateway.client() as other:  # the first one's end has been seen once this one is answered
                await other.ask(CALL)
            authenticator.may_answer.set()
        assert not upstream.asked


async def test_token_bound_to_another_resource_is_refused_with_a_challenge() -> None:
    bound = msgspec.structs.replace(ANN, resource="/adapters/mail/mcp")
    challenge = Challenge(public_url="https://gw.example", error="invalid_token")
    async with (
        served(authenticator=Authenticator(bound), challenge=challenge) as gateway,
        gateway.client() as client,
    ):
        reply = await client.ask(CALL, headers={"Authorization": "Bearer new"})
    assert reply.status == 401
    assert 'error="invalid_token"' in reply.headers["www-authenticate"]


async def test_token_in_the_query_is_refused() -> None:
    async with served() as gateway, gateway.client() as client:
        reply = await client.ask(CALL, path="/adapters/x/mcp?access_token=abc")
    assert (reply.status, code(reply.body)) == (400, "invalid")


async def test_other_sites_pages_and_other_names_are_refused() -> None:
    async with served() as gateway, gateway.client() as client:
        page = await client.ask(CALL, headers={"Origin": "https://evil.example"})
        rebound = await client.ask(CALL, headers={"Host": "evil.example"})
    assert (page.status, code(page.body)) == (403, "forbidden")
    assert (rebound.status, code(rebound.body)) == (421, "misdirected")


async def test_hosts_that_are_allowed_are_served() -> None:
    hosts = Hosts(is_loopback=True, hosts=frozenset({"gw.example"}))
    async with (
        scripted_upstream(legacy_server) as upstream,
        served(upstream.endpoint, hosts=hosts) as gateway,
        gateway.client() as client,
    ):
        assert (await client.ask(CALL, headers={"Host": "gw.example:80"})).status == 200


@pytest.mark.parametrize("method", ["PUT", "PATCH", "OPTIONS", "HEAD"])
async def test_other_methods_are_not_allowed(method: str) -> None:
    async with served() as gateway, gateway.client() as client:
        await client.send(method=method)
        reply = await client.head()
    assert (reply.status, reply.headers["allow"]) == (405, "POST, GET, DELETE")


async def test_nothing_ready_is_503_with_the_reason() -> None:
    reason = "adapter 'x' has no ready instance (0 of 1: ImagePullBackOff); see: mcpdeck logs x"
    async with served(route={"reason": reason}) as gateway, gateway.client() as client:
        for headers in ({}, MODERN):
            reply = await client.ask(INITIALIZE, headers=headers)
            assert (reply.status, reply.headers["retry-after"]) == (503, "2")
            assert (reply.json["error"]["message"], reply.json["id"]) == (reason, 1)


async def test_instance_that_does_not_answer_in_time_is_504() -> None:
    route = {"timeouts": Timeouts(first_byte=0.05)}
    async with scripted_upstream(silent) as upstream, served(upstream.endpoint, route=route) as gateway:
        async with gateway.client() as client:
            reply = await client.ask(CALL)
            assert (reply.status, reply.json["id"], code(reply.body)) == (504, 7, "upstream-slow")
            await (await upstream.next()).left()
        assert gateway.pipeline.counters.in_flight == 0


@pytest.mark.parametrize("status", ["301 Moved", "302 Found", "304 Not Modified", "307 Temporary", "308 Permanent"])
async def test_redirect_is_never_followed_nor_passed_on(status: str) -> None:
    async with scripted_upstream(legacy_server, "x-1") as elsewhere:
        target = f"Location: http://127.0.0.1:{elsewhere.endpoint.port}/mcp"
        script = answers(f"HTTP/1.1 {status}\r\n{target}\r\nContent-Length: 0\r\n\r\n".encode())
        async with (
            scripted_upstream(script) as upstream,
            served(upstream.endpoint) as gateway,
            gateway.client() as client,
        ):
            reply = await client.ask(CALL)
        assert (reply.status, reply.json["id"]) == (502, 7)
        assert "location" not in reply.headers
        assert not elsewhere.asked


@pytest.mark.parametrize(
    "header", [{"mcp-session-id": "a"}, {"MCP-PROTOCOL-VERSION": "2025-06-18"}, {"authorization": "b"}]
)
async def test_header_that_decides_may_not_come_twice(header: dict[str, str]) -> None:
    twice = {"Mcp-Session-Id": "a", "Mcp-Protocol-Version": "2026-07-28", "Authorization": "a"}
    async with served() as gateway, gateway.client() as client:
        reply = await client.ask(CALL, headers=twice | header)
    assert (reply.status, code(reply.body)) == (400, "invalid")
    assert "more than once" in reply.json["error"]["message"]


async def test_too_large_a_body_or_head_is_refused_as_json_rpc_and_the_connection_closed() -> None:
    async with served(limits=Limits(head=2048, body=1024)) as gateway:
        async with gateway.client() as client:
            body = await client.ask(b"x" * 1025)
            assert await client.ended() == b""
        async with gateway.client() as client:
            head = await client.ask(CALL, headers={"X-Large": "y" * 3000})
    assert (body.status, body.json["error"]["code"]) == (413, 413)
    assert (head.status, head.json["error"]["code"]) == (431, 431)
    assert body.headers["connection"] == "close"


@pytest.mark.parametrize(
    "head",
    [
        b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n",
        b"Content-Length: 5\r\nContent-Length: 6\r\n",
        b"Transfer-Encoding: chunked, chunked\r\n",
        b"X: a\r\n folded\r\n",
        b"X : a\r\n",
        b"Host: again\r\n",
    ],
)
async def test_ambiguous_framing_never_reaches_an_upstream(head: bytes) -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            await client.raw(b"POST /adapters/x/mcp HTTP/1.1\r\nHost: localhost\r\n" + head + b"\r\n0\r\n\r\n")
            reply = await client.reply()
            assert (reply.status, reply.json["error"]["data"]["source"]) == (400, "mcpdeck")
            assert await client.ended() == b""
        assert not upstream.asked


async def test_without_a_tool_router_its_paths_are_not_found() -> None:
    async with served() as gateway, gateway.client() as client:
        for path in ("/mcp", "/mcp/", "/mcp/team"):
            reply = await client.ask(CALL, path=path)
            assert (reply.status, reply.json["id"]) == (404, 7)


async def test_tool_router_gets_who_calls_and_in_which_era() -> None:
    class Tools:
        has_policies = False

        def weigh(self, exchange: Exchange, *_: object, **__: object) -> None:
            raise AssertionError

        def serve(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:
            exchange.respond(200, (), f"{principal.id} {exchange.request.path} {call!r}".encode())

    async with served(tools=Tools()) as gateway, gateway.client() as client:
        legacy = await client.ask(CALL, path="/mcp", headers={"Mcp-Session-Id": "s"})
        modern = await client.ask(CALL, path="/mcp/team", headers=MODERN)
    assert legacy.body == b"dev /mcp Legacy(session=b's', is_initialize=False)"
    assert modern.body == b"dev /mcp/team Modern(version='2026-07-28')"


async def test_refusals_are_counted_by_class() -> None:
    async with served() as gateway, gateway.client() as client:
        await client.ask(CALL)
        await client.ask(CALL, path="/adapters/y/mcp")
        assert gateway.pipeline.counters.requests == 2
        assert gateway.pipeline.counters.by_class == [0, 0, 0, 0, 1, 1]


async def test_every_answer_has_a_request_id_and_the_clients_own_is_kept() -> None:
    async with scripted_upstream(legacy_server) as upstream, served(upstream.endpoint) as gateway:
        async with gateway.client() as client:
            first = await client.ask(CALL)
            second = await client.ask(CALL, headers={"X-Request-Id": "mine"})
            refused = await client.ask(CALL, path="/adapters/y/mcp", headers={"X-Request-Id": "mine"})
        assert first.headers["x-request-id"] == upstream.asked[0].value("x-request-id")
        assert second.headers["x-request-id"] == refused.headers["x-request-id"] == "mine"
        assert upstream.asked[1].values("x-request-id") == ["mine"]
