"""Who watches: what of the traffic one wants, and what waits for it. Hides what is to be hidden; decides not who may.

Rendered only when it is about to be sent, so that what a slow reader loses has cost nothing.
"""

import asyncio
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.services import traffic_secrets
from gateway.services.traffic_exchange import Heard
from gateway.wire import sse
from gateway.wire.names import AdapterName
from gateway.wire.traffic import DROPPED, END, MESSAGE, Dropped, Ended, TrafficMessage

QUEUE: Final = 1000  # messages that wait for a slow reader
QUEUE_BYTES: Final = 4 * 1024 * 1024
_DROPPED: Final = f"event: {DROPPED}\n".encode()


class Wish(msgspec.Struct, frozen=True):
    """What somebody watches. session, principal: only that one's; "" for all. reveals: secrets are not hidden.

    adapter: "" for several: `whole`, of which everything is wanted, and `own`, of which what is the principal's.
    """

    adapter: AdapterName
    session: str = ""
    principal: str = ""
    reveals: bool = False
    whole: frozenset[AdapterName] = frozenset()
    own: frozenset[AdapterName] = frozenset()

    @property
    def adapters(self) -> frozenset[AdapterName]:
        return frozenset((self.adapter,)) if self.adapter else self.whole | self.own

    def at(self, adapter: AdapterName) -> "Wish":
        """What of it is wanted of one adapter."""
        return self if self.adapter else Wish(adapter, principal="" if adapter in self.whole else self.principal)

    def takes(self, message: "TrafficMessage | _Whose") -> bool:
        if not self.adapter:
            return message.adapter in self.whole or (
                message.adapter in self.own and message.principal == self.principal
            )
        return (
            message.adapter == self.adapter
            and self.session in ("", message.session)
            and self.principal in ("", message.principal)
        )


class _Whose(msgspec.Struct, frozen=True):
    """Of a message that another replica has rendered."""

    adapter: str = ""
    session: str = ""
    principal: str = ""


_whose = msgspec.json.Decoder(_Whose).decode


class Reader:
    """Messages on their way to one reader; the oldest go first where there are too many, or too much."""

    def __init__(self, wish: Wish, *, limit: int = QUEUE, limit_bytes: int = QUEUE_BYTES) -> None:
        self.wish = wish
        self.wake = asyncio.Event()
        self.end = ""  # why nothing more comes
        self._waiting: deque[Heard | bytes] = deque()  # bytes: an event of another replica's
        self._bytes = self._dropped = 0
        self._limit, self._limit_bytes = limit, limit_bytes

    def put(self, heard: Heard) -> None:
        self._put(heard)

    def put_event(self, event: bytes) -> None:
        """What another replica has rendered."""
        self._put(event)

    def _put(self, heard: Heard | bytes) -> None:
        self._waiting.append(heard)
        self._bytes += _size(heard)
        while len(self._waiting) > self._limit or (self._bytes > self._limit_bytes and len(self._waiting) > 1):
            self._bytes -= _size(self._waiting.popleft())
            self._dropped += 1
        self.wake.set()

    def close(self, reason: str) -> None:
        self.end = self.end or reason
        self.wake.set()

    def shut(self, reason: str) -> None:
        """The same, and what waits is not told either."""
        self._waiting.clear()
        self._bytes = self._dropped = 0
        self.close(reason)

    def taken(self, stamp: str) -> Iterator[bytes]:
        """What waits, as events, one by one: what comes meanwhile is among them."""
        while self._waiting:
            if lost := self._dropped:
                self._dropped = 0
                yield sse.encode(msgspec.json.encode(Dropped(lost)), DROPPED)
            heard = self._waiting.popleft()
            self._bytes -= _size(heard)
            if not self._may_have(heard):
                continue
            if isinstance(heard, bytes):
                yield heard
                continue
            message = rendered(heard, reveals=self.wish.reveals)
            yield event(stamp, message.number, msgspec.json.encode(message))

    def _may_have(self, heard: Heard | bytes) -> bool:
        """Of several adapters one may be taken from the wish while what was heard of it waits."""
        if self.wish.adapter:
            return True
        if isinstance(heard, Heard):
            return self.wish.takes(heard.message)
        _, data, line = heard.partition(b"\ndata: ")
        return heard.startswith(_DROPPED) or (bool(data) and self.wish.takes(_whose(line)))

    def last(self) -> bytes:
        return sse.encode(msgspec.json.encode(Ended(self.end)), END)


def _size(heard: Heard | bytes) -> int:
    return len(heard) if isinstance(heard, bytes) else len(heard.data)


def rendered(heard: Heard, *, reveals: bool = False) -> TrafficMessage:
    """With its payload, as it may be seen."""
    message = heard.message
    if not heard.data:
        return message
    show = traffic_secrets.revealed if reveals else traffic_secrets.shown
    seen = show(heard.data, message.size)
    return msgspec.structs.replace(
        message,
        payload=msgspec.Raw(seen.payload) if seen.payload else None,
        excerpt=seen.excerpt,
        redacted=seen.redacted,
    )


def event(stamp: str, number: int, encoded: bytes) -> bytes:
    """stamp: the gateway's process, to which alone numbers mean anything."""
    return sse.encode(encoded, MESSAGE, f"{stamp}-{number}")
