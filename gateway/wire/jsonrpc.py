"""JSON-RPC 2.0 envelopes over raw bytes: what a message is and whose, without decoding what it carries."""

from typing import Any, Final

import msgspec

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603

type Id = str | int | float | None


class Envelope(msgspec.Struct):
    """The outer members of one message; `params`, `result` and `error` stay raw JSON.

    A message with `method` and `id` is a request, with `method` alone a notification, with neither a response.
    Python's MCP SDK sends `"id": null` on errors that precede parsing, so null counts as an id that is not known.
    """

    jsonrpc: str = ""
    id: msgspec.Raw = msgspec.Raw()
    method: str | None = None
    params: msgspec.Raw = msgspec.Raw()
    result: msgspec.Raw = msgspec.Raw()
    error: msgspec.Raw = msgspec.Raw()

    @property
    def has_id(self) -> bool:
        raw = bytes(self.id)
        return raw not in (b"", b"null")

    @property
    def is_request(self) -> bool:
        return self.method is not None and self.has_id

    @property
    def is_notification(self) -> bool:
        return self.method is not None and not self.has_id

    @property
    def is_response(self) -> bool:
        return self.method is None


_envelope = msgspec.json.Decoder(Envelope)
_id = msgspec.json.Decoder(str | int | float | None)


def decode(message: bytes | bytearray | memoryview) -> Envelope:
    """One message's envelope. Raises msgspec.DecodeError on bad JSON, msgspec.ValidationError on a wrong shape."""
    try:
        return _envelope.decode(message)
    except RecursionError as error:  # what a hostile peer nests, msgspec skips by recursion
        raise msgspec.DecodeError("JSON nests too deep") from error
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"text is not UTF-8: {error}") from error


def decode_id(raw: bytes | msgspec.Raw) -> Id:
    """An envelope's raw id as a value; None where it has none. Raises msgspec.DecodeError where it is no id."""
    try:
        return _id.decode(raw) if bytes(raw) else None
    except UnicodeDecodeError as error:
        raise msgspec.DecodeError(f"an id is not UTF-8: {error}") from error


def request(request_id: Id, method: str, params: Any = None) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id, "method": method}
    return msgspec.json.encode(message if params is None else message | {"params": params})


def notification(method: str, params: Any = None) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method}
    return msgspec.json.encode(message if params is None else message | {"params": params})


def response(raw_id: bytes | msgspec.Raw, result: Any) -> bytes:
    """A result for the request whose id, as raw JSON, is given."""
    return b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (bytes(raw_id), msgspec.json.encode(result))


def error(raw_id: bytes | msgspec.Raw | None, code: int, message: str, data: Any = None) -> bytes:
    """An error for the request whose raw id is given; without one the member is left out (2025-11-25 and later)."""
    body: dict[str, Any] = {"code": code, "message": message}
    if data is not None:
        body["data"] = data
    encoded = msgspec.json.encode(body)
    if raw_id is None or not bytes(raw_id):
        return b'{"jsonrpc":"2.0","error":%b}' % encoded
    return b'{"jsonrpc":"2.0","id":%b,"error":%b}' % (bytes(raw_id), encoded)
