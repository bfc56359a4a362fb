"""Which response answers which request, and what came in the course of which call. Pure; bounded; believes no id.

A client numbers its requests, a server its own. One exchange is looked at first, since calls of modern clients, and of
several programs that pass for one client, may have the same ids at the same time; then what the session has open.
"""

import re
from collections.abc import Iterator
from typing import Final

import msgspec
from msgspec import Raw

from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.jsonrpc import Envelope
from gateway.wire.traffic import Kind, Sender

OPEN: Final = 1000  # requests without a response that are remembered per session and side
STATES: Final = 10_000  # of 2026-07-28's half-done calls
_NAME_LENGTH: Final = 256
_ERROR_LENGTH: Final = 500

_LEADING = re.compile(rb'\s*"(jsonrpc|id|method)"\s*:\s*("(?:[^"\\]|\\.)*"|-?[0-9][0-9.eE+-]*)\s*,?')
_NONE: Final = Raw()


class Asked(msgspec.Struct, frozen=True):
    """A request that waits for its response. at: seconds since the epoch."""

    number: int
    at: float
    method: str
    target: str = ""


class _Meta(msgspec.Struct):
    token: Raw = msgspec.field(name="progressToken", default=_NONE)


class _Params(msgspec.Struct, rename="camel"):
    name: Raw = _NONE
    uri: Raw = _NONE
    task_id: Raw = _NONE
    request_id: Raw = _NONE  # of what is cancelled
    progress_token: Raw = _NONE
    request_state: Raw = _NONE
    meta: _Meta | None = msgspec.field(name="_meta", default=None)


class _Block(msgspec.Struct):
    text: str = ""


class _Result(msgspec.Struct, rename="camel"):
    is_error: bool = False
    content: list[_Block] = []
    request_state: Raw = _NONE


class _Error(msgspec.Struct):
    code: int = 0
    message: str = ""


_params = msgspec.json.Decoder(_Params)
_result = msgspec.json.Decoder(_Result)
_error = msgspec.json.Decoder(_Error)


class Said(msgspec.Struct, frozen=True):
    """One message, as far as it is understood. error: in a sentence what it says went wrong.

    cancels, progresses: raw ids of what it is about. token: by which its progress is told. state: a hash of what
    2026-07-28 takes a call up again with.
    """

    kind: Kind
    id: bytes = b""
    method: str = ""
    target: str = ""
    error: str = ""
    cancels: bytes = b""
    progresses: bytes = b""
    token: bytes = b""
    state: int = 0


def read(data: bytes, size: int) -> Said:
    """data: a message, or the beginning of one that has `size` bytes. Of kind `http` what is none."""
    if len(data) < size:
        return _begun(data)
    try:
        outer = jsonrpc.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return Said(Kind.HTTP)
    written = bytes(outer.id) if outer.has_id else b""
    if outer.method is not None:
        return _said(outer, written)
    if not bytes(outer.result) and not bytes(outer.error):
        return Said(Kind.HTTP)
    error, state = _outcome(outer)
    return Said(Kind.RESPONSE, written, error=error, state=state)


def _begun(data: bytes) -> Said:
    """By the members that come first: most write id and method there."""
    leading, place = {}, 1 if data[:1] == b"{" else len(data)  # type: dict[bytes, bytes], int
    while found := _LEADING.match(data, place):
        leading[found[1]] = found[2]
        place = found.end()
    written = leading.get(b"id", b"")
    method = _text(Raw(leading.get(b"method", b"")))
    if method:
        return Said(Kind.REQUEST if written else Kind.NOTIFICATION, written, method)
    return Said(Kind.RESPONSE, written)


def value_of(written: bytes) -> jsonrpc.Id:
    return envelope.id_of(Raw(written)) if written else None


def _said(outer: Envelope, written: bytes) -> Said:
    assert outer.method is not None  # noqa: S101 - asked by its caller
    kind = Kind.REQUEST if written else Kind.NOTIFICATION
    method = outer.method[:_NAME_LENGTH]
    try:
        params = _params.decode(outer.params) if bytes(outer.params) else _Params()
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Said(kind, written, method)
    named = next((name for each in (params.name, params.uri, params.task_id) if (name := _text(each))), "")
    return Said(
        kind,
        written,
        method,
        named,
        cancels=bytes(params.request_id) if method == mcp.CANCELLED else b"",
        progresses=bytes(params.progress_token) if method == mcp.PROGRESS else b"",
        token=bytes(params.meta.token) if params.meta is not None else b"",
        state=_hashed(params.request_state),
    )


def _outcome(outer: Envelope) -> tuple[str, int]:
    try:
        if bytes(outer.error):
            error = _error.decode(outer.error)
            return f"{error.message[:_ERROR_LENGTH]} ({error.code})".strip(), 0
        result = _result.decode(outer.result)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ("an error of no known form", 0) if bytes(outer.error) else ("", 0)
    told = next((block.text[:_ERROR_LENGTH] for block in result.content if block.text), "")
    return (told or "the tool failed") if result.is_error else "", _hashed(result.request_state)


def _text(raw: Raw) -> str:
    return (envelope.text(raw) or "")[:_NAME_LENGTH] if bytes(raw) else ""


def _hashed(raw: Raw) -> int:
    return hash(bytes(raw)) if bytes(raw) else 0


class Book:
    """Open requests by raw id, the oldest first; those go when there are too many."""

    def __init__(self, limit: int = OPEN) -> None:
        self._asked: dict[bytes, Asked] = {}
        self._limit = limit

    def __len__(self) -> int:
        return len(self._asked)

    def __iter__(self) -> Iterator[Asked]:
        return iter(self._asked.values())

    def put(self, written: bytes, asked: Asked) -> None:
        if len(self._asked) >= self._limit:
            del self._asked[next(iter(self._asked))]
        self._asked[written] = asked

    def get(self, written: bytes) -> Asked | None:
        return self._asked.get(written)

    def take(self, written: bytes) -> Asked | None:
        return self._asked.pop(written, None)

    def only(self) -> Asked | None:
        """Taken, where there is but one."""
        return self._asked.popitem()[1] if len(self._asked) == 1 else None


class Conversation:
    """What one session, or one group of calls, has open."""

    def __init__(self) -> None:
        self.asked = {Sender.CLIENT: Book(), Sender.SERVER: Book()}  # by who asked
        self.tokens = Book()  # by progress token


class States:
    """Calls of 2026-07-28 that wait for input, by a hash of their state: who takes one up again follows it."""

    def __init__(self, limit: int = STATES) -> None:
        self._numbers: dict[int, int] = {}
        self._limit = limit

    def put(self, state: int, number: int) -> None:
        if len(self._numbers) >= self._limit:
            del self._numbers[next(iter(self._numbers))]
        self._numbers[state] = number

    def get(self, state: int) -> int:
        return self._numbers.get(state, 0)
