"""What a call takes along to its next round, where its tool asked something first: what was approved, what was counted.

In 2026-07-28 a client answers a tool's questions by making its call again. Only a call that was asked something takes
anything along, once, with the same arguments by the same caller. Where there are other replicas, they know of it too.
"""

import hashlib
import time
from collections.abc import Callable, Iterable
from typing import Final

import msgspec

from gateway.core.ports import Exchange
from gateway.core.sharing import Shared
from gateway.toolrouter.approvals import digest_of
from gateway.toolrouter.inner import EVENT_STREAM, Passing, media_type
from gateway.toolrouter.weighing import Weighed
from gateway.wire import sse
from gateway.wire.http1 import Headers

MOST: Final = 10_000  # rounds that are waited for; the oldest make room
LIFETIME: Final = 300.0  # seconds until a call that was only counted counts anew
TABLE: Final = "carried"
TAKEN: Final = "carried on"
_ASKS: Final = b"input_required"


class Ticket(msgspec.Struct, frozen=True):
    """until: seconds of this process's own clock, which nobody sets; on its way to another, seconds from now.

    rule: policy and rule under which the call was approved, if it had to be.
    """

    until: float
    rule: tuple[str, str] | None = None

    def approves(self, policy: str, rule: str) -> bool:
        return self.rule == (policy, rule)


class Carried:
    """core.sharing.Table where there are other replicas."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kept: dict[str, Ticket] = {}
        self._elsewhere: dict[str, dict[str, Ticket]] = {}  # by replica
        self._shared: Shared | None = None

    def share(self, shared: Shared) -> None:
        self._shared = shared
        shared.join(TABLE, self)
        shared.listen(TAKEN, lambda key: self._drop(key.decode()))

    def keep(self, call: Weighed, state: str, ticket: Ticket) -> None:
        """state: what the tool wants back, "" where it has none."""
        key = _key(call, state)
        if len(self._kept) >= MOST:
            self._drop(next(iter(self._kept)))
        self._kept[key] = ticket
        self._stir(key)

    def take(self, call: Weighed) -> Ticket | None:
        """What the round before left for this one. It is gone then."""
        if call.state is None:
            return None
        key = _key(call, call.state)
        ticket = self._kept.get(key)
        self._drop(key)
        for replica, kept in self._elsewhere.items():
            if (found := kept.pop(key, None)) is not None and self._shared is not None:
                ticket = found
                self._shared.tell(replica, TAKEN, key.encode())
        return ticket if ticket is not None and ticket.until > self._clock() else None

    def until(self, seconds: float = LIFETIME) -> float:
        """Of a ticket that is good for so long from now."""
        return self._clock() + seconds

    def clear(self) -> None:
        """Policies are others: what was approved under the ones before says nothing."""
        for key in tuple(self._kept):
            self._drop(key)

    def tick(self) -> None:
        now = self._clock()
        for key in [key for key, each in self._kept.items() if each.until <= now]:
            self._drop(key)

    def _drop(self, key: str) -> None:
        if self._kept.pop(key, None) is not None:
            self._stir(key)

    def _stir(self, key: str) -> None:
        if self._shared is not None:
            self._shared.stir(TABLE, key, at_once=True)

    # core.sharing.Table

    def rows(self) -> Iterable[str]:
        return tuple(self._kept)

    def row(self, name: str) -> bytes | None:
        ticket = self._kept.get(name)
        if ticket is None:
            return None
        return msgspec.msgpack.encode(Ticket(ticket.until - self._clock(), ticket.rule))

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        kept = self._elsewhere.setdefault(replica, {})
        kept.pop(name, None)
        if value is not None:
            told = msgspec.msgpack.decode(value, type=Ticket)
            kept[name] = Ticket(self.until(told.until), told.rule)

    def lost(self, replica: str) -> None:
        self._elsewhere.pop(replica, None)


class _Result(msgspec.Struct):
    kind: str = msgspec.field(name="resultType", default="")
    state: str = msgspec.field(name="requestState", default="")


class _Answer(msgspec.Struct):
    result: _Result = msgspec.field(default_factory=_Result)


_answer = msgspec.json.Decoder(_Answer)


class Heard(Passing):
    """Around the exchange of a call. asks: told the state that a tool wants back, if it asks something first."""

    def __init__(self, outer: Exchange, asks: Callable[[str], None]) -> None:
        super().__init__(outer, outer.request)
        self._asks = asks
        self._decoder: sse.Decoder | None = None

    def whole(self, status: int, headers: Headers, body: bytes) -> None:
        if media_type(headers) == EVENT_STREAM:
            self._listen(sse.Decoder(), body)
        else:
            self._look(body)
        super().whole(status, headers, body)

    def began(self, status: int, headers: Headers, length: int | None) -> None:
        if media_type(headers) == EVENT_STREAM:
            self._decoder = sse.Decoder()
        super().began(status, headers, length)

    def went_on(self, chunk: bytes) -> None:
        if self._decoder is not None:
            self._listen(self._decoder, chunk)
        super().went_on(chunk)

    def _listen(self, decoder: sse.Decoder, chunk: bytes) -> None:
        try:
            for event in decoder.feed(chunk):
                self._look(event.data or b"")
        except ValueError:  # an event longer than what is held here: its client gets it all the same
            self._decoder = None

    def _look(self, data: bytes) -> None:
        if _ASKS not in data:
            return
        try:
            result = _answer.decode(data).result
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        if result.kind == "input_required":
            self._asks(result.state)


def _key(call: Weighed, state: str) -> str:
    parts = (call.caller.principal.id, call.caller.place, digest_of(call.name, call.arguments), state)
    return hashlib.sha256(msgspec.json.encode(parts)).hexdigest()
