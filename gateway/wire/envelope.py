"""JSON-RPC messages as dicts of raw members: a member is exchanged, every other one stays as it came, byte for byte.

Knows nothing of who sends what. A message keeps members that nobody here has heard of, which typed models would drop.
"""

from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.wire import jsonrpc

type Message = dict[str, Raw]


class _Error(msgspec.Struct):
    code: int = 0


_error = msgspec.json.Decoder(_Error)
_message = msgspec.json.Decoder(Message)
_array = msgspec.json.Decoder(list[Raw])
_text = msgspec.json.Decoder(str)
_encode = msgspec.json.Encoder().encode

SOURCE: Final = "mcpdeck"  # in the data of errors made here, so that none looks like the server's own
CANCELLED_BY_CLIENT: Final = -32800  # what SDKs answer a cancelled request with before 2026-07-28


class Unreadable(msgspec.Struct, frozen=True):
    """Bytes that are no JSON-RPC message: `code` and `sentence` of the error to answer with."""

    code: int
    sentence: str


def parse(data: bytes) -> Message | Unreadable:
    """One message. JSON is checked to its end, text is checked to be UTF-8; what the members hold is not looked at."""
    try:
        if not data.isascii():
            data.decode()
        message: Message = _message.decode(data)
        return message
    except msgspec.ValidationError:
        return Unreadable(jsonrpc.INVALID_REQUEST, "a message is one JSON object")
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        return Unreadable(jsonrpc.PARSE_ERROR, f"not JSON: {error}")
    except RecursionError:
        return Unreadable(jsonrpc.PARSE_ERROR, "the JSON is nested too deeply")


def parse_batch(data: bytes) -> list[Raw] | Unreadable:
    """A 2025-03-26 batch's elements, each still to be parsed."""
    try:
        return _array.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        return Unreadable(jsonrpc.PARSE_ERROR, f"not JSON: {error}")


def is_batch(data: bytes) -> bool:
    return data[:1] == b"[" or (data[:1].isspace() and data.lstrip()[:1] == b"[")


def line(message: Message) -> bytes:
    """The message on one line. Raw members may hold line breaks, but only between tokens: in text they are escaped."""
    encoded = _encode(message)
    return encoded.replace(b"\n", b" ").replace(b"\r", b" ") if b"\n" in encoded or b"\r" in encoded else encoded


def raw_id(message: Message) -> bytes | None:
    """The id as it was written; None where there is none, or null, which Python's SDK means the same by."""
    raw = message.get("id")
    if raw is None:
        return None
    written = bytes(raw)
    return None if written == b"null" else written


def method(message: Message) -> str | None:
    """The method; None in a response, and where it is no text."""
    raw = message.get("method")
    return None if raw is None else text(raw)


def text(raw: Raw | bytes) -> str | None:
    """A raw member as text; None where it is something else."""
    try:
        return _text.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def members(raw: Raw | None) -> Message:
    """An object's members; none where it is no object."""
    if raw is None:
        return {}
    try:
        found: Message = _message.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found


def number_of(raw: bytes | Raw | None) -> int | None:
    """A raw id as one of the numbers given out here; None for anything else."""
    if raw is None:
        return None
    written = bytes(raw)
    return int(written) if written.isdigit() and len(written) < 19 else None


def raw(value: Any) -> Raw:
    return Raw(_encode(value))


def id_of(raw: Raw | None) -> jsonrpc.Id:
    """A raw id as a value, for comparing ids that may be written differently; None where it is none."""
    if raw is None or not is_valid_id(bytes(raw)):
        return None
    try:
        return jsonrpc.decode_id(raw)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def error_code(message: Message) -> int | None:
    """The code of an error response; None of a result, and where the error has none."""
    try:
        return _error.decode(message["error"]).code if "error" in message else None
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def is_valid_id(written: bytes) -> bool:
    """Text or a number, as JSON-RPC has it."""
    return written[:1] in b'"-0123456789' and written != b""


def swap_meta(params: Raw | None, key: str, value: Raw) -> tuple[Raw, Raw | None]:
    """Params whose `_meta` has another value at a key it has, and the value it had; unchanged where it has none."""
    outer = members(params)
    meta = members(outer.get("_meta"))
    old = meta.get(key)
    if old is None:
        return params or Raw(b"{}"), None
    meta[key] = value
    outer["_meta"] = raw(meta)
    return raw(outer), old


def own_error(request_id: bytes | None, code: int, sentence: str, slug: str, **data: Any) -> bytes:
    """A JSON-RPC error of our own making: `source` says so."""
    return jsonrpc.error(request_id, code, sentence, {"source": SOURCE, "code": slug, **data})
