"""Schemas of an OpenAPI document as JSON Schema has them, with the components that they refer to. Fetches nothing."""

from typing import Any, Final

type Json = dict[str, Any]

COMPONENT: Final = "#/components/schemas/"


class Unfit(Exception):
    """What can't be said as a tool."""


def resolved(document: Json, value: Any) -> Json:
    """A reference within the document followed, a few times over."""
    for _ in range(16):
        if not isinstance(value, dict) or "$ref" not in value:
            break
        value = _at(document, str(value["$ref"]))
    if not isinstance(value, dict):
        raise Unfit("something that it refers to is not there")
    return value


def _at(document: Json, reference: str) -> Any:
    if not reference.startswith("#/"):
        raise Unfit(f"it refers to another document: {reference}")
    found: Any = document
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise Unfit(f"it refers to {reference}, which is not there")
        found = found[key]
    return found


class Schemas:
    """Schemas as JSON Schema has them. `used`: the components that were referred to, for `$defs`."""

    def __init__(self, document: Json) -> None:
        self._document = document
        self.used: Json = {}

    def taken(self, schema: Any) -> Json:
        found = self._taken(schema)
        return found if isinstance(found, dict) else {}

    def _taken(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._taken(each) for each in value]
        if not isinstance(value, dict):
            return value
        if isinstance(value.get("$ref"), str):
            return {"$ref": self._defined(value["$ref"])}
        taken = {key: each if key in _VERBATIM else self._taken(each) for key, each in value.items()}
        return _as_2020_12(taken)

    def _defined(self, reference: str) -> str:
        if not reference.startswith(COMPONENT):
            raise Unfit(f"its schema refers to {reference}; only {COMPONENT}… can come along")
        name = reference[len(COMPONENT) :]
        if name not in self.used:
            target = _at(self._document, reference)
            self.used[name] = {}  # before its own references, which may lead back here
            self.used[name] = self._taken(target)
        return f"#/$defs/{name}"


_VERBATIM: Final = frozenset({"enum", "const", "default", "example", "examples"})
_DROPPED: Final = frozenset({"discriminator", "xml", "externalDocs", "example", "nullable"})


def _as_2020_12(schema: Json) -> Json:
    """What OpenAPI 3.0 says otherwise: nullable, and exclusive bounds as booleans."""
    found = {key: value for key, value in schema.items() if key not in _DROPPED}
    if schema.get("nullable") is True and isinstance(schema.get("type"), str):
        found["type"] = [schema["type"], "null"]
        if isinstance(found.get("enum"), list) and None not in found["enum"]:
            found["enum"] = [*found["enum"], None]
    for exclusive, bound in (("exclusiveMinimum", "minimum"), ("exclusiveMaximum", "maximum")):
        if isinstance(found.get(exclusive), bool):
            is_exclusive = found.pop(exclusive)
            if is_exclusive and bound in found:
                found[exclusive] = found.pop(bound)
    return found
