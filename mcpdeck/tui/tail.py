"""An adapter's log as lines in an inbox, for as long as someone reads: reconnects, skips what it had, marks gaps."""

from collections.abc import AsyncIterator, Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from mcpdeck.logbook import Inbox, Kind, LogLine, parse_line
from mcpdeck.model.formatting import duration
from mcpdeck.model.logs import SINCE, TAIL, Wish
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient


class _Moment(NamedTuple):
    """The last moment of an instance's log, and its lines of that moment."""

    stamp: str
    texts: frozenset[str]


class Tail:
    """`tell` hears in words how the stream stands."""

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
        self._seen: dict[str, _Moment] = {}  # by instance
        self._had: dict[str, _Moment] = {}  # what was seen when the stream broke
        self._broken_at: datetime | None = None

    async def follow(self, client: Callable[[], "GatewayClient | None"]) -> None:
        """Until cancelled, or until a previous run's log has been read to its end."""
        from mcpdeck.errors import ProblemError, Unreachable

        while True:
            why = "waiting for the gateway"
            if (gateway := client()) is not None:
                try:
                    await self._read(gateway)
                    if self._wish.previous:
                        self._tell("complete")
                        return
                    why = "ended"
                except Unreachable:
                    why = "offline"
                except ProblemError as error:
                    why = str(error)
            self._broken_at = self._broken_at or self._clock()
            self._had = dict(self._seen)
            self._tell(f"{why}, retrying")
            await self._patience.wait(self._patience.next_delay())

    async def _read(self, client: "GatewayClient") -> None:
        async for raw in self._lines(client):
            self._tell("live")
            line = parse_line(raw)
            if self._is_new(line):
                if self._broken_at is not None:
                    gap = duration((self._clock() - self._broken_at).total_seconds())
                    self._inbox.put(LogLine(f"reconnected after {gap}", kind=Kind.GAP))
                    self._broken_at = None
                self._patience.reset()
                self._inbox.put(line)

    def _lines(self, client: "GatewayClient") -> AsyncIterator[str]:
        """From where the stream broke, if it did; `_is_new` drops what comes twice."""
        wish = self._wish
        stamps = [moment.stamp for moment in self._seen.values()]
        seconds = SINCE[wish.since][1]
        since = min(stamps) if stamps else None
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
        )

    def _is_new(self, line: LogLine) -> bool:
        """Whether it was not here before the stream broke. Without a stamp nobody can know, so it counts as new."""
        if not line.stamp:
            return True
        had = self._had.get(line.instance)
        if had and (line.stamp < had.stamp or (line.stamp == had.stamp and line.text in had.texts)):
            return False
        last = self._seen.get(line.instance)
        texts = last.texts if last and last.stamp == line.stamp else frozenset()
        self._seen[line.instance] = _Moment(line.stamp, texts | {line.text})
        return True
