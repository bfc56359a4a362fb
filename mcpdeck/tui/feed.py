"""The change stream of a gateway as deck events, for as long as the deck looks: reconnects by itself, never gives up.

Draws nothing.
"""

import asyncio
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec

from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.state import (
    Changed,
    DeckEvent,
    Disconnected,
    Heard,
    Link,
    Recognised,
    SessionsListed,
    SessionsUnlisted,
    SnapshotEnded,
    Standing,
    StreamOpened,
)
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from gateway.wire.resources import ChangeEvent
    from mcpdeck.client import GatewayClient


HEARD_EVERY: Final = timedelta(seconds=5)  # it is told that the gateway is alive


class _Break(msgspec.Struct, frozen=True):
    """Why nothing comes any more. asked_for: seconds that the gateway wants to be left alone."""

    reason: str
    standing: Standing = Standing.RETRYING
    asked_for: float | None = None


class Feed:
    """One gateway's stream. `deliver` gets every event, in order, on the loop that runs `follow`."""

    def __init__(
        self,
        client: "GatewayClient",
        deliver: Callable[[DeckEvent], None],
        *,
        clock: Callable[[], datetime],
        patience: Patience,
    ) -> None:
        self._client = client
        self._deliver = deliver
        self._clock = clock
        self._patience = patience
        self._listing_patience = patience.another()
        self._last_event_id: str | None = None
        self._unlisted: list[ChangeEvent] | None = None  # of sessions, while their list is on its way
        self._heard_at = clock()

    async def follow(self) -> None:
        """Until cancelled."""
        while True:
            why = await self._attempt()
            delay = self._patience.next_delay(at_least=why.asked_for)
            self._deliver(
                Disconnected(
                    Link(
                        standing=why.standing,
                        attempt=self._patience.attempt,
                        retry_at=self._clock() + timedelta(seconds=delay),
                        reason=why.reason,
                    )
                )
            )
            await self._patience.wait(delay)

    async def _attempt(self) -> _Break:
        try:
            await self._recognise()
        except (Unreachable, ProblemError) as error:
            return _broken_by(error)
        began = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            listing = group.create_task(self._list_sessions(began), name="the list of sessions")
            why = await self._read(began)
            listing.cancel()
        return why

    async def _recognise(self) -> None:
        began = time.perf_counter()
        principal = await self._client.whoami()
        self._deliver(Recognised(principal, time.perf_counter() - began))

    async def _read(self, began: asyncio.Event) -> _Break:
        """Until the stream ends."""
        from mcpdeck.client import Synced

        def begun() -> None:
            began.set()
            self._patience.begun()
            self._unlisted = []
            self._deliver(StreamOpened(self._clock()))

        def alive() -> None:
            now = self._clock()
            if now - self._heard_at >= HEARD_EVERY:
                self._heard_at = now
                self._deliver(Heard(now))

        try:
            async for event in self._client.events(self._last_event_id, begun=begun, alive=alive):
                if isinstance(event, Synced):
                    self._deliver(SnapshotEnded(self._clock()))
                else:
                    self._deliver(Changed(event, self._clock()))
                    if event.kind == "Session" and self._unlisted is not None:
                        self._unlisted.append(event)
                self._last_event_id = self._client.last_event_id
        except (Unreachable, ProblemError) as error:
            return _broken_by(error)
        except msgspec.DecodeError as error:
            self._last_event_id = None  # a snapshot may be readable where one change was not
            return _Break(f"the gateway says what this deck can not read: {error}")
        return _Break("the gateway ended the stream")

    async def _list_sessions(self, began: asyncio.Event) -> None:
        """Which there are, as a snapshot does not name those that have ended. The stream does not wait for it."""
        await began.wait()
        while True:
            reasons: list[str] = []
            try:
                listed = tuple(await self._client.sessions(reasons.append))
            except (Unreachable, ProblemError) as error:
                self._deliver(SessionsUnlisted(str(error)))
                delay = self._listing_patience.next_delay(at_least=_broken_by(error).asked_for)
                await self._listing_patience.wait(delay)
                continue
            later, self._unlisted = tuple(self._unlisted or ()), None
            self._deliver(SessionsListed(listed, "".join(reasons), later))
            return


def _broken_by(error: Unreachable | ProblemError) -> _Break:
    if isinstance(error, Unreachable):
        return _Break(str(error))
    standing = Standing.SIGN_IN if error.problem.status == 401 else Standing.RETRYING
    return _Break(str(error), standing, error.retry_after)
