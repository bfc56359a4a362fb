"""The 2026-07-28 bridge by itself: one child for all, headers checked, and what becomes of requests without a child."""

import gc
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.wire import mcp
from gateway.wire.replies import Reply
from gateway.wire.validation import ModernNotification, ModernRequest, Refusal, examine
from sidecar.bridge.calls import Call
from sidecar.bridge.modern import ModernBridge
from tests.support.sidecar_exchange import Asked
from tests.support.sidecar_process import MODERN, modern_meta

SUBSCRIPTION = mcp.META_SUBSCRIPTION_ID
LISTEN = {"notifications": {"toolsListChanged": True}}


class World:
    """A bridge with a child attached, which has no tools of its own to list."""

    def __init__(self, *, attached: bool = True, reads: bool = True, capabilities: str = "{}", **options: Any) -> None:
        self.sent: list[Any] = []
        self.log: list[str] = []
        self.reads = reads
        self.bridge = ModernBridge(self.log.append, **options)
        self.capabilities = capabilities
        if attached:
            self.attach()

    def attach(self) -> None:
        discovered = b'{"supportedVersions":["2026-07-28"],"capabilities":%b}' % self.capabilities.encode()
        self.bridge.attach(self._send, Raw(discovered))

    def _send(self, line: bytes) -> bool:
        assert b"\n" not in line
        if self.reads:
            self.sent.append(msgspec.json.decode(line))
        return self.reads

    def ask(self, method: str = "tools/call", request_id: Any = 1, **params: Any) -> Asked:
        asked = Asked()
        body, headers = request(method, request_id, **params)
        examined = examine(body, headers, (MODERN,))
        assert isinstance(examined, ModernRequest), examined
        self.bridge.request(examined, headers, asked.reply)
        return asked

    def says(self, message: Any) -> None:
        self.bridge.received(msgspec.json.encode({"jsonrpc": "2.0"} | message))

    def notifies(self, method: str, **params: Any) -> None:
        self.says({"method": f"notifications/{method}", "params": params})


def request(method: str, request_id: Any = 1, **params: Any) -> tuple[bytes, list[tuple[bytes, bytes]]]:
    meta = modern_meta() | params.pop("_meta", {})
    message = {"jsonrpc": "2.0", "id": request_id, "method": method, "params": {"_meta": meta} | params}
    headers = [(b"mcp-protocol-version", MODERN.encode()), (b"mcp-method", method.encode())]
    if "name" in params:
        headers.append((b"mcp-name", mcp.encode_header_value(params["name"]).encode()))
    return msgspec.json.encode(message), headers


@given(st.integers(-(2**53), 2**53) | st.text(max_size=20), st.integers() | st.text(max_size=20))
def test_ids_and_tokens_of_clients_come_back_as_they_were(request_id: Any, token: Any) -> None:
    world = World()
    asked = world.ask(request_id=request_id, _meta={"progressToken": token})
    sent = world.sent[0]
    assert sent["params"]["_meta"]["progressToken"] == sent["id"] == 1
    world.notifies("progress", progressToken=1, progress=0.5)
    world.says({"id": 1, "result": {"resultType": "complete"}})
    assert asked.events[0]["params"] == {"progressToken": token, "progress": 0.5}
    assert asked.events[1]["id"] == request_id


def test_errors_of_the_child_take_the_status_the_specification_gives_them() -> None:
    world = World()
    statuses = {}
    for number, code in enumerate((-32601, -32602, -32021, -32603, 7), start=1):
        asked = world.ask("resources/list", number)
        world.says({"id": number, "error": {"code": code, "message": "m"}})
        statuses[code] = asked.status
    assert statuses == {-32601: 404, -32602: 400, -32021: 400, -32603: 200, 7: 200}


def test_subscription_carries_the_clients_own_id() -> None:
    world = World()
    asked = world.ask("subscriptions/listen", "mine", **LISTEN)
    world.notifies("subscriptions/acknowledged", notifications={}, _meta={SUBSCRIPTION: 1})
    world.notifies("tools/list_changed", _meta={SUBSCRIPTION: 1})
    world.says({"id": 1, "result": {"resultType": "complete", "_meta": {SUBSCRIPTION: 1}}})
    metas = [event.get("params", event.get("result"))["_meta"] for event in asked.events]
    assert metas == [{SUBSCRIPTION: "mine"}] * 3
    assert asked.is_answered


def test_subscription_goes_on_with_the_next_child_and_says_what_may_have_changed() -> None:
    world = World()
    asked = world.ask("subscriptions/listen", "mine", **LISTEN)
    honoured = {"toolsListChanged": True}
    world.notifies("subscriptions/acknowledged", notifications=honoured, _meta={SUBSCRIPTION: 1})
    world.bridge.lost("gone")
    world.attach()
    again = world.sent[-1]["id"]
    assert again != 1
    world.notifies("subscriptions/acknowledged", notifications=honoured, _meta={SUBSCRIPTION: again})
    methods = [event["method"] for event in asked.events]
    assert methods == ["notifications/subscriptions/acknowledged", "notifications/tools/list_changed"]
    assert asked.events[1]["params"]["_meta"] == {SUBSCRIPTION: "mine"}


def test_subscription_that_the_server_tears_down_says_so_with_the_clients_id() -> None:
    world = World()
    asked = world.ask("subscriptions/listen", "mine", **LISTEN)
    world.notifies("cancelled", requestId=1)
    assert asked.events[0]["params"] == {"requestId": "mine"}


def test_request_waits_for_a_child_that_is_being_started() -> None:
    world = World(attached=False)
    asked = world.ask(request_id="early", _meta={"progressToken": "t"})
    assert world.sent == []
    world.attach()
    number = world.sent[0]["id"]
    assert world.sent[0]["params"]["_meta"]["progressToken"] == number
    world.says({"id": number, "result": {}})
    assert asked.json["id"] == "early"


def test_request_does_not_wait_for_a_child_for_ever() -> None:
    world = World(attached=False)
    asked = world.ask("resources/list")
    for _ in range(6):
        world.bridge.tick()
    assert asked.is_answered
    assert asked.events[-1]["error"]["message"] == "no server process is running"


def test_client_that_leaves_cancels_and_what_is_still_said_is_dropped() -> None:
    world = World()
    asked = world.ask()
    asked.leave()
    assert world.sent[1] == {
        "jsonrpc": "2.0",
        "method": "notifications/cancelled",
        "params": {"requestId": 1, "reason": "the client left"},
    }
    world.says({"id": 1, "result": {}})
    assert world.bridge.under_way == 0


def test_client_that_never_reads_its_stream_is_cut_off_and_its_call_cancelled() -> None:
    world = World()
    asked = world.ask(_meta={"progressToken": 1})
    world.notifies("progress", progressToken=1, progress=1)
    assert asked.exchange.on_pause is not None
    asked.exchange.on_pause()
    asked.connection.transport.unread = 9 * 1024 * 1024
    world.notifies("progress", progressToken=1, progress=2)
    assert asked.is_cut
    assert world.sent[-1]["method"] == "notifications/cancelled"


def test_lost_child_fails_calls_but_not_subscriptions() -> None:
    world = World()
    call, listen = world.ask("tools/call", 1), world.ask("subscriptions/listen", 2, **LISTEN)
    world.bridge.lost("server process exited (code 1)")
    assert call.json["error"]["message"] == "server process exited (code 1)"
    assert not listen.is_answered


def test_log_messages_go_where_there_is_no_doubt_and_nowhere_else() -> None:
    world = World()
    level = {mcp.META_LOG_LEVEL: "info"}
    quiet, one = world.ask("tools/call", 1), world.ask("tools/call", 2, _meta=level)
    world.notifies("message", level="info", data="for one")
    other = world.ask("tools/call", 3, _meta=level)
    world.notifies("message", level="info", data="for whom?")
    assert (len(one.events), other.body, quiet.body) == (1, b"", b"")


def test_request_from_the_server_is_refused() -> None:
    world = World()
    world.says({"id": "q", "method": "sampling/createMessage", "params": {}})
    assert (world.sent[0]["id"], world.sent[0]["error"]["code"]) == ("q", -32601)
    assert "sampling/createMessage" in world.log[0]


def test_stop_ends_subscriptions_gracefully_and_calls_with_a_reason() -> None:
    world = World()
    call, listen = world.ask("tools/call", 1), world.ask("subscriptions/listen", "l", **LISTEN)
    world.bridge.end()
    world.bridge.abandon("the sidecar stops")
    assert listen.json["result"] == {"resultType": "complete", "_meta": {SUBSCRIPTION: "l"}}
    assert (call.status, call.json["error"]["message"]) == (503, "the sidecar stops")


def test_child_that_does_not_read_makes_requests_fail_at_once() -> None:
    world = World()
    world.reads = False
    assert world.ask().status == 503
    assert world.bridge.under_way == 0


def test_answered_call_leaves_nothing_for_the_garbage_collector() -> None:
    world = World()
    gc.collect()
    gc.disable()
    try:
        world.ask()
        assert any(isinstance(each, Call) for each in gc.get_objects())
        world.says({"id": 1, "result": {}})
        assert not any(isinstance(each, Call | Reply) for each in gc.get_objects())
    finally:
        gc.enable()


# what a child's tools mirror into headers


def tool(name: str, **properties: Any) -> dict[str, Any]:
    return {"name": name, "inputSchema": {"type": "object", "properties": properties}}


def test_call_waits_until_the_tools_are_known_and_is_then_checked() -> None:
    world = World(capabilities='{"tools":{}}')
    assert world.sent[0]["method"] == "tools/list"
    good = world.ask("tools/call", 1, name="plain", arguments={"a": 1})
    bad = world.ask("tools/call", 2, name="routed", arguments={"a": 1})
    assert len(world.sent) == 1
    world.says({"id": world.sent[0]["id"], "result": {"tools": [tool("plain")], "nextCursor": ""}})
    assert world.sent[1]["params"]["cursor"] == ""
    routed = tool("routed", a={"type": "integer", "x-mcp-header": "A"})
    world.says({"id": world.sent[1]["id"], "result": {"tools": [routed]}})
    assert (bad.status, bad.json["error"]["code"]) == (400, -32020)
    assert world.sent[2]["params"]["name"] == "plain"
    assert not good.is_answered


def test_tool_that_is_new_is_looked_up_once_between_ticks() -> None:
    world = World(capabilities='{"tools":{}}')
    world.says({"id": 1, "result": {"tools": [tool("old")]}})
    world.bridge.tick()
    world.ask("tools/call", 1, name="new", arguments={"a": 1})
    assert world.sent[-1]["method"] == "tools/list"
    world.says({"id": world.sent[-1]["id"], "result": {"tools": [tool("old")]}})
    assert world.sent[-1]["params"]["name"] == "new"
    world.ask("tools/call", 2, name="newer", arguments={"a": 1})
    assert world.sent[-1]["params"]["name"] == "newer"


def test_tools_are_listed_again_when_the_child_says_they_changed() -> None:
    world = World(capabilities='{"tools":{"listChanged":true}}')
    lists, listens = [message for message in world.sent if message["method"] == "tools/list"], world.sent[-1]
    assert listens["method"] == "subscriptions/listen"
    world.says({"id": lists[0]["id"], "result": {"tools": []}})
    world.notifies("tools/list_changed", _meta={SUBSCRIPTION: listens["id"]})
    assert world.sent[-1]["method"] == "tools/list"


def test_child_that_lists_no_tools_does_not_hold_its_calls_up() -> None:
    world = World(capabilities='{"tools":{}}')
    world.ask("tools/call", 1, name="x", arguments={"a": 1})
    for _ in range(3):
        world.bridge.tick()
    assert world.sent[-1]["params"]["name"] == "x"
    assert "are not checked" in world.log[0]
    world.ask("tools/call", 2, name="y", arguments={"a": 1})
    assert world.sent[-1]["params"]["name"] == "y"


# the ladder


def examined(body: Any, headers: dict[str, str] | list[tuple[bytes, bytes]] | None = None) -> Any:
    named = [(key.encode(), value.encode()) for key, value in headers.items()] if isinstance(headers, dict) else headers
    data = body if isinstance(body, bytes) else msgspec.json.encode(body)
    return examine(data, named if named is not None else [], (MODERN,))


GOOD: dict[str, Any] = {
    "jsonrpc": "2.0",
    "id": 4,
    "method": "tools/call",
    "params": {"name": "t", "_meta": modern_meta()},
}
HEAD = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "t"}
OLD_META = modern_meta() | {mcp.META_VERSION: "1999-01-01"}


@pytest.mark.parametrize(
    ("body", "headers", "code", "has_id"),
    [
        (b"{", HEAD, -32700, False),
        (b'{"a":"\xff"}', HEAD, -32700, False),
        (b'{"a":' + b"[" * 100_000, HEAD, -32700, False),
        ([GOOD], HEAD, -32600, False),
        ({"jsonrpc": "2.0", "id": 1, "result": {}}, HEAD, -32600, False),
        (GOOD | {"id": None}, HEAD, -32600, False),
        (GOOD | {"id": [1]}, HEAD, -32600, False),
        (GOOD | {"method": 5}, HEAD, -32600, True),
        (GOOD | {"params": None}, HEAD, -32602, True),
        (GOOD | {"params": {"name": "t", "_meta": 5}}, HEAD, -32602, True),
        (GOOD | {"params": {"name": "t", "_meta": {mcp.META_VERSION: MODERN}}}, HEAD, -32602, True),
        (GOOD, HEAD | {"mcp-method": "TOOLS/CALL"}, -32020, True),
        (GOOD, HEAD | {"mcp-name": "T"}, -32020, True),
        (GOOD, HEAD | {"mcp-name": "=?base64?dA=?="}, -32020, True),
        (GOOD, HEAD | {"mcp-protocol-version": "1999-01-01"}, -32020, True),
        (GOOD, {key: value for key, value in HEAD.items() if key != "mcp-name"}, -32020, True),
        (
            GOOD | {"params": {"name": "t", "_meta": OLD_META}},
            HEAD | {"mcp-protocol-version": "1999-01-01"},
            -32022,
            True,
        ),
    ],
)
def test_first_step_that_fails_decides_the_error(body: Any, headers: Any, code: int, *, has_id: bool) -> None:
    refusal = examined(body, headers)
    assert isinstance(refusal, Refusal)
    assert (refusal.code, refusal.status, refusal.raw_id is not None) == (code, 400, has_id)


def test_unsupported_version_names_what_is_supported_and_what_was_asked() -> None:
    body = GOOD | {"params": {"name": "t", "_meta": OLD_META}}
    refusal = examined(body, HEAD | {"mcp-protocol-version": "1999-01-01"})
    assert refusal.data == {"supported": [MODERN], "requested": "1999-01-01"}


@pytest.mark.parametrize("name", ["mcp-protocol-version", "mcp-method", "mcp-name"])
def test_routing_header_that_comes_twice_is_refused(name: str) -> None:
    headers = [(key.encode(), value.encode()) for key, value in HEAD.items()]
    refusal = examined(GOOD, [*headers, (name.encode(), HEAD[name].encode())])
    assert (refusal.code, name in refusal.sentence) == (-32020, True)


@given(st.text(min_size=1, max_size=30))
def test_any_name_matches_its_own_encoding(name: str) -> None:
    body, headers = request("tools/call", name=name)
    assert isinstance(examined(body, headers), ModernRequest)


def test_notification_is_accepted_whatever_else_its_head_says() -> None:
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 1}}
    assert examined(cancel, {"mcp-protocol-version": MODERN}) == ModernNotification()
    assert examined(cancel, {"mcp-protocol-version": "1999-01-01"}).code == -32022


@given(st.binary(max_size=80))
def test_no_body_breaks_the_ladder(body: bytes) -> None:
    assert isinstance(examined(body, HEAD), Refusal | ModernNotification)


@given(st.binary(max_size=60))
def test_no_line_of_a_child_breaks_the_bridge(line: bytes) -> None:
    world = World()
    asked = world.ask()
    world.bridge.received(line)
    world.says({"id": 1, "result": {}})
    assert asked.is_answered


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
METHODS = st.sampled_from(["notifications/progress", "notifications/cancelled", "notifications/message", "ping"])
PARAMS = JSON | st.fixed_dictionaries({}, optional={"progressToken": JSON, "requestId": JSON, "_meta": JSON})


@given(st.fixed_dictionaries({}, optional={"id": JSON, "method": METHODS | JSON, "params": PARAMS, "result": JSON}))
def test_no_shape_of_message_breaks_the_bridge(message: dict[str, Any]) -> None:
    world = World(capabilities='{"tools":{"listChanged":true}}')
    asked = world.ask("tools/call", 1, name="t", arguments={"a": 1})
    world.says(message)
    world.bridge.tick()
    world.bridge.abandon("over")
    assert asked.is_answered
