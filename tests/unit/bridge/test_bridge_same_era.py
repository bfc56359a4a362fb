"""A legacy client and a legacy server of HTTP+SSE between them: the same messages, on other streams."""

from typing import Any

import msgspec

from gateway.bridge.channel import Channel
from gateway.bridge.same_era import HELD, SameEra
from gateway.core.errors import NothingReady
from gateway.wire import envelope
from tests.support.bridge_sides import FakeServer, Posted
from tests.support.sidecar_exchange import Asked

INITIALIZE = {
    "protocolVersion": "2024-11-05",
    "capabilities": {"roots": {}},
    "clientInfo": {"name": "c", "version": "1"},
}
RESULT = {"protocolVersion": "2024-11-05", "capabilities": {}, "serverInfo": {"name": "s", "version": "2"}}


class World:
    """One session; the server speaks streamable HTTP, or HTTP+SSE."""

    def __init__(self, *, is_sse: bool = False) -> None:
        self.server = FakeServer()
        self.is_sse = is_sse
        self.machine = SameEra(lambda: (self.server, is_sse))

    def ask(self, method: str, params: Any = None, *, request_id: Any = 5, **accepts: bool) -> Asked:
        asked = Asked(**accepts)
        message = parsed({"jsonrpc": "2.0", "id": request_id, "method": method, "params": params or {}})
        if method == "initialize":
            self.machine.initialize(message, asked.reply)
        else:
            self.machine.request(message, asked.reply)
        return asked

    def opened(self) -> "World":
        self.ask("initialize", INITIALIZE)
        self.server.last().answers(session=b"sid", result=RESULT)
        self.server.last().accepts()
        return self

    def stream(self) -> Asked:
        asked = Asked()
        self.machine.open_stream(asked.reply)
        return asked


def parsed(message: Any) -> envelope.Message:
    found = envelope.parse(msgspec.json.encode(message))
    assert not isinstance(found, envelope.Unreadable)
    return found


def test_initialize_is_the_clients_own_and_so_is_its_answer() -> None:
    world = World()
    asked = world.ask("initialize", INITIALIZE, request_id="mine")
    assert world.server.last().json["params"] == INITIALIZE
    world.server.last().answers(session=b"sid", result=RESULT | {"unheard": 1})
    world.server.last().accepts()
    assert asked.json == {"jsonrpc": "2.0", "id": "mine", "result": RESULT | {"unheard": 1}}
    assert world.server.streams[0].headers[b"mcp-session-id"] == b"sid"


def test_an_initialize_that_is_refused_says_so_under_the_clients_id() -> None:
    world = World()
    asked = world.ask("initialize", INITIALIZE)
    world.server.last().answers(400, error={"code": -32602, "message": "no"})
    assert (asked.json["id"], asked.json["error"]["message"]) == (5, "no")
    world = World()
    world.server.breaks = NothingReady("none")
    assert world.ask("initialize", INITIALIZE).status == 503


def test_ids_and_tokens_come_back_as_they_were() -> None:
    world = World().opened()
    asked = world.ask("tools/call", {"name": "x", "_meta": {"progressToken": "t"}}, request_id="mine")
    posted = world.server.last()
    token = posted.json["params"]["_meta"]["progressToken"]
    assert token == posted.json["id"] != "mine"
    posted.begins()
    posted.says(
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token, "progress": 1}}
    )
    posted.says({"jsonrpc": "2.0", "id": "q", "method": "roots/list"})
    posted.says({"jsonrpc": "2.0", "id": posted.json["id"], "result": {"content": []}})
    progress, question, answer = asked.events
    assert progress["params"]["progressToken"] == "t"
    assert question == {"jsonrpc": "2.0", "id": "q", "method": "roots/list"}
    assert answer == {"jsonrpc": "2.0", "id": "mine", "result": {"content": []}}


def test_the_clients_answers_and_notifications_reach_the_server() -> None:
    world = World().opened()
    world.ask("tools/call", {"name": "x"}, request_id="mine")
    number = world.server.last().json["id"]
    world.machine.response(parsed({"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}))
    assert world.server.last().json == {"jsonrpc": "2.0", "id": "q", "result": {"roots": []}}
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "mine"}}
    world.machine.notification(parsed(cancel))
    assert world.server.last().json["params"] == {"requestId": number}
    posts = len(world.server.posted)
    world.machine.notification(parsed(cancel | {"params": {"requestId": "other"}}))
    world.machine.notification(parsed({"jsonrpc": "2.0", "method": "notifications/initialized"}))
    assert len(world.server.posted) == posts


def test_what_belongs_to_no_call_waits_for_a_stream() -> None:
    world = World().opened()
    announced = world.server.streams[-1]
    announced.begins()
    for number in range(HELD + 10):
        announced.says({"jsonrpc": "2.0", "method": "x", "params": {"n": number}})
    first = world.stream()
    assert [event["params"]["n"] for event in first.events] == list(range(10, HELD + 10))
    second = world.stream()
    assert first.is_answered
    announced.says({"jsonrpc": "2.0", "method": "y"})
    assert [event["method"] for event in second.events] == ["y"]


def test_a_session_that_the_server_lost_is_lost_to_the_client() -> None:
    world = World().opened()
    stream = world.stream()
    asked = world.ask("tools/list")
    world.server.last().accepts(404)
    assert (asked.status, asked.json["id"]) == (404, 5)
    assert world.machine.is_over
    assert stream.is_answered
    assert world.ask("tools/list").status == 404
    assert sum(posted.json.get("method") == "initialize" for posted in world.server.posted) == 1


def test_a_session_begins_with_initialize() -> None:
    assert World().ask("tools/list").status == 400


def test_ending_a_session_ends_its_calls_and_tells_the_server() -> None:
    world = World().opened()
    asked, stream = world.ask("tools/list"), world.stream()
    world.machine.tick()
    world.machine.end()
    assert asked.json["error"]["data"]["code"] == "session-ended"
    assert stream.is_answered
    assert world.server.deleted[0][b"mcp-session-id"] == b"sid"


def sse_opened() -> tuple[World, Posted, Asked]:
    world = World(is_sse=True)
    asked = world.ask("initialize", INITIALIZE)
    channel = world.server.streams[-1]
    channel.begins()
    channel.notes(data=b"/messages?id=1", event="endpoint")
    channel.says({"jsonrpc": "2.0", "id": world.server.last().json["id"], "result": RESULT})
    world.server.last().accepts()
    return world, channel, asked


def test_a_server_of_http_sse_answers_a_streamable_client() -> None:
    world, channel, opened = sse_opened()
    assert opened.json["result"] == RESULT
    asked = world.ask("tools/list")
    posted = world.server.last()
    posted.accepts()
    assert posted.target == "/messages?id=1"
    channel.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    channel.says({"jsonrpc": "2.0", "id": posted.json["id"], "result": {}})
    assert [event.get("method") for event in asked.events] == ["notifications/message", None]


def test_a_channel_of_the_servers_that_ends_ends_the_session() -> None:
    world, channel, _ = sse_opened()
    stream = world.stream()
    channel.ends()
    assert world.machine.is_over
    assert stream.is_answered


# a client of HTTP+SSE


class Channelled:
    def __init__(self) -> None:
        self.world = World()
        self.left = 0
        self.stream = Asked()
        self.stream.reply.open_stream()
        self.channel = Channel(self.stream.reply, self._begin, self._left)

    def _begin(self, channel: Channel, message: envelope.Message, answer: Any) -> None:
        channel.machine = self.world.machine
        self.world.machine.initialize(message, answer)

    def _left(self) -> None:
        self.left += 1

    def post(self, **message: Any) -> None:
        self.channel.posted(parsed({"jsonrpc": "2.0", **message}))

    def opened(self) -> "Channelled":
        self.post(id=0, method="initialize", params=INITIALIZE)
        self.world.server.last().answers(session=b"sid", result=RESULT)
        self.world.server.last().accepts()
        self.post(method="notifications/initialized")
        return self


def test_a_client_of_http_sse_hears_everything_on_its_one_stream() -> None:
    client = Channelled().opened()
    client.post(id=1, method="tools/list")
    client.world.server.last().answers(result={"tools": []})
    client.world.server.streams[-1].says({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    assert [event.get("id", event.get("method")) for event in client.stream.events] == [
        0,
        1,
        "notifications/tools/list_changed",
    ]


def test_a_client_of_http_sse_that_leaves_ends_its_session() -> None:
    client = Channelled().opened()
    client.stream.leave()
    assert client.left == 1
    assert len(client.world.server.deleted) == 1


def test_a_stream_of_http_sse_ends_with_the_servers_session() -> None:
    client = Channelled().opened()
    client.post(id=1, method="tools/list")
    client.world.server.last().accepts(404)
    assert client.stream.is_answered
    assert client.left == 1


def test_a_client_of_http_sse_that_asks_before_it_initializes_is_told() -> None:
    client = Channelled()
    client.post(method="notifications/x")
    client.post(id=9, result={})
    client.post(id=1, method="tools/list")
    assert client.stream.events[0]["error"]["message"] == "a session begins with initialize"
