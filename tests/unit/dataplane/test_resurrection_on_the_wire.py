"""Sessions that outlive their instance: what another one is told, what is sent again, and what is not."""

import asyncio
import hashlib
from typing import Any

import msgspec
import pytest

from gateway.wire import jsonrpc
from tests.support.mcp_scripts import INITIALIZE, instance_in
from tests.support.scripted_upstream import Asked, ScriptedUpstream, scripted_upstream
from tests.support.served import Served, served
from tests.support.wire_client import Reply, WireClient

RESURRECTS = {"is_resurrecting": True}
TOOLS = [
    {"name": "reads", "annotations": {"readOnlyHint": True}},
    {"name": "sets", "annotations": {"idempotentHint": True}},
    {"name": "pays", "annotations": {"title": "Pays"}},
    {"name": "bare"},
]


def call(tool: str) -> bytes:
    return jsonrpc.request(7, "tools/call", {"name": tool})


class Server:
    """Knows the sessions that it minted. `holds`: calls are not answered. `annotated`: what tools/list says."""

    def __init__(self) -> None:
        self.sessions: set[str] = set()
        self.heard: list[tuple[str, str | None]] = []
        self.bodies: list[bytes] = []
        self.holds = False

    async def __call__(self, asked: Asked) -> None:
        message = jsonrpc.decode(asked.body) if asked.body else None
        method = (message.method if message is not None else "") or asked.method
        session = asked.value("mcp-session-id")
        self.heard.append((method, session))
        self.bodies.append(asked.body)
        name = asked.upstream.endpoint.instance
        if method == "initialize":
            minted = f"s-{name}-{len(self.sessions)}"
            self.sessions.add(minted)
            assert message is not None
            await asked.json(jsonrpc.response(message.id or b"null", {}), f"Mcp-Session-Id: {minted}")
        elif session not in self.sessions:
            await asked.json(b"{}", status="404 Not Found")
        elif method == "DELETE":
            self.sessions.discard(session)
            await asked.empty("200 OK")
        elif method.startswith("notifications/"):
            await asked.empty("202 Accepted")
        elif method == "tools/list":
            assert message is not None
            page = {"tools": TOOLS[2:]} if b"cursor" in asked.body else {"tools": TOOLS[:2], "nextCursor": "2"}
            await asked.json(jsonrpc.response(message.id or b"null", page))
        elif self.holds:
            await asyncio.Event().wait()
        else:
            assert message is not None
            await asked.json(jsonrpc.response(message.id or b"null", {"from": name}), f"Mcp-Session-Id: {session}")


async def begun(client: WireClient) -> dict[str, str]:
    reply = await client.ask(INITIALIZE)
    assert reply.status == 200
    return {"Mcp-Session-Id": reply.headers["mcp-session-id"], "MCP-Protocol-Version": "2025-11-25"}


def code_of(reply: Reply) -> tuple[int, str]:
    return reply.status, reply.json["error"]["data"]["code"]


async def test_session_goes_on_with_another_instance_which_hears_how_it_began() -> None:
    first, second = Server(), Server()
    async with (
        scripted_upstream(first, "x-0") as old,
        scripted_upstream(second, "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        assert instance_in((await client.ask(call("pays"), headers=session)).body) == "x-0"
        gateway.point(new.endpoint, **RESURRECTS)
        for _ in range(2):
            reply = await client.ask(call("pays"), headers=session)
            assert instance_in(reply.body) == "x-1"
            assert reply.headers["mcp-session-id"] == session["Mcp-Session-Id"]
        assert second.heard == [
            ("initialize", None),
            ("notifications/initialized", "s-x-1-0"),
            ("tools/call", "s-x-1-0"),
            ("tools/call", "s-x-1-0"),
        ]
        assert second.bodies[0] == INITIALIZE
        assert new.asked[1].value("mcp-protocol-version") == "2025-11-25"
        await gateway.accounts.all_ended()


async def test_calls_that_come_at_once_wait_for_one_handshake() -> None:
    second = Server()
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(second, "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        gateway.point(**RESURRECTS)  # nothing is ready for now

        async def one() -> int:
            async with gateway.client() as own:
                return (await own.ask(call("pays"), headers=session)).status

        async with asyncio.TaskGroup() as tasks:
            calls = [tasks.create_task(one()) for _ in range(5)]
            while gateway.pipeline.counters.requests < 6:  # noqa: ASYNC110 - counters raise no event
                await asyncio.sleep(0)
            gateway.point(new.endpoint, **RESURRECTS)
        assert [each.result() for each in calls] == [200] * 5
        assert [method for method, _ in second.heard].count("initialize") == 1


async def test_without_it_a_session_ends_with_its_instance() -> None:
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(Server(), "x-1") as new,
        served(old.endpoint) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        gateway.point(new.endpoint)
        assert code_of(await client.ask(call("reads"), headers=session)) == (404, "session-lost")
        gateway.point(new.endpoint, **RESURRECTS)  # too late for an id that says nothing of how it began
        assert code_of(await client.ask(call("reads"), headers=session)) == (404, "session-lost")
        assert not new.asked


async def test_session_that_its_client_ended_stays_so() -> None:
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(Server(), "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        assert (await client.ask(method="DELETE", headers=session)).status == 200
        assert (await client.ask(call("reads"), headers=session)).status == 404
        gateway.point(new.endpoint, **RESURRECTS)
        assert (await client.ask(call("reads"), headers=session)).status == 404
        assert (await client.ask(method="DELETE", headers=session)).status == 404
        assert not new.asked


async def test_server_that_has_forgotten_a_session_hears_again_how_it_began() -> None:
    server = Server()
    async with (
        scripted_upstream(server) as upstream,
        served(upstream.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        server.sessions.clear()
        assert (await client.ask(call("pays"), headers=session)).status == 200
        assert [method for method, _ in server.heard[-4:]] == [
            "tools/call",
            "initialize",
            "notifications/initialized",
            "tools/call",
        ]


async def dies_with_a_call(
    tool: str, gateway: Served, client: WireClient, old: ScriptedUpstream, **point: Any
) -> tuple[Reply, dict[str, str]]:
    session = await begun(client)
    await old.next()
    assert isinstance(old.script, Server)
    old.script.holds = True
    await client.send(call(tool), headers=session)
    await old.next()
    old.die()
    gateway.point(*point["to"], **RESURRECTS)
    return await client.reply(), session


@pytest.mark.parametrize("tool", ["reads", "sets"])
async def test_call_in_flight_is_sent_again_where_its_tool_may_be_called_twice(tool: str) -> None:
    second = Server()
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(second, "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        reply, _ = await dies_with_a_call(tool, gateway, client, old, to=[new.endpoint])
        assert (reply.status, reply.json["id"], instance_in(reply.body)) == (200, 7, "x-1")
        assert second.bodies[-1] == call(tool)
        await gateway.accounts.all_ended()


@pytest.mark.parametrize("tool", ["pays", "bare", "unheard"])
async def test_any_other_call_in_flight_is_answered_with_what_is_known_and_the_session_goes_on(tool: str) -> None:
    second = Server()
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(second, "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        reply, session = await dies_with_a_call(tool, gateway, client, old, to=[new.endpoint])
        assert (code_of(reply), reply.json["id"]) == ((502, "call-lost"), 7)
        assert "may have been done or not" in reply.json["error"]["message"]
        assert "tools/call" not in [method for method, _ in second.heard]
        assert instance_in((await client.ask(call(tool), headers=session)).body) == "x-1"
        assert [method for method, _ in second.heard].count("initialize") == 1


async def test_call_is_sent_again_once_and_no_more() -> None:
    second = Server()
    second.holds = True
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(second, "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        await old.next()
        assert isinstance(old.script, Server)
        old.script.holds = True
        await client.send(call("reads"), headers=session)
        await old.next()
        old.die()
        gateway.point(new.endpoint, **RESURRECTS)
        while not any(b"tools/call" in body for body in second.bodies):
            await new.next()
        new.die()
        assert code_of(await client.reply()) == (502, "upstream-broke")


async def test_instance_that_refuses_the_handshake_is_an_error_and_the_session_is_tried_again_later() -> None:
    async def refuses(asked: Asked) -> None:
        await asked.json(b"{}", status="400 Bad Request")

    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(refuses, "x-1") as bad,
        scripted_upstream(Server(), "x-2") as good,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        session = await begun(client)
        gateway.point(bad.endpoint, **RESURRECTS)
        assert code_of(await client.ask(call("reads"), headers=session)) == (502, "upstream-broke")
        gateway.point(good.endpoint, **RESURRECTS)
        assert instance_in((await client.ask(call("reads"), headers=session)).body) == "x-2"


async def test_initialize_that_is_too_long_for_an_id_makes_a_session_like_any_other() -> None:
    async with (
        scripted_upstream(Server(), "x-0") as old,
        scripted_upstream(Server(), "x-1") as new,
        served(old.endpoint, route=RESURRECTS) as gateway,
        gateway.client() as client,
    ):
        noise = "".join(hashlib.sha256(bytes([n])).hexdigest() for n in range(128))
        hello = msgspec.json.encode({"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"noise": noise}})
        reply = await client.ask(hello)
        session = {"Mcp-Session-Id": reply.headers["mcp-session-id"]}
        assert len(session["Mcp-Session-Id"]) < 300
        gateway.point(new.endpoint, **RESURRECTS)
        assert code_of(await client.ask(call("reads"), headers=session)) == (404, "session-lost")
