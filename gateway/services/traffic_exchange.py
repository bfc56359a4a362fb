"""One exchange overheard: its messages in order, each with its number, its pair and the call that it belongs to.

core.overhearing.Listener. Hands on what it makes, and keeps no payload; who wants it, and what is hidden, is decided
elsewhere.
"""

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Final, Protocol

import msgspec

from gateway.core.overhearing import Headers, Talk
from gateway.services import traffic_secrets
from gateway.services.traffic_pairing import Asked, Book, Conversation, Said, States, read, value_of
from gateway.wire import envelope
from gateway.wire.envelope import Unreadable
from gateway.wire.traffic import Kind, Sender, TrafficMessage

MOST_IN_BATCH: Final = 100
MOST_WAITING: Final = 100  # messages of an exchange whose session is not known yet
_EPOCH: Final = datetime.fromtimestamp(0, UTC)


class Heard(msgspec.Struct, frozen=True):
    """A message, and its bytes as they came: its beginning alone, where it is larger; none, where it has none."""

    message: TrafficMessage
    data: bytes = b""


class Desk(Protocol):
    """What exchanges have in common: see `traffic`."""

    clock: Callable[[], float]
    states: States

    def number(self) -> int: ...

    def conversation(self, session: str) -> Conversation: ...

    def tell(self, heard: Heard) -> None: ...


class _Piece(msgspec.Struct, frozen=True):
    """Something that was said, or with no data that something happened, at `at`."""

    sender: Sender
    data: bytes
    size: int
    at: float
    headers: dict[str, str]
    status: int = 0
    error: str = ""
    answers: Asked | None = None


class Overheard:
    """Messages wait here while nobody knows the session: `initialize` has one only once it is answered."""

    def __init__(self, desk: Desk, talk: Talk) -> None:
        self._desk, self._account, self._request = desk, talk.account, talk.asking.request
        self._open = Book(MOST_IN_BATCH)  # the client's requests of this exchange
        self._first: Asked | None = None  # what the client asked first, for what comes in its course
        self._has_answered = False
        self._waiting: list[_Piece] = []
        self._status = 0
        self._headers: dict[str, str] = {}  # of the answer, until they are told
        self._common: dict[str, Any] = {
            "adapter": talk.adapter,
            "instance": talk.endpoint.instance,
            "principal": talk.principal.id,
            "era": talk.era.value,
            "verb": self._request.method,
            "request_id": talk.request_id.decode("latin-1"),
        }

    # core.overhearing.Listener

    def asked(self) -> None:
        request = self._request
        headers = traffic_secrets.headers(request.headers)
        for data in _several(request.body):
            self._take(_Piece(Sender.CLIENT, data, len(data), self._account.opened_at, headers))
            headers = {}

    def answering(self, status: int, headers: Headers) -> None:
        self._status, self._headers = status, traffic_secrets.headers(headers)

    def said(self, data: bytes, size: int) -> None:
        for each in _several(data) if size == len(data) else [data]:
            self._hear(each, size if len(data) < size else len(each))

    def ended(self, status: int, problem: str = "") -> None:
        self._status = status
        for asked in self._unanswered(status, problem):
            error = problem or self._failure(status)
            self._take(_Piece(Sender.SERVER, b"", 0, self._desk.clock(), self._told(), status, error, asked))
        self._flush()

    # the inside

    def _hear(self, data: bytes, size: int) -> None:
        self._has_answered = True
        self._take(_Piece(Sender.SERVER, data, size, self._desk.clock(), self._told(), self._status))

    def _told(self) -> dict[str, str]:
        headers, self._headers = self._headers, {}
        return headers

    def _unanswered(self, status: int, problem: str) -> list[Asked]:
        """What is said to be over by the end of the exchange alone."""
        self._flush()
        if status == 202:  # its response comes on another stream (HTTP+SSE, 2024-11-05)
            return []
        if len(self._open):
            return list(self._open)
        is_failure = (status >= 400 or bool(problem)) and not self._has_answered
        return [self._first] if self._first and (self._request.method != "POST" or is_failure) else []

    def _failure(self, status: int) -> str:
        if status >= 400:
            return f"HTTP {status}"
        if self._request.method != "POST":
            return ""  # a stream ends somehow
        return "no response came" if status else "no response came: it broke off, or its client left"

    def _take(self, piece: _Piece) -> None:
        if not self._account.session_id and len(self._waiting) < MOST_WAITING:
            self._waiting.append(piece)
            return
        self._flush()
        self._tell(piece)

    def _flush(self) -> None:
        waiting, self._waiting = self._waiting, []
        for piece in waiting:
            self._tell(piece)

    def _tell(self, piece: _Piece) -> None:
        said = read(piece.data, piece.size) if piece.data else Said(Kind.HTTP, method=self._request.method)
        number = self._desk.number()
        links = self._linked(said, piece, Asked(number, piece.at, said.method, said.target))
        message = TrafficMessage(
            **{
                "number": number,
                "at": datetime.fromtimestamp(piece.at, UTC),
                "session": self._account.session_id,
                "sender": piece.sender,
                "kind": said.kind,
                "method": said.method,
                "target": said.target,
                "id": value_of(said.id),
                "status": piece.status,
                "error": traffic_secrets.sentence(piece.error or said.error or _refusal(said, piece)),
                "size": piece.size,
                "headers": piece.headers,
                **self._common,
                **links,
            }
        )
        self._desk.tell(Heard(message, piece.data))

    def _linked(self, said: Said, piece: _Piece, asked: Asked) -> dict[str, Any]:
        """How it hangs together with others, as TrafficMessage has it; remembers it for what comes."""
        if piece.sender is Sender.CLIENT and self._first is None:
            self._first = asked
        match said.kind, piece.sender:
            case Kind.REQUEST, Sender.CLIENT:
                return self._call(said, asked)
            case Kind.REQUEST, _:
                self._conversation.asked[Sender.SERVER].put(said.id, asked)
                return {"under": self._course}
            case Kind.NOTIFICATION, _:
                return {"under": self._about(said, piece.sender)}
            case Kind.RESPONSE, _:
                return self._answer(said, piece)
        ended = piece.answers or (self._open.only() if piece.sender is Sender.SERVER else None)
        return _pair(ended, piece.at) if ended is not None else {}

    def _call(self, said: Said, asked: Asked) -> dict[str, Any]:
        conversation = self._conversation
        self._open.put(said.id, asked)
        conversation.asked[Sender.CLIENT].put(said.id, asked)
        if said.token:
            conversation.tokens.put(said.token, asked)
        return {"follows": self._desk.states.get(said.state)} if said.state else {}

    def _answer(self, said: Said, piece: _Piece) -> dict[str, Any]:
        conversation = self._conversation
        if piece.sender is Sender.CLIENT:
            asked = conversation.asked[Sender.SERVER].take(said.id)
        else:
            asked = self._open.take(said.id) or (self._open.only() if not said.id else None)
            later = conversation.asked[Sender.CLIENT].take(said.id)
            asked = asked or later
        if asked is None:
            return {}
        if said.state:
            self._desk.states.put(said.state, asked.number)
        return _pair(asked, piece.at)

    def _about(self, said: Said, sender: Sender) -> int:
        """The call that a notification belongs to; 0 where to none."""
        conversation = self._conversation
        found: Asked | None = None
        if said.cancels:
            found = conversation.asked[sender].get(said.cancels)
        elif said.progresses:
            found = conversation.tokens.get(said.progresses)
        if found is not None:
            return found.number
        return self._course if sender is Sender.SERVER else 0

    @property
    def _course(self) -> int:
        """The call in whose course the server speaks; 0 on a stream that is nobody's."""
        return self._first.number if self._first is not None and self._request.method == "POST" else 0

    @property
    def _conversation(self) -> Conversation:
        return self._desk.conversation(self._account.session_id)


def _pair(asked: Asked, at: float) -> dict[str, Any]:
    return {
        "answers": asked.number,
        "duration": round(max(0.0, at - asked.at), 6),
        "method": asked.method,
        "target": asked.target,
    }


def _refusal(said: Said, piece: _Piece) -> str:
    """Of an answer that is no JSON-RPC."""
    if said.kind is not Kind.HTTP or not piece.data:
        return ""
    return f"HTTP {piece.status}" if piece.status >= 400 else "is no JSON-RPC"


def _several(body: bytes) -> Iterator[bytes]:
    """The messages of a batch (2025-03-26), or the one that it is; one of none, where there is no body."""
    elements = envelope.parse_batch(body) if envelope.is_batch(body) else None
    if elements is None or isinstance(elements, Unreadable) or len(elements) > MOST_IN_BATCH or not elements:
        yield body
    else:
        yield from map(bytes, elements)
