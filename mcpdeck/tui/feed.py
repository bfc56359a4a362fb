"""The change stream of a gateway as deck events, for as long as the deck looks: reconnects by itself, never gives up.

Draws nothing.
"""

import time
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

import msgspec

from mcpdeck.model.state import (
    Changed,
    DeckEvent,
    Disconnected,
    Link,
    Recognised,
    SessionsListed,
    SnapshotEnded,
    Standing,
    StreamOpened,
)
from mcpdeck.tui.patience import Patience

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient


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
        self._last_event_id: str | None = None

    async def follow(self) -> None:
        """Until cancelled."""
        from mcpdeck.errors import ProblemError, Unreachable

        while True:
            try:
                await self._recognise()
                await self._read()
                standing, reason = Standing.RETRYING, "the gateway ended the stream"
            except Unreachable as error:
                standing, reason = Standing.RETRYING, str(error)
            except ProblemError as error:
                signed_out = error.problem.status == 401
                standing, reason = Standing.SIGN_IN if signed_out else Standing.RETRYING, str(error)
            except msgspec.ValidationError as error:
                self._last_event_id = None  # a snapshot may be readable where one change was not
                standing, reason = Standing.RETRYING, f"the gateway says what this deck can not read: {error}"
            delay = self._patience.next_delay()
            self._deliver(
                Disconnected(
                    Link(
                        standing=standing,
                        attempt=self._patience.attempt,
                        retry_at=self._clock() + timedelta(seconds=delay),
                        reason=reason,
                    )
                )
            )
            await self._patience.wait(delay)

    async def _recognise(self) -> None:
        began = time.perf_counter()
        principal = await self._client.whoami()
        self._deliver(Recognised(principal, time.perf_counter() - began))

    async def _read(self) -> None:
        """Until the stream ends."""
        from mcpdeck.client import Synced

        opened = False
        async for event in self._client.events(self._last_event_id):
            now = self._clock()
            if not opened:
                opened = True
                self._patience.reset()
                self._deliver(StreamOpened(now))
                reasons: list[str] = []
                listed = tuple(await self._client.sessions(reasons.append))
                self._deliver(SessionsListed(listed, "".join(reasons)))
            if isinstance(event, Synced):
                self._deliver(SnapshotEnded(now))
            else:
                self._deliver(Changed(event, now))
            self._last_event_id = self._client.last_event_id
