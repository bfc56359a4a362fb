"""Structs of the HTTP contract as structural OpenAPI schemas, which is how a cluster checks custom resources. Pure.

Knows types, and no rule: what a field may hold is said in `definitions`.
"""

import re
from typing import Any

import msgspec
from msgspec import inspect

type Schema = dict[str, Any]

# What `\s` is to Python's re in text; RE2, which the API server uses, means five ASCII characters by it.
SPACE = "".join(rf"\x{{{ord(character):x}}}" for character in map(chr, range(0x3001)) if re.fullmatch(r"\s", character))


def schema_of(struct: type[msgspec.Struct], *, without: frozenset[str] = frozenset()) -> Schema:
    """without: fields of the outermost Struct, as on the wire, that are said elsewhere in the object."""
    described = inspect.type_info(struct)
    assert isinstance(described, inspect.StructType)  # noqa: S101 - a Struct's type is one
    return _struct(described, without)


def re2(pattern: re.Pattern[str], *, or_empty: bool = False) -> str:
    """A pattern that RE2 matches exactly where Python's `fullmatch` does. or_empty: text without a character too."""
    return f"^(?:{pattern.pattern.replace(r'\s', SPACE)}){'?' if or_empty else ''}$"


def field(schema: Schema, path: str) -> Schema:
    """The schema at a path of property names, `stdio.args`; `[]` for a list's items, `{}` for a map's values."""
    for step in path.split("."):
        match step:
            case "[]":
                schema = schema["items"]
            case "{}":
                schema = schema["additionalProperties"]
            case name:
                schema = schema["properties"][name]
    return schema


def _struct(described: inspect.StructType, without: frozenset[str] = frozenset()) -> Schema:
    fields = [each for each in described.fields if each.encode_name not in without]
    schema: Schema = {"type": "object", "properties": {each.encode_name: _type(each.type) for each in fields}}
    if required := [each.encode_name for each in fields if each.required]:
        schema["required"] = required
    return schema


def _type(described: inspect.Type) -> Schema:
    match described:
        case inspect.StrType():
            return {"type": "string"}
        case inspect.BoolType():
            return {"type": "boolean"}
        case inspect.IntType():
            return {"type": "integer", "format": "int64"}
        case inspect.FloatType():
            return {"type": "number"}
        case inspect.DateTimeType():
            return {"type": "string", "format": "date-time"}
        case inspect.EnumType(cls=values):
            return {"type": "string", "enum": [each.value for each in values]}
        case inspect.ListType(item_type=item):
            return {"type": "array", "items": _type(item)}
        case inspect.DictType(value_type=value):
            return {"type": "object", "additionalProperties": _type(value)}
        case inspect.StructType():
            return _struct(described)
        case inspect.AnyType():
            return {"x-kubernetes-preserve-unknown-fields": True}
        case inspect.UnionType(types=types):
            (one,) = (each for each in types if not isinstance(each, inspect.NoneType))  # absent is None here
            return _type(one)
        case _:
            raise NotImplementedError(f"{described} has no place in a custom resource yet")
