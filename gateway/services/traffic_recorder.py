"""The flight recorder: for adapters that ask for it, the last messages, without their secrets. Judges nobody.

In memory, bounded by number and by bytes, and on a shelf. What an earlier life of the gateway left there is taken up
again when somebody reads.
"""

import asyncio
import logging
import time
import zlib
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.core.recordings import RING_BYTES, Kept, Missing, Shelf, Which
from gateway.services.traffic_exchange import Heard
from gateway.services.traffic_readers import Wish, rendered
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.wire.resources import Recording
from gateway.wire.traffic import Kind, RecordingPart, Sender, TrafficMessage

UNREAD: Final = "what was kept before the gateway started is still being read; ask again"

log = logging.getLogger(__name__)


class Recorder:
    """One adapter's. `rule` may change while it records."""

    def __init__(self, which: Which, rule: Recording, shelf: Shelf, *, limit_bytes: int = RING_BYTES) -> None:
        self.which, self.shelf = which, shelf
        self._rule, self._limit_bytes = rule, limit_bytes
        self._kept: deque[Kept] = deque()
        self._bytes = 0
        self._past: asyncio.Future[Sequence[Kept | Missing]] | None = None  # until it is taken up
        self._has_recalled = False

    def follow(self, rule: Recording) -> None:
        self._rule = rule
        self.shelf.follow(rule.max_messages)
        self._trim()

    def take(self, heard: Heard) -> None:
        if not self._samples(heard.message):
            return
        message = rendered(heard)
        line = msgspec.json.encode(message)
        kept = Kept(message.number, message.at.timestamp(), message.session, message.principal, line)
        self._kept.append(kept)
        self._bytes += len(line)
        self._trim()
        self.shelf.keep(kept)

    def recall(self) -> asyncio.Future[Any] | None:
        """What an earlier life has kept is asked for; it is there once this is done. None: it is there."""
        if self._past is None and not self._has_recalled:
            self._past = self.shelf.past()
            self._past.add_done_callback(self._take_up)
        return self._past

    def _take_up(self, past: asyncio.Future[Sequence[Kept | Missing]]) -> None:
        self._past, self._has_recalled = None, True
        if error := past.exception():
            log.error("what was kept of %s could not be read", self.which.adapter, exc_info=error)
            return
        older = [each if isinstance(each, Kept) else gap(self.which.adapter, each) for each in past.result()]
        self._kept.extendleft(reversed(older))
        self._bytes += sum(len(each.line) for each in older)
        self._trim()

    def kept(self, wish: Wish, after: int = 0) -> Iterator[Kept]:
        """after: only what has a higher number. Where something is missing is everybody's."""
        if self._past is not None:
            at = self._kept[0].at if self._kept else time.time()
            yield gap(self.which.adapter, Missing(after + 1, at, at, UNREAD))
        for each in self._kept:
            is_wanted = wish.session in ("", each.session) and wish.principal in ("", each.principal)
            if each.number > after and (is_wanted or not (each.session or each.principal)):
                yield each

    def part(self, replica: str) -> RecordingPart:
        """What there is of it."""
        held, gaps = self.shelf.held(), sum(not (each.session or each.principal) for each in self._kept)
        return RecordingPart(
            replica=replica,
            since=datetime.fromtimestamp(self._kept[0].at, UTC) if self._kept else None,
            messages=len(self._kept) - gaps,
            bytes=self._bytes,
            gaps=gaps,
            at_rest=held.is_kept,
            bytes_at_rest=held.size,
            lost=held.lost,
            trouble=held.trouble,
        )

    def _samples(self, message: TrafficMessage) -> bool:
        """A session is kept whole or not at all; of modern clients, which have none, a call is."""
        key = message.request_id if message.era == Era.MODERN else message.session
        return zlib.crc32(key.encode()) < self._rule.sample * 2**32

    def _trim(self) -> None:
        while len(self._kept) > self._rule.max_messages or self._bytes > self._limit_bytes:
            self._bytes -= len(self._kept.popleft().line)


def gap(adapter: AdapterName, missing: Missing) -> Kept:
    """As it stands among the messages."""
    message = TrafficMessage(
        number=missing.number,
        at=datetime.fromtimestamp(missing.at, UTC),
        adapter=adapter,
        sender=Sender.GATEWAY,
        kind=Kind.GAP,
        error=missing.reason,
        lost=missing.count,
        duration=round(missing.until - missing.at, 6),
    )
    return Kept(missing.number, missing.at, "", "", msgspec.json.encode(message))
