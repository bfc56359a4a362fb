"""An OpenAPI document's operations as tools: names, schemas, where in the request each argument goes. Fetches nothing.

OpenAPI 3.0 and 3.1. What an operation needs and a tool can't say (cookies, files, XML) leaves it out, with the reason.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple
from urllib.parse import urljoin, urlsplit

from gateway.wire.names import ADAPTER_NAME_LENGTH
from gateway.wire.resources import SecretReference
from gateway.wire.tools import METHODS, Argument, Operation, Place, ToolDefinition, ToolSpec
from mcpdeck.model.openapi_schemas import Schemas, Unfit, resolved

type Json = dict[str, Any]

_JSON = re.compile(r"application/(?:[\w.+-]*\+)?json(?:;.*)?", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_UNFIT = re.compile(r"[^a-z0-9]+")
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
            name = _name(operation, method, path, prefix=prefix, taken=tools)
            definition = _definition(document, operation, shared, name=name, method=method, path=path)
        except Unfit as reason:
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


def _name(operation: Json, method: str, path: str, *, prefix: str, taken: Mapping[str, Any]) -> str:
    """A DNS label: `listPets` -> `list-pets`."""
    told = str(operation.get("operationId") or f"{method}-{path}")
    name = _UNFIT.sub("-", _HUMP.sub("-", f"{prefix}{told}").lower()).strip("-")[:ADAPTER_NAME_LENGTH].strip("-")
    if not name:
        raise Unfit("it has no name that a tool could bear; give it an operationId")
    if name in taken:
        raise Unfit(f"another operation is named {name!r} too")
    return name


def _definition(
    document: Json, operation: Json, shared: list[Any], *, name: str, method: str, path: str
) -> ToolDefinition:
    schemas = Schemas(document)
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
        parameter = resolved(document, each)
        found[str(parameter.get("name")), str(parameter.get("in"))] = parameter
    return list(found.values())


def _add_parameter(
    parameter: Json, schemas: Schemas, properties: Json, *, required: list[str], arguments: dict[str, Argument]
) -> None:
    name, stands = str(parameter.get("name")), parameter.get("in")
    if stands == "cookie":
        if parameter.get("required"):
            raise Unfit(f"its cookie {name!r} is required, and tools set no cookies")
        return
    if stands not in ("path", "query", "header"):
        raise Unfit(f"its parameter {name!r} is in {stands!r}")
    if "schema" not in parameter and "content" in parameter:
        raise Unfit(f"its parameter {name!r} is serialised by content")
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
    schemas: Schemas,
    properties: Json,
    *,
    required: list[str],
    arguments: dict[str, Argument],
) -> None:
    """An object's members become arguments where none is taken; any other body is one argument, `body`."""
    if "requestBody" not in operation:
        return
    body = resolved(document, operation["requestBody"])
    content = body.get("content")
    kinds = content if isinstance(content, dict) else {}
    media = next((value for kind, value in kinds.items() if _JSON.fullmatch(kind)), None)
    if media is None:
        if body.get("required"):
            raise Unfit(f"its body is {', '.join(kinds) or 'nothing known'}, and tools send JSON")
        return
    schema = media.get("schema") or {}
    members = _members(document, schema)
    if members is not None and body.get("required") and not members.keys() & properties.keys():
        whole = resolved(document, schema)
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
    whole = resolved(document, schema)
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
