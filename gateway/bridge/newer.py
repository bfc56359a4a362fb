"""Handshake-era words in 2026-07-28's: a legacy client's requests, a legacy server's answers and questions.

Pure. Every function gives new members and leaves its arguments alone, save where it says "in place".
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.bridge import words
from gateway.wire import envelope, jsonrpc, mcp
from gateway.wire.envelope import Message

RESOURCE_NOT_FOUND: Final = -32002  # up to 2025-11-25
COMPLETE: Final = Raw(b'"complete"')
CACHEABLE: Final = frozenset(
    {"tools/list", "prompts/list", "resources/list", "resources/templates/list", "resources/read", mcp.DISCOVER}
)
_ROUTED: Final = (mcp.META_VERSION, mcp.META_CLIENT_CAPABILITIES, mcp.META_CLIENT_INFO, mcp.META_LOG_LEVEL)


class _Error(msgspec.Struct):
    code: int = jsonrpc.INTERNAL_ERROR
    message: str = ""
    data: Raw = Raw()


_error = msgspec.json.Decoder(_Error)


def client_capabilities(legacy: Raw | None) -> Raw:
    """What a client said in `initialize`, as every request says it. Roots no longer announce that they changed."""
    found = words.shared_extensions(envelope.members(legacy))
    if "roots" in found:
        found["roots"] = Raw(b"{}")
    return envelope.raw(found)


def server_capabilities(legacy: Raw | None) -> Raw:
    return envelope.raw(words.shared_extensions(envelope.members(legacy)))


def discovered(initialized: Message, versions: list[str]) -> Raw:
    """An InitializeResult as a DiscoverResult. Nothing keeps it fresh, and others may be told otherwise."""
    result: dict[str, Any] = {
        "resultType": "complete",
        "supportedVersions": versions,
        "capabilities": server_capabilities(initialized.get("capabilities")),
        "ttlMs": 0,
        "cacheScope": "private",
    }
    if "instructions" in initialized:
        result["instructions"] = initialized["instructions"]
    if "serverInfo" in initialized:
        result["_meta"] = {mcp.META_SERVER_INFO: initialized["serverInfo"]}
    return envelope.raw(result)


def request(message: Message, meta: Message) -> Message:
    """A client's request with the metadata that 2026-07-28 wants in each. meta: by full names, in place of its own."""
    params = words.without(envelope.members(message.get("params")), "task")
    own = words.without(envelope.members(params.get("_meta")), *_ROUTED)
    params["_meta"] = envelope.raw(words.without_reserved(own) | meta)
    return message | {"params": envelope.raw(params)}


def result(method: str, legacy: Raw, server_info: Raw | None) -> Raw:
    """A server's result. It says nothing of freshness, so it is stale at once, and for this principal alone."""
    found = envelope.members(legacy)
    found["resultType"] = COMPLETE
    if method in CACHEABLE:
        found["ttlMs"], found["cacheScope"] = Raw(b"0"), Raw(b'"private"')
    if method == "tools/list":
        words.each(found, "tools", lambda tool: tool.pop("execution", None))  # 2025-11-25's tasks
    meta = words.without_reserved(envelope.members(found.get("_meta")))
    if server_info is not None:
        meta[mcp.META_SERVER_INFO] = server_info
    words.put_meta(found, meta)
    return envelope.raw(found)


def error(method: str, legacy: Raw, uri: Raw | None) -> tuple[Raw, int]:
    """A server's error, and the HTTP status that goes with it. uri: what resources/read asked for."""
    try:
        found = _error.decode(legacy)
    except (msgspec.DecodeError, UnicodeDecodeError):
        found = _Error(message="the server answered with an error that is none")
    if found.code != RESOURCE_NOT_FOUND:
        return legacy, mcp.HTTP_STATUS_OF_CODE.get(found.code, 200)
    data = envelope.members(found.data) if bytes(found.data) else {}
    if uri is not None and method == "resources/read":
        data.setdefault("uri", uri)
    body: dict[str, Any] = {"code": jsonrpc.INVALID_PARAMS, "message": found.message}
    if data:
        body["data"] = data
    return envelope.raw(body), mcp.HTTP_STATUS_OF_CODE[jsonrpc.INVALID_PARAMS]


def question(message: Message) -> Raw:
    """What a server asks of the client, as a member of `inputRequests`: no id, no tasks, no tokens."""
    params = words.without(envelope.members(message.get("params")), "_meta", "task", "elicitationId")
    asked: dict[str, Raw] = {"method": message["method"]}
    if params or envelope.method(message) != words.LIST_ROOTS:
        asked["params"] = envelope.raw(params)
    return envelope.raw(asked)


def input_required(questions: dict[str, Raw], state: bytes, server_info: Raw | None) -> Raw:
    found: dict[str, Any] = {"resultType": "input_required", "inputRequests": questions, "requestState": state.decode()}
    if server_info is not None:
        found["_meta"] = {mcp.META_SERVER_INFO: server_info}
    return envelope.raw(found)


def listened(message: Message, subscription: Raw) -> bytes:
    """A notification as the listen stream of that id carries it."""
    params = envelope.members(message.get("params"))
    meta = envelope.members(params.get("_meta"))
    meta[mcp.META_SUBSCRIPTION_ID] = subscription
    params["_meta"] = envelope.raw(meta)
    return envelope.line(message | {"params": envelope.raw(params)})
