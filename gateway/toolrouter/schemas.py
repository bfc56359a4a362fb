"""Whether a tool's definition is sound, and whether arguments fit its schema. Fetches nothing that a schema refers to.

A definition comes from a server that nobody here answers for: its size and depth are bounded before it is compiled,
references off its own document are refused, and its regular expressions can't backtrack without end.
"""

from collections.abc import Iterator
from typing import Any, Final

import jsonschema_rs
import msgspec

from gateway.wire import mirrored

MAX_BYTES: Final = 256 * 1024
MAX_DEPTH: Final = 64
MAX_NAME: Final = 256
_TOLD: Final = 5  # complaints about arguments that a caller is told of
_BACKTRACKING: Final = 100_000
_PATTERNS: Final = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKING)

_CONTAINERS: Final = (dict, list)

type Definition = dict[str, Any]


class Schema:
    """A compiled JSON Schema. Raises ValueError when it is none, or none that can be checked against here."""

    def __init__(self, schema: Any) -> None:
        try:
            self._validator = jsonschema_rs.validator_for(schema, offline=True, pattern_options=_PATTERNS)
        except (ValueError, jsonschema_rs.ReferencingError) as error:
            raise ValueError(_first_line(error)) from error

    def complaints(self, value: Any) -> list[str]:
        """What is wrong with a value, each with its place; empty when it fits."""
        if depth(value) > MAX_DEPTH:  # the validator recurses on the machine's stack
            return [f"nests deeper than {MAX_DEPTH} levels"]
        if self._validator.is_valid(value):
            return []
        return [_complaint(error) for _, error in zip(range(_TOLD), self._errors(value), strict=False)]

    def _errors(self, value: Any) -> Iterator[jsonschema_rs.ValidationError]:
        return iter(self._validator.iter_errors(value))


def fault(definition: Any) -> str | None:
    """Why a tool can't be offered, in a sentence; None for a sound one. One that is quarantined harms no other."""
    if not isinstance(definition, dict):
        return "the definition is no object"
    name = definition.get("name")
    if not isinstance(name, str) or not 0 < len(name) <= MAX_NAME:
        return f"the name is no text of 1 to {MAX_NAME} characters"
    for field in ("title", "description"):
        if not isinstance(definition.get(field, ""), str):
            return f"{field} is no text"
    if not isinstance(definition.get("annotations", {}), dict):
        return "annotations is no object"
    if too_much := _excess(definition):
        return too_much
    return _input_fault(definition.get("inputSchema")) or _output_fault(definition)


def _input_fault(schema: Any) -> str | None:
    if not isinstance(schema, dict):
        return "inputSchema is no object"
    if schema.get("type") != "object":
        return f"inputSchema has the type {schema.get('type')!r}; it must be 'object'"
    try:
        Schema(schema)
    except ValueError as error:
        return f"inputSchema is no JSON Schema: {error}"
    return mirrored.fault(schema)


def _output_fault(definition: Definition) -> str | None:
    if "outputSchema" not in definition:
        return None
    try:
        Schema(definition["outputSchema"])
    except ValueError as error:
        return f"outputSchema is no JSON Schema: {error}"
    return None


def _excess(definition: Definition) -> str | None:
    if depth(definition) > MAX_DEPTH:
        return f"the definition nests deeper than {MAX_DEPTH} levels"
    size = len(msgspec.json.encode(definition))
    return f"the definition has {size} bytes; at most {MAX_BYTES} are taken" if size > MAX_BYTES else None


def depth(value: Any) -> int:
    """How deep JSON nests; counted without recursion, and only as far as it matters."""
    level, found = [value] if type(value) in _CONTAINERS else [], 0
    while level and found <= MAX_DEPTH:
        found += 1
        below: list[Any] = []
        for each in level:
            below += each.values() if isinstance(each, dict) else each
        level = [each for each in below if type(each) in _CONTAINERS]
    return found


def _complaint(error: jsonschema_rs.ValidationError) -> str:
    where = ".".join(map(str, error.instance_path))
    return f"{where}: {error.message}" if where else str(error.message)


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
