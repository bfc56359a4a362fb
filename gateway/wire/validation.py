"""A 2026-07-28 request's headers against its body: what whoever acts on the body must check.

Pure. The ladder is the specification's (basic/transports/streamable-http, Server Validation): the first step that fails
decides the error.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Unreadable

_NOTHING: Final = Raw()
_ROUTING: Final = (mcp.VERSION_HEADER, mcp.METHOD_HEADER, mcp.NAME_HEADER)


class Meta(msgspec.Struct):
    """The part of `_meta` that is looked at."""

    version: Raw = msgspec.field(name=mcp.META_VERSION, default=_NOTHING)
    capabilities: Raw = msgspec.field(name=mcp.META_CLIENT_CAPABILITIES, default=_NOTHING)
    log_level: Raw = msgspec.field(name=mcp.META_LOG_LEVEL, default=_NOTHING)
    token: Raw = msgspec.field(name="progressToken", default=_NOTHING)


class Params(msgspec.Struct):
    meta: Meta | None = msgspec.field(name="_meta", default=None)
    name: Raw = _NOTHING
    uri: Raw = _NOTHING
    task_id: Raw = msgspec.field(name="taskId", default=_NOTHING)
    arguments: Raw = _NOTHING


class ModernRequest(msgspec.Struct):
    """A request that is sound; `message` is all of it."""

    message: envelope.Message
    raw_id: bytes
    method: str
    params: Params
    meta: Meta


class ModernNotification(msgspec.Struct, frozen=True):
    """Accepted and dropped: 2026-07-28 defines none from clients over HTTP, and one that cancels by an id of the
    client's choosing would let one caller cancel another's work."""


class Refusal(msgspec.Struct, frozen=True):
    """A JSON-RPC error, and the HTTP status that goes with it."""

    code: int
    sentence: str
    raw_id: bytes | None = None
    data: Any = None

    @property
    def status(self) -> int:
        return mcp.HTTP_STATUS_OF_CODE.get(self.code, 400)

    def body(self) -> bytes:
        return jsonrpc.error(self.raw_id, self.code, self.sentence, self.data)


class _Request(msgspec.Struct):
    id: Raw = _NOTHING
    method: str = ""
    params: Params = msgspec.field(default_factory=Params)


_request = msgspec.json.Decoder(_Request)


def examine(
    body: bytes, headers: Sequence[tuple[bytes, bytes]], versions: Sequence[str]
) -> ModernRequest | ModernNotification | Refusal:
    """versions: the modern ones that are spoken here."""
    message = envelope.parse(body)
    if isinstance(message, Unreadable):
        return Refusal(message.code, message.sentence)
    head = dict(headers)
    if "id" not in message:
        return _notification(message, head, versions)
    written = envelope.raw_id(message)
    if written is None or not envelope.is_valid_id(written) or "method" not in message:
        return Refusal(jsonrpc.INVALID_REQUEST, "the body must be one JSON-RPC request or notification")
    try:
        request = _request.decode(body)
    except (msgspec.ValidationError, UnicodeDecodeError):
        return _malformed(message, written)
    meta = request.params.meta
    if meta is None or not bytes(meta.version) or not bytes(meta.capabilities):
        return Refusal(jsonrpc.INVALID_PARAMS, _MISSING_META, written)
    if len(head) != len(headers) and (twice := _duplicated(headers)):
        return Refusal(mcp.HEADER_MISMATCH, f"the {twice} header appears more than once", written)
    if problem := _mismatch(request, meta, head):
        return Refusal(mcp.HEADER_MISMATCH, problem, written)
    version = head[mcp.VERSION_HEADER].decode("latin-1")
    if version not in versions:
        return _unsupported(version, versions, written)
    return ModernRequest(message, written, request.method, request.params, meta)


_MISSING_META: Final = f"params._meta must carry {mcp.META_VERSION!r} and {mcp.META_CLIENT_CAPABILITIES!r}"


def _notification(
    message: envelope.Message, head: dict[bytes, bytes], versions: Sequence[str]
) -> ModernNotification | Refusal:
    if envelope.method(message) is None:
        return Refusal(jsonrpc.INVALID_REQUEST, "the body must be one JSON-RPC request or notification")
    version = head.get(mcp.VERSION_HEADER, b"").decode("latin-1")
    return ModernNotification() if version in versions else _unsupported(version, versions, None)


def _unsupported(version: str, versions: Sequence[str], written: bytes | None) -> Refusal:
    data = {"supported": list(versions), "requested": version}
    return Refusal(mcp.UNSUPPORTED_VERSION, f"protocol version {version!r} is not supported here", written, data)


def _malformed(message: envelope.Message, written: bytes) -> Refusal:
    """Which of the two it is: a method that is no text, or params and `_meta` that are no objects."""
    if envelope.method(message) is None:
        return Refusal(jsonrpc.INVALID_REQUEST, "the method must be text", written)
    return Refusal(jsonrpc.INVALID_PARAMS, _MISSING_META, written)


def _duplicated(headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    names = [name for name, _ in headers]
    return next((name.decode() for name in _ROUTING if names.count(name) > 1), None)


def _mismatch(request: _Request, meta: Meta, head: dict[bytes, bytes]) -> str | None:
    version = head.get(mcp.VERSION_HEADER)
    if version is None or envelope.text(meta.version) != version.decode("latin-1"):
        return "the MCP-Protocol-Version header does not match the body's _meta"
    if head.get(mcp.METHOD_HEADER) != request.method.encode():
        return "the Mcp-Method header does not match the body's method"
    key = mcp.NAME_OF_METHOD.get(request.method)
    if key is None:
        return None
    params = request.params
    name = envelope.text({"name": params.name, "uri": params.uri, "taskId": params.task_id}[key])
    if name is None:  # whoever serves it says what is wrong with it
        return None
    try:
        mirrored = mcp.decode_header_value(head[mcp.NAME_HEADER].decode())
    except (KeyError, ValueError):
        mirrored = None
    return None if mirrored == name else f"the Mcp-Name header does not match the body's {key!r}"
