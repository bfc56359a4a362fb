"""MCP's own words: eras, versions, methods, headers, codes. Source: the specification, 2024-11-05 to 2026-07-28."""

import base64
import binascii
import re
from enum import StrEnum
from typing import Final


class Era(StrEnum):
    """How a peer opens: `legacy` by the initialize handshake, `modern` by metadata in every request."""

    LEGACY = "legacy"
    MODERN = "modern"


MODERN_VERSION: Final = "2026-07-28"
MODERN_VERSIONS: Final = (MODERN_VERSION,)
LEGACY_VERSIONS: Final = ("2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05")
ASSUMED_VERSION: Final = "2025-03-26"  # what a request without a version header speaks (transports, 2025-06-18)

INITIALIZE: Final = "initialize"
INITIALIZED: Final = "notifications/initialized"
DISCOVER: Final = "server/discover"
TOOLS_CALL: Final = "tools/call"
LISTEN: Final = "subscriptions/listen"
CANCELLED: Final = "notifications/cancelled"
PROGRESS: Final = "notifications/progress"
ACKNOWLEDGED: Final = "notifications/subscriptions/acknowledged"

# Lower case, as HTTP parsers hand names over.
VERSION_HEADER: Final = b"mcp-protocol-version"
SESSION_HEADER: Final = b"mcp-session-id"
METHOD_HEADER: Final = b"mcp-method"
NAME_HEADER: Final = b"mcp-name"
PARAM_HEADER_PREFIX: Final = b"mcp-param-"
LAST_EVENT_ID_HEADER: Final = b"last-event-id"

HEADER_MISMATCH: Final = -32020
MISSING_CLIENT_CAPABILITY: Final = -32021
UNSUPPORTED_VERSION: Final = -32022

HTTP_STATUS_OF_CODE: Final = {  # 2026-07-28 only: legacy errors travel with 200
    -32700: 400,
    -32600: 400,
    -32602: 400,
    -32601: 404,
    HEADER_MISMATCH: 400,
    MISSING_CLIENT_CAPABILITY: 400,
    UNSUPPORTED_VERSION: 400,
}

META_VERSION: Final = "io.modelcontextprotocol/protocolVersion"
META_CLIENT_CAPABILITIES: Final = "io.modelcontextprotocol/clientCapabilities"
META_CLIENT_INFO: Final = "io.modelcontextprotocol/clientInfo"
META_LOG_LEVEL: Final = "io.modelcontextprotocol/logLevel"
META_SUBSCRIPTION_ID: Final = "io.modelcontextprotocol/subscriptionId"
META_SERVER_INFO: Final = "io.modelcontextprotocol/serverInfo"

NAME_OF_METHOD: Final = {  # which member of params the Mcp-Name header mirrors
    "tools/call": "name",
    "prompts/get": "name",
    "resources/read": "uri",
    "tasks/get": "taskId",
    "tasks/update": "taskId",
    "tasks/cancel": "taskId",
}

SESSION_ID = re.compile(rb"[\x21-\x7e]+")  # visible ASCII; nothing narrower, or real ids lose their stickiness
_SENTINEL = re.compile(r"=\?base64\?(.*)\?=", re.DOTALL)
_PLAIN = re.compile(r"[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?")


def era_of(version: str | None) -> Era:
    """The era that a version header announces: absent and handshake versions are legacy, all else is modern."""
    return Era.LEGACY if version is None or version in LEGACY_VERSIONS else Era.MODERN


def encode_header_value(text: str) -> str:
    """A value fit for `Mcp-Name` and `Mcp-Param-*`: plain ASCII as it is, anything else as `=?base64?…?=`."""
    if _PLAIN.fullmatch(text) and not _SENTINEL.fullmatch(text):
        return text
    return f"=?base64?{base64.b64encode(text.encode()).decode()}?="


def decode_header_value(text: str) -> str:
    """The reverse. Raises ValueError when what the sentinel wraps is not base64 of UTF-8."""
    found = _SENTINEL.fullmatch(text)
    if found is None:
        return text
    try:
        return base64.b64decode(found[1], validate=True).decode()
    except (binascii.Error, UnicodeDecodeError) as error:
        raise ValueError(f"{text!r} wraps no base64 of UTF-8") from error
