"""What a line from the client is, and which headers go with it. Pure: a message passes as it came, byte for byte."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.wire import jsonrpc, mcp, mirrored
from gateway.wire.mcp import Era
from gateway.wire.mirrored import Mirrored

SOURCE: Final = "mcpdeck"
OWN_ERROR: Final = jsonrpc.INTERNAL_ERROR


class _Meta(msgspec.Struct):
    version: str = msgspec.field(name=mcp.META_VERSION, default="")


class _Params(msgspec.Struct):
    """The members that decide something; a wrong type in them is for the server to tell."""

    meta: _Meta = msgspec.field(name="_meta", default_factory=_Meta)
    name: Any = None
    uri: Any = None
    task_id: Any = msgspec.field(name="taskId", default=None)
    arguments: Any = None
    request_id: Any = msgspec.field(name="requestId", default=None)
    protocol_version: Any = msgspec.field(name="protocolVersion", default=None)


class _Tools(msgspec.Struct):
    tools: list[dict[str, Any]] = []


class Line(msgspec.Struct, frozen=True, kw_only=True):
    """One message of the client. raw_id: as it stands in the message; empty where there is none."""

    body: bytes
    raw_id: bytes = b""
    method: str = ""
    params: _Params = msgspec.field(default_factory=_Params)

    @property
    def id(self) -> jsonrpc.Id:
        return jsonrpc.decode_id(self.raw_id)

    @property
    def is_request(self) -> bool:
        return bool(self.method) and bool(self.raw_id)

    @property
    def is_batch(self) -> bool:
        """Of 2025-03-26: the server takes it apart."""
        return self.body.lstrip()[:1] == b"["

    @property
    def era(self) -> Era:
        """A message says it by itself; one that does not is of the handshake's era."""
        return mcp.era_of(self.params.meta.version or None)


def parsed(body: bytes) -> Line | bytes:
    """The line, or the JSON-RPC error to answer it with."""
    if body.lstrip()[:1] == b"[":
        return Line(body=body)
    try:
        envelope = jsonrpc.decode(body)
    except msgspec.ValidationError as error:
        return jsonrpc.error(None, jsonrpc.INVALID_REQUEST, f"a message is one JSON-RPC object: {error}")
    except msgspec.DecodeError as error:
        return jsonrpc.error(None, jsonrpc.PARSE_ERROR, f"not JSON: {error}")
    raw_id = bytes(envelope.id) if envelope.has_id else b""
    return Line(body=body, raw_id=raw_id, method=envelope.method or "", params=_params(envelope.params))


def _params(raw: msgspec.Raw) -> _Params:
    try:
        return msgspec.json.decode(raw, type=_Params) if bytes(raw) else _Params()
    except msgspec.DecodeError:
        return _Params()


def modern_headers(line: Line, declared: Mapping[str, Sequence[Mirrored]]) -> dict[str, str]:
    """What a 2026-07-28 client sends with it. declared: which arguments the tools that are known mirror."""
    head = {"mcp-protocol-version": line.params.meta.version}
    if line.method:
        head["mcp-method"] = line.method
    key = mcp.NAME_OF_METHOD.get(line.method)
    name = {"name": line.params.name, "uri": line.params.uri, "taskId": line.params.task_id}.get(key or "")
    if isinstance(name, str):
        head["mcp-name"] = mcp.encode_header_value(name)
        if line.method == "tools/call":
            found = mirrored.headers_of(declared.get(name, ()), line.params.arguments)
            head |= {header.decode(): value.decode() for header, value in found}
    return head


def declared_in(result: bytes | msgspec.Raw) -> dict[str, tuple[Mirrored, ...]]:
    """What the tools of a tools/list result mirror, by name."""
    try:
        tools = msgspec.json.decode(result, type=_Tools).tools
    except msgspec.DecodeError:
        return {}
    named = ((tool.get("name"), mirrored.declarations(tool.get("inputSchema"))) for tool in tools)
    return {name: found for name, found in named if isinstance(name, str)}


def own_error(raw_id: bytes, sentence: str, *, code: str) -> bytes:
    """An error that does not look like the server's own."""
    return jsonrpc.error(raw_id, OWN_ERROR, sentence, {"source": SOURCE, "code": code})


def with_id(message: bytes, raw_id: bytes) -> bytes:
    """An error that an intermediary sent without an id, as the answer to this request."""
    try:
        members = msgspec.json.decode(message, type=dict[str, msgspec.Raw])
    except msgspec.DecodeError:
        return message
    if bytes(members.get("id", msgspec.Raw())) not in (b"", b"null"):
        return message
    return msgspec.json.encode(members | {"id": msgspec.Raw(raw_id)})


def is_message(message: bytes) -> bool:
    """Whether it may be told to a client: an object, or a batch of 2025-03-26."""
    try:
        msgspec.json.decode(message, type=dict[str, msgspec.Raw] | list[msgspec.Raw])
    except msgspec.DecodeError:
        return False
    return True


def answers(message: bytes, request_id: jsonrpc.Id) -> bool:
    """Whether it is the response to this request; one whose id the server could not tell counts too."""
    try:
        envelope = jsonrpc.decode(message)
    except msgspec.DecodeError:
        return False
    return envelope.is_response and (not envelope.has_id or jsonrpc.decode_id(envelope.id) == request_id)


def one_line(message: bytes) -> bytes:
    """JSON may be told over several lines in an event; on stdio a line is a message."""
    return msgspec.json.format(message, indent=-1) if b"\n" in message or b"\r" in message else message
