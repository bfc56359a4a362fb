"""A JSON Schema as a form of one field per member, and what was typed in it as JSON, with nothing lost. Pure.

What a field can't say (objects, arrays, unions) is JSON in a field of its own. What no field is for stays as it is.
"""

from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any, Final

import msgspec

from mcpdeck.model.plain import one_line

LEFT_OUT: Final = ""  # what a choice holds while nothing is chosen
EMPTY: Final = '""'  # how a text that is there, and empty, is typed
NULL: Final = "null"
_DEEPEST: Final = 8  # references within references
_NUMBERS: Final = {"integer": "whole number", "number": "number"}
_KIND_NAMES: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}

type Errors = dict[str, str]


class Kind(StrEnum):
    """How a member is asked for."""

    TEXT = "text"
    NUMBER = "number"
    SWITCH = "switch"  # a boolean that is always sent
    CHOICE = "choice"
    JSON = "json"


class Option(msgspec.Struct, frozen=True):
    """One value of a choice, as JSON, and what a reader calls it."""

    value: str
    label: str


class Field(msgspec.Struct, frozen=True, kw_only=True):
    """default: as it is typed. types: JSON Schema's, none where anything goes. hint: what may be typed, in words."""

    name: str
    kind: Kind
    label: str
    required: bool = False
    nullable: bool = False
    types: tuple[str, ...] = ()
    options: tuple[Option, ...] = ()
    default: str = ""
    description: str = ""
    hint: str = ""
    minimum: float | None = None
    maximum: float | None = None


def fields_of(schema: Any) -> list[Field]:
    """The members of an object schema, the required ones first."""
    if not isinstance(schema, Mapping):
        return []
    top = _resolved(schema, schema)
    properties, required = top.get("properties"), top.get("required")
    needed = set(required) if isinstance(required, list) else set()
    members = properties.items() if isinstance(properties, Mapping) else ()
    found = [_field(str(name), member, schema, required=name in needed) for name, member in members]
    return sorted(found, key=lambda field: not field.required)


def _field(name: str, member: Any, root: Mapping[str, Any], *, required: bool) -> Field:
    schema, nullable = _without_null(_resolved(member, root), root)
    types = _types(schema)
    options = tuple(_options(schema))
    default = schema.get("default", msgspec.UNSET)
    kind = _kind(types, options, is_sure=required)
    if kind is Kind.CHOICE and not options:
        options = (Option("true", "true"), Option("false", "false"))
    if kind is Kind.CHOICE and nullable and NULL not in {option.value for option in options}:
        options = (*options, Option(NULL, NULL))
    if kind is Kind.SWITCH and nullable:
        kind, options = Kind.CHOICE, (Option("true", "true"), Option("false", "false"), Option(NULL, NULL))
    bounds = {side: value for side in ("minimum", "maximum") if (value := _bound(schema, side)) is not None}
    text = one_line(str(schema.get("title") or "")) or one_line(name)
    return Field(
        name=name, kind=kind, label=text, required=required, nullable=nullable, types=types, options=options,
        default="" if default is msgspec.UNSET else typed(kind, default, types),
        description=one_line(str(schema.get("description") or "")),
        hint=_hint(kind, types, schema, nullable=nullable), **bounds,
    )  # fmt: skip


def _kind(types: Sequence[str], options: Sequence[Option], *, is_sure: bool) -> Kind:
    if options:
        return Kind.CHOICE
    match list(types):
        case ["boolean"]:
            return Kind.SWITCH if is_sure else Kind.CHOICE
        case ["string"]:
            return Kind.TEXT
        case ["integer"] | ["number"] | ["integer", "number"] | ["number", "integer"]:
            return Kind.NUMBER
        case _:
            return Kind.JSON


def _resolved(schema: Any, root: Mapping[str, Any], depth: int = 0) -> Mapping[str, Any]:
    """With a reference into the same document followed, and what stands beside it."""
    if not isinstance(schema, Mapping):
        return {}
    reference = schema.get("$ref")
    if not isinstance(reference, str) or not reference.startswith("#/") or depth >= _DEEPEST:
        return schema
    found: Any = root
    for part in reference[2:].split("/"):
        found = found.get(part.replace("~1", "/").replace("~0", "~")) if isinstance(found, Mapping) else None
    return {**_resolved(found, root, depth + 1), **{name: it for name, it in schema.items() if name != "$ref"}}


def _without_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> tuple[Mapping[str, Any], bool]:
    """`anyOf: [X, null]` and `type: [X, null]` are X that may be null."""
    for word in ("anyOf", "oneOf"):
        branches = schema.get(word)
        if isinstance(branches, list):
            resolved = [_resolved(branch, root) for branch in branches]
            rest = [branch for branch in resolved if branch.get("type") != NULL]
            if len(rest) == 1 and len(rest) < len(resolved):
                return {**rest[0], **{name: it for name, it in schema.items() if name != word}}, True
    kinds = schema.get("type")
    if isinstance(kinds, list) and NULL in kinds:
        return {**schema, "type": [kind for kind in kinds if kind != NULL]}, True
    return schema, bool(schema.get("nullable") is True)


def _types(schema: Mapping[str, Any]) -> tuple[str, ...]:
    kinds = schema.get("type")
    return (kinds,) if isinstance(kinds, str) else tuple(map(str, kinds)) if isinstance(kinds, list) else ()


def _options(schema: Mapping[str, Any]) -> Iterator[Option]:
    values, names = schema.get("enum"), schema.get("enumNames")
    if isinstance(values, list):
        told = names if isinstance(names, list) and len(names) == len(values) else values
        for value, name in zip(values, told, strict=True):
            yield Option(_json(value), one_line(name if isinstance(name, str) else _json(name)))
        return
    branches = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(branches, list) and all(isinstance(each, Mapping) and "const" in each for each in branches):
        for each in branches:
            yield Option(_json(each["const"]), one_line(str(each.get("title") or each["const"])))


def _bound(schema: Mapping[str, Any], side: str) -> float | None:
    value = schema.get(side)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _hint(kind: Kind, types: Sequence[str], schema: Mapping[str, Any], *, nullable: bool) -> str:
    words = []
    if kind is Kind.NUMBER:
        words.append(_NUMBERS[types[0]])
        low, high = _bound(schema, "minimum"), _bound(schema, "maximum")
        if low is not None or high is not None:
            words.append(f"{'' if low is None else f'{low:g}'}…{'' if high is None else f'{high:g}'}")
    if kind is Kind.JSON:
        words.append(f"JSON: {' or '.join(types)}" if types else "JSON")
    if isinstance(form := schema.get("format"), str):
        words.append(one_line(form))
    if nullable:
        words.append("or null")
    return ", ".join(words)


# Between what is typed and JSON


def typed(kind: Kind, value: Any, types: Sequence[str] = ()) -> str:
    """A value as one would type it."""
    if kind is Kind.TEXT and isinstance(value, str):
        is_odd = not value.strip() or "\n" in value or value == NULL or value.startswith('"')
        return _json(value) if is_odd else value
    del types
    return _json(value)


def blank(fields: Sequence[Field]) -> dict[str, str]:
    """The form before anything is typed: defaults, and of switches no."""
    return {field.name: field.default or ("false" if field.kind is Kind.SWITCH else "") for field in fields}


def entries_of(fields: Sequence[Field], arguments: Mapping[str, Any]) -> dict[str, str] | None:
    """The form that says these arguments, of what it has fields for; None where it can't say them."""
    entries = {
        field.name: typed(field.kind, arguments[field.name]) if field.name in arguments else LEFT_OUT
        for field in fields
    }
    found, errors = arguments_of(fields, entries, extra=extra_of(fields, arguments))
    return None if errors or _canonical(found) != _canonical(dict(arguments)) else entries


def extra_of(fields: Sequence[Field], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """What the form has no field for."""
    names = {field.name for field in fields}
    return {name: value for name, value in arguments.items() if name not in names}


def arguments_of(
    fields: Sequence[Field], entries: Mapping[str, str], *, extra: Mapping[str, Any]
) -> tuple[dict[str, Any], Errors]:
    """What was typed, as arguments; and by field what is wrong with it."""
    found: dict[str, Any] = {}
    errors: Errors = {}
    for field in fields:
        text = entries.get(field.name, LEFT_OUT)
        if not text.strip():
            if field.required:
                errors[field.name] = f"is required{f'; {EMPTY} is an empty text' if field.kind is Kind.TEXT else ''}"
            continue
        try:
            found[field.name] = _value(field, text)
        except ValueError as error:
            errors[field.name] = str(error)
    return found | dict(extra), errors


def _value(field: Field, text: str) -> Any:
    """Raises ValueError with what is wrong."""
    if field.nullable and text.strip() == NULL:
        return None
    if field.kind is Kind.TEXT:
        if text.startswith('"') and text.endswith('"') and len(text) > 1:
            return _decoded(text)
        return text
    if field.kind is Kind.NUMBER:
        return _number(field, text.strip())
    value = _decoded(text.strip())
    if field.kind is Kind.JSON and field.types and not _fits(value, field.types):
        raise ValueError(f"is no {' and no '.join(field.types)}")
    return value


def _number(field: Field, text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError):
        value = None
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(f"is no {_NUMBERS[field.types[0]]}")  # noqa: TRY004  (of a text, for its writer)
    if field.types == ("integer",) and not float(value).is_integer():
        raise ValueError("is no whole number")
    if field.minimum is not None and value < field.minimum:
        raise ValueError(f"must be at least {field.minimum:g}")
    if field.maximum is not None and value > field.maximum:
        raise ValueError(f"must be at most {field.maximum:g}")
    return value


def _fits(value: Any, types: Sequence[str]) -> bool:
    kind = NULL if value is None else _KIND_NAMES.get(type(value), "")
    return kind in types or (kind == "integer" and "number" in types)


def _decoded(text: str) -> Any:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, UnicodeError) as error:
        raise ValueError(f"is no JSON: {str(error).removeprefix('JSON is malformed: ')}") from error


_canonical = msgspec.json.Encoder(order="sorted").encode


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()
