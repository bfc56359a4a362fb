"""A client of the handshake era before a server of 2026-07-28: the session that only the gateway keeps.

What a request needs is sealed into the session's id, so that any replica answers it. What changes while the session
lasts (its calls, questions, log level, subscriptions) is kept where it was opened; elsewhere it is as if it were new.
"""

import itertools
from typing import Final

from msgspec import Raw

from gateway.bridge import words
from gateway.bridge.guest import Guest
from gateway.bridge.legacy_call import Call
from gateway.bridge.listening import Listening
from gateway.bridge.sides import Answer
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

_ALREADY: Final = "a request with this id is under way"


class LegacyClient:
    """One session, or one request of a client that names none."""

    def __init__(self, guest: Guest) -> None:
        self.guest = guest
        self._calls: dict[bytes, Call] = {}  # by the client's own ids
        self._asked: dict[str, Call] = {}  # by the ids of the questions that wait for an answer
        self._questions = itertools.count(1)
        self._listening = Listening(guest)

    @property
    def is_as_new(self) -> bool:
        """Whether nothing is kept that the id does not say."""
        return not self._calls and not self.guest.level and self._listening.is_as_new

    def request(self, message: Message, answer: Answer) -> None:
        written = envelope.raw_id(message)
        assert written is not None  # noqa: S101 - that is what makes it a request
        method = envelope.method(message) or ""
        if written in self._calls:
            answer.final(jsonrpc.error(written, jsonrpc.INVALID_REQUEST, _ALREADY), 400)
        elif method == "ping":
            answer.final(jsonrpc.response(written, {}))
        elif method == "logging/setLevel":
            self._set_level(written, message, answer)
        elif method in ("resources/subscribe", "resources/unsubscribe"):
            self._subscribe(written, message, answer)
        elif method in (mcp.DISCOVER, mcp.LISTEN) or method.startswith(words.TASK_METHODS):
            answer.final(self._no_counterpart(written, method))
        else:
            call = self._calls[written] = Call(self.guest, self, message, answer)
            call.send()

    def notification(self, message: Message) -> None:
        """Only a cancellation means anything: the others speak of a session that the server does not have."""
        if envelope.method(message) == mcp.CANCELLED:
            params = envelope.members(message.get("params"))
            call = self._calls.get(bytes(params.get("requestId", Raw())))
            if call is not None:
                call.cancel()

    def response(self, message: Message) -> None:
        """The client's answer to a question that a call asked it."""
        question = envelope.id_of(message.get("id"))
        call = self._asked.pop(question, None) if isinstance(question, str) else None
        if call is not None:
            call.answered(str(question), message)

    def open_stream(self, answer: Answer) -> None:
        """The GET stream."""
        self._listening.open_stream(answer)

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        for call in tuple(self._calls.values()):
            call.tick()
        self._listening.tick()

    def end(self) -> None:
        """The session is over."""
        for call in tuple(self._calls.values()):
            call.cancel()
        self._listening.end()

    # what its calls need

    def ask(self, call: Call) -> str:
        """An id for a question of the server's, whose answer will go to this call."""
        question = f"mcpdeck-{self.guest.number}-{next(self._questions)}"
        self._asked[question] = call
        return question

    def over(self, call: Call) -> None:
        self._calls.pop(call.written, None)
        for question in call.unanswered:
            self._asked.pop(question, None)

    def _set_level(self, written: bytes, message: Message, answer: Answer) -> None:
        level = words.level_of(envelope.members(message.get("params")).get("level"))
        if level is None:
            sentence = f"level must be one of {', '.join(words.LEVELS)}"
            answer.final(jsonrpc.error(written, jsonrpc.INVALID_PARAMS, sentence))
        else:
            self.guest.level = words.LEVELS[level]
            answer.final(jsonrpc.response(written, {}))

    def _subscribe(self, written: bytes, message: Message, answer: Answer) -> None:
        uri = envelope.text(envelope.members(message.get("params")).get("uri", Raw(b"null")))
        if uri is None:
            answer.final(jsonrpc.error(written, jsonrpc.INVALID_PARAMS, "params.uri must be text"))
        elif envelope.method(message) == "resources/subscribe":
            self._listening.subscribe(uri, written, answer)
        else:
            self._listening.unsubscribe(uri, written, answer)

    def _no_counterpart(self, written: bytes, method: str) -> bytes:
        guest = self.guest
        sentence = (
            f"adapter '{guest.adapter}' speaks MCP {mcp.MODERN_VERSION} only and this client speaks {guest.version}: "
            f"{method!r} has no counterpart there"
        )
        return envelope.own_error(written, jsonrpc.METHOD_NOT_FOUND, sentence, "no-counterpart")
