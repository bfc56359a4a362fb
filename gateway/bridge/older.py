"""2026-07-28's words in the handshake era's: a modern client's requests, a modern server's answers and questions.

Pure. Every function gives new members and leaves its arguments alone.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.bridge import words
from gateway.bridge.newer import RESOURCE_NOT_FOUND
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

_FORM_ONLY: Final = ("2025-06-18", "2025-03-26", "2024-11-05")  # versions without `mode` in elicitation
_OF_RESULTS: Final = ("resultType", "ttlMs", "cacheScope")


class _ErrorData(msgspec.Struct):
    uri: Raw = Raw()


class _Error(msgspec.Struct):
    code: int = jsonrpc.INTERNAL_ERROR
    data: _ErrorData | None = None


_error = msgspec.json.Decoder(_Error)


def client_capabilities(modern: Raw | None) -> Raw:
    return envelope.raw(words.shared_extensions(envelope.members(modern)))


def initialized(discovered: Message, version: str) -> Raw:
    """A DiscoverResult as the InitializeResult for a client that will speak this version."""
    meta = envelope.members(discovered.get("_meta"))
    found: dict[str, Any] = {
        "protocolVersion": version,
        "capabilities": words.shared_extensions(envelope.members(discovered.get("capabilities"))),
        "serverInfo": meta.get(mcp.META_SERVER_INFO, {"name": "unnamed", "version": "unknown"}),
    }
    if "instructions" in discovered:
        found["instructions"] = discovered["instructions"]
    return envelope.raw(found)


def request(message: Message, token: Raw | None) -> Message:
    """A client's request without what travels in the session instead. token: in place of its own progress token."""
    params = words.without(envelope.members(message.get("params")), "inputResponses", "requestState")
    meta = words.without_reserved(envelope.members(params.get("_meta")))
    if token is not None:
        meta["progressToken"] = token
    words.put_meta(params, meta)
    changed = words.without(message, "params")
    return changed | {"params": envelope.raw(params)} if params else changed


def result(method: str, modern: Raw) -> Raw:
    """A server's complete result. Structured content that is no object has no place before 2026-07-28."""
    found = words.without(envelope.members(modern), *_OF_RESULTS)
    words.put_meta(found, words.without_reserved(envelope.members(found.get("_meta"))))
    if method == "tools/call" and not words.is_object(found.get("structuredContent", Raw(b"{}"))):
        del found["structuredContent"]
    if method == "tools/list":
        words.each(found, "tools", _with_object_output)
    return envelope.raw(found)


def error(method: str, modern: Raw) -> Raw:
    """A server's error. Its code for a resource that is not there was another one; all the others pass."""
    try:
        found = _error.decode(modern)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return modern
    is_missing = method == "resources/read" and found.code == jsonrpc.INVALID_PARAMS
    if not is_missing or found.data is None or not bytes(found.data.uri):
        return modern
    return envelope.raw(envelope.members(modern) | {"code": envelope.raw(RESOURCE_NOT_FOUND)})


def question(asked: Message, request_id: str, version: str) -> bytes:
    """A member of `inputRequests` as the server's own request to a client of this version."""
    params = envelope.members(asked.get("params"))
    if envelope.text(params.get("mode", Raw(b"null"))) == "url":
        params["elicitationId"] = envelope.raw(request_id)  # wanted up to 2025-11-25, and unique
    elif version in _FORM_ONLY:
        params.pop("mode", None)
    message = {"jsonrpc": Raw(b'"2.0"'), "id": envelope.raw(request_id), "method": asked["method"]}
    if params:
        message["params"] = envelope.raw(params)
    return envelope.line(message)


def unlistened(message: Message) -> bytes:
    """A notification of a listen stream as a GET stream carries it."""
    params = envelope.members(message.get("params"))
    words.put_meta(params, words.without_reserved(envelope.members(params.get("_meta"))))
    changed = words.without(message, "params")
    return envelope.line(changed | {"params": envelope.raw(params)} if params else changed)


def _with_object_output(tool: Message) -> None:
    schema = envelope.members(tool.get("outputSchema"))
    if "outputSchema" in tool and envelope.text(schema.get("type", Raw(b"null"))) != "object":
        del tool["outputSchema"]
