"""Traffic as it flows, for as long as someone looks: reconnects, goes on where it was, marks gaps. Draws nothing."""

from collections.abc import Callable
from contextlib import aclosing
from datetime import datetime
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.wire.traffic import Dropped, Ended, Kind, TrafficMessage
from mcpdeck.logbook import Inbox
from mcpdeck.model.formatting import duration, plural
from mcpdeck.traffic.kept import missing
from mcpdeck.traffic.wishes import Coming, From, Gap, Wish
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient, Heard

STOPS: Final = "the gateway stops"  # and another one will come
_FINAL: Final = frozenset({403, 404})


class TrafficStream:
    """`tell` hears in words how the stream stands. `place` is the last event's id, to go on from."""

    def __init__(
        self,
        wish: Wish,
        inbox: Inbox[Coming],
        tell: Callable[[str], None],
        *,
        clock: Callable[[], datetime],
        patience: Patience,
        place: str = "",
        left_at: datetime | None = None,
    ) -> None:
        self._wish = wish
        self._inbox = inbox
        self._tell = tell
        self._clock = clock
        self._patience = patience
        self.place = place
        self._broken_at = left_at
        self._has_begun = False
        self.is_on = True  # until nobody follows any more

    async def follow(self, client: Callable[[], "GatewayClient | None"]) -> None:
        """Until cancelled, or until nothing more can come."""
        try:
            await self._follow(client)
        finally:
            self.is_on = False
            self._broken_at = self.silent_since

    async def _follow(self, client: Callable[[], "GatewayClient | None"]) -> None:
        from mcpdeck.errors import ProblemError, Unreachable

        while True:
            why, asked_for = "waiting for the gateway", None
            if (gateway := client()) is not None:
                try:
                    if reason := await self._read(gateway):
                        self._tell(f"ended: {reason}")
                        self._inbox.put(Gap(reason))
                        return
                    why = "the stream ended"
                except Unreachable:
                    why = "offline"
                except ProblemError as error:
                    why, asked_for = error.problem.detail or error.problem.title, error.retry_after
                    if error.problem.status in _FINAL:
                        self._tell(f"refused: {why}")
                        return
                except msgspec.DecodeError as error:
                    why = f"the gateway says what this deck can not read: {error}"
            self._broken_at = self.silent_since
            self._tell(f"{why}, retrying")
            await self._patience.wait(self._patience.next_delay(at_least=asked_for))

    async def _read(self, client: "GatewayClient") -> str:
        """Why nothing more will come; empty where the stream only broke."""
        wish = self._wish
        stream = client.traffic(
            session=wish.session,
            adapter="" if wish.session else wish.adapter,
            last_event_id=self.place or None,
            begun=self._begin,
        )
        self._tell("connecting" if self._broken_at is None else "connecting again")
        async with aclosing(stream):
            async for heard in stream:
                if isinstance(heard.what, Ended):
                    return "" if heard.what.reason == STOPS else heard.what.reason
                self._take(heard)
        return ""

    def _take(self, heard: "Heard") -> None:
        if heard.event_id is not None:
            self._arrive(heard.event_id)
        match heard.what:
            case Dropped(count=count):
                lost = f"{plural(count, 'message')} lost: they came faster than they were sent"
                self._inbox.put(Gap(lost, count))
            case TrafficMessage(kind=Kind.GAP) as gap:
                self._inbox.put(Gap(missing(gap), gap.lost))
            case TrafficMessage() as message:
                self._inbox.put(message)

    @property
    def silent_since(self) -> datetime | None:
        """Since when nothing is heard if it ends now; None before anything could be."""
        return self._broken_at or (self._clock() if self._has_begun else None)

    def _begin(self) -> None:
        self._has_begun = True
        self._patience.begun()
        self._tell("live")
        if self._broken_at is not None:
            gap = duration((self._clock() - self._broken_at).total_seconds())
            self._broken_at = None
            self._inbox.put(Gap(f"not listened for {gap}"))

    def _arrive(self, event_id: str) -> None:
        """Where the stream is now. Every process of the gateway numbers by itself, and several may tell in turn."""
        before, self.place = self.place.rpartition("-")[0], event_id
        process = event_id.rpartition("-")[0]
        if before != process:
            self._inbox.put(From(process))
