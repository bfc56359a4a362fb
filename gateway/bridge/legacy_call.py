"""One request of a legacy client's at a server of 2026-07-28, through all the rounds of questions that it may take.

An `input_required` result becomes the server's own requests on the call's stream; the client's answers to them, which
it posts, become the next round (basic/patterns/mrtr).
"""

from typing import Final, Protocol

from msgspec import Raw

from gateway.bridge import newer, older, words
from gateway.bridge.declared import next_cursor
from gateway.bridge.guest import Guest, routed
from gateway.bridge.once import Once
from gateway.bridge.sides import Answer, Exchange, Header
from gateway.core import render
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

ROUNDS: Final = 10  # as many as SDKs go along with
ASK_TICKS: Final = 120  # ten minutes for a person to answer
_PAGES: Final = 100  # of tools/list; a paginator that never ends must not be followed for ever
_JSONRPC: Final = Raw(b'"2.0"')
_DISMISSED: Final = Raw(b'{"action":"cancel"}')


class Session(Protocol):
    def ask(self, call: "Call") -> str:
        """An id for a question whose answer is this call's."""

    def over(self, call: "Call") -> None: ...


class Call:
    """written: the client's own id, raw. unanswered: the keys of this round's questions, by the ids they have."""

    def __init__(self, guest: Guest, session: Session, message: Message, answer: Answer) -> None:
        self.written = envelope.raw_id(message) or b"null"
        self.unanswered: dict[str, str] = {}
        self._guest, self._session, self._answer = guest, session, answer
        self._method = envelope.method(message) or ""
        self._request = newer.request(message, guest.meta())
        self._server = guest.connect()
        self._exchange: Exchange | None = None
        self._questions: dict[str, Message] = {}
        self._responses: dict[str, Raw] = {}
        self._state: Raw | None = None  # the server's requestState
        self._rounds = self._sent = self._ticks = 0
        self._has_relisted = self._is_over = False
        answer.on_leave = self._left

    def send(self) -> None:
        """This round, under an id of its own: to the instance that had the first, since not all share their keys."""
        params = envelope.members(self._request["params"])
        if self._rounds:
            params["inputResponses"] = envelope.raw(self._responses)
            if self._state is not None:
                params["requestState"] = self._state
        changed = {"jsonrpc": _JSONRPC, "id": self._next_id(), "params": envelope.raw(params)}
        self._post(self._request | changed, self._headers(params), Once(self._responded, said=self._said))

    def cancel(self) -> None:
        """As the client wants it; it gets the answer that SDKs give before 2026-07-28."""
        self._break_off(jsonrpc.error(self.written, envelope.CANCELLED_BY_CLIENT, "Request cancelled"))

    def answered(self, question: str, message: Message) -> None:
        """The client's response to one of this round's questions."""
        key = self.unanswered.pop(question)
        if "result" in message:
            self._responses[key] = message["result"]
        elif envelope.method(self._questions[key]) == words.ELICIT:
            self._responses[key] = _DISMISSED  # no one said no: there was no one to say anything
        else:
            self._fail(f"the client refused what adapter '{self._guest.adapter}' asked of it: {_sentence(message)}")
            return
        self._ticks = 0
        if not self.unanswered:
            self.send()

    def tick(self) -> None:
        self._answer.tick()
        if self.unanswered:
            self._ticks += 1
            if self._ticks >= ASK_TICKS:
                self._fail(f"adapter '{self._guest.adapter}' asked this client a question and got no answer")

    # what the server says

    def _said(self, message: Message) -> None:
        if "id" not in message and self._answer.accepts_stream:
            self._answer.event(envelope.line(message))

    def _responded(self, response: Message | GatewayError) -> None:
        self._exchange = None
        if isinstance(response, GatewayError):
            self._finish(render.as_jsonrpc(response, self.written), response.status)
        elif "result" in response:
            self._result(response["result"])
        else:
            self._error(response)

    def _result(self, result: Raw) -> None:
        found = envelope.members(result)
        kind = envelope.text(found.get("resultType", newer.COMPLETE))
        if kind == "input_required":
            self._ask(found)
        elif kind == "complete":
            if self._method == "tools/list":
                self._guest.declared.learn(result)
            result = older.result(self._method, result)
            self._finish(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self.written, bytes(result)))
        else:
            self._fail(f"adapter '{self._guest.adapter}' answered with a result of type {kind!r}, unknown here")

    def _error(self, response: Message) -> None:
        code = envelope.error_code(response)
        if code == mcp.HEADER_MISMATCH and self._method == "tools/call" and not self._has_relisted:
            self._has_relisted = True
            self._list_tools(None, 1)
        elif code == mcp.UNSUPPORTED_VERSION:
            self._fail(f"adapter '{self._guest.adapter}' no longer speaks MCP {mcp.MODERN_VERSION}")
        else:
            error = older.error(self._method, response.get("error", Raw(b"{}")))
            self._finish(b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (self.written, bytes(error)))

    # questions

    def _ask(self, found: Message) -> None:
        self._rounds += 1
        self._ticks = 0
        self._state, self._responses = found.get("requestState"), {}
        asked = envelope.members(found.get("inputRequests"))
        self._questions = {key: envelope.members(question) for key, question in asked.items()}
        problem = self._problem_of_asking()
        if problem is not None:
            self._fail(problem)
        elif not self._questions:
            self.send()
        else:
            self.unanswered = {self._session.ask(self): key for key in self._questions}
            for question, key in self.unanswered.items():
                self._answer.event(older.question(self._questions[key], question, self._guest.version))

    def _problem_of_asking(self) -> str | None:
        adapter = self._guest.adapter
        if self._rounds > ROUNDS:
            return f"adapter '{adapter}' asked for input {ROUNDS} times and is not done"
        for asked in self._questions.values():
            method = envelope.method(asked) or ""
            capability = words.ASKING.get(method)
            if capability is None:
                return f"adapter '{adapter}' asks for {method!r}, which no client of MCP {self._guest.version} knows"
            if not self._guest.can(capability):
                return f"adapter '{adapter}' asks for {method!r}, but this client did not declare {capability!r}"
        if self._questions and not (self._answer.accepts_stream and self._answer.is_open):
            return f"adapter '{adapter}' asks for input, which reaches only a client that takes text/event-stream"
        return None

    # headers that only a list of the tools tells of

    def _headers(self, params: Message) -> list[Header]:
        headers = routed(self._method)
        name = envelope.text(params.get(mcp.NAME_OF_METHOD.get(self._method, ""), Raw(b"null")))
        if name is not None:
            headers.append((mcp.NAME_HEADER, mcp.encode_header_value(name).encode()))
            if self._method == "tools/call":
                headers += self._guest.declared.headers(name, params.get("arguments"))
        return headers

    def _list_tools(self, cursor: Raw | None, page: int) -> None:
        params = {"_meta": envelope.raw(self._guest.meta())} | ({} if cursor is None else {"cursor": cursor})
        message = {"jsonrpc": _JSONRPC, "id": self._next_id(), "method": Raw(b'"tools/list"')}
        message["params"] = envelope.raw(params)
        self._post(message, routed("tools/list"), Once(lambda listed: self._listed(listed, page)))

    def _listed(self, listed: Message | GatewayError, page: int) -> None:
        self._exchange = None
        result = listed.get("result") if isinstance(listed, dict) else None
        if result is not None:
            self._guest.declared.learn(result)
            cursor = next_cursor(result)
            if cursor is not None and page < _PAGES:
                self._list_tools(cursor, page + 1)
                return
        self.send()

    # exchanges

    def _next_id(self) -> Raw:
        self._sent += 1
        return Raw(b"%d" % self._sent)

    def _post(self, message: Message, headers: list[Header], heard: Once) -> None:
        sent = self._sent
        exchange = self._server.post(envelope.line(message), headers, heard)
        if sent == self._sent and not self._is_over and not heard.has_told:  # it may be over before `post` returns
            self._exchange = exchange

    def _left(self) -> None:
        """Before 2026-07-28 a client that disconnects does not cancel: the server may finish. Questions are lost."""
        if self.unanswered:
            self._fail("the client left before it answered")

    def _fail(self, sentence: str) -> None:
        self._break_off(envelope.own_error(self.written, jsonrpc.INTERNAL_ERROR, sentence, "not-translated"))

    def _break_off(self, message: bytes) -> None:
        exchange, self._exchange = self._exchange, None
        if exchange is not None:
            exchange.close()
        self._finish(message)

    def _finish(self, message: bytes, status: int = 200) -> None:
        self._is_over = True
        self._session.over(self)
        self._answer.final(message, status)


def _sentence(message: Message) -> str:
    return envelope.text(envelope.members(message.get("error")).get("message", Raw(b'""'))) or "no reason given"
