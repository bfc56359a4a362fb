"""The contract as an OpenAPI 3.1 document, its schemas made from the types that decode and encode. Pure."""

import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.controlplane.contract import ERROR, OPERATIONS, REFUSALS, SUCCESSES, TAGS
from gateway.controlplane.operations import JSON, ON_EVERY_ROUTE, Operation, Parameter
from gateway.wire.problems import MEDIA_TYPE
from gateway.wire.resources import AdapterSpec, ChangeEvent
from gateway.wire.tools import ToolsetSpec, ToolSpec
from gateway.wire.traffic import TrafficMessage

_ABOUT: Final = """\
Runs a team's MCP servers behind one address. Wire-compatible with Microsoft's MCP Gateway.

Errors are problem details (RFC 9457) with a stable `code`. Unknown fields in a request are an error. Every answer has
an `X-Request-Id`. MCP itself is spoken at `/adapters/{name}/mcp`, `/mcp` and `/mcp/{toolset}`, and not
described here."""

_DEV_HEADERS: Final = {"devUser": "X-Dev-UserId", "devName": "X-Dev-Name", "devRoles": "X-Dev-Roles"}

type Json = dict[str, Any]


def document(version: str, *, authentication: str) -> Json:
    """authentication: `dev` where callers say who they are; else they send a bearer token."""
    types = list({str(kind): kind for kind in _types()}.values())
    schemas, components = msgspec.json.schema_components(types, ref_template="#/components/schemas/{name}")
    schema_of = dict(zip(map(str, types), schemas, strict=True))
    schemes = _schemes(authentication)
    return {
        "openapi": "3.1.0",
        "info": {"title": "mcpdeck gateway", "version": version, "description": _ABOUT, "license": _LICENSE},
        "servers": [{"url": "/"}],
        "tags": [{"name": name, "description": text} for name, text in TAGS.items()],
        "paths": _paths(schema_of),
        "components": {"schemas": components, "securitySchemes": schemes},
        "security": [{name: [] for name in schemes}],
    }


_LICENSE: Final = {"name": "MIT", "identifier": "MIT"}


def _types() -> Iterator[Any]:
    for operation in OPERATIONS:
        for kind in (operation.body, operation.answer):
            if kind is not None and not isinstance(kind, str):
                yield kind
    yield from (AdapterSpec, ToolSpec, ToolsetSpec, ChangeEvent, TrafficMessage, ERROR)


def _schemes(authentication: str) -> Json:
    if authentication == "dev":
        return {name: {"type": "apiKey", "in": "header", "name": header} for name, header in _DEV_HEADERS.items()}
    return {"bearer": {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}}


def _paths(schema_of: Json) -> Json:
    paths: Json = {}
    for operation in OPERATIONS:
        paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, schema_of)
    return paths


def _operation(operation: Operation, schema_of: Json) -> Json:
    described: Json = {
        "operationId": operation.endpoint.replace(".", "_"),
        "tags": [operation.tag],
        "summary": operation.summary,
        "parameters": [*_in_path(operation.path), *map(_parameter, operation.parameters)],
        "responses": _responses(operation, schema_of),
    }
    if operation.description:
        described["description"] = operation.description
    if operation.body is not None:
        described["requestBody"] = {"required": True, "content": _content(operation.body, schema_of)}
    if operation.is_anonymous:
        described["security"] = []
    return described


def _in_path(path: str) -> Iterator[Json]:
    for name in re.findall(r"{(\w+)}", path):
        yield {"name": name, "in": "path", "required": True, "schema": {"type": "string"}}


def _parameter(parameter: Parameter) -> Json:
    return {
        "name": parameter.name,
        "in": parameter.kind,
        "description": parameter.description,
        "schema": {"type": parameter.type},
    }


def _responses(operation: Operation, schema_of: Json) -> Json:
    success: Json = {
        "description": SUCCESSES[operation.status],
        "headers": {"X-Request-Id": {"schema": {"type": "string"}}},
    }
    if operation.answer is not None:
        success["content"] = _content(operation.answer, schema_of)
    general = () if operation.is_anonymous else ON_EVERY_ROUTE
    refused = {
        str(status): _refusal(status, operation, schema_of) for status in sorted({*operation.refusals, *general})
    }
    return {str(operation.status): success, **refused}


def _refusal(status: int, operation: Operation, schema_of: Json) -> Json:
    described: Json = {"description": REFUSALS[status]}
    if operation.is_anonymous:
        described["content"] = _content(operation.answer, schema_of)
    elif status >= 400:
        described["content"] = {MEDIA_TYPE: {"schema": schema_of[str(ERROR)]}}
    return described


def _content(kind: Any, schema_of: Json) -> Json:
    """A type is JSON of its schema; text is a media type. A merge patch may hold any field, or null for it."""
    if not isinstance(kind, str):
        return {JSON: {"schema": schema_of[str(kind)]}}
    if kind.endswith("merge-patch+json"):
        fields: Json = {field.encode_name: {} for field in msgspec.structs.fields(AdapterSpec)}
        return {kind: {"schema": {"type": "object", "properties": fields, "additionalProperties": False}}}
    return {kind: {"schema": {"type": "string"}}}
