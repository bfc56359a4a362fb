"""A tool's arguments spread over an HTTP request, as its operation has it. Pure.

Nothing that a caller gives can leave the place it has: path segments are encoded whole, headers hold no line breaks.
"""

from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from gateway.wire.http1 import Request
from gateway.wire.tools import HOLE, Argument, Operation, Place

_IN_BODY: Final = Argument(place=Place.BODY)


class Unfit(ValueError):
    """An argument that its place can't hold, in a sentence for who calls."""


def spread(operation: Operation, arguments: dict[str, Any], *, base: str) -> Request:
    """base: the path of the server's URL. Raises Unfit."""
    held = _sorted(operation, arguments)
    request = Request()
    request.method = operation.method
    request.path = base.rstrip("/") + HOLE.sub(lambda found: _segment(found[1], held[Place.PATH]), operation.path)
    request.query = urlencode(list(_pairs(held[Place.QUERY]))).encode()
    request.headers = [_header(name, value) for name, value in held[Place.HEADER].items()]
    body = _body(held)
    if body is not None:
        request.body = body
        request.headers.append((b"content-type", b"application/json"))
    return request


def _sorted(operation: Operation, arguments: dict[str, Any]) -> dict[Place, dict[str, Any]]:
    """By place, under the names that the request has for them."""
    held: dict[Place, dict[str, Any]] = {place: {} for place in Place}
    for name, value in arguments.items():
        place = operation.arguments.get(name, _IN_BODY)
        held[place.place][place.name or name] = value
    return held


def _segment(name: str, values: dict[str, Any]) -> str:
    text = _text(values[name]) if name in values else ""
    if text in ("", ".", ".."):
        raise Unfit(f"{name}: a path needs it, and can't hold {text!r}")
    return quote(text, safe="")


def _pairs(values: dict[str, Any]) -> list[tuple[str, str]]:
    """A list is said once for each of its elements, as OpenAPI's default has it."""
    lists = {name: value if isinstance(value, list) else [value] for name, value in values.items()}
    return [(name, _text(each)) for name, found in lists.items() for each in found]


def _header(name: str, value: Any) -> tuple[bytes, bytes]:
    text = ",".join(map(_text, value)) if isinstance(value, list) else _text(value)
    if not text.isascii() or not text.isprintable():
        raise Unfit(f"{name}: a header holds one line of ASCII")
    return name.lower().encode(), text.encode()


def _body(held: dict[Place, dict[str, Any]]) -> bytes | None:
    if held[Place.WHOLE]:
        return msgspec.json.encode(next(iter(held[Place.WHOLE].values())))
    return msgspec.json.encode(held[Place.BODY]) if held[Place.BODY] else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
