"""The flight recorder: for adapters that ask for it, the last messages, without their secrets. In memory alone.

Nothing of it is on a disk, so it ends with the gateway's process and there is nothing to encrypt. Bounded by number and
by bytes. Judges nobody.
"""

import zlib
from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

from gateway.services.traffic_exchange import Heard
from gateway.services.traffic_readers import Wish, rendered
from gateway.wire.mcp import Era
from gateway.wire.resources import Recording
from gateway.wire.traffic import TrafficMessage

RING_BYTES: Final = 16 * 1024 * 1024  # of one adapter's recording


class Kept(msgspec.Struct, frozen=True):
    """One recorded message: enough to choose by, and its JSON."""

    number: int
    session: str
    principal: str
    line: bytes


class Recorder:
    """One adapter's. `rule` may change while it records."""

    def __init__(self, rule: Recording, *, limit_bytes: int = RING_BYTES) -> None:
        self._rule, self._limit_bytes = rule, limit_bytes
        self._kept: deque[Kept] = deque()
        self._bytes = 0

    def follow(self, rule: Recording) -> None:
        self._rule = rule
        self._trim()

    def take(self, heard: Heard) -> None:
        if not self._samples(heard.message):
            return
        message = rendered(heard)
        line = msgspec.json.encode(message)
        self._kept.append(Kept(message.number, message.session, message.principal, line))
        self._bytes += len(line)
        self._trim()

    def kept(self, wish: Wish, after: int = 0) -> Iterator[Kept]:
        """after: only what has a higher number."""
        for each in self._kept:
            is_wanted = wish.session in ("", each.session) and wish.principal in ("", each.principal)
            if each.number > after and is_wanted:
                yield each

    def _samples(self, message: TrafficMessage) -> bool:
        """A session is kept whole or not at all; of modern clients, which have none, a call is."""
        key = message.request_id if message.era == Era.MODERN else message.session
        return zlib.crc32(key.encode()) < self._rule.sample * 2**32

    def _trim(self) -> None:
        while len(self._kept) > self._rule.max_messages or self._bytes > self._limit_bytes:
            self._bytes -= len(self._kept.popleft().line)
