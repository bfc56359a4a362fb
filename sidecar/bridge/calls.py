"""Requests under way in a child. One number names a call's id, its progress token and its subscription.

Clients choose their ids freely, so two of them choose the same; in a child that they share every id is exchanged for a
number that was never used before, and back again.
"""

from collections.abc import Callable, Iterator
from typing import Final

from msgspec import Raw

from gateway.wire import envelope
from gateway.wire.envelope import Message
from gateway.wire.replies import Reply

type Send = Callable[[bytes], bool]  # False: not sent, the child does not read

TICK: Final = 5.0  # seconds between two calls of a bridge's `tick`
TOKEN: Final = "progressToken"  # noqa: S105 - MCP's word
NOT_READING: Final = "the server does not read its input"
_CANCEL_TICKS: Final = 2  # after which a cancelled request that the child drops is answered here


class Call:
    """One request. `reply` is None in the sidecar's own; `settle` is called with the response instead."""

    __slots__ = (
        "is_acknowledged",
        "is_cancelled",
        "is_listen",
        "message",
        "number",
        "owner",
        "raw_id",
        "reply",
        "settle",
        "ticks",
        "token",
        "wants_logs",
    )

    def __init__(self, number: int, message: Message, reply: Reply | None, raw_id: bytes) -> None:
        self.number = number
        self.message = message
        self.reply = reply
        self.raw_id = Raw(raw_id)
        self.token: Raw | None = None  # the client's own progress token
        self.owner: object = None  # the session, where there are any
        self.settle: Callable[[Message], None] | None = None
        self.ticks = 0
        self.is_cancelled = False
        self.wants_logs = False
        self.is_listen = self.is_acknowledged = False

    def fail(self, error: bytes, status: int = 200) -> None:
        if self.reply is not None:
            self.reply.final(error, status)


class Calls:
    """limit: ticks after which a call is given up; 0 for none."""

    def __init__(self, *, limit: int = 0) -> None:
        self._under_way: dict[int, Call] = {}
        self._last = 0
        self._limit = limit

    def __len__(self) -> int:
        return len(self._under_way)

    def __iter__(self) -> Iterator[Call]:
        return iter(tuple(self._under_way.values()))

    def begin(self, message: Message, reply: Reply | None, raw_id: bytes = b"null") -> Call:
        """Give the message a number for an id, and its progress token the same."""
        self._last = number = self._last + 1
        call = self._under_way[number] = Call(number, message, reply, raw_id)
        written = Raw(b"%d" % number)
        message["id"] = written
        params = message.get("params")
        if params is not None and b'"progressToken"' in bytes(params):
            message["params"], call.token = envelope.swap_meta(params, TOKEN, written)
        return call

    def renumber(self, call: Call) -> None:
        """Once more, for another child."""
        self.drop(call)
        self._last = number = self._last + 1
        call.number = number
        call.message["id"] = Raw(b"%d" % number)
        if call.token is not None:
            call.message["params"], _ = envelope.swap_meta(call.message.get("params"), TOKEN, Raw(b"%d" % number))
        self._under_way[number] = call

    def get(self, number: int | None) -> Call | None:
        return None if number is None else self._under_way.get(number)

    def take(self, message: Message) -> Call | None:
        """The call that a response answers, no longer under way. None for one that is not, or no longer, awaited."""
        number = envelope.number_of(message.get("id"))
        return None if number is None else self._under_way.pop(number, None)

    def drop(self, call: Call) -> None:
        self._under_way.pop(call.number, None)

    def drain(self) -> list[Call]:
        """All of them, no longer under way."""
        calls = list(self._under_way.values())
        self._under_way.clear()
        return calls

    def tick(self) -> list[Call]:
        """Those that have waited too long, still under way; the others' replies are kept alive."""
        late = []
        for call in self:
            call.ticks += 1
            if (self._limit and call.ticks >= self._limit and not call.is_listen) or (
                call.is_cancelled and call.ticks >= _CANCEL_TICKS
            ):
                late.append(call)
            elif call.reply is not None and call.settle is None:
                call.reply.tick()
        return late
