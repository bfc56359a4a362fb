"""One request of a 2026-07-28 client at a server of the handshake era, through all the times that the server asks back.

A question of the server's ends the client's request with `input_required`; the call itself stays open and is parked,
until the client comes back with the answers (basic/patterns/mrtr). What the server says meanwhile, but for its final
answer, is lost. A client that leaves while it waits cancels. One that leaves a parked call does not say so, and its
connection tells nothing: common clients close one that is idle for five seconds, and people take longer to answer.
"""

import hashlib
import itertools
from typing import Any, Final, Protocol

import msgspec
from msgspec import Raw

from gateway.bridge import newer, older, words
from gateway.bridge.sealing import Sealed
from gateway.bridge.sides import Answer
from gateway.core import render
from gateway.core.errors import GatewayError
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message
from gateway.wire.validation import ModernRequest

PARK_TICKS: Final = 120  # ten minutes for a person to answer
PARK_SECONDS: Final = 3600  # a requestState's: the call ends by its ticks, this may differ as clocks of replicas do
URL_NEEDED: Final = -32042  # up to 2025-11-25: visit these URLs, then call again
_NEEDED: Final = {"sampling/createMessage": "content", "roots/list": "roots"}  # members that no result is without
_REJECTED: Final = -1  # as client/sampling has it
_QUESTIONS: Final = 64  # of one call, unanswered
_turns: Final = itertools.count(1)
_NO_STATE: Final = "requestState is unknown, expired, used, or of another request"


class Parked(Sealed, frozen=True, array_like=True, kw_only=True):
    """What a requestState says. call 0: nothing is parked, the request is made again.

    home: the address of the replica that holds the call; "" where there is but one. digest: of the request.
    """

    home: str
    session: int
    call: int
    round: int
    digest: bytes


class Holder(Protocol):
    """The session that a call is made in."""

    @property
    def server_info(self) -> Raw | None: ...

    def park(self, *, call: int, round: int, digest: bytes) -> bytes:  # noqa: A002 - MRTR's word
        """A requestState."""

    def tell(self, message: bytes) -> None: ...

    def leave(self, call: "ModernCall") -> None: ...


class _Error(msgspec.Struct):
    data: Raw = Raw(b"{}")


class _Elicitations(msgspec.Struct):
    elicitations: list[Raw] = []


_elicitations = msgspec.json.Decoder(_Elicitations)
_error = msgspec.json.Decoder(_Error)


class ModernCall:
    """number: its id, and its progress token, at the server."""

    def __init__(self, holder: Holder, number: int, request: ModernRequest, answer: Answer) -> None:
        self.number = number
        self.method = request.method
        self.log_level = words.level_of(request.meta.log_level)
        self._holder, self._request = holder, request
        self.parked_at = 0  # its turn among all calls that were parked
        self._answer: Answer | None = None
        self._raw_id = request.raw_id
        self._capabilities = envelope.members(request.meta.capabilities)
        self._questions: dict[str, Message] = {}  # unanswered
        self._asked = self._round = self._ticks = 0
        self._token: Raw | None = request.meta.token if bytes(request.meta.token) else None
        self._held: bytes | None = None  # the final answer, while no one waits for it
        self._status = 200
        self._attach(answer)

    @property
    def is_parked(self) -> bool:
        return self._answer is None

    @property
    def digest(self) -> bytes:
        return digest_of(self._request)

    def message(self) -> Message:
        """As the server gets it, but for the id."""
        token = None if self._token is None else Raw(b"%d" % self.number)
        return older.request(self._request.message, token)

    def can_be_asked(self, method: str) -> bool:
        return (
            self.method in words.MAY_ASK
            and self._held is None
            and words.ASKING[method] in self._capabilities
            and len(self._questions) < _QUESTIONS
        )

    # what the server says

    def said(self, message: Message) -> None:
        """A notification ahead of the response."""
        if self._answer is not None and self._answer.accepts_stream:
            self._answer.event(envelope.line(message))

    def progressed(self, message: Message, params: Message) -> None:
        if self._token is not None:
            self.said(message | {"params": envelope.raw(params | {"progressToken": self._token})})

    def asked(self, message: Message) -> None:
        """A question of the server's."""
        self._asked += 1
        self._questions[f"q{self._asked}"] = message
        if self._answer is not None:
            self._ask()

    def withdrawn(self, raw_id: bytes) -> bool:
        """The server no longer wants an answer to its question of this id. Whether it was this call's."""
        found = [key for key, message in self._questions.items() if envelope.raw_id(message) == raw_id]
        for key in found:
            del self._questions[key]
        return bool(found)

    def responded(self, message: Message) -> None:
        if "result" in message:
            result = newer.result(self.method, message["result"], self._holder.server_info)
            self._final(b'"result":' + bytes(result), 200)
        elif envelope.error_code(message) == URL_NEEDED:
            self._visit(message["error"])
        else:
            raw = message.get("error", Raw(b"{}"))
            error, status = newer.error(self.method, raw, self._request.params.uri or None)
            self._final(b'"error":' + bytes(error), status)

    def broke(self, problem: GatewayError) -> None:
        error = envelope.members(Raw(render.as_jsonrpc(problem)))["error"]
        self._final(b'"error":' + bytes(error), problem.status)

    # what the client says

    def resume(self, request: ModernRequest, answer: Answer, parked: Parked) -> None:
        """The client is back with answers, or some of them."""
        if self._answer is not None or parked.round != self._round or digest_of(request) != self.digest:
            refuse_state(request, answer)
            return
        self._raw_id, self._token = request.raw_id, request.meta.token if bytes(request.meta.token) else None
        self._ticks = 0
        self._attach(answer)
        responses = envelope.members(envelope.members(request.message.get("params")).get("inputResponses"))
        for key in [key for key in self._questions if key in responses]:
            self._holder.tell(_told(self._questions.pop(key), responses[key]))
        if self._held is not None:
            self._finish(self._held)
        elif self._questions:
            self._ask()

    def tick(self) -> None:
        if self._answer is not None:
            self._answer.tick()
            return
        self._ticks += 1
        if self._ticks >= PARK_TICKS:
            self.cancel("the client did not come back with an answer")

    def cancel(self, reason: str) -> None:
        """Tell the server that no one wants to know any more."""
        for question in self._questions.values():
            self._holder.tell(dismissal(question))
        self._questions.clear()
        if self._held is None:
            params = {"requestId": self.number, "reason": reason}
            self._holder.tell(jsonrpc.notification(mcp.CANCELLED, params))
        self._holder.leave(self)

    # answers

    def _attach(self, answer: Answer) -> None:
        self._answer = answer
        answer.on_leave = lambda: self.cancel("the client left")

    def _ask(self) -> None:
        self._round += 1
        state = self._holder.park(call=self.number, round=self._round, digest=self.digest)
        self._park(state, {key: newer.question(message) for key, message in self._questions.items()})

    def _park(self, state: bytes, questions: dict[str, Raw]) -> None:
        result = bytes(newer.input_required(questions, state, self._holder.server_info))
        answer, self._answer = self._answer, None
        self._ticks, self.parked_at = 0, next(_turns)
        if answer is not None:
            answer.final(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (self._raw_id, result))

    def _visit(self, error: Raw) -> None:
        """The server wants URLs visited and the request made again: nothing stays open for that."""
        questions = {f"url{at}": _url_question(raw) for at, raw in enumerate(_elicitations_of(error), 1)}
        if not questions or self.method not in words.MAY_ASK:
            sentence = "the adapter wants URLs visited first, and names none that this request could ask for"
            data = {"source": envelope.SOURCE, "code": "not-translated"}
            body = {"code": jsonrpc.INTERNAL_ERROR, "message": sentence, "data": data}
            self._final(b'"error":' + msgspec.json.encode(body), 200)
        elif "url" not in envelope.members(self._capabilities.get("elicitation")):
            needed: dict[str, Any] = {"requiredCapabilities": {"elicitation": {"url": {}}}}
            body = {"code": mcp.MISSING_CLIENT_CAPABILITY, "message": "the adapter wants URLs visited", "data": needed}
            self._final(b'"error":' + msgspec.json.encode(body), 400)
        elif self._answer is None:
            self._held = b'"error":' + msgspec.json.encode(
                {"code": jsonrpc.INTERNAL_ERROR, "message": _again(_NO_STATE)}
            )
        else:
            self._park(self._holder.park(call=0, round=0, digest=self.digest), questions)
            self._holder.leave(self)

    def _final(self, member: bytes, status: int) -> None:
        self._status = status
        if self._answer is None:
            self._held = member
        else:
            self._finish(member)

    def _finish(self, member: bytes) -> None:
        answer, self._answer = self._answer, None
        self._holder.leave(self)
        if answer is not None:
            answer.final(b'{"jsonrpc":"2.0","id":%b,%b}' % (self._raw_id, member), self._status)


def refuse_state(request: ModernRequest, answer: Answer, cause: str = _NO_STATE) -> None:
    status = mcp.HTTP_STATUS_OF_CODE[jsonrpc.INVALID_PARAMS]
    error = envelope.own_error(request.raw_id, jsonrpc.INVALID_PARAMS, _again(cause), "state-expired")
    answer.final(error, status)


def _again(cause: str) -> str:
    return f"{cause}; call again without requestState"


def _told(question: Message, response: Raw) -> bytes:
    """The client's answer. What is no result of what was asked refuses it: `inputResponses` has no word for that."""
    needed = _NEEDED.get(envelope.method(question) or "")
    if needed is not None and needed not in envelope.members(response):
        return jsonrpc.error(question["id"], _REJECTED, "the user rejected the request")
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (question["id"], bytes(response))


def dismissal(question: Message) -> bytes:
    """The answer to a question that no one will answer."""
    if envelope.method(question) == words.ELICIT:
        return jsonrpc.response(question["id"], {"action": "cancel"})
    return jsonrpc.error(question["id"], jsonrpc.INTERNAL_ERROR, "the client did not answer")


def digest_of(request: ModernRequest) -> bytes:
    """Of what a retry must repeat: the method and the params, but for what each request has of its own."""
    params = envelope.members(request.message.get("params"))
    kept = words.without(params, "_meta", "inputResponses", "requestState")
    written = msgspec.json.encode(msgspec.json.decode(words.dumped(kept.items())), order="sorted")
    return hashlib.sha256(request.method.encode() + b"\0" + written).digest()[:12]


def _url_question(raw: Raw) -> Raw:
    params = words.without(envelope.members(raw), "elicitationId", "_meta", "task")
    return envelope.raw({"method": words.ELICIT, "params": params})


def _elicitations_of(error: Raw) -> list[Raw]:
    try:
        return _elicitations.decode(_error.decode(error).data).elicitations
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []
