"""A client of 2026-07-28 before a legacy server: what the server is asked, and what the client gets."""

from typing import Any

import msgspec
import pytest

from gateway.bridge.legacy_servers import IDLE_TICKS, MOST_OF_ONE, LegacyServers
from gateway.bridge.modern_call import PARK_SECONDS, PARK_TICKS, Parked
from gateway.bridge.sealing import Seals
from gateway.core.access import Principal
from gateway.core.affinity import new_key
from gateway.core.errors import NothingReady, UpstreamBroke
from gateway.wire.names import AdapterName, PrincipalId
from gateway.wire.validation import ModernRequest, examine
from tests.support.bridge_sides import FakeServer, Posted
from tests.support.sidecar_exchange import Asked

ANN, BOB = Principal(PrincipalId("ann")), Principal(PrincipalId("bob"))
ADAPTER = AdapterName("weather")
ALL: dict[str, Any] = {"elicitation": {"url": {}}, "sampling": {}, "roots": {}}
SERVER: dict[str, Any] = {
    "tools": {"listChanged": True},
    "resources": {"subscribe": True, "listChanged": True},
    "prompts": {},
    "logging": {},
}
VERSION = "2026-07-28"


class World:
    """One adapter's sessions and the server behind them."""

    def __init__(self, *, is_sse: bool = False, home: str = "", most_parked: int = 0) -> None:
        self.server = FakeServer()
        self.is_sse = is_sse
        self.seals = Seals([new_key()])
        self.now = 1000.0
        self.servers = LegacyServers(
            "weather",
            lambda principal: lambda: (self.server, self.is_sse),
            lambda parked, principal: self.seals.seal(parked, ADAPTER, principal),
            home=home,
            clock=lambda: self.now,
            most_parked=most_parked,
        )

    def ask(
        self,
        method: str,
        params: Any = None,
        *,
        who: Principal = ANN,
        can: Any = ALL,
        meta: Any = None,
        request_id: Any = 5,
    ) -> Asked:
        asked = Asked()
        request = sound(method, params or {}, can=can, meta=meta or {}, request_id=request_id)
        state = (params or {}).get("requestState")
        if state is None:
            self.servers.request(who, request, asked.reply)
        else:
            parked = self.seals.open(Parked, state.encode(), ADAPTER, who.id, now=self.now)
            assert parked is not None
            self.servers.resume(who, request, asked.reply, parked)
        return asked

    def call(self, name: str = "x", **more: Any) -> Asked:
        params = {"name": name, "arguments": {"a": 1}}
        return self.ask("tools/call", params | more.pop("params", {}), **more)

    def opens(self, *, session: bytes | None = b"sid", version: str = "2025-06-18", capabilities: Any = SERVER) -> None:
        """The server answers initialize, and what follows it."""
        result = {
            "protocolVersion": version,
            "capabilities": capabilities,
            "serverInfo": {"name": "s", "version": "2"},
            "instructions": "Be kind.",
        }
        self.server.last().answers(session=session, result=result)
        self.server.last().accepts()

    def opened(self, **more: Any) -> "World":
        """With a session, and a list that was asked for."""
        self.ask("tools/list")
        self.opens(**more)
        self.last("tools/list").answers(result={"tools": []})
        return self

    def last(self, method: str) -> Posted:
        """The last request of this method that the server got."""
        return next(posted for posted in reversed(self.server.posted) if posted.json.get("method") == method)

    def told(self) -> list[Any]:
        """The answers and notifications that the server got after it was opened."""
        return [posted.json for posted in self.server.posted if "id" not in posted.json or "method" not in posted.json][
            1:
        ]

    def stream(self) -> Posted:
        stream = self.server.streams[-1]
        stream.begins()
        return stream


def sound(method: str, params: Any, *, can: Any = ALL, meta: Any, request_id: Any = 5) -> ModernRequest:
    own = {
        "io.modelcontextprotocol/protocolVersion": VERSION,
        "io.modelcontextprotocol/clientCapabilities": can,
        "io.modelcontextprotocol/clientInfo": {"name": "c", "version": "1", "icons": []},
    }
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params | {"_meta": own | meta}}
    headers = [(b"mcp-protocol-version", VERSION.encode()), (b"mcp-method", method.encode())]
    if name := params.get("name", params.get("uri")):
        headers.append((b"mcp-name", name.encode()))
    found = examine(msgspec.json.encode(message), headers, (VERSION,))
    assert isinstance(found, ModernRequest)
    return found


def question(method: str = "elicitation/create", request_id: Any = "q", **params: Any) -> dict[str, Any]:
    sent = params or {"message": "?", "requestedSchema": {}, "_meta": {"progressToken": 1}, "task": {}}
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": sent}


def retry(asked: Asked, **responses: Any) -> dict[str, Any]:
    """The params with which a client comes back."""
    return {"inputResponses": responses, "requestState": asked.json["result"]["requestState"]}


# the session


def test_the_first_request_opens_a_session_and_waits_for_it() -> None:
    world = World()
    world.call()
    [opening] = world.server.posted
    assert opening.json["params"] == {
        "protocolVersion": "2025-11-25",
        "capabilities": ALL,
        "clientInfo": {"name": "c", "version": "1"},
    }
    assert opening.headers == {}
    world.opens()
    initialized, call = world.server.posted[1:]
    assert initialized.json == {"jsonrpc": "2.0", "method": "notifications/initialized"}
    assert call.headers == {b"mcp-protocol-version": b"2025-06-18", b"mcp-session-id": b"sid"}


def test_requests_of_one_client_share_a_session() -> None:
    world = World()
    first, second = world.call(request_id=1), world.call(request_id=1)
    world.opens()
    one, other = world.server.posted[2:]
    assert one.json["id"] != other.json["id"]
    other.answers(result={"content": ["other"]})
    one.answers(result={"content": ["one"]})
    assert (first.json["result"]["content"], second.json["result"]["content"]) == (["one"], ["other"])


@pytest.mark.parametrize(
    "more",
    [
        {"who": BOB},
        {"who": Principal(ANN.id, roles=frozenset({"new"}))},
        {"can": {}},
        {"meta": {"io.modelcontextprotocol/clientInfo": {"name": "d"}}},
    ],
)
def test_another_principal_client_or_set_of_capabilities_gets_another_session(more: Any) -> None:
    world = World().opened()
    world.call(**more)
    assert world.server.last().json["method"] == "initialize"


def test_the_order_of_capabilities_does_not_matter() -> None:
    world = World().opened()
    world.call(can=dict(reversed(ALL.items())))
    assert world.server.last().json["method"] == "tools/call"


def test_a_server_without_sessions_is_spoken_to_without_an_id() -> None:
    world = World().opened(session=None)
    world.call()
    assert b"mcp-session-id" not in world.server.last().headers


def test_a_session_that_the_server_lost_is_opened_anew_and_the_request_made_again() -> None:
    world = World().opened()
    asked = world.call()
    lost = world.server.last()
    lost.begins(404)
    lost.says({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Session not found"}})
    lost.ends()
    world.opens(session=b"sid2")
    again = world.server.last()
    assert (again.json["method"], again.headers[b"mcp-session-id"]) == ("tools/call", b"sid2")
    again.answers(result={"content": []})
    assert asked.json["result"]["content"] == []


def test_a_session_that_is_lost_again_at_once_is_given_up() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().accepts(404)
    world.opens()
    world.server.last().accepts(404)
    assert (asked.status, asked.json["error"]["code"]) == (502, 502)


def test_an_instance_that_is_gone_is_replaced_by_another() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().ends(UpstreamBroke("refused"), was_sent=False)
    assert world.server.last().json["method"] == "initialize"
    world.opens()
    world.server.last().answers(result={"content": []})
    assert "result" in asked.json


def test_a_request_that_may_have_been_served_is_not_made_again() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().begins()
    world.server.last().ends(UpstreamBroke("reset"))
    assert (asked.status, asked.json["error"]["message"]) == (502, "reset")


def test_no_instance_at_all_fails_what_waits() -> None:
    world = World()
    world.server.breaks = NothingReady("none of 2")
    asked = world.call()
    assert (asked.status, asked.json["error"]["message"], asked.json["id"]) == (503, "none of 2", 5)


def test_a_server_that_would_not_be_initialized_is_told_of_naming_both_versions() -> None:
    world = World()
    asked = world.call()
    world.server.last().answers(400, error={"code": -32000, "message": "go away"})
    message = asked.json["error"]["message"]
    assert asked.status == 502
    assert all(words in message for words in ("2025-11-25", "2026-07-28", "go away"))


def test_a_session_that_does_not_open_is_given_up_in_the_end() -> None:
    world = World()
    asked = world.call()
    for _ in range(12):
        world.servers.tick()
    assert asked.status == 504
    assert "did not open a session in time" in str(asked.body)


def test_an_idle_session_is_ended_at_the_server() -> None:
    world = World().opened()
    for _ in range(IDLE_TICKS):
        world.servers.tick()
    assert world.server.deleted == [{b"mcp-protocol-version": b"2025-06-18", b"mcp-session-id": b"sid"}]
    assert len(world.servers) == 0


def test_sessions_of_one_principal_are_bounded() -> None:
    world = World()
    for number in range(MOST_OF_ONE):
        world.call(can={"experimental": {str(number): {}}})
    refused = world.call(can={})
    assert (refused.status, refused.json["error"]["code"]) == (429, 429)
    world.call(who=BOB)
    assert world.server.last().json["method"] == "initialize"


# requests and results


def test_discover_says_what_the_server_said_of_itself() -> None:
    world = World()
    asked = world.ask("server/discover")
    world.opens(capabilities=SERVER | {"tasks": {"list": {}}})
    assert asked.json["result"] == {
        "resultType": "complete",
        "supportedVersions": ["2026-07-28", "2025-06-18"],
        "capabilities": SERVER,
        "instructions": "Be kind.",
        "ttlMs": 0,
        "cacheScope": "private",
        "_meta": {"io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}},
    }


def test_a_request_loses_what_only_2026_07_28_has_and_its_token_is_exchanged() -> None:
    world = World().opened()
    world.call(meta={"progressToken": "mine", "traceparent": "00"})
    sent = world.server.last().json
    assert sent["params"] == {
        "name": "x",
        "arguments": {"a": 1},
        "_meta": {"progressToken": sent["id"], "traceparent": "00"},
    }


def test_a_request_that_said_nothing_has_no_params() -> None:
    world = World().opened()
    world.ask("prompts/list")
    assert "params" not in world.server.last().json


@pytest.mark.parametrize(
    ("method", "params", "is_cached"),
    [
        ("tools/list", {}, True),
        ("prompts/list", {}, True),
        ("resources/list", {}, True),
        ("resources/templates/list", {}, True),
        ("resources/read", {"uri": "a:b"}, True),
        ("tools/call", {"name": "x"}, False),
        ("completion/complete", {}, False),
    ],
)
def test_a_result_is_complete_and_stale_at_once(method: str, params: Any, is_cached: bool) -> None:
    world = World().opened()
    asked = world.ask(method, params, request_id="mine")
    world.server.last().answers(result={"unheard": [1.0], "_meta": {"own": 1}})
    assert asked.json == {
        "jsonrpc": "2.0",
        "id": "mine",
        "result": {
            "unheard": [1.0],
            "_meta": {"own": 1, "io.modelcontextprotocol/serverInfo": {"name": "s", "version": "2"}},
            "resultType": "complete",
        }
        | ({"ttlMs": 0, "cacheScope": "private"} if is_cached else {}),
    }


def test_tools_lose_what_tasks_were_in_2025_11_25() -> None:
    world = World().opened()
    asked = world.ask("tools/list")
    world.server.last().answers(result={"tools": [{"name": "a", "execution": {"taskSupport": "optional"}}, 5]})
    assert asked.json["result"]["tools"] == [{"name": "a"}, 5]


@pytest.mark.parametrize(
    ("code", "status"), [(-32602, 400), (-32601, 404), (-32603, 200), (-32600, 400), (-32000, 200), (5, 200)]
)
def test_an_error_gets_the_status_of_its_code(code: int, status: int) -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().answers(error={"code": code, "message": "m", "data": {"d": 1}})
    assert asked.status == status
    assert asked.json["error"] == {"code": code, "message": "m", "data": {"d": 1}}


def test_a_resource_that_is_not_there_has_its_new_code_and_uri() -> None:
    world = World().opened()
    asked = world.ask("resources/read", {"uri": "a:b"})
    world.server.last().answers(error={"code": -32002, "message": "none"})
    assert (asked.status, asked.json["error"]) == (400, {"code": -32602, "message": "none", "data": {"uri": "a:b"}})


def test_an_error_without_an_id_is_the_answer_to_its_own_post() -> None:
    world = World().opened(session=None)
    asked = world.call()
    world.server.last().begins(406)
    world.server.last().says({"jsonrpc": "2.0", "id": None, "error": {"code": -32600, "message": "Accept?"}})
    world.server.last().ends()
    assert (asked.json["id"], asked.json["error"]["message"]) == (5, "Accept?")


@pytest.mark.parametrize("method", ["initialize", "ping", "logging/setLevel", "resources/subscribe", "tasks/get"])
def test_methods_that_2026_07_28_removed_are_not_found(method: str) -> None:
    world = World()
    request = sound("tools/list", {}, meta={})
    request.method = method
    asked = Asked()
    world.servers.request(ANN, request, asked.reply)
    assert (asked.status, asked.json["error"]["code"]) == (404, -32601)
    assert world.server.posted == []


def test_progress_comes_back_under_the_clients_own_token() -> None:
    world = World().opened()
    asked = world.call(meta={"progressToken": "mine"})
    posted = world.server.last()
    posted.begins()
    params = {"progressToken": posted.json["id"], "progress": 1}
    posted.says({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    assert asked.events == [
        {"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": "mine", "progress": 1}}
    ]


def test_progress_that_nobody_asked_for_is_dropped() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    for token in (posted.json["id"], 999, "x"):
        posted.says({"jsonrpc": "2.0", "method": "notifications/progress", "params": {"progressToken": token}})
    assert asked.body == b""


def test_a_batch_of_the_servers_is_taken_apart() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.begins()
    posted.says([{"jsonrpc": "2.0", "method": "x"}, {"jsonrpc": "2.0", "id": posted.json["id"], "result": {}}, 5])
    assert [event.get("method") for event in asked.events] == ["x", None]


# logging


def test_a_log_level_is_set_for_the_session_and_filtered_for_the_request() -> None:
    world = World().opened()
    asked = world.call(meta={"io.modelcontextprotocol/logLevel": "warning"})
    assert world.server.last().json["method"] == "logging/setLevel"
    assert world.server.last().json["params"] == {"level": "warning"}
    world.server.last().answers(result={})
    posted = world.server.last()
    for level in ("info", "warning", "error", "loud"):
        posted.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": level}})
    assert [event["params"]["level"] for event in asked.events] == ["warning", "error"]


def test_a_level_is_set_only_where_it_lets_more_through() -> None:
    world = World().opened()
    world.call(meta={"io.modelcontextprotocol/logLevel": "info"})
    world.server.last().answers(result={})
    world.call(meta={"io.modelcontextprotocol/logLevel": "error"})
    assert world.server.last().json["method"] == "tools/call"
    world.call(meta={"io.modelcontextprotocol/logLevel": "debug"})
    assert world.server.last().json["method"] == "logging/setLevel"


def test_a_level_that_the_server_refuses_holds_no_call_up() -> None:
    world = World().opened()
    world.call(meta={"io.modelcontextprotocol/logLevel": "info"})
    world.server.last().answers(error={"code": -32601, "message": "?"})
    assert world.server.last().json["method"] == "tools/call"


def test_logs_that_no_request_asked_for_are_dropped() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "error"}})
    assert asked.body == b""


def test_logs_on_the_get_stream_go_where_there_is_no_doubt() -> None:
    world = World().opened(capabilities={})
    stream = world.stream()
    one = world.call(meta={"io.modelcontextprotocol/logLevel": "info"})
    message = {"jsonrpc": "2.0", "method": "notifications/message", "params": {"level": "info", "data": "x"}}
    stream.says(message)
    other = world.call(meta={"io.modelcontextprotocol/logLevel": "info"})
    stream.says(message)
    assert (len(one.events), other.body) == (1, b"")


# questions


def test_a_question_ends_the_request_with_input_required_and_the_retry_goes_on_with_it() -> None:
    world = World(home="10.0.0.1:9").opened()
    asked = world.call(meta={"progressToken": 1})
    posted = world.server.last()
    posted.begins()
    posted.says(question())
    result = asked.json["result"]
    assert result["inputRequests"] == {
        "q1": {"method": "elicitation/create", "params": {"message": "?", "requestedSchema": {}}}
    }
    assert (result["resultType"], result["_meta"]["io.modelcontextprotocol/serverInfo"]["name"]) == (
        "input_required",
        "s",
    )
    parked = world.seals.open(
        Parked, result["requestState"].encode(), ADAPTER, ANN.id, now=world.now + PARK_SECONDS - 1
    )
    assert parked is not None
    assert parked.home == "10.0.0.1:9"
    again = world.call(
        params=retry(asked, q1={"action": "accept"}, extra={}), request_id=6, meta={"progressToken": "new"}
    )
    assert world.told()[-1] == {"jsonrpc": "2.0", "id": "q", "result": {"action": "accept"}}
    posted.says(
        {
            "jsonrpc": "2.0",
            "method": "notifications/progress",
            "params": {"progressToken": posted.json["id"], "progress": 2},
        }
    )
    posted.says({"jsonrpc": "2.0", "id": posted.json["id"], "result": {"content": []}})
    assert again.events[0]["params"]["progressToken"] == "new"
    assert (again.events[1]["id"], again.events[1]["result"]["content"]) == (6, [])


@pytest.mark.parametrize(
    ("method", "can"), [("sampling/createMessage", {"sampling": {}}), ("roots/list", {"roots": {}})]
)
def test_models_and_roots_are_asked_for_alike(method: str, can: Any) -> None:
    world = World()
    asked = world.call(can=can)
    world.opens()
    world.last("tools/call").says(
        question(method, x=1) if method != "roots/list" else {"jsonrpc": "2.0", "id": 0, "method": method}
    )
    [sent] = asked.json["result"]["inputRequests"].values()
    assert sent == ({"method": method, "params": {"x": 1}} if method != "roots/list" else {"method": method})


def test_an_answer_that_is_missing_is_asked_for_again() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question())
    again = world.call(params=retry(asked, other={}))
    assert set(again.json["result"]["inputRequests"]) == {"q1"}
    assert again.json["result"]["requestState"] != asked.json["result"]["requestState"]
    third = world.call(params=retry(again, q1={"action": "decline"}))
    assert world.told()[-1]["result"] == {"action": "decline"}
    assert not third.is_answered


def test_questions_that_come_together_are_asked_one_round_after_the_other() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question(request_id=1))
    posted.says(question(request_id=2))
    again = world.call(params=retry(asked, q1={"action": "accept"}))
    assert set(again.json["result"]["inputRequests"]) == {"q2"}
    world.call(params=retry(again, q2={"action": "accept"}))
    assert [answer["id"] for answer in world.told()] == [1, 2]


def test_a_requeststate_is_good_for_one_retry_of_the_same_request() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().says(question())
    other = world.call(params=retry(asked, q1={}) | {"arguments": {"a": 2}})
    assert (other.status, other.json["error"]["code"]) == (400, -32602)
    world.call(params=retry(asked, q1={"action": "accept"}))
    again = world.call(params=retry(asked, q1={"action": "accept"}))
    assert again.json["error"]["data"]["code"] == "state-expired"
    assert len(world.told()) == 1


def test_a_retry_may_write_its_arguments_in_another_order() -> None:
    world = World().opened()
    asked = world.call(params={"arguments": {"a": 1, "b": 2}})
    world.server.last().says(question())
    again = world.call(params=retry(asked, q1={"action": "accept"}) | {"arguments": {"b": 2, "a": 1}})
    assert not again.is_answered


def test_a_call_that_finished_while_its_client_was_away_answers_the_retry() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question())
    posted.answers(result={"content": ["late"]})
    again = world.call(params=retry(asked, q1={"action": "accept"}), request_id=9)
    assert (again.json["id"], again.json["result"]["content"]) == (9, ["late"])
    assert world.call(params=retry(asked, q1={})).json["error"]["code"] == -32602


def test_a_server_that_broke_while_its_client_was_away_fails_the_retry() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question())
    posted.ends(UpstreamBroke("reset"))
    again = world.call(params=retry(asked, q1={}))
    assert (again.status, again.json["error"]["message"]) == (502, "reset")


def test_a_client_that_never_comes_back_has_its_call_cancelled() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question())
    for _ in range(PARK_TICKS):
        world.servers.tick()
    answer, cancelled = world.told()
    assert answer == {"jsonrpc": "2.0", "id": "q", "result": {"action": "cancel"}}
    assert cancelled["params"]["requestId"] == posted.json["id"]
    assert posted.is_closed
    assert world.call(params=retry(asked, q1={})).json["error"]["code"] == -32602


def test_the_oldest_parked_call_of_a_principal_makes_room_for_one_too_many() -> None:
    world = World(most_parked=2).opened()
    asked, posted = [], []
    for name in ("a", "b", "c"):
        asked.append(world.call())
        posted.append(world.server.last())
        posted[-1].says(question() | {"id": name})
    answer, cancelled = world.told()
    assert answer == {"jsonrpc": "2.0", "id": "a", "result": {"action": "cancel"}}
    assert cancelled["params"]["requestId"] == posted[0].json["id"]
    assert [each.is_closed for each in posted] == [True, False, False]
    late = world.call(params=retry(asked[0], q1={})).json["error"]
    assert (late["code"], late["data"]["code"]) == (-32602, "state-expired")
    assert late["message"].startswith("too many calls of yours wait for an answer, and this one made room")


def test_a_question_that_the_server_withdraws_is_not_asked_again() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question())
    posted.says({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "q"}})
    again = world.call(params=retry(asked, q1={"action": "accept"}))
    assert world.told() == []
    posted.answers(result={"content": []})
    assert "result" in again.json


def test_a_state_of_a_session_that_is_gone_is_refused() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().says(question())
    world.servers.end()
    assert world.call(params=retry(asked, q1={})).json["error"]["data"]["code"] == "state-expired"


@pytest.mark.parametrize(
    ("method", "params", "can"),
    [("tools/list", {}, ALL), ("completion/complete", {}, ALL), ("tools/call", {"name": "x"}, {"roots": {}})],
)
def test_a_request_that_cannot_carry_a_question_has_it_declined(method: str, params: Any, can: Any) -> None:
    world = World()
    asked = world.ask(method, params, can=can)
    world.opens()
    posted = world.last(method)
    posted.says(question())
    posted.says(question("sampling/createMessage", "s"))
    assert world.told()[0] == {"jsonrpc": "2.0", "id": "q", "result": {"action": "cancel"}}
    assert world.told()[1]["error"]["code"] == -32601
    assert not asked.is_answered


def test_a_question_on_the_get_stream_is_the_only_calls_that_it_can_be() -> None:
    world = World().opened()
    stream = world.stream()
    stream.says(question(request_id="nobody"))
    assert world.told()[0]["id"] == "nobody"
    world.ask("tools/list")
    asked = world.call()
    stream.says(question())
    assert asked.json["result"]["resultType"] == "input_required"


def test_a_question_on_the_get_stream_that_could_be_two_calls_is_declined() -> None:
    world = World().opened()
    stream = world.stream()
    world.call()
    world.call()
    stream.says(question())
    assert world.told() == [{"jsonrpc": "2.0", "id": "q", "result": {"action": "cancel"}}]


def test_a_parked_call_that_nobody_comes_back_to_takes_no_question_from_a_live_one() -> None:
    world = World().opened()
    stream = world.stream()
    crashed = world.call(request_id=1)
    world.server.last().says(question(request_id="first"))
    assert crashed.json["result"]["resultType"] == "input_required"
    asked = world.call(request_id=2)
    stream.says(question("sampling/createMessage", "second"))
    assert asked.json["result"]["inputRequests"]["q1"]["method"] == "sampling/createMessage"
    assert world.told() == []


def test_a_question_that_could_be_two_parked_calls_is_declined() -> None:
    world = World().opened()
    stream = world.stream()
    for request_id in (1, 2):
        world.call(request_id=request_id)
        world.server.last().says(question(request_id=f"of {request_id}"))
    stream.says(question(request_id="whose?"))
    assert world.told() == [{"jsonrpc": "2.0", "id": "whose?", "result": {"action": "cancel"}}]


def test_a_call_that_finished_while_its_client_was_away_is_asked_nothing_more() -> None:
    world = World().opened()
    stream = world.stream()
    world.call()
    posted = world.server.last()
    posted.says(question())
    posted.answers(result={"content": []})
    stream.says(question(request_id="late"))
    assert world.told() == [{"jsonrpc": "2.0", "id": "late", "result": {"action": "cancel"}}]


@pytest.mark.parametrize("method", ["sampling/createMessage", "roots/list"])
def test_an_answer_that_is_no_result_refuses_what_was_asked(method: str) -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.says(question(method, x=1))
    again = world.call(params=retry(asked, q1={"action": "cancel"}))
    assert world.told() == [
        {"jsonrpc": "2.0", "id": "q", "error": {"code": -1, "message": "the user rejected the request"}}
    ]
    again.leave()
    assert world.told()[-1]["params"] == {"requestId": posted.json["id"], "reason": "the client left"}
    assert posted.is_closed


def test_the_servers_ping_is_answered_and_what_nobody_knows_refused() -> None:
    world = World().opened()
    world.call()
    world.server.last().says({"jsonrpc": "2.0", "id": 0, "method": "ping"})
    assert world.told()[-1] == {"jsonrpc": "2.0", "id": 0, "result": {}}
    world.last("tools/call").says({"jsonrpc": "2.0", "id": 1, "method": "dance"})
    assert world.told()[-1]["error"]["code"] == -32601


URLS = {
    "code": -32042,
    "message": "visit",
    "data": {"elicitations": [{"mode": "url", "url": "https://a", "message": "go", "elicitationId": "e"}]},
}


def test_urls_to_visit_are_asked_for_and_the_request_is_made_again() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().answers(error=URLS)
    assert asked.json["result"]["inputRequests"] == {
        "url1": {"method": "elicitation/create", "params": {"mode": "url", "url": "https://a", "message": "go"}}
    }
    again = world.call(params=retry(asked, url1={"action": "accept"}))
    sent = world.server.last().json["params"]
    assert (sent["name"], set(sent)) == ("x", {"name", "arguments"})
    world.server.last().answers(result={"content": []})
    assert "result" in again.json


def test_urls_that_the_user_declines_fail_the_request() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().answers(error=URLS)
    again = world.call(params=retry(asked, url1={"action": "decline"}))
    assert "the answer to that was 'decline'" in again.json["error"]["message"]
    other = world.call(params=retry(asked, url1={"action": "accept"}) | {"arguments": {}})
    assert other.json["error"]["code"] == -32602


def test_urls_need_a_client_that_can_show_them() -> None:
    world = World()
    asked = world.call(can={"elicitation": {}})
    world.opens()
    world.last("tools/call").answers(error=URLS)
    assert (asked.status, asked.json["error"]["code"]) == (400, -32021)
    assert asked.json["error"]["data"] == {"requiredCapabilities": {"elicitation": {"url": {}}}}


def test_urls_wanted_where_they_cannot_be_asked_for_never_reach_the_client_as_such() -> None:
    world = World().opened()
    asked = world.ask("tools/list")
    world.server.last().answers(error=URLS)
    assert asked.json["error"]["code"] == -32603


# leaving


def test_a_client_that_leaves_cancels() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    asked.leave()
    assert world.told()[-1]["params"] == {"requestId": posted.json["id"], "reason": "the client left"}
    assert posted.is_closed


def test_a_client_that_leaves_before_the_session_is_open_leaves_nothing_behind() -> None:
    world = World()
    asked = world.call()
    asked.leave()
    world.opens()
    assert world.server.last().json["method"] == "notifications/initialized"


# streams that the server closes early


def test_a_stream_closed_early_is_resumed_after_the_time_that_the_server_wants() -> None:
    world = World().opened()
    asked = world.call()
    posted = world.server.last()
    posted.begins()
    posted.notes(data=b"", id="e1", retry=250)
    posted.ends()
    resumed = world.server.streams[-1]
    assert (resumed.headers[b"last-event-id"], resumed.after) == (b"e1", 0.25)
    resumed.begins()
    resumed.says({"jsonrpc": "2.0", "id": posted.json["id"], "result": {"content": []}}, "e2")
    assert "result" in asked.json
    resumed.ends()
    assert world.server.streams[-1] is resumed


def test_a_stream_that_cannot_be_resumed_fails_the_call() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().begins()
    world.server.last().notes(data=b"", id="e1")
    world.server.last().ends()
    world.server.streams[-1].accepts(405)
    assert (asked.status, asked.json["error"]["code"]) == (502, 502)


def test_a_stream_that_ends_without_an_answer_or_an_id_fails_the_call() -> None:
    world = World().opened()
    asked = world.call()
    world.server.last().accepts(200)
    assert asked.json["error"]["message"] == "the adapter answered with HTTP 200 and no JSON-RPC response"


# the GET stream and subscriptions


def test_a_session_that_can_be_asked_keeps_a_get_stream_open() -> None:
    world = World().opened()
    [stream] = world.server.streams
    assert stream.headers[b"mcp-session-id"] == b"sid"
    stream.begins()
    stream.notes(data=b"", id="e7")
    stream.ends()
    again = world.server.streams[-1]
    assert (again.headers[b"last-event-id"], again.after) == (b"e7", 1.0)
    again.begins()
    again.ends()
    assert world.server.streams[-1].after == 2.0


def test_a_session_that_cannot_be_asked_opens_none() -> None:
    world = World()
    world.ask("tools/list", can={})
    world.opens()
    assert world.server.streams == []


def test_a_server_without_a_get_stream_is_not_asked_for_one_again() -> None:
    world = World().opened()
    world.server.streams[-1].accepts(405)
    assert len(world.server.streams) == 1


WANTED = {"toolsListChanged": True, "promptsListChanged": True, "resourceSubscriptions": ["a:b", "c:d"]}


def listening(world: World, wanted: Any = WANTED, **more: Any) -> Asked:
    """A listen whose every URI the server takes."""
    asked = world.ask("subscriptions/listen", {"notifications": wanted}, **more)
    for posted in world.server.posted:
        if posted.json.get("method") == "resources/subscribe" and not posted.has_ended:
            posted.answers(result={})
    if world.server.streams and not world.server.streams[-1].has_ended:
        world.server.streams[-1].begins()
    return asked


def test_a_listen_is_acknowledged_with_what_the_server_offers() -> None:
    world = World().opened()
    asked = world.ask("subscriptions/listen", {"notifications": WANTED}, request_id="L")
    first, second = (posted for posted in world.server.posted if posted.json.get("method") == "resources/subscribe")
    first.answers(result={})
    second.answers(error={"code": -32602, "message": "no such"})
    assert asked.events == []
    world.stream()
    assert asked.events == [
        {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {
                "notifications": {"toolsListChanged": True, "resourceSubscriptions": ["a:b"]},
                "_meta": {"io.modelcontextprotocol/subscriptionId": "L"},
            },
        }
    ]


def test_what_a_server_without_a_get_stream_cannot_tell_is_not_promised() -> None:
    world = World().opened()
    world.server.streams[-1].accepts(405)
    asked = listening(world)
    assert asked.events[0]["params"]["notifications"] == {}


def test_notifications_go_to_whom_they_concern_tagged_with_its_subscription() -> None:
    world = World().opened()
    tools = listening(world, {"toolsListChanged": True}, request_id=1)
    uri = listening(world, {"resourceSubscriptions": ["a:b"]}, request_id=2)
    stream = world.server.streams[-1]
    stream.says({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    stream.says({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:b"}})
    stream.says({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "z:z"}})
    stream.says({"jsonrpc": "2.0", "method": "notifications/elicitation/complete", "params": {}})
    tag = "io.modelcontextprotocol/subscriptionId"
    assert tools.events[1:] == [
        {"jsonrpc": "2.0", "method": "notifications/tools/list_changed", "params": {"_meta": {tag: 1}}}
    ]
    assert uri.events[1:] == [
        {"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:b", "_meta": {tag: 2}}}
    ]


def test_what_is_announced_on_a_calls_stream_is_the_listeners_not_the_calls() -> None:
    world = World().opened()
    listener = listening(world)
    asked = world.call()
    world.server.last().says({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
    assert (len(listener.events), asked.body) == (2, b"")


def test_a_uri_is_subscribed_to_once_and_let_go_with_its_last_listener() -> None:
    world = World().opened()
    one = listening(world, {"resourceSubscriptions": ["a:b"]})
    other = listening(world, {"resourceSubscriptions": ["a:b", "a:b"]})
    assert sum(posted.json.get("method") == "resources/subscribe" for posted in world.server.posted) == 1
    assert other.events[0]["params"]["notifications"]["resourceSubscriptions"] == ["a:b"]
    one.leave()
    assert world.server.last().json["method"] == "resources/subscribe"
    other.leave()
    assert world.server.last().json["method"] == "resources/unsubscribe"
    assert not world.server.streams[-1].is_closed  # it can still be asked


def test_the_get_stream_of_a_session_that_cannot_be_asked_goes_with_its_last_listener() -> None:
    world = World()
    asked = world.ask("subscriptions/listen", {"notifications": {"toolsListChanged": True}}, can={})
    world.opens()
    stream = world.stream()
    assert len(asked.events) == 1
    asked.leave()
    assert stream.is_closed


def test_a_listener_hears_that_all_may_have_changed_once_a_session_was_lost() -> None:
    world = World().opened()
    listener = listening(world)
    world.call()
    world.server.last().accepts(404)
    world.opens(session=b"sid2")
    again = [posted for posted in world.server.posted if posted.json.get("method") == "resources/subscribe"][2:]
    assert [posted.headers[b"mcp-session-id"] for posted in again] == [b"sid2", b"sid2"]
    assert [event["method"] for event in listener.events[1:]] == [
        "notifications/tools/list_changed",
        "notifications/resources/updated",
        "notifications/resources/updated",
    ]


def test_a_get_stream_that_lost_its_place_says_that_all_may_have_changed() -> None:
    world = World().opened()
    listener = listening(world, {"toolsListChanged": True})
    world.server.streams[-1].ends()
    world.stream()
    assert [event["method"] for event in listener.events[1:]] == ["notifications/tools/list_changed"]


def test_a_listen_of_a_client_that_takes_no_stream_is_refused() -> None:
    world = World().opened()
    asked = Asked(accepts_stream=False)
    world.servers.request(ANN, sound("subscriptions/listen", {"notifications": {}}, meta={}), asked.reply)
    assert (asked.status, asked.json["error"]["code"]) == (400, -32602)


def test_when_the_gateway_stops_subscriptions_end_and_sessions_are_closed() -> None:
    world = World().opened()
    listener = listening(world, request_id="L")
    world.servers.end()
    assert listener.events[-1]["result"]["_meta"] == {"io.modelcontextprotocol/subscriptionId": "L"}
    assert len(world.server.deleted) == 1


# HTTP+SSE, 2024-11-05


def sse_opened(endpoint: bytes = b"/messages?sessionId=1") -> tuple[World, Posted]:
    world = World(is_sse=True)
    world.ask("tools/list")
    assert world.server.posted == []
    channel = world.stream()
    channel.notes(data=endpoint, event="endpoint")
    opening = world.server.last()
    assert (opening.json["method"], opening.target) == ("initialize", "/messages?sessionId=1")
    opening.accepts()
    result = {"protocolVersion": "2024-11-05", "capabilities": SERVER, "serverInfo": {"name": "s", "version": "2"}}
    channel.says({"jsonrpc": "2.0", "id": opening.json["id"], "result": result})
    world.server.last().accepts()
    world.server.last().accepts()
    channel.says({"jsonrpc": "2.0", "id": world.last("tools/list").json["id"], "result": {"tools": []}})
    return world, channel


@pytest.mark.parametrize(
    "endpoint",
    [b"/messages?sessionId=1", b"messages?sessionId=1", b"http://elsewhere.example/messages?sessionId=1"],
)
def test_a_server_of_http_sse_is_posted_to_where_it_says_but_nowhere_else(endpoint: bytes) -> None:
    sse_opened(endpoint)


def test_answers_questions_and_progress_come_on_the_one_stream() -> None:
    world, channel = sse_opened()
    asked = world.call(meta={"progressToken": "mine"})
    posted = world.server.last()
    posted.accepts()
    params = {"progressToken": posted.json["id"], "progress": 1}
    channel.says({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    channel.says(question())
    assert [event.get("method") for event in asked.events] == ["notifications/progress", None]
    state = asked.events[1]["result"]["requestState"]
    again = world.call(params={"inputResponses": {"q1": {"action": "accept"}}, "requestState": state})
    assert world.server.last().target == "/messages?sessionId=1"
    channel.says({"jsonrpc": "2.0", "id": posted.json["id"], "result": {"content": []}})
    assert "result" in again.json


def test_a_channel_that_ends_takes_its_answers_with_it_and_the_next_request_opens_another() -> None:
    world, channel = sse_opened()
    asked = world.call()
    channel.ends()
    assert (asked.status, asked.json["error"]["code"]) == (502, 502)
    world.stream().notes(data=b"/other", event="endpoint")
    assert (world.server.last().json["method"], world.server.last().target) == ("initialize", "/other")


def test_a_post_that_the_server_refuses_fails_its_call() -> None:
    world, _ = sse_opened()
    asked = world.call()
    world.server.last().accepts(400)
    assert (asked.status, asked.json["error"]["code"]) == (502, 502)


def test_a_channel_that_never_opens_fails_what_waits() -> None:
    world = World(is_sse=True)
    asked = world.call()
    world.server.streams[-1].accepts(404)
    assert (asked.status, asked.json["error"]["code"]) == (502, 502)
