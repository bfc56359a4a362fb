"""What a request on an MCP path is: which era, and whose session. A refusal is a value, not an exception.

The version header alone decides the era (protocol.md, section 1); the body is looked into only where a rule needs it.
"""

import msgspec

from gateway.core.errors import Forbidden, GatewayError, Invalid, MethodNotAllowed, Misdirected
from gateway.wire import jsonrpc, mcp, plain
from gateway.wire.hosts import Hosts
from gateway.wire.mcp import Era


class Modern(msgspec.Struct, frozen=True):
    """A self-contained request of 2026-07-28 or later: any ready instance serves it, no session."""

    version: str


class Legacy(msgspec.Struct, frozen=True):
    """A request up to 2025-11-25. `session` is the sealed id it came with; None opens one, or is sessionless."""

    session: bytes | None
    is_initialize: bool = False


class Rejection(msgspec.Struct, frozen=True):
    """The answer to what is not served. `request_id` is the raw JSON-RPC id, where the body gave one away."""

    error: GatewayError
    request_id: bytes | None = None


def classify(
    method: str, *, version: str | None, session: bytes | None, body: bytes | None = None
) -> Modern | Legacy | Rejection:
    """Decide from the head, and for legacy POSTs from a glance at the body.

    body: the whole body of a legacy POST, None when it is not at hand (GET, DELETE, modern, or streamed).
    """
    if method not in ("POST", "GET", "DELETE"):
        return Rejection(MethodNotAllowed(f"{method} is not served here; MCP uses POST, GET and DELETE"))
    if mcp.era_of(version) is Era.MODERN and method == "POST":
        assert version is not None  # noqa: S101 - an absent version is legacy
        return Modern(version)
    if session is not None and not mcp.SESSION_ID.fullmatch(session):
        return Rejection(Invalid("Mcp-Session-Id holds more than visible ASCII"))
    if method == "POST" and body is not None and is_initialize(body):
        return Legacy(session=None, is_initialize=True)  # a stale id beside initialize starts afresh
    return Legacy(session=session)


def is_initialize(body: bytes) -> bool:
    """Whether a body is an `initialize` request. The search is what makes it free for all the others."""
    if b'"initialize"' not in body:
        return False
    try:
        return jsonrpc.decode(body).method == mcp.INITIALIZE
    except msgspec.DecodeError:
        return False


def tools_call(method: str, body: bytes) -> jsonrpc.Envelope | None:
    """What is a tools/call, or nothing that could be told from one: a batch, no JSON, two methods. An empty envelope of
    what is no message at all."""
    if method != "POST":
        return None
    try:
        said = jsonrpc.decode(body)
    except msgspec.DecodeError:
        return jsonrpc.Envelope()
    return said if said.method == mcp.TOOLS_CALL or not plain.is_plain(body) else None


def request_id(body: bytes | None) -> bytes | None:
    """The raw JSON-RPC id of a body, for an answer that carries it; None where there is none to be had."""
    if not body:
        return None
    try:
        envelope = jsonrpc.decode(body)
    except msgspec.DecodeError:
        return None
    return bytes(envelope.id) if envelope.is_request else None


def is_token_in(query: bytes) -> bool:
    """Whether a query string carries a token (RFC 6750, section 2.3), and so every log on the way does: refuse it."""
    return b"access_token=" in query.lower()


def misplaced(hosts: Hosts, host: bytes | None, origin: bytes | None) -> GatewayError | None:
    """Why a request with these headers is not served; None where it is. Each time a new error: it may be raised."""
    refusal = hosts.refusal(host, origin)
    if refusal is None:
        return None
    return Misdirected(refusal.sentence) if refusal.status == 421 else Forbidden(refusal.sentence)
