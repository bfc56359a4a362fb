"""Which era a stdio server speaks: what to ask it first, and what its answers mean. Starts nothing, waits for nothing.

Source: basic/transports/stdio, Backward Compatibility (2026-07-28). A DiscoverResult or a recognised modern error makes
a server modern; any other answer, or none, makes it legacy. No single error code decides.
"""

from typing import Final

import msgspec
from msgspec import Raw

from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message, Unreadable
from sidecar.bridge.modern import supported_versions

_DISCOVER_ID: Final = 1
_INITIALIZE_ID: Final = 2
_CLIENT: Final = {"name": "mcpdeck-sidecar", "version": "1"}
_MODERN_CODES: Final = (mcp.HEADER_MISMATCH, mcp.MISSING_CLIENT_CAPABILITY, mcp.UNSUPPORTED_VERSION)


class Modern(msgspec.Struct, frozen=True):
    """`discovered` is the DiscoverResult, raw; `{}` where a recognised error stood for it."""

    discovered: Raw


class Legacy(msgspec.Struct, frozen=True):
    """is_fresh: the child has not been initialized, a client may."""

    is_fresh: bool


class _ErrorData(msgspec.Struct):
    supported: list[str] | None = None


class _Error(msgspec.Struct):
    code: int
    data: _ErrorData | None = None


_read_error = msgspec.json.Decoder(_Error)


class Probe:
    """Feed it what the child says. Each method gives a verdict as soon as there is one."""

    def __init__(self) -> None:
        self._has_initialized = False

    def discover(self) -> bytes:
        """The first line to send."""
        meta = {mcp.META_VERSION: mcp.MODERN_VERSION, mcp.META_CLIENT_CAPABILITIES: {}, mcp.META_CLIENT_INFO: _CLIENT}
        return jsonrpc.request(_DISCOVER_ID, mcp.DISCOVER, {"_meta": meta})

    def initialize(self) -> bytes:
        """What to send once server/discover has been silent for too long. The child may still answer either."""
        self._has_initialized = True
        version = mcp.LEGACY_VERSIONS[0]
        params = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
        return jsonrpc.request(_INITIALIZE_ID, mcp.INITIALIZE, params)

    def received(self, line: bytes) -> Modern | Legacy | None:
        """None while it is open: a log line, a notification, something that is no message at all."""
        message = envelope.parse(line)
        if isinstance(message, Unreadable) or "method" in message:
            return None
        match envelope.number_of(message.get("id")):
            case 1:
                return self._discovered(message)
            case 2:
                return self._initialized(message)
            case _:
                return None

    def _discovered(self, message: Message) -> Modern | Legacy | None:
        result = message.get("result")
        if result is not None and supported_versions(envelope.members(result)):
            return Modern(result)
        if (supported := _modern_error(message)) is not None:
            return Modern(envelope.raw({"supportedVersions": supported}))
        return None if self._has_initialized else Legacy(is_fresh=True)

    def _initialized(self, message: Message) -> Modern | Legacy | None:
        if _modern_error(message) is not None:
            return None  # slow, but modern: it was locked by server/discover, whose answer is on its way
        return Legacy(is_fresh=False)


def _modern_error(message: Message) -> list[str] | None:
    """The modern versions that a recognised error names, or ours where it names none; None for any other answer."""
    if "error" not in message:
        return None
    try:
        error = _read_error.decode(message["error"])
    except msgspec.DecodeError:
        return None
    if error.code not in _MODERN_CODES:
        return None
    named = error.data.supported if error.data is not None else None
    if named is None:
        return None if error.code == mcp.UNSUPPORTED_VERSION else list(mcp.MODERN_VERSIONS)
    return [version for version in named if mcp.era_of(version) is mcp.Era.MODERN] or None
