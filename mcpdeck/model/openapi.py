"""An OpenAPI document's operations as tools: names, schemas, and where in the request each argument goes. Fetches nothing.

OpenAPI 3.0 and 3.1. What an operation needs and a tool can't say (cookies, files, XML) leaves it out, with the reason.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from gateway.wire.names import ADAPTER_NAME_LENGTH
from gateway.wire.resources import SecretReference
from gateway.wire.tools import METHODS, Argument, Operation, Place, ToolDefinition, ToolSpec

type Json = dict[str, Any]

_JSON = re.compile(r"application/(?:[\w.+-]*\+)?json(?:;.*)?", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNFIT = re.compile(r"[^a-z0-9]+")
_COMPONENT: Final = "#/components/schemas/"
_LONGEST: Final = 1000  # characters of a description
_READS: Final = {"readOnlyHint": True}
_HINTS: Final[Mapping[str, Json]] = {
    "GET": _READS,
    "PUT": {"idempotentHint": True, "destructiveHint": True},
    "DELETE": {"idempotentHint": True, "destructiveHint": True},
}


class Left(NamedTuple):
    """An operation that became no tool, and why."""

    operation: str
    reason: str


class Imported(NamedTuple):
    tools: list[ToolSpec]
    left: list[Left]


class NotOpenApi(ValueError):
    """Says what the document is instead."""


def tools_of(
    document: Json,
    *,
    where: str = "",
    server: str = "",
    prefix: str = "",
    headers: Mapping[str, SecretReference] | None = None,
    roles: list[str] | None = None,
) -> Imported:
    """where: the document's own URL, "" for a file. server: in place of its first one. prefix: of every tool's name.

    headers: sent with every call, from secrets. Raises NotOpenApi.
    """
    version = document.get("openapi")
    if not isinstance(version, str) or not version.startswith("3."):
        found = (
            f"openapi {version}" if version else f"swagger {document['swagger']}" if "swagger" in document else "none"
        )
        raise NotOpenApi(f"an OpenAPI document of version 3 is wanted, and this is {found}")
    url = server or _server(document, where)
    tools: dict[str, ToolSpec] = {}
    left: list[Left] = []
    for path, method, operation, shared in _operations(document):
        told = f"{method} {path}"
        try:
            name = _name(operation, method, path, prefix=prefix)
            if name in tools:
                raise _Unfit(f"another operation is named {name!r} too")
            definition = _definition(document, operation, shared, name=name, method=method, path=path)
        except _Unfit as reason:
            left.append(Left(told, str(reason)))
        else:
            tools[name] = ToolSpec(
                name=name,
                url=url,
                tool_definition=definition,
                headers=dict(headers or {}),
                required_roles=list(roles or []),
                description=told,
            )
    return Imported(list(tools.values()), left)


class _Unfit(Exception):
    """What can't be said as a tool."""


def _server(document: Json, where: str) -> str:
    servers = document.get("servers")
    first = servers[0].get("url", "") if isinstance(servers, list) and servers and isinstance(servers[0], dict) else ""
    url = urljoin(where, str(first)) if where else str(first)
    if not urlsplit(url).scheme or "{" in url:
        raise NotOpenApi(f"the document's server is {url or 'not named'!r}, which is no address: give --server URL")
    return url


def _operations(document: Json) -> Iterator[tuple[str, str, Json, list[Any]]]:
    paths = document.get("paths")
    for path, item in paths.items() if isinstance(paths, dict) else ():
        for method in METHODS if isinstance(item, dict) else ():
            operation = item.get(method.lower())
            if isinstance(operation, dict):
                yield path, method, operation, item.get("parameters") or []


def _name(operation: Json, method: str, path: str, *, prefix: str) -> str:
    """A DNS label: `listPets` -> `list-pets`."""
    told = str(operation.get("operationId") or f"{method}-{path}")
    name = _UNFIT.sub("-", _HUMP.sub("-", f"{prefix}{told}").lower()).strip("-")[:ADAPTER_NAME_LENGTH].strip("-")
    if not name:
        raise _Unfit("it has no name that a tool could bear; give it an operationId")
    return name


def _definition(
    document: Json, operation: Json, shared: list[Any], *, name: str, method: str, path: str
) -> ToolDefinition:
    schemas = _Schemas(document)
    properties: Json = {}
    required: list[str] = []
    arguments: dict[str, Argument] = {}
    for parameter in _parameters(document, shared, operation):
        _add_parameter(parameter, schemas, properties, required=required, arguments=arguments)
    _add_body(document, operation, schemas, properties, required=required, arguments=arguments)
    schema: Json = {"type": "object", "properties": properties}
    if required:
        schema["required"] = required
    if schemas.used:
        schema["$defs"] = schemas.used
    tool: Json = {"name": name, "description": _description(operation, method, path), "inputSchema": schema}
    if title := operation.get("summary"):
        tool["title"] = str(title)[:_LONGEST]
    if hints := _HINTS.get(method):
        tool["annotations"] = hints
    return ToolDefinition(tool=tool, operation=Operation(method=method, path=path, arguments=arguments))


def _description(operation: Json, method: str, path: str) -> str:
    told = "\n\n".join(str(operation[each]) for each in ("summary", "description") if operation.get(each))
    return told[:_LONGEST] or f"{method} {path}"


def _parameters(document: Json, shared: list[Any], operation: Json) -> list[Json]:
    """The operation's own stand in place of those that its path shares."""
    found: dict[tuple[str, str], Json] = {}
    for each in [*shared, *(operation.get("parameters") or [])]:
        parameter = _resolved(document, each)
        found[str(parameter.get("name")), str(parameter.get("in"))] = parameter
    return list(found.values())


def _add_parameter(
    parameter: Json, schemas: "_Schemas", properties: Json, *, required: list[str], arguments: dict[str, Argument]
) -> None:
    name, stands = str(parameter.get("name")), parameter.get("in")
    if stands == "cookie":
        if parameter.get("required"):
            raise _Unfit(f"its cookie {name!r} is required, and tools set no cookies")
        return
    if stands not in ("path", "query", "header"):
        raise _Unfit(f"its parameter {name!r} is in {stands!r}")
    if "schema" not in parameter and "content" in parameter:
        raise _Unfit(f"its parameter {name!r} is serialised by content")
    argument = _free(name, properties, str(stands))
    schema = schemas.taken(parameter.get("schema") or {})
    if "description" in parameter and "description" not in schema:
        schema = schema | {"description": str(parameter["description"])[:_LONGEST]}
    properties[argument] = schema
    arguments[argument] = Argument(place=Place(stands), name="" if argument == name else name)
    if parameter.get("required") or stands == "path":
        required.append(argument)


def _add_body(
    document: Json,
    operation: Json,
    schemas: "_Schemas",
    properties: Json,
    *,
    required: list[str],
    arguments: dict[str, Argument],
) -> None:
    """An object's members become arguments where none is taken; any other body is one argument, `body`."""
    if "requestBody" not in operation:
        return
    body = _resolved(document, operation["requestBody"])
    content = body.get("content")
    kinds = content if isinstance(content, dict) else {}
    media = next((value for kind, value in kinds.items() if _JSON.fullmatch(kind)), None)
    if media is None:
        if body.get("required"):
            raise _Unfit(f"its body is {', '.join(kinds) or 'nothing known'}, and tools send JSON")
        return
    schema = media.get("schema") or {}
    members = _members(document, schema)
    if members is not None and body.get("required") and not members.keys() & properties.keys():
        whole = _resolved(document, schema)
        for name, each in members.items():
            properties[name] = schemas.taken(each)
            arguments[name] = Argument(place=Place.BODY)
        required += [name for name in whole.get("required") or [] if name in members]
        return
    argument = _free("body", properties, "json")
    properties[argument] = schemas.taken(schema)
    arguments[argument] = Argument(place=Place.WHOLE)
    if body.get("required"):
        required.append(argument)


def _members(document: Json, schema: Any) -> Json | None:
    """A plain object's properties; None for what is more than that."""
    whole = _resolved(document, schema)
    plain = whole.keys() <= {
        "type",
        "properties",
        "required",
        "description",
        "title",
        "example",
        "additionalProperties",
    }
    properties = whole.get("properties")
    return properties if plain and isinstance(properties, dict) and properties else None


def _free(name: str, properties: Json, stands: str) -> str:
    return name if name not in properties else f"{name}_{stands}"


def _resolved(document: Json, value: Any) -> Json:
    """A reference within the document followed, a few times over."""
    for _ in range(16):
        if not isinstance(value, dict) or "$ref" not in value:
            break
        value = _at(document, str(value["$ref"]))
    if not isinstance(value, dict):
        raise _Unfit("something that it refers to is not there")
    return value


def _at(document: Json, reference: str) -> Any:
    if not reference.startswith("#/"):
        raise _Unfit(f"it refers to another document: {reference}")
    found: Any = document
    for part in reference[2:].split("/"):
        key = part.replace("~1", "/").replace("~0", "~")
        if not isinstance(found, dict) or key not in found:
            raise _Unfit(f"it refers to {reference}, which is not there")
        found = found[key]
    return found


class _Schemas:
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
        if not reference.startswith(_COMPONENT):
            raise _Unfit(f"its schema refers to {reference}; only {_COMPONENT}… can come along")
        name = reference[len(_COMPONENT) :]
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
