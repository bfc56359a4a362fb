"""OpenAPI documents as tools: names, schemas, places, and what can't be said as a tool."""

from typing import Any

import pytest

from gateway.toolrouter.schemas import fault
from gateway.wire.resources import SecretReference
from gateway.wire.tools import ToolSpec, problems_of
from mcpdeck.model.openapi import NotOpenApi, tools_of

PET = {"type": "object", "properties": {"name": {"type": "string"}, "kin": {"$ref": "#/components/schemas/Pet"}}}


def document(paths: dict[str, Any], **members: Any) -> dict[str, Any]:
    servers = [{"url": "https://api.example.com/v1"}]
    return {"openapi": "3.1.0", "servers": servers, "paths": paths, "components": {"schemas": {"Pet": PET}}} | members


def one(path: str, method: str, operation: dict[str, Any], **members: Any) -> ToolSpec:
    found = tools_of(document({path: {method: operation}}, **members))
    assert found.left == []
    (tool,) = found.tools
    assert problems_of(tool) == {}
    assert tool.tool_definition is not None
    assert fault(tool.tool_definition.tool) is None
    return tool


def described(tool: ToolSpec) -> dict[str, Any]:
    assert tool.tool_definition is not None
    return tool.tool_definition.tool


def places(tool: ToolSpec) -> dict[str, tuple[str, str]]:
    assert tool.tool_definition is not None
    assert tool.tool_definition.operation is not None
    return {name: (each.place.value, each.name) for name, each in tool.tool_definition.operation.arguments.items()}


def test_an_operation_becomes_a_tool_with_its_parameters_as_arguments() -> None:
    operation = {
        "operationId": "getPetById",
        "summary": "One pet",
        "description": "By its number.",
        "parameters": [
            {
                "name": "petId",
                "in": "path",
                "required": True,
                "schema": {"type": "integer"},
                "description": "Its number",
            },
            {"name": "fields", "in": "query", "schema": {"type": "array", "items": {"type": "string"}}},
            {"name": "X-Trace", "in": "header", "schema": {"type": "string"}},
            {"name": "session", "in": "cookie", "schema": {"type": "string"}},
        ],
    }
    tool = one("/pets/{petId}", "get", operation)
    assert (tool.name, tool.url) == ("get-pet-by-id", "https://api.example.com/v1")
    assert described(tool)["inputSchema"] == {
        "type": "object",
        "properties": {
            "petId": {"type": "integer", "description": "Its number"},
            "fields": {"type": "array", "items": {"type": "string"}},
            "X-Trace": {"type": "string"},
        },
        "required": ["petId"],
    }
    assert described(tool)["description"] == "One pet\n\nBy its number."
    assert described(tool)["annotations"] == {"readOnlyHint": True}
    assert places(tool) == {"petId": ("path", ""), "fields": ("query", ""), "X-Trace": ("header", "")}


def test_a_bodys_members_become_arguments_and_components_come_along() -> None:
    body = {"required": True, "content": {"application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}}}
    tool = one("/pets", "post", {"operationId": "add", "requestBody": body})
    schema = described(tool)["inputSchema"]
    assert schema["properties"] == {"name": {"type": "string"}, "kin": {"$ref": "#/$defs/Pet"}}
    assert schema["$defs"]["Pet"]["properties"]["kin"] == {"$ref": "#/$defs/Pet"}
    assert places(tool) == {"name": ("body", ""), "kin": ("body", "")}


@pytest.mark.parametrize("schema", [{"type": "array", "items": {"type": "string"}}, {"oneOf": [PET, {"type": "null"}]}])
def test_any_other_body_is_one_argument(schema: dict[str, Any]) -> None:
    body = {"required": True, "content": {"application/merge-patch+json": {"schema": schema}}}
    tool = one("/pets", "patch", {"operationId": "change", "requestBody": body})
    assert places(tool) == {"body": ("whole", "")}
    assert described(tool)["inputSchema"]["required"] == ["body"]


def test_a_name_in_two_places_is_told_apart() -> None:
    parameters = [{"name": "id", "in": "path", "schema": {}}, {"name": "id", "in": "query", "schema": {}}]
    tool = one("/a/{id}", "get", {"operationId": "a", "parameters": parameters})
    assert places(tool) == {"id": ("path", ""), "id_query": ("query", "id")}


def test_a_paths_parameters_are_shared_and_may_be_overridden() -> None:
    shared = [{"name": "id", "in": "path", "schema": {"type": "string"}}]
    own = [{"name": "id", "in": "path", "schema": {"type": "integer"}}]
    found = tools_of(document({"/a/{id}": {"parameters": shared, "get": {"parameters": own}, "delete": {}}}))
    read, deleted = found.tools
    assert (read.name, deleted.name) == ("get-a-id", "delete-a-id")
    assert described(read)["inputSchema"]["properties"] == {"id": {"type": "integer"}}
    assert described(deleted)["annotations"]["destructiveHint"] is True


def test_what_openapi_3_0_says_otherwise_becomes_json_schema() -> None:
    schema = {"type": "integer", "nullable": True, "minimum": 0, "exclusiveMinimum": True, "enum": [1], "example": 1}
    parameters = [{"name": "n", "in": "query", "schema": schema}]
    tool = one("/a", "get", {"operationId": "a", "parameters": parameters}, openapi="3.0.3")
    assert described(tool)["inputSchema"]["properties"]["n"] == {
        "type": ["integer", "null"],
        "exclusiveMinimum": 0,
        "enum": [1, None],
    }


@pytest.mark.parametrize(
    ("operation", "reason"),
    [
        ({"requestBody": {"required": True, "content": {"text/xml": {}}}}, "its body is text/xml"),
        ({"parameters": [{"name": "s", "in": "cookie", "required": True}]}, "its cookie 's' is required"),
        ({"parameters": [{"$ref": "#/components/parameters/none"}]}, "which is not there"),
        ({"parameters": [{"$ref": "https://example.com/p"}]}, "it refers to another document"),
        ({"parameters": [{"name": "q", "in": "query", "content": {}}]}, "serialised by content"),
        ({"parameters": [{"name": "q", "in": "query", "schema": {"$ref": "#/paths"}}]}, "its schema refers to #/paths"),
    ],
)
def test_what_can_not_be_a_tool_is_left_out_with_its_reason(operation: dict[str, Any], reason: str) -> None:
    found = tools_of(document({"/a": {"post": operation, "get": {}}}))
    assert [tool.name for tool in found.tools] == ["get-a"]
    ((told, why),) = found.left
    assert told == "POST /a"
    assert reason in why


def test_two_operations_of_one_name_do_not_hide_each_other() -> None:
    found = tools_of(document({"/a": {"get": {"operationId": "x"}, "post": {"operationId": "X"}}}))
    assert [tool.name for tool in found.tools] == ["x"]
    assert found.left == [("POST /a", "another operation is named 'x' too")]


def test_servers_prefixes_secrets_and_roles() -> None:
    secret = SecretReference(secret="api", key="token")
    relative = document({"/a": {"get": {}}}, servers=[{"url": "/v2"}])
    (tool,) = tools_of(
        relative, where="https://h.example/openapi.json", prefix="pets-", headers={"X-Key": secret}, roles=["a"]
    ).tools
    assert (tool.url, tool.name) == ("https://h.example/v2", "pets-get-a")
    assert (tool.headers, tool.required_roles) == ({"X-Key": secret}, ["a"])
    assert tools_of(relative, server="https://other.example").tools[0].url == "https://other.example"


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"openapi": None, "swagger": "2.0"}, "this is swagger 2.0"),
        ({"openapi": None}, "this is none"),
        ({"servers": []}, "give --server URL"),
        ({"servers": [{"url": "https://{host}/"}]}, "give --server URL"),
    ],
)
def test_what_is_no_openapi_document_says_so(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(NotOpenApi, match=why):
        tools_of(document({}, **changed))
