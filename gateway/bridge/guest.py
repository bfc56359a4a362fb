"""What is known of a legacy client, for whom only the gateway keeps a session, and what its calls share."""

from collections.abc import Callable
from typing import Final

from msgspec import Raw

from gateway.bridge.declared import Declared
from gateway.bridge.sealing import Sealed
from gateway.bridge.sides import Header, Server
from gateway.wire import envelope, mcp
from gateway.wire.envelope import Message

TICK: Final = 5.0  # seconds between two calls of any `tick`
DEFAULT_LEVEL: Final = (
    "info"  # for clients that set none: before 2026-07-28 what to send them is the server's to choose
)


class Kept(Sealed, frozen=True, array_like=True, kw_only=True):
    """What a session's id says. `capabilities` and `client_info` are JSON, as 2026-07-28 has them in `_meta`.

    number: no two sessions share it. home: the address of the replica that opened it; "" where there is but one.
    """

    version: str
    capabilities: bytes = b"{}"
    client_info: bytes = b""
    number: bytes = b""
    home: str = ""


class Guest:
    """connect: an instance to ask, chosen anew with each call."""

    def __init__(self, adapter: str, kept: Kept, declared: Declared, connect: Callable[[], Server]) -> None:
        self.adapter, self.version = adapter, kept.version
        self.number = kept.number.hex()
        self.declared, self.connect = declared, connect
        self.level = ""
        self._capabilities, self._client_info = Raw(kept.capabilities), Raw(kept.client_info)
        self._declares = frozenset(envelope.members(self._capabilities))

    def can(self, capability: str) -> bool:
        return capability in self._declares

    def meta(self) -> Message:
        """What 2026-07-28 wants in each request's `_meta`."""
        meta = {
            mcp.META_VERSION: envelope.raw(mcp.MODERN_VERSION),
            mcp.META_CLIENT_CAPABILITIES: self._capabilities,
            mcp.META_LOG_LEVEL: envelope.raw(self.level or DEFAULT_LEVEL),
        }
        if bytes(self._client_info):
            meta[mcp.META_CLIENT_INFO] = self._client_info
        return meta


def routed(method: str) -> list[Header]:
    """The headers that 2026-07-28 wants of every request."""
    return [(mcp.VERSION_HEADER, mcp.MODERN_VERSION.encode()), (mcp.METHOD_HEADER, method.encode())]
