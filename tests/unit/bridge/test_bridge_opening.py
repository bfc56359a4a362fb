"""`initialize` answered from `server/discover`."""

from typing import Any

import msgspec
import pytest

from gateway.bridge.guest import Kept
from gateway.bridge.opening import LIFETIME, Opening
from gateway.core.errors import NothingReady
from gateway.wire import envelope
from tests.support.bridge_sides import FakeServer
from tests.support.sidecar_exchange import Asked

INFO = {"name": "client", "title": "C", "version": "1", "icons": [{"src": "data:" + "x" * 5000}]}
CAPABILITIES = {
    "roots": {"listChanged": True},
    "sampling": {"tools": {}},
    "elicitation": {},
    "tasks": {"list": {}},
    "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": []}, "io.modelcontextprotocol/tasks": {}},
}


class World:
    def __init__(self) -> None:
        self.server = FakeServer()
        self.minted: list[Kept] = []
        self.asked = Asked()

    def opens(self, version: Any = "2025-06-18", **params: Any) -> Asked:
        sent = {"protocolVersion": version, "capabilities": CAPABILITIES, "clientInfo": INFO} | params
        message = envelope.parse(
            msgspec.json.encode({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": sent})
        )
        assert not isinstance(message, envelope.Unreadable)
        Opening("weather", lambda: self.server, self.mint, home="10.0.0.1:1", now=100.5).initialize(
            message, self.asked.reply
        )
        return self.asked

    def mint(self, kept: Kept) -> bytes:
        self.minted.append(kept)
        return b"sealed"

    def discovers(self, **result: Any) -> None:
        found = {"resultType": "complete", "supportedVersions": ["2026-07-28"], "capabilities": {}, "ttlMs": 0}
        self.server.last().answers(result=found | result)


def test_the_answer_is_what_the_server_said_of_itself() -> None:
    world = World()
    asked = world.opens()
    world.discovers(
        capabilities={
            "tools": {"listChanged": True},
            "logging": {},
            "extensions": {"io.modelcontextprotocol/ui": {}, "io.modelcontextprotocol/tasks": {}, "a.b/c": {"d": 1}},
        },
        instructions="Be kind.",
        cacheScope="public",
        _meta={"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}},
    )
    assert asked.json == {
        "jsonrpc": "2.0",
        "id": 0,
        "result": {
            "protocolVersion": "2025-06-18",
            "capabilities": {
                "tools": {"listChanged": True},
                "logging": {},
                "extensions": {"io.modelcontextprotocol/ui": {}, "a.b/c": {"d": 1}},
            },
            "serverInfo": {"name": "s", "version": "2"},
            "instructions": "Be kind.",
        },
    }
    assert asked.headers["mcp-session-id"] == "sealed"


def test_the_session_keeps_what_every_request_will_need() -> None:
    world = World()
    world.opens()
    world.discovers()
    [kept] = world.minted
    assert msgspec.json.decode(kept.capabilities) == {
        "roots": {},
        "sampling": {"tools": {}},
        "elicitation": {},
        "extensions": {"io.modelcontextprotocol/ui": {"mimeTypes": []}},
    }
    assert msgspec.json.decode(kept.client_info) == {"name": "client", "title": "C", "version": "1"}
    assert (kept.version, kept.home, kept.expires_at) == ("2025-06-18", "10.0.0.1:1", 100 + LIFETIME)
    assert len(kept.number) == 12


def test_the_server_hears_who_asks() -> None:
    world = World()
    world.opens()
    meta = world.server.last().meta
    assert meta["io.modelcontextprotocol/protocolVersion"] == "2026-07-28"
    assert meta["io.modelcontextprotocol/clientInfo"]["name"] == "client"
    assert world.server.last().headers[b"mcp-method"] == b"server/discover"


def test_a_version_nobody_knows_is_answered_with_the_latest() -> None:
    world = World()
    asked = world.opens("2024-10-07")
    world.discovers()
    assert asked.json["result"]["protocolVersion"] == "2025-11-25"


def test_a_server_that_does_not_name_itself_gets_a_name() -> None:
    world = World()
    asked = world.opens()
    world.discovers()
    assert asked.json["result"]["serverInfo"] == {"name": "unnamed", "version": "unknown"}


@pytest.mark.parametrize(
    ("answer", "spoken"),
    [
        ({"result": {"supportedVersions": ["2027-01-01"]}}, "2027-01-01"),
        (
            {"error": {"code": -32022, "message": "?", "data": {"supported": ["2027-01-01", "2027-02-02"]}}},
            "2027-01-01, ",
        ),
        ({"error": {"code": -32601, "message": "?"}}, "no version that it names"),
        ({"error": "odd"}, "no version that it names"),
    ],
)
def test_a_server_of_another_version_is_refused_naming_both(answer: dict[str, Any], spoken: str) -> None:
    world = World()
    asked = world.opens()
    world.server.last().answers(400, **answer)
    message = asked.json["error"]["message"]
    assert asked.status == 400
    assert message.startswith(f"adapter 'weather' speaks MCP {spoken}")
    assert "this client asked for 2025-06-18" in message
    assert world.minted == []


def test_a_server_that_is_not_there_is_told_of_as_such() -> None:
    world = World()
    world.server.breaks = NothingReady("none of 2")
    asked = world.opens()
    assert (asked.status, asked.json["error"]["message"]) == (503, "none of 2")


def test_a_version_is_needed() -> None:
    asked = World().opens(None)
    assert (asked.status, asked.json["error"]["code"]) == (400, -32602)


def test_more_capabilities_than_a_session_can_keep_are_refused() -> None:
    asked = World().opens(capabilities={"experimental": {"x": {"y": "z" * 3000}}})
    assert (asked.status, asked.json["error"]["data"]["code"]) == (400, "too-large")
