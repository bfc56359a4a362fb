"""`Mcp-Param-*` headers against the arguments they mirror, as a tool's inputSchema declares them with `x-mcp-header`.

Pure. Source: basic/transports/streamable-http, 2026-07-28, Custom Headers. A schema that breaks the rules declares
nothing: clients must drop such a tool, so nothing is mirrored for it either.
"""

import re
from collections.abc import Iterator, Sequence
from typing import Any, Final

import msgspec

from gateway.wire import mcp

_ANNOTATION: Final = "x-mcp-header"
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_TYPES: Final = frozenset({"string", "integer", "boolean"})
_DECIMAL = re.compile(r"(-?[0-9]+)(?:\.0+)?")
_PLACES_OF_ONE: Final = frozenset(
    {"items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties"}
    | {"not", "if", "then", "else", "contentSchema"}
)
_PLACES_OF_MANY: Final = frozenset({"allOf", "anyOf", "oneOf", "prefixItems"})
_PLACES_BY_NAME: Final = frozenset({"patternProperties", "dependentSchemas", "$defs", "definitions"})


class Mirrored(msgspec.Struct, frozen=True):
    """An argument that a header repeats: where it is, the header's full name in lower case, its JSON Schema type."""

    path: tuple[str, ...]
    header: bytes
    kind: str


def declarations(schema: Any) -> tuple[Mirrored, ...]:
    """What an inputSchema mirrors; nothing where any annotation of it is not allowed."""
    found = _declared(schema)
    return () if isinstance(found, str) else found


def fault(schema: Any) -> str | None:
    """Why HTTP clients must drop a tool with this inputSchema; None for one that they may keep."""
    found = _declared(schema)
    return found if isinstance(found, str) else None


def _declared(schema: Any) -> tuple[Mirrored, ...] | str:
    found: dict[bytes, Mirrored] = {}
    for path, place in _places(schema):
        if _ANNOTATION not in place:
            continue
        token, kind = place[_ANNOTATION], place.get("type")
        if not path:
            return f"{_ANNOTATION} stands where no argument is reached by properties alone"
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return f"{_ANNOTATION} of {'.'.join(path)!r} is no header's name"
        if kind not in _TYPES:
            return f"{_ANNOTATION} of {'.'.join(path)!r} mirrors what is no string, integer or boolean"
        header = mcp.PARAM_HEADER_PREFIX + token.lower().encode()
        if header in found:
            return f"{_ANNOTATION} {token!r} is declared twice"
        found[header] = Mirrored(path, header, kind)
    return tuple(found.values())


def mismatch(declared: Sequence[Mirrored], arguments: Any, headers: Sequence[tuple[bytes, bytes]]) -> str | None:
    """What is wrong, for the error's message; None where headers and arguments agree."""
    for mirrored in declared:
        values = [value for name, value in headers if name == mirrored.header]
        if len(values) > 1:
            return f"the {mirrored.header.decode()} header appears more than once"
        problem = _compare(mirrored, _at(arguments, mirrored.path), values[0] if values else None)
        if problem:
            where = ".".join(mirrored.path)
            return f"the {mirrored.header.decode()} header {problem} the request body's {where!r} argument"
    return None


def headers_of(declared: Sequence[Mirrored], arguments: Any) -> list[tuple[bytes, bytes]]:
    """What a client sends beside these arguments."""
    found = ((each.header, _render(_at(arguments, each.path))) for each in declared)
    return [(header, mcp.encode_header_value(text).encode()) for header, text in found if text is not None]


def headers(declared: Sequence[Mirrored], arguments: Any) -> list[tuple[bytes, bytes]]:
    """The headers that a client of 2026-07-28 sends with these arguments."""
    rendered = ((mirrored.header, _render(_at(arguments, mirrored.path))) for mirrored in declared)
    return [(header, mcp.encode_header_value(text).encode()) for header, text in rendered if text is not None]


def _compare(mirrored: Mirrored, value: Any, header: bytes | None) -> str | None:
    rendered = _render(value)
    if rendered is None:
        return "is there without" if header is not None else None
    if header is None:
        return "is missing beside"
    try:
        text = mcp.decode_header_value(header.decode())
    except ValueError:
        return "holds no valid text for"
    return None if text == rendered or _is_same_number(mirrored.kind, value, text) else "does not match"


def _is_same_number(kind: str, value: Any, text: str) -> bool:
    """42 and 42.0 are one integer (a SHOULD of the specification). Bounded, as int() of long text is quadratic."""
    if kind != "integer" or isinstance(value, bool) or not isinstance(value, int | float) or len(text) > 400:
        return False
    found = _DECIMAL.fullmatch(text)
    return found is not None and value == int(found[1])


def _render(value: Any) -> str | None:
    """A value as clients write it into a header; None for what cannot be mirrored."""
    match value:
        case bool():
            return "true" if value else "false"
        case str():
            return value
        case int() | float():
            return str(value)
        case _:
            return None


def _at(arguments: Any, path: Sequence[str]) -> Any:
    for key in path:
        if not isinstance(arguments, dict):
            return None
        arguments = arguments.get(key)
    return arguments


def _places(root: Any) -> Iterator[tuple[tuple[str, ...] | None, dict[str, Any]]]:
    """Every place of a schema that is itself a schema, with its path of `properties`, None off that path. $ref is left
    alone: the walk ends, and nothing is fetched."""
    stack: list[tuple[tuple[str, ...] | None, Any]] = [((), root)]
    while stack:
        path, place = stack.pop()
        if not isinstance(place, dict):
            continue
        yield path, place
        for keyword, inner in place.items():
            if keyword == "properties" and isinstance(inner, dict):
                stack += [((*path, name) if path is not None else None, schema) for name, schema in inner.items()]
            elif keyword in _PLACES_OF_ONE:
                stack.append((None, inner))
            elif keyword in _PLACES_OF_MANY and isinstance(inner, list):
                stack += [(None, schema) for schema in inner]
            elif keyword in _PLACES_BY_NAME and isinstance(inner, dict):
                stack += [(None, schema) for schema in inner.values()]
