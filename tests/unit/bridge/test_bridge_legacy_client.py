"""A legacy client before a server of 2026-07-28: what the server is asked, and what the client gets."""

from typing import Any

import msgspec
import pytest

from gateway.bridge.guest import Kept
from gateway.bridge.legacy_call import ASK_TICKS, ROUNDS
from gateway.bridge.legacy_clients import LegacyClients
from gateway.core.errors import NothingReady, UpstreamBroke
from gateway.wire import envelope
from tests.support.bridge_sides import FakeServer, Posted
from tests.support.sidecar_exchange import Asked

ALL: dict[str, Any] = {"elicitation": {"url": {}}, "sampling": {}, "roots": {}}
QUESTION = {"method": "elicitation/create", "params": {"mode": "form", "message": "?", "requestedSchema": {}}}


class World:
    """One session and the server behind it."""

    def __init__(self, version: str = "2025-11-25", capabilities: Any = ALL) -> None:
        self.server = FakeServer()
        self.clients = LegacyClients("weather")
        self.kept = Kept(
            version=version,
            capabilities=msgspec.json.encode(capabilities),
            client_info=b'{"name":"c","version":"1"}',
            number=b"n",
            expires_at=1,
        )
        self.client = self.clients.client(self.kept, lambda: self.server)

    def ask(self, method: str, params: Any = None, *, request_id: Any = 7, **accepts: bool) -> Asked:
        asked = Asked(**accepts)
        message = {"jsonrpc": "2.0", "id": request_id, "method": method} | (
            {} if params is None else {"params": params}
        )
        self.client.request(parsed(message), asked.reply)
        return asked

    def call(self, name: str = "x", *, arguments: Any = None, **accepts: bool) -> Asked:
        return self.ask("tools/call", {"name": name, "arguments": arguments or {}}, **accepts)

    def tells(self, method: str, params: Any) -> None:
        self.client.notification(parsed({"jsonrpc": "2.0", "method": method, "params": params}))

    def answers(self, question: Any, **message: Any) -> None:
        self.client.response(parsed({"jsonrpc": "2.0", "id": question["id"], **message}))

    def stream(self) -> Asked:
        asked = Asked()
        self.client.open_stream(asked.reply)
        return asked

    def listening(self) -> tuple[Asked, Posted]:
        stream = self.stream()
        listen = self.server.last()
        acknowledge(listen)
        return stream, listen


def parsed(message: Any) -> envelope.Message:
    found = envelope.parse(msgspec.json.encode(message))
    assert not isinstance(found, envelope.Unreadable)
    return found


def acknowledge(listen: Posted, **honoured: Any) -> None:
    listen.begins()
    wanted = honoured or listen.json["params"]["notifications"]
    params = {"notifications": wanted, "_meta": {"io.modelcontextprotocol/subscriptionId": listen.json["id"]}}
    listen.says({"jsonrpc": "2.0", "method": "notifications/subscriptions/acknowledged", "params": params})


def required(state: str | None = "s", **questions: Any) -> dict[str, Any]:
    found: dict[str, Any] = {"resultType": "input_required"}
    if questions:
        found["inputRequests"] = questions
    return found if state is None else found | {"requestState": state}


# requests and results


def test_a_request_carries_what_the_session_knows() -> None:
    world = World()
    world.call(arguments={"a": 1})
    posted = world.server.last()
    assert posted.meta == {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": ALL,
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1"},
        "io.modelcontextprotocol/logLevel": "info",
    }
    assert (posted.json["method"], posted.json["params"]["arguments"]) == ("tools/call", {"a": 1})
    assert posted.headers == {
        b"mcp-protocol-version": b"2026-07-28",
        b"mcp-method": b"tools/call",
        b"mcp-name": b"x",
    }


def test_a_name_that_is_no_ascii_is_encoded_in_its_header() -> None:
    world = World()
    world.ask("resources/read", {"uri": "file:///\u00e9"})
    assert world.server.last().headers[b"mcp-name"] == b"=?base64?ZmlsZTovLy/DqQ==?="


def test_a_request_without_params_gets_some() -> None:
    world = World()
    world.ask("tools/list")
    assert set(world.server.last().json["params"]) == {"_meta"}


def test_the_progress_token_and_trace_of_the_client_stay_and_tasks_go() -> None:
    world = World()
    meta = {"progressToken": 3, "traceparent": "00", "io.modelcontextprotocol/related-task": {"taskId": "t"}}
    world.ask("tools/call", {"name": "x", "task": {"ttl": 1}, "_meta": meta})
    posted = world.server.last()
    assert (posted.meta["progressToken"], posted.meta["traceparent"]) == (3, "00")
    assert "io.modelcontextprotocol/related-task" not in posted.meta
    assert "task" not in posted.json["params"]


def test_a_result_loses_what_only_2026_07_28_has() -> None:
    world = World()
    asked = world.ask("tools/list", request_id="mine")
    world.server.last().answers(
        result={
            "resultType": "complete",
            "ttlMs": 5,
            "cacheScope": "public",
            "tools": [{"name": "a", "inputSchema": {"type": "object"}, "outputSchema": {"type": "array"}}],
            "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s"}, "own": 1},
            "unheard": [1.0],
        }
    )
    assert asked.json == {
        "jsonrpc": "2.0",
        "id": "mine",
        "result": {
            "tools": [{"name": "a", "inputSchema": {"type": "object"}}],
            "_meta": {"own": 1},
            "unheard": [1.0],
        },
    }
    assert asked.status == 200


@pytest.mark.parametrize(("structured", "stays"), [({"a": 1}, True), ([1], False), ("x", False), (None, False)])
def test_structured_content_that_is_no_object_is_left_out(structured: Any, stays: bool) -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result={"resultType": "complete", "content": [], "structuredContent": structured})
    assert asked.json["result"] == {"content": []} | ({"structuredContent": structured} if stays else {})


def test_an_error_keeps_its_code_and_travels_with_200() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(400, error={"code": -32602, "message": "no such tool", "data": 1})
    assert asked.status == 200
    assert asked.json == {"jsonrpc": "2.0", "id": 7, "error": {"code": -32602, "message": "no such tool", "data": 1}}


def test_an_unknown_method_is_the_servers_to_refuse() -> None:
    world = World()
    asked = world.ask("vendor/thing")
    world.server.last().answers(404, error={"code": -32601, "message": "?"})
    assert (asked.status, asked.json["error"]["code"]) == (200, -32601)


def test_a_resource_that_is_not_there_has_its_old_code() -> None:
    world = World()
    asked = world.ask("resources/read", {"uri": "a:b"})
    world.server.last().answers(400, error={"code": -32602, "message": "none", "data": {"uri": "a:b"}})
    assert asked.json["error"] == {"code": -32002, "message": "none", "data": {"uri": "a:b"}}


def test_bad_params_of_resources_read_keep_their_code() -> None:
    world = World()
    asked = world.ask("resources/read", {})
    world.server.last().answers(400, error={"code": -32602, "message": "uri?"})
    assert asked.json["error"]["code"] == -32602


def test_a_result_of_a_type_unheard_of_is_an_error() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result={"resultType": "task", "taskId": "t"})
    assert "adapter 'weather' answered with a result of type 'task'" in asked.json["error"]["message"]


def test_notifications_of_a_call_pass_on_its_stream_in_order() -> None:
    world = World()
    asked = world.call()
    posted = world.server.last()
    posted.begins()
    posted.says({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": 3, "progress": 1}})
    posted.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}})
    posted.says({"jsonrpc": "2.0", "id": 1, "result": {"resultType": "complete", "content": []}})
    assert [event.get("method") for event in asked.events] == ["notifications/progress", "notifications/message", None]
    assert asked.events[2]["id"] == 7


def test_a_client_that_takes_no_stream_gets_the_response_alone() -> None:
    world = World()
    asked = world.call(accepts_stream=False)
    world.server.last().says({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    world.server.last().answers(result={"resultType": "complete"})
    assert asked.json["result"] == {}


def test_a_server_that_sends_requests_is_not_listened_to() -> None:
    world = World()
    asked = world.call()
    world.server.last().says({"jsonrpc": "2.0", "id": 1, "method": "ping"})
    assert asked.body == b""


def test_a_server_that_breaks_off_fails_the_call() -> None:
    world = World()
    asked = world.call()
    world.server.last().ends(UpstreamBroke("it broke"))
    assert (asked.status, asked.json["id"], asked.json["error"]["message"]) == (502, 7, "it broke")


def test_an_answer_without_a_message_fails_the_call() -> None:
    world = World()
    asked = world.call()
    world.server.last().accepts(403)
    assert (asked.status, asked.json["error"]["message"]) == (
        502,
        "the adapter answered with HTTP 403 and no JSON-RPC response",
    )


def test_no_instance_at_all_fails_the_call_at_once() -> None:
    world = World()
    world.server.breaks = NothingReady("none of 2")
    asked = world.call()
    assert (asked.status, asked.json["error"]["message"]) == (503, "none of 2")
    assert world.client.is_as_new


def test_an_id_under_way_is_refused_a_second_time() -> None:
    world = World()
    world.call()
    assert world.call().json["error"]["code"] == -32600


def test_a_server_that_changed_its_versions_is_told_of() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(400, error={"code": -32022, "message": "?", "data": {"supported": ["2027-01-01"]}})
    assert asked.json["error"]["message"] == "adapter 'weather' no longer speaks MCP 2026-07-28"


# what is answered here


def test_ping_is_answered_here() -> None:
    world = World()
    assert world.ask("ping").json == {"jsonrpc": "2.0", "id": 7, "result": {}}
    assert world.server.posted == []


def test_a_log_level_is_kept_and_goes_with_every_request() -> None:
    world = World()
    assert world.ask("logging/setLevel", {"level": "debug"}).json["result"] == {}
    world.call()
    assert world.server.last().meta["io.modelcontextprotocol/logLevel"] == "debug"
    assert not world.client.is_as_new


def test_a_log_level_that_is_none_is_refused() -> None:
    asked = World().ask("logging/setLevel", {"level": "loud"})
    assert asked.json["error"]["code"] == -32602


@pytest.mark.parametrize("method", ["tasks/list", "tasks/result", "server/discover", "subscriptions/listen"])
def test_what_has_no_counterpart_is_refused_naming_both_versions(method: str) -> None:
    world = World("2025-06-18")
    error = world.ask(method).json["error"]
    assert error["code"] == -32601
    assert error["message"].startswith("adapter 'weather' speaks MCP 2026-07-28 only and this client speaks 2025-06-18")
    assert error["data"]["source"] == "mcpdeck"


@pytest.mark.parametrize("method", ["notifications/initialized", "notifications/roots/list_changed", "x"])
def test_notifications_without_a_counterpart_are_dropped(method: str) -> None:
    world = World()
    world.tells(method, {})
    assert world.server.posted == []


def test_cancelling_closes_the_exchange_and_answers() -> None:
    world = World()
    asked = world.call()
    world.tells("notifications/cancelled", {"requestId": 7})
    assert world.server.last().is_closed
    assert asked.json["error"]["code"] == -32800
    assert world.client.is_as_new


def test_cancelling_what_is_not_under_way_does_nothing() -> None:
    world = World()
    world.call()
    world.tells("notifications/cancelled", {"requestId": "7"})
    assert not world.server.last().is_closed


def test_a_client_that_disconnects_cancels_nothing() -> None:
    world = World()
    asked = world.call()
    asked.leave()
    assert not world.server.last().is_closed
    world.server.last().answers(result={"resultType": "complete"})
    assert world.client.is_as_new


# questions


def test_a_question_becomes_a_request_on_the_calls_stream_and_its_answer_the_next_round() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(name=QUESTION))
    question = asked.events[0]
    assert question["method"] == "elicitation/create"
    assert question["params"] == QUESTION["params"]
    world.answers(question, result={"action": "accept", "content": {"name": "Ann"}})
    first, second = world.server.posted
    assert second.json["id"] != first.json["id"]
    assert second.json["params"] == first.json["params"] | {
        "inputResponses": {"name": {"action": "accept", "content": {"name": "Ann"}}},
        "requestState": "s",
    }
    second.answers(result={"resultType": "complete", "content": []})
    assert asked.events[1] == {"jsonrpc": "2.0", "id": 7, "result": {"content": []}}
    assert world.client.is_as_new


def test_the_next_round_waits_for_every_answer() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION, b={"method": "roots/list"}))
    first, second = asked.events
    assert "params" not in second
    world.answers(second, result={"roots": []})
    assert len(world.server.posted) == 1
    world.answers(first, result={"action": "decline"})
    responses = world.server.last().json["params"]["inputResponses"]
    assert responses == {"a": {"action": "decline"}, "b": {"roots": []}}


def test_a_server_may_ask_again_and_only_the_last_answers_go_with_a_round() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required("one", a=QUESTION))
    world.answers(asked.events[0], result={"action": "accept"})
    world.server.last().answers(result=required(None, b=QUESTION))
    world.answers(asked.events[1], result={"action": "decline"})
    params = world.server.last().json["params"]
    assert params["inputResponses"] == {"b": {"action": "decline"}}
    assert "requestState" not in params


def test_a_round_without_questions_goes_on_at_once() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required("later"))
    assert world.server.last().json["params"]["requestState"] == "later"
    world.server.last().answers(result={"resultType": "complete"})
    assert asked.json["result"] == {}


def test_a_server_that_never_stops_asking_is_stopped() -> None:
    world = World()
    asked = world.call()
    for _ in range(ROUNDS + 1):
        world.server.last().answers(result=required("again"))
    assert len(world.server.posted) == ROUNDS + 1
    assert "asked for input 10 times" in asked.json["error"]["message"]


@pytest.mark.parametrize(("version", "has_mode"), [("2025-11-25", True), ("2025-06-18", False), ("2025-03-26", False)])
def test_the_mode_of_a_form_is_named_to_clients_that_know_modes(version: str, has_mode: bool) -> None:
    world = World(version)
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION))
    assert ("mode" in asked.events[0]["params"]) == has_mode


def test_a_url_to_visit_gets_the_id_that_older_clients_want() -> None:
    world = World()
    asked = world.call()
    url = {"method": "elicitation/create", "params": {"mode": "url", "url": "https://a", "message": "go"}}
    world.server.last().answers(result=required(a=url, b=url))
    first, second = (event["params"] for event in asked.events)
    assert first["url"] == "https://a"
    assert first["elicitationId"] != second["elicitationId"]


def test_a_client_that_cannot_be_asked_is_not_asked() -> None:
    world = World(capabilities={"roots": {}})
    asked = world.call()
    world.server.last().answers(result=required(a={"method": "roots/list"}, b=QUESTION))
    assert "did not declare 'elicitation'" in asked.json["error"]["message"]
    assert world.client.is_as_new


def test_a_question_that_no_client_knows_is_an_error() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a={"method": "dance"}))
    assert "asks for 'dance'" in asked.json["error"]["message"]


def test_a_client_that_takes_no_stream_cannot_be_asked() -> None:
    world = World()
    asked = world.call(accepts_stream=False)
    world.server.last().answers(result=required(a=QUESTION))
    assert "text/event-stream" in asked.json["error"]["message"]


def test_a_dialog_that_fails_counts_as_dismissed() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION))
    world.answers(asked.events[0], error={"code": -32603, "message": "no screen"})
    assert world.server.last().json["params"]["inputResponses"] == {"a": {"action": "cancel"}}


def test_a_model_that_the_client_refuses_fails_the_call() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a={"method": "sampling/createMessage", "params": {}}, b=QUESTION))
    world.answers(asked.events[0], error={"code": -1, "message": "the user said no"})
    assert asked.events[-1]["error"]["message"].endswith("asked of it: the user said no")
    assert world.client.is_as_new
    world.answers(asked.events[1], result={})  # too late, and no harm


def test_an_answer_that_nobody_waits_for_is_dropped() -> None:
    world = World()
    world.answers({"id": "mcpdeck-6e-1"}, result={})
    world.answers({"id": 5}, result={})
    assert world.server.posted == []


def test_a_question_that_is_never_answered_ends_the_call() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION))
    for _ in range(ASK_TICKS):
        world.clients.tick()
    assert "got no answer" in asked.events[-1]["error"]["message"]


def test_a_client_that_leaves_while_it_is_asked_ends_the_call() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION))
    asked.leave()
    assert world.client.is_as_new


def test_a_call_can_be_cancelled_while_the_client_is_asked() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(result=required(a=QUESTION))
    world.tells("notifications/cancelled", {"requestId": 7})
    assert asked.events[-1]["error"]["code"] == -32800


# arguments in headers

REGION = {"type": "object", "properties": {"region": {"type": "string", "x-mcp-header": "Region"}}}


def listed(*tools: tuple[str, Any], **more: Any) -> dict[str, Any]:
    tool_list = [{"name": name, "inputSchema": schema} for name, schema in tools]
    return {"resultType": "complete", "tools": tool_list, "ttlMs": 0, "cacheScope": "private"} | more


def test_arguments_travel_in_headers_once_a_list_has_said_so() -> None:
    world = World()
    world.ask("tools/list")
    world.server.last().answers(result=listed(("x", REGION)))
    world.call(arguments={"region": "Zürich"})
    assert world.server.last().headers[b"mcp-param-region"] == b"=?base64?WsO8cmljaA==?="
    world.server.last().answers(result={"resultType": "complete"})
    world.ask("tools/list")
    world.server.last().answers(result=listed(("x", {"type": "object"})))
    world.call(arguments={"region": "a"})
    assert b"mcp-param-region" not in world.server.last().headers


def test_a_missing_header_is_looked_up_and_the_call_made_again_once() -> None:
    world = World()
    asked = world.call(arguments={"region": "a"})
    world.server.last().answers(400, error={"code": -32020, "message": "mcp-param-region"})
    assert world.server.last().json["method"] == "tools/list"
    world.server.last().answers(result=listed(("y", {}), nextCursor=""))
    assert world.server.last().json["params"]["cursor"] == ""
    world.server.last().answers(result=listed(("x", REGION)))
    assert world.server.last().headers[b"mcp-param-region"] == b"a"
    world.server.last().answers(400, error={"code": -32020, "message": "still"})
    assert asked.json["error"] == {"code": -32020, "message": "still"}
    assert [posted.json["method"] for posted in world.server.posted] == [
        "tools/call", "tools/list", "tools/list", "tools/call",
    ]  # fmt: skip


def test_a_list_that_fails_leaves_the_call_to_the_server() -> None:
    world = World()
    world.call()
    world.server.last().answers(400, error={"code": -32020, "message": "?"})
    world.server.last().ends(UpstreamBroke("gone"))
    assert world.server.last().json["method"] == "tools/call"


# the GET stream and subscriptions


def test_the_stream_carries_what_is_listened_for() -> None:
    world = World()
    stream, listen = world.listening()
    assert listen.json["method"] == "subscriptions/listen"
    assert listen.json["params"]["notifications"] == {
        "toolsListChanged": True,
        "promptsListChanged": True,
        "resourcesListChanged": True,
    }
    tag = {"_meta": {"io.modelcontextprotocol/subscriptionId": 1}}
    listen.says({"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": tag})
    listen.says({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": tag | {"uri": "a:b"}})
    assert stream.events == [
        {"jsonrpc": "2.0", "method": "notifications/tools/list_changed"},
        {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:b"}},
    ]


def test_a_subscription_without_a_stream_waits_for_one() -> None:
    world = World()
    assert world.ask("resources/subscribe", {"uri": "a:b"}).json["result"] == {}
    assert world.server.posted == []
    world.stream()
    assert world.server.last().json["params"]["notifications"]["resourceSubscriptions"] == ["a:b"]


def test_a_subscription_opens_a_new_listen_and_leaves_the_old_one_once_it_is_acknowledged() -> None:
    world = World()
    _, before = world.listening()
    asked = world.ask("resources/subscribe", {"uri": "a:b"})
    assert not asked.is_answered
    acknowledge(world.server.last())
    assert asked.json["result"] == {}
    assert before.is_closed
    assert not world.server.last().is_closed


def test_a_subscription_that_the_server_does_not_honour_is_refused() -> None:
    world = World()
    world.listening()
    asked = world.ask("resources/subscribe", {"uri": "a:b"})
    acknowledge(world.server.last(), toolsListChanged=True)
    assert asked.json["error"]["message"] == "the adapter tells of no changes of 'a:b'"
    again = world.ask("resources/subscribe", {"uri": "c:d"})
    assert world.server.last().json["params"]["notifications"]["resourceSubscriptions"] == ["c:d"]
    assert not again.is_answered


def test_subscriptions_that_come_together_are_all_answered() -> None:
    world = World()
    world.listening()
    one = world.ask("resources/subscribe", {"uri": "a:1"}, request_id=1)
    unacknowledged = world.server.last()
    two = world.ask("resources/subscribe", {"uri": "a:2"}, request_id=2)
    assert unacknowledged.is_closed
    acknowledge(world.server.last())
    assert (one.json["result"], two.json["result"]) == ({}, {})


def test_unsubscribing_takes_the_uri_off() -> None:
    world = World()
    world.ask("resources/subscribe", {"uri": "a:b"})
    world.listening()
    asked = world.ask("resources/unsubscribe", {"uri": "a:b"})
    assert "resourceSubscriptions" not in world.server.last().json["params"]["notifications"]
    acknowledge(world.server.last())
    assert asked.json["result"] == {}
    assert world.ask("resources/unsubscribe", {"uri": "a:b"}).json["result"] == {}


def test_a_subscription_needs_a_uri() -> None:
    assert World().ask("resources/subscribe", {}).json["error"]["code"] == -32602


def test_a_lost_listen_is_taken_up_again_and_everything_may_have_changed() -> None:
    world = World()
    world.ask("resources/subscribe", {"uri": "a:b"})
    stream, listen = world.listening()
    listen.ends(UpstreamBroke("gone"))
    world.clients.tick()
    acknowledge(world.server.last(), toolsListChanged=True, resourceSubscriptions=["a:b"])
    assert [event["method"] for event in stream.events] == [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
    ]


def test_a_server_without_subscriptions_is_asked_three_times_and_then_left_alone() -> None:
    world = World()
    stream = world.stream()
    for _ in range(5):
        if not world.server.last().has_ended:
            world.server.last().answers(404, error={"code": -32601, "message": "?"})
        world.clients.tick()
    assert len(world.server.posted) == 3
    assert not stream.is_answered
    assert world.ask("resources/subscribe", {"uri": "a:b"}).json["result"] == {}


def test_a_subscription_whose_listen_breaks_is_refused() -> None:
    world = World()
    world.listening()
    asked = world.ask("resources/subscribe", {"uri": "a:b"})
    world.server.last().ends(UpstreamBroke("gone"))
    assert "error" in asked.json


def test_a_second_stream_takes_the_place_of_the_first() -> None:
    world = World()
    first, listen = world.listening()
    second = world.stream()
    assert first.is_answered
    listen.says({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    assert len(second.events) == 1
    assert len(world.server.posted) == 1


def test_a_client_that_leaves_its_stream_leaves_the_listen() -> None:
    world = World()
    stream, listen = world.listening()
    stream.leave()
    assert listen.is_closed
    assert world.client.is_as_new
    world.clients.tick()
    assert len(world.server.posted) == 1


# sessions


def test_a_session_with_nothing_to_keep_is_forgotten() -> None:
    world = World()
    world.clients.tick()
    assert len(world.clients) == 0
    world.client = world.clients.client(world.kept, lambda: world.server)
    world.call()
    world.clients.tick()
    assert len(world.clients) == 1


def test_ending_a_session_ends_its_calls_and_streams_and_its_id() -> None:
    world = World()
    stream, listen = world.listening()
    asked = world.call()
    world.clients.end(world.kept)
    assert stream.is_answered
    assert asked.is_answered
    assert listen.is_closed
    assert world.clients.has_ended(world.kept)


def test_a_client_without_an_id_is_served_without_questions() -> None:
    world = World()
    asked = Asked()
    client = world.clients.nameless("2025-03-26", lambda: world.server)
    client.request(parsed({"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}), asked.reply)
    assert world.server.last().meta["io.modelcontextprotocol/clientCapabilities"] == {}
    world.server.last().answers(result=required(a=QUESTION))
    assert "did not declare" in asked.json["error"]["message"]
