"""Adapters that want an access token of the gateway's: got when it is missing, sent with each call, never the client's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import msgspec
import pytest

from gateway.core.errors import Forbidden, Unsupported, UpstreamBroke
from gateway.core.grants import Grant
from gateway.core.ports import Tokens
from gateway.wire import jsonrpc, mcp
from gateway.wire.mcp import Era
from tests.support.fake_tokens import CREDENTIALS, EXCHANGE, FakeTokens
from tests.support.mcp_scripts import CALL, INITIALIZE, legacy_server
from tests.support.scripted_upstream import Asked, Script, ScriptedUpstream, scripted_upstream
from tests.support.served import served
from tests.support.wire_client import WireClient

OWN = {"Authorization": "Bearer the-client's-own"}
META = {mcp.META_VERSION: mcp.MODERN_VERSION, mcp.META_CLIENT_CAPABILITIES: {}}
MODERN_CALL = jsonrpc.request(7, "tools/call", {"name": "echo", "_meta": META})
MODERN_HEADERS = {"MCP-Protocol-Version": mcp.MODERN_VERSION, "Mcp-Method": "tools/call", "Mcp-Name": "echo"}


@asynccontextmanager
async def called(
    tokens: Tokens | None, grant: Grant = CREDENTIALS, script: Script = legacy_server
) -> AsyncIterator[tuple[WireClient, ScriptedUpstream]]:
    """A client of adapter `x`, a handshake-era server that wants such a token, and that server."""
    async with scripted_upstream(script) as upstream:
        endpoint = msgspec.structs.replace(upstream.endpoint, eras=frozenset({Era.LEGACY}))
        async with served(endpoint, tokens=tokens, route={"grant": grant}) as gateway, gateway.client() as client:
            yield client, upstream


async def handshake_server(asked: Asked) -> None:
    message = jsonrpc.decode(asked.body) if asked.body else None
    if message is None or message.is_notification:
        await asked.empty("405 Method Not Allowed" if message is None else "202 Accepted")
    elif message.method == "initialize":
        info = {"name": "x", "version": "1"}
        opened = {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": info}
        await asked.json(jsonrpc.response(message.id, opened), "Mcp-Session-Id: s")
    else:
        await asked.json(jsonrpc.response(message.id, {"content": [{"type": "text", "text": "echo"}]}))


def shown(upstream: ScriptedUpstream) -> list[list[str]]:
    return [asked.values("authorization") for asked in upstream.asked]


async def test_first_call_waits_for_a_token_and_the_next_has_it() -> None:
    tokens = FakeTokens()
    async with called(tokens) as (client, upstream):
        assert [(await client.ask(CALL, headers=OWN)).status for _ in range(2)] == [200, 200]
        assert shown(upstream) == [["Bearer t1"], ["Bearer t1"]]
    assert tokens.asked == [("dev", "the-client's-own")]


async def test_caller_without_a_token_has_none_to_exchange() -> None:
    tokens = FakeTokens(Unsupported("no token to exchange"))
    async with called(tokens, EXCHANGE) as (client, upstream):
        reply = await client.ask(CALL)
        assert not upstream.asked
    assert tokens.asked == [("dev", "")]
    assert (reply.status, reply.json["error"]["message"]) == (400, "no token to exchange")


async def test_each_caller_has_a_token_of_its_own_where_it_speaks_for_them() -> None:
    tokens = FakeTokens()
    async with called(tokens, EXCHANGE) as (client, upstream):
        for user in ("ada", "grace", "ada"):
            said = {"X-Dev-UserId": user, "X-Dev-Roles": "mcp.admin", "Authorization": f"Bearer {user}'s"}
            assert (await client.ask(CALL, headers=said)).status == 200
        assert shown(upstream) == [["Bearer t1"], ["Bearer t2"], ["Bearer t1"]]
    assert tokens.asked == [("ada", "ada's"), ("grace", "grace's")]


@pytest.mark.parametrize(
    ("error", "status"), [(Forbidden("consent is missing"), 403), (UpstreamBroke("the issuer is down"), 502)]
)
async def test_token_that_is_not_to_be_had_is_the_answer_and_the_adapter_hears_nothing(
    error: Forbidden | UpstreamBroke, status: int
) -> None:
    async with called(FakeTokens(error)) as (client, upstream):
        reply = await client.ask(CALL)
        assert not upstream.asked
    assert reply.status == status
    assert (reply.json["id"], reply.json["error"]["message"]) == (7, error.detail)


async def test_gateway_that_gets_no_tokens_says_so() -> None:
    async with called(None) as (client, upstream):
        reply = await client.ask(CALL)
        assert not upstream.asked
    assert "this gateway gets none" in reply.json["error"]["message"]


async def test_token_that_the_adapter_refuses_is_no_401_for_the_client_and_another_is_got() -> None:
    """A 401 would send the client to sign in anew, in vain: its own token is fine."""

    async def refuses_the_first(asked: Asked) -> None:
        if asked.value("authorization") == "Bearer t1":
            await asked.empty("401 Unauthorized", "WWW-Authenticate: Bearer")
        else:
            await legacy_server(asked)

    tokens = FakeTokens()
    async with called(tokens, script=refuses_the_first) as (client, _):
        refused, taken = await client.ask(CALL), await client.ask(CALL)
    assert (refused.status, taken.status) == (502, 200)
    assert "www-authenticate" not in refused.headers
    assert "refuses the token that https://idp.example/token gave" in refused.json["error"]["message"]
    assert tokens.refusals == 1


async def test_client_that_does_not_wait_for_a_token_causes_no_call() -> None:
    tokens = FakeTokens()
    tokens.gate.clear()
    async with scripted_upstream(legacy_server) as upstream:
        async with served(upstream.endpoint, tokens=tokens, route={"grant": CREDENTIALS}) as gateway:
            async with gateway.client() as client:
                await client.send(CALL)
                await tokens.is_waiting.wait()
            async with gateway.client() as other:
                await other.send(CALL)
                tokens.gate.set()
                assert (await other.reply()).status == 200
        assert len(upstream.asked) == 1


@pytest.mark.parametrize("grant", [CREDENTIALS, EXCHANGE])
async def test_token_goes_along_when_eras_are_bridged(grant: Grant) -> None:
    async with called(FakeTokens(), grant, handshake_server) as (client, upstream):
        reply = await client.ask(MODERN_CALL, headers=MODERN_HEADERS | OWN)
        assert reply.status == 200, reply.body
        assert len(upstream.asked) > 1
        assert set(map(tuple, shown(upstream))) == {("Bearer t1",)}


async def test_bridged_client_hears_of_a_refused_token_in_words() -> None:
    async def refuses(asked: Asked) -> None:
        await asked.empty("401 Unauthorized")

    tokens = FakeTokens()
    async with called(tokens, script=refuses) as (client, _):
        reply = await client.ask(MODERN_CALL, headers=MODERN_HEADERS | OWN)
    assert reply.status in (200, 502)
    assert "refuses the token" in reply.json["error"]["message"]
    assert tokens.refusals


async def test_session_goes_on_with_the_token() -> None:
    async with called(FakeTokens()) as (client, upstream):
        session = (await client.ask(INITIALIZE)).headers["mcp-session-id"]
        assert (await client.ask(CALL, headers={"Mcp-Session-Id": session})).status == 200
        assert shown(upstream) == [["Bearer t1"]] * 2


def test_grant_shows_itself_without_its_secret() -> None:
    assert "s3cret" not in f"{CREDENTIALS!r} {CREDENTIALS} {[CREDENTIALS]}"
