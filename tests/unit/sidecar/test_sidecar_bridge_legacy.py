"""The handshake-era bridge by itself: whose message is whose, with ids exchanged and back."""

from typing import Any

import msgspec
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire import envelope
from sidecar.bridge.legacy import RESTED, LegacyBridge, Session
from tests.support.sidecar_exchange import Asked


class World:
    """A bridge, what its child was sent, and what people were told."""

    def __init__(self, sessions: int = 1, *, reads: bool = True, **options: Any) -> None:
        self.sent: list[Any] = []
        self.log: list[str] = []
        self.reads = reads
        self.bridge = LegacyBridge(self._send, self.log.append, **options)
        self.sessions = [Session(b"session-%d" % number, self.bridge) for number in range(sessions)]
        self.bridge.sessions.extend(self.sessions)

    def _send(self, line: bytes) -> bool:
        assert b"\n" not in line
        if self.reads:
            self.sent.append(msgspec.json.decode(line))
        return self.reads

    def ask(self, message: dict[str, Any], *, session: int = 0, **accepts: bool) -> Asked:
        asked = Asked(**accepts)
        self.bridge.request(self.sessions[session], parse(message), asked.reply)
        return asked

    def call(self, request_id: Any = 1, *, session: int = 0, **params: Any) -> Asked:
        return self.ask({"jsonrpc": "2.0", "id": request_id, "method": "tools/call", "params": params}, session=session)

    def says(self, message: Any) -> None:
        self.bridge.received(msgspec.json.encode(message))

    def stream(self, session: int = 0) -> Asked:
        asked = Asked()
        self.bridge.open_stream(self.sessions[session], asked.reply)
        return asked


def parse(message: Any) -> envelope.Message:
    parsed = envelope.parse(msgspec.json.encode(message))
    assert not isinstance(parsed, envelope.Unreadable)
    return parsed


def answer_to(sent: Any, **result: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": sent["id"], "result": result}


IDS = st.one_of(st.integers(-(2**53), 2**53), st.text(max_size=20))


@given(IDS, IDS)
def test_clients_get_their_own_ids_back_whatever_they_are(one: Any, other: Any) -> None:
    world = World(2)
    first, second = world.call(one, session=0), world.call(other, session=1)
    assert world.sent[0]["id"] != world.sent[1]["id"]
    world.says(answer_to(world.sent[1], who="second"))
    world.says(answer_to(world.sent[0], who="first"))
    assert (first.json["id"], first.json["result"]) == (one, {"who": "first"})
    assert (second.json["id"], second.json["result"]) == (other, {"who": "second"})


@given(st.dictionaries(st.text(), st.recursive(st.none() | st.integers() | st.text(), st.lists, max_leaves=5)))
def test_members_nobody_here_knows_pass_both_ways(unheard: dict[str, Any]) -> None:
    world = World()
    known = {"jsonrpc": "2.0", "id": 5, "method": "tools/call"}
    extra = {key: value for key, value in unheard.items() if key not in ("id", "method", "params", "result", "error")}
    asked = world.ask(extra | known)
    assert world.sent[0] == extra | known | {"id": 1}
    world.says(extra | {"jsonrpc": "2.0", "id": 1, "result": unheard})
    assert asked.json == extra | {"jsonrpc": "2.0", "id": 5, "result": unheard}


def test_pretty_printed_body_reaches_the_child_as_one_line() -> None:
    world = World()
    parsed = envelope.parse(b'{\r\n "jsonrpc": "2.0",\n "id": 1,\n "method": "x",\n "params": {\n "a": "b\\nc" }\n}')
    assert not isinstance(parsed, envelope.Unreadable)
    world.bridge.request(world.sessions[0], parsed, Asked().reply)
    assert world.sent[0]["params"] == {"a": "b\nc"}


def test_message_of_the_server_goes_to_the_one_call_under_way() -> None:
    world = World()
    stream, asked = world.stream(), world.call()
    world.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}})
    assert (len(asked.events), len(stream.events)) == (1, 0)


def test_with_several_calls_under_way_it_goes_to_the_get_stream() -> None:
    world = World()
    stream, one, other = world.stream(), world.call(1), world.call(2)
    world.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "x"}})
    assert (len(stream.events), one.body, other.body) == (1, b"", b"")


def test_progress_goes_to_the_call_whose_token_it_carries() -> None:
    world = World()
    one = world.call(1, _meta={"progressToken": "same"})
    other = world.call(2, _meta={"progressToken": "same"})
    token = world.sent[1]["params"]["_meta"]["progressToken"]
    params = {"progressToken": token, "progress": 1}
    world.says({"jsonrpc": "2.0", "method": "notifications/progress", "params": params})
    assert one.body == b""
    assert other.events[0]["params"] == {"progressToken": "same", "progress": 1}


def test_announcements_never_travel_on_a_calls_stream() -> None:
    world = World()
    asked = world.call()
    world.says({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": "a:b"}})
    assert asked.body == b""
    assert world.stream().events[0]["params"] == {"uri": "a:b"}


def test_held_messages_are_bounded_and_the_oldest_go() -> None:
    world = World()
    for number in range(300):
        world.says({"jsonrpc": "2.0", "method": "notifications/resources/updated", "params": {"uri": str(number)}})
    held = [event["params"]["uri"] for event in world.stream().events]
    assert held == [str(number) for number in range(44, 300)]


def test_client_that_takes_json_only_is_never_sent_a_stream() -> None:
    world = World()
    asked = world.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, accepts_stream=False)
    world.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {}})
    world.bridge.tick()
    world.bridge.tick()
    world.bridge.tick()
    world.says(answer_to(world.sent[0]))
    assert asked.headers["content-type"] == "application/json"
    assert asked.json["result"] == {}


def test_client_that_takes_streams_only_gets_its_answer_on_one() -> None:
    world = World()
    asked = world.ask({"jsonrpc": "2.0", "id": 1, "method": "tools/call"}, accepts_json=False)
    world.says(answer_to(world.sent[0]))
    assert asked.events[0]["result"] == {}


def test_only_who_was_asked_may_answer_the_server() -> None:
    world = World(2)
    world.call(session=0)
    world.says({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {}})
    answer = {"jsonrpc": "2.0", "id": "q", "result": {"action": "accept"}}
    world.bridge.response(world.sessions[1], parse(answer))
    assert len(world.sent) == 1
    world.bridge.response(world.sessions[0], parse(answer))
    world.bridge.response(world.sessions[0], parse(answer))
    assert world.sent[1:] == [answer]


def test_question_that_could_be_anyones_is_declined() -> None:
    world = World(2)
    world.call(session=0)
    world.call(session=1)
    world.says({"jsonrpc": "2.0", "id": "q", "method": "elicitation/create", "params": {}})
    assert (world.sent[2]["id"], world.sent[2]["error"]["code"]) == ("q", -32603)


def test_log_message_that_could_be_anyones_is_nobodys() -> None:
    world = World(2)
    streams = [world.stream(0), world.stream(1)]
    world.says({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "secret"}})
    assert [stream.events for stream in streams] == [[], []]


def test_ping_is_answered_for_a_client_that_cannot_hear_it() -> None:
    world = World()
    world.says({"jsonrpc": "2.0", "id": 9, "method": "ping"})
    assert world.sent == [{"jsonrpc": "2.0", "id": 9, "result": {}}]
    stream = world.stream()
    world.says({"jsonrpc": "2.0", "id": 10, "method": "ping"})
    assert (len(world.sent), stream.events[0]["method"]) == (1, "ping")


def test_client_cancels_its_own_call_by_its_own_id() -> None:
    world = World(2)
    world.call("same", session=0)
    world.call("same", session=1)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": "same", "reason": "r"}}
    world.bridge.notification(world.sessions[1], parse(cancel))
    assert world.sent[2]["params"] == {"requestId": world.sent[1]["id"], "reason": "r"}


def test_cancelling_what_is_not_under_way_reaches_no_one() -> None:
    world = World(2)
    world.call(7, session=0)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 7}}
    world.bridge.notification(world.sessions[1], parse(cancel))
    assert len(world.sent) == 1


def test_cancelled_call_that_the_server_drops_is_answered_all_the_same() -> None:
    world = World()
    asked = world.call(3)
    cancel = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": 3}}
    world.bridge.notification(world.sessions[0], parse(cancel))
    world.bridge.tick()
    assert not asked.is_answered
    world.bridge.tick()
    assert (asked.json["id"], asked.json["error"]["code"]) == (3, -32800)
    assert world.sessions[0].calls == {}


def test_call_that_takes_too_long_is_given_up_and_the_server_told() -> None:
    world = World(call_ticks=2)
    asked = world.call(3)
    world.bridge.tick()
    world.bridge.tick()
    assert (asked.status, asked.json["error"]["data"]["code"]) == (504, "timeout")
    assert world.sent[1]["params"]["requestId"] == world.sent[0]["id"]


def test_disconnect_cancels_nothing_and_the_late_answer_is_dropped() -> None:
    world = World()
    asked = world.call()
    asked.leave()
    assert len(world.sent) == 1
    world.says(answer_to(world.sent[0]))
    assert world.sessions[0].calls == {}


def test_waiting_call_becomes_a_stream_with_comments() -> None:
    world = World()
    asked = world.call()
    for _ in range(3):
        world.bridge.tick()
    assert asked.body == b": waiting\n\n"
    world.says(answer_to(world.sent[0]))
    assert asked.events[-1]["result"] == {}
    assert asked.is_answered


def test_id_that_is_under_way_is_refused_a_second_time() -> None:
    world = World()
    world.call(1)
    again = world.call(1)
    assert (again.status, again.json["error"]["code"], len(world.sent)) == (400, -32600, 1)


def test_lost_child_fails_its_calls_with_the_reason_and_closes_streams() -> None:
    world = World()
    stream, asked = world.stream(), world.call(8)
    world.bridge.lost("server process exited (code 3)")
    error = asked.json["error"]
    assert (asked.json["id"], error["code"], error["message"]) == (8, -32603, "server process exited (code 3)")
    assert error["data"]["source"] == "mcpdeck"
    assert stream.is_answered


def test_child_that_does_not_read_makes_calls_fail_at_once() -> None:
    world = World(reads=False)
    asked = world.call()
    assert (asked.status, asked.json["error"]["data"]["code"]) == (503, "not-reading")
    assert world.sessions[0].calls == {}


def test_batch_of_the_servers_is_taken_apart() -> None:
    world = World()
    asked = world.call(2)
    world.says([{"jsonrpc": "2.0", "method": "notifications/message", "params": {}}, answer_to(world.sent[0], ok=1), 5])
    assert [event.get("method") for event in asked.events] == ["notifications/message", None]


@given(st.binary(max_size=60))
def test_no_line_of_a_child_breaks_the_bridge(line: bytes) -> None:
    world = World()
    asked = world.call()
    world.bridge.received(line)
    world.says(answer_to(world.sent[0]))
    assert asked.is_answered


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
METHODS = st.sampled_from(
    ["notifications/progress", "notifications/cancelled", "notifications/message", "ping", "elicitation/create", "x"]
)


@given(st.fixed_dictionaries({}, optional={"id": JSON, "method": METHODS | JSON, "params": JSON, "result": JSON}))
def test_no_shape_of_message_breaks_the_bridge(message: dict[str, Any]) -> None:
    world = World()
    asked = world.call()
    world.says(message)
    world.bridge.tick()
    world.bridge.lost("over")
    assert asked.is_answered


def test_session_that_only_listens_rests_but_never_for_long() -> None:
    world = World(2)
    world.stream(0)
    world.call(session=1)
    for _ in range(5):
        world.bridge.tick()
    assert [session.ticks for session in world.sessions] == [RESTED, 0]
    world.says(answer_to(world.sent[0]))
    for _ in range(5):
        world.bridge.tick()
    assert [session.ticks for session in world.sessions] == [RESTED, 5]
