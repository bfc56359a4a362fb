"""An adapter's log as lines in an inbox, for as long as someone reads: reconnects, skips what it had, marks gaps."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from mcpdeck.logbook import Inbox, Kind, LogLine, parse_line
from mcpdeck.model.formatting import duration
from mcpdeck.model.logs import SINCE, TAIL, Wish
from mcpdeck.resuming import Seen
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient


class Tail:
    """`tell` hears in words how the stream stands. Nothing keeps a log's stream alive: a dead one only looks quiet."""

    def __init__(
        self,
        wish: Wish,
        inbox: Inbox,
        tell: Callable[[str], None],
        *,
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._wish = wish
        self._inbox = inbox
        self._tell = tell
        self._clock = clock
        self._patience = patience
        self._seen = Seen()
        self._broken_at: datetime | None = None
        self._heard_at = clock()
        self.is_over = False  # nothing more can come

    async def follow(self, client: Callable[[], "GatewayClient | None"]) -> None:
        """Until cancelled, or until a previous run's log has been read to its end. May be called again."""
        try:
            await self._follow(client)
        finally:
            self._broke()

    def is_silent_since(self, moment: datetime) -> bool:
        """Whether nothing has come since then, though more could."""
        return not self.is_over and self._heard_at <= moment

    def _broke(self) -> None:
        self._broken_at = self._broken_at or self._clock()
        self._seen.broke()

    async def _follow(self, client: Callable[[], "GatewayClient | None"]) -> None:
        from mcpdeck.errors import ProblemError, Unreachable

        while True:
            why, asked_for = "waiting for the gateway", None
            if (gateway := client()) is not None:
                try:
                    await self._read(gateway)
                    if self._wish.previous:
                        self._tell("complete")
                        self.is_over = True
                        return
                    why = "ended"
                except Unreachable:
                    why = "offline"
                except ProblemError as error:
                    why, asked_for = str(error), error.retry_after
            self._broke()
            self._tell(f"{why}, retrying")
            await self._patience.wait(self._patience.next_delay(at_least=asked_for))

    def _begun(self) -> None:
        self._heard_at = self._clock()
        self._patience.begun()
        self._tell("live")

    async def _read(self, client: "GatewayClient") -> None:
        async for raw in self._lines(client):
            self._heard_at = self._clock()
            line = parse_line(raw)
            if self._seen.is_new(line):
                if self._broken_at is not None:
                    gap = duration((self._clock() - self._broken_at).total_seconds())
                    self._inbox.put(LogLine(f"reconnected after {gap}", kind=Kind.GAP))
                    self._broken_at = None
                self._inbox.put(line)

    def _lines(self, client: "GatewayClient") -> AsyncIterator[str]:
        """From where the stream broke, if it did; what comes twice is dropped."""
        wish = self._wish
        seconds = SINCE[wish.since][1]
        since = self._seen.since
        if since is None and seconds:
            since = (self._clock() - timedelta(seconds=seconds)).isoformat()
        return client.logs(
            wish.adapter,
            instance="all",
            follow=not wish.previous,
            since=since,
            tail=TAIL if since is None and seconds is None else None,
            previous=wish.previous,
            timestamps=True,
            begun=self._begun,
        )
