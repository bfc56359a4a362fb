"""The gateway that the deck looks at: opened, followed for as long as it is looked at, opened again. Draws nothing."""

import asyncio
import importlib
from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING

from mcpdeck.auth.errors import AuthError
from mcpdeck.errors import Misconfigured
from mcpdeck.model.state import Addressed, DeckEvent, Disconnected, Link, Standing
from mcpdeck.tui.patience import Patience
from mcpdeck.tui.surroundings import Surroundings

if TYPE_CHECKING:
    from mcpdeck.client import GatewayClient


class Connection:
    """`client` is of the present context, None while there is none. `deliver` hears what happens, in order."""

    def __init__(self, surroundings: Surroundings, deliver: Callable[[DeckEvent], None]) -> None:
        self._surroundings = surroundings
        self._deliver = deliver
        self._patience = Patience(surroundings.random)
        self.client: GatewayClient | None = None

    def hurry(self) -> None:
        """What it waits for is over: try now."""
        self._patience.hurry()

    async def stay(self, context: str) -> None:
        """Until cancelled. Nothing of the client's loads before."""
        await asyncio.to_thread(importlib.import_module, "mcpdeck.client")
        while True:
            try:
                opened = await asyncio.to_thread(self._surroundings.connect, context)  # it may ask the keyring
            except (AuthError, Misconfigured) as error:
                await self._wait(str(error))
                continue
            async with opened as client:
                await self._follow(client)

    async def _follow(self, client: "GatewayClient") -> None:
        from mcpdeck.tui.feed import Feed

        self.client = client
        self._deliver(Addressed(client.url))
        try:
            await Feed(client, self._deliver, clock=self._surroundings.clock, patience=self._patience).follow()
        finally:
            if self.client is client:  # another may have been opened meanwhile
                self.client = None

    async def _wait(self, reason: str) -> None:
        delay = self._patience.next_delay()
        retry_at = self._surroundings.clock() + timedelta(seconds=delay)
        link = Link(standing=Standing.RETRYING, attempt=self._patience.attempt, retry_at=retry_at, reason=reason)
        self._deliver(Disconnected(link))
        await self._patience.wait(delay)
