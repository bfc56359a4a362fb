"""The sessions kept here for legacy clients of one adapter, found by what their ids say, forgotten when as new."""

import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Final

from gateway.bridge.declared import Declared
from gateway.bridge.guest import Guest, Kept
from gateway.bridge.legacy_client import LegacyClient
from gateway.bridge.sides import Server

_ENDED: Final = 10_000  # sessions that a DELETE ended and whose ids are refused; the oldest are forgotten first


class LegacyClients:
    """connect, below: an instance to ask, chosen anew with each call, as who asks now."""

    def __init__(self, adapter: str) -> None:
        self._adapter = adapter
        self._declared = Declared()
        self._kept: dict[bytes, LegacyClient] = {}
        self._ended: OrderedDict[bytes, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def client(self, kept: Kept, connect: Callable[[], Server]) -> LegacyClient:
        """The session that an id names; made anew where nothing of it is kept here."""
        found = self._kept.get(kept.number)
        if found is None:
            found = self._kept[kept.number] = LegacyClient(Guest(self._adapter, kept, self._declared, connect))
        found.guest.connect = connect
        return found

    def nameless(self, version: str, connect: Callable[[], Server]) -> LegacyClient:
        """A client that sends no id back, as some don't: all it can do is ask."""
        return self.client(Kept(version=version, number=secrets.token_bytes(12), expires_at=0), connect)

    def has_ended(self, kept: Kept) -> bool:
        return kept.number in self._ended

    def end(self, kept: Kept) -> None:
        self._ended[kept.number] = None
        if len(self._ended) > _ENDED:
            self._ended.popitem(last=False)
        found = self._kept.pop(kept.number, None)
        if found is not None:
            found.end()

    def end_all(self) -> None:
        kept, self._kept = self._kept, {}
        for client in kept.values():
            client.end()

    def tick(self) -> None:
        """Every `guest.TICK` seconds."""
        for number, client in tuple(self._kept.items()):
            if client.is_as_new:
                del self._kept[number]
            else:
                client.tick()
