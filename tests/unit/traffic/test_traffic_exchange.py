"""Messages of exchanges: which answers which, what belongs to which call, and what is waited for."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest

from gateway.core.overhearing import Talk
from gateway.core.routes import Endpoint
from gateway.services.traffic_exchange import Overheard
from gateway.services.traffic_pairing import Asked, Book, Conversation, States, read
from gateway.services.traffic_readers import rendered
from gateway.wire.http1 import Request
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.traffic import Kind, TrafficMessage
from tests.support.gateway_fakes import BEA

ENDPOINT = Endpoint(InstanceName("weather-0"), "uid", "127.0.0.1", 9)


class Account:
    """core.ports.Account, of a session that is known when a test says so."""

    def __init__(self, session_id: str = "s-1", opened_at: float = 100.0) -> None:
        self.session_id, self.opened_at, self.series = session_id, opened_at, None

    def learned(self, session: bytes) -> None: ...

    def ended(self, *, status: int, bytes_in: int, bytes_out: int, problem: str = "") -> None: ...

    def closed(self) -> None: ...


class Asking:
    peer = "127.0.0.1"

    def __init__(self, body: bytes, method: str) -> None:
        self.request = Request()
        self.request.method, self.request.body = method, body
        self.request.headers = [(b"user-agent", b"cursor"), (b"host", b"here")]


class Desk:
    """traffic_exchange.Desk: keeps what it is told."""

    def __init__(self) -> None:
        self.now = 100.0
        self.clock: Callable[[], float] = lambda: self.now
        self.states = States()
        self.told: list[TrafficMessage] = []
        self._conversations: dict[str, Conversation] = {}
        self._number = 0

    def number(self) -> int:
        self._number += 1
        return self._number

    def conversation(self, session: str) -> Conversation:
        return self._conversations.setdefault(session, Conversation())

    def tell(self, heard: Any) -> None:
        self.told.append(rendered(heard))

    def exchange(
        self, *messages: Any, verb: str = "POST", account: Account | None = None, era: Era = Era.LEGACY
    ) -> "Overheard":
        """Several messages are a batch."""
        body = msgspec.json.encode(messages[0] if len(messages) == 1 else messages) if messages else b""
        account = account or Account(opened_at=self.now)
        talk = Talk(
            account=account,
            adapter=AdapterName("weather"),
            endpoint=ENDPOINT,
            principal=BEA,
            era=era,
            asking=Asking(body, verb),
            request_id=b"r-1",
        )
        overheard = Overheard(self, talk)
        overheard.asked()
        return overheard

    def call(self, exchange: "Overheard", *said: Any, status: int = 200, problem: str = "") -> None:
        exchange.answering(status, ((b"content-type", b"application/json"), (b"x-other", b"1")))
        for each in said:
            data = each if isinstance(each, bytes) else msgspec.json.encode(each)
            exchange.said(data, len(data))
        exchange.ended(status, problem)

    def links(self) -> list[tuple[str, str, int, int]]:
        """Kind, method, what it answers and what it is under, of each."""
        return [(each.kind.value, each.method, each.answers, each.under) for each in self.told]


@pytest.fixture(name="desk")
def _desk() -> Desk:
    return Desk()


def request(request_id: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "method": method, "params": params}


def notice(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "method": method, "params": params}


def result(request_id: Any, **members: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": request_id, "result": members}


def test_a_request_and_its_response_are_a_pair_with_a_duration(desk: Desk) -> None:
    exchange = desk.exchange(request(7, "tools/call", name="get_forecast", arguments={"city": "Oslo"}))
    desk.now += 0.25
    desk.call(exchange, result(7, content=[]))
    asked, answered = desk.told
    assert (asked.sender, asked.kind, asked.method, asked.target) == ("client", "request", "tools/call", "get_forecast")
    assert (asked.id, asked.size, asked.headers) == (7, len(exchange._request.body), {"user-agent": "cursor"})
    assert (asked.session, asked.adapter, asked.instance, asked.principal) == ("s-1", "weather", "weather-0", "bea")
    assert (answered.sender, answered.kind, answered.answers) == ("server", "response", asked.number)
    assert (answered.method, answered.target) == ("tools/call", "get_forecast")
    assert (answered.duration, answered.status, answered.error) == (0.25, 200, "")
    assert answered.headers == {"content-type": "application/json"}
    assert (asked.verb, asked.request_id, asked.era) == ("POST", "r-1", "legacy")


def test_progress_and_questions_are_under_their_call_and_answers_to_questions_find_them(desk: Desk) -> None:
    call = desk.exchange(request("a", "tools/call", name="ask", _meta={"progressToken": 5}))
    call.answering(200, ())
    for message in (notice("notifications/progress", progressToken=5), request(1, "sampling/createMessage")):
        data = msgspec.json.encode(message)
        call.said(data, len(data))
    answer = desk.exchange(result(1, role="assistant"))
    answer.answering(202, ())
    answer.ended(202)
    data = msgspec.json.encode(result("a", content=[]))
    call.said(data, len(data))
    call.ended(200)
    assert desk.links() == [
        ("request", "tools/call", 0, 0),
        ("notification", "notifications/progress", 0, 1),
        ("request", "sampling/createMessage", 0, 1),
        ("response", "sampling/createMessage", 3, 0),
        ("response", "tools/call", 1, 0),
    ]


def test_ids_of_client_and_server_do_not_meet(desk: Desk) -> None:
    call = desk.exchange(request(1, "tools/call", name="ask"))
    desk.call(call, request(1, "elicitation/create"), result(1))
    assert desk.links()[-1] == ("response", "tools/call", 1, 0)


def test_calls_at_the_same_time_with_the_same_id_keep_their_own_answers(desk: Desk) -> None:
    one = desk.exchange(request(1, "tools/call", name="one"), era=Era.MODERN)
    two = desk.exchange(request(1, "tools/call", name="two"), era=Era.MODERN)
    desk.call(two, result(1))
    desk.call(one, result(1))
    assert [(each.target, each.answers) for each in desk.told[2:]] == [("two", 2), ("one", 1)]


def test_an_answer_on_another_stream_finds_its_call(desk: Desk) -> None:
    """HTTP+SSE (2024-11-05), and streams that were resumed."""
    stream = desk.exchange(verb="GET")
    post = desk.exchange(request(3, "tools/list"))
    post.ended(202)
    stream.answering(200, ())
    data = msgspec.json.encode(result(3, tools=[]))
    stream.said(data, len(data))
    stream.ended(200)
    assert desk.links() == [
        ("http", "GET", 0, 0),
        ("request", "tools/list", 0, 0),
        ("response", "tools/list", 2, 0),
        ("http", "GET", 1, 0),
    ]


def test_cancelling_is_under_what_is_cancelled(desk: Desk) -> None:
    call = desk.exchange(request(3, "tools/call", name="slow"))
    desk.call(desk.exchange(notice("notifications/cancelled", requestId=3)), status=202)
    call.ended(0)
    assert desk.links() == [
        ("request", "tools/call", 0, 0),
        ("notification", "notifications/cancelled", 0, 1),
        ("http", "tools/call", 1, 0),
    ]
    assert desk.told[-1].error == "no response came: it broke off, or its client left"


def test_a_call_taken_up_again_follows_the_one_that_asked_for_input(desk: Desk) -> None:
    first = desk.exchange(request(1, "tools/call", name="book"), era=Era.MODERN)
    desk.call(first, result(1, resultType="input_required", requestState="sealed"))
    desk.exchange(request(2, "tools/call", name="book", requestState="sealed"), era=Era.MODERN)
    assert desk.told[-1].follows == 1


def test_messages_wait_for_their_session_and_keep_their_time(desk: Desk) -> None:
    account = Account("", opened_at=90.0)
    exchange = desk.exchange(request(1, "initialize"), account=account)
    assert desk.told == []
    account.session_id = "s-9"
    desk.call(exchange, result(1))
    assert [(each.session, each.number) for each in desk.told] == [("s-9", 1), ("s-9", 2)]
    assert desk.told[1].duration == 10.0


def test_messages_of_what_never_gets_a_session_come_at_its_end(desk: Desk) -> None:
    account = Account("")
    exchange = desk.exchange(request(1, "initialize"), account=account)
    exchange.answering(200, ())
    data = msgspec.json.encode(result(1))
    exchange.said(data, len(data))
    account.session_id = "group"
    exchange.ended(200)
    assert [each.session for each in desk.told] == ["group", "group"]


@pytest.mark.parametrize(
    ("said", "error"),
    [
        ({"jsonrpc": "2.0", "id": 1, "error": {"code": -32602, "message": "no such tool"}}, "no such tool (-32602)"),
        (result(1, isError=True, content=[{"type": "text", "text": "Atlantis?"}]), "Atlantis?"),
        (result(1, isError=True), "the tool failed"),
        (result(1, isError=True, content=[{"type": "text", "text": "password=hunter2"}]), "password=[redacted"),
        ({"jsonrpc": "2.0", "id": 1, "error": "odd"}, "an error of no known form"),
        ({"jsonrpc": "2.0", "id": None, "error": {"code": -32700, "message": "parse"}}, "parse (-32700)"),
    ],
)
def test_what_went_wrong_is_a_sentence(desk: Desk, said: Any, error: str) -> None:
    desk.call(desk.exchange(request(1, "tools/call", name="x")), said)
    answered = desk.told[-1]
    assert answered.error.startswith(error)
    assert answered.answers == 1
    assert len(desk.told) == 2


def test_an_answer_that_is_no_json_rpc_ends_its_call(desk: Desk) -> None:
    desk.call(desk.exchange(request(1, "tools/list")), b"<html>no</html>", status=502)
    (_, answered) = desk.told
    assert (answered.kind, answered.answers, answered.error) == (Kind.HTTP, 1, "HTTP 502")
    assert answered.excerpt == "<html>no</html>"


def test_what_the_gateway_itself_says_ends_a_call(desk: Desk) -> None:
    desk.exchange(request(1, "tools/list")).ended(504, "instance 'weather-0' did not answer within 2 s")
    assert desk.told[-1].error == "instance 'weather-0' did not answer within 2 s"
    assert (desk.told[-1].status, desk.told[-1].answers) == (504, 1)


def test_a_stream_that_ends_without_an_answer_says_so(desk: Desk) -> None:
    desk.call(desk.exchange(request(1, "tools/list")), notice("notifications/message"))
    assert (desk.told[-1].error, desk.told[-1].answers) == ("no response came", 1)


def test_a_notification_that_is_refused_has_an_end_and_one_that_is_accepted_has_none(desk: Desk) -> None:
    desk.call(desk.exchange(notice("notifications/initialized")), status=202)
    desk.call(desk.exchange(notice("notifications/initialized")), status=400)
    assert desk.links() == [
        ("notification", "notifications/initialized", 0, 0),
        ("notification", "notifications/initialized", 0, 0),
        ("http", "notifications/initialized", 2, 0),
    ]


def test_batches_are_taken_apart(desk: Desk) -> None:
    exchange = desk.exchange(request(1, "ping"), request(2, "tools/list"), notice("notifications/x"))
    data = msgspec.json.encode([result(2), result(1)])
    exchange.said(data, len(data))
    exchange.ended(200)
    assert [(each.id, each.answers) for each in desk.told[3:]] == [(2, 2), (1, 1)]


def test_of_a_large_answer_the_call_is_known_though_it_is_not_held(desk: Desk) -> None:
    exchange = desk.exchange(request(1, "tools/call", name="big"))
    exchange.said(b'{"jsonrpc":"2.0","id":1,"result":{"text":"xxx', 1_000_000)
    exchange.ended(200)
    answered = desk.told[-1]
    assert (answered.kind, answered.answers, answered.size) == (Kind.RESPONSE, 1, 1_000_000)
    exchange = desk.exchange(request(2, "tools/call", name="big"))
    exchange.said(b'{"result":{"text":"xxx', 1_000_000)
    exchange.ended(200)
    assert (desk.told[-1].kind, desk.told[-1].answers, len(desk.told)) == (Kind.RESPONSE, 3, 4)


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b'{"jsonrpc":"2.0","id":"a\\"b","method":"sampling/x","params":', Kind.REQUEST),
        (b'{"method":"notifications/x","params":', Kind.NOTIFICATION),
        (b"<html>", Kind.RESPONSE),
    ],
)
def test_beginnings_are_read_by_their_first_members(data: bytes, kind: Kind) -> None:
    assert read(data, 1_000_000).kind is kind


@pytest.mark.parametrize("data", [b"", b"null", b"[]", b"{", b'{"id":1}', b'"x"', b"[" * 100_000, b"\xff"])
def test_what_is_no_message_is_read_as_none(data: bytes) -> None:
    assert read(data, len(data)).kind is Kind.HTTP


@pytest.mark.parametrize("params", [[1], "x", None, {"name": 7}, {"_meta": 3}])
def test_strange_params_do_not_hide_the_method(params: Any) -> None:
    said = read(msgspec.json.encode({"id": 1, "method": "tools/call", "params": params}), 0)
    assert (said.kind, said.method, said.target) == (Kind.REQUEST, "tools/call", "")


def test_open_requests_are_bounded() -> None:
    book = Book(3)
    for number in range(10):
        book.put(b"%d" % number, Asked(number, 0.0, "x"))
    assert [asked.number for asked in book] == [7, 8, 9]
    states = States(3)
    for number in range(10):
        states.put(number, number)
    assert [states.get(number) for number in (6, 7, 9)] == [0, 7, 9]
