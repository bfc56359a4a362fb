"""The requests that Microsoft's MCP Gateway publishes as its OpenAPI file, sent here as that file describes them.

The file is theirs (tests/support/microsoft, MIT), as of their commit a998cd6, and is not changed.
"""

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.gateway_fakes import ADA, ControlPlane, control_plane, instance

DOCUMENT: Final = json.loads((Path(__file__).parents[2] / "support/microsoft/mcp-gateway.openapi.json").read_text())
SCHEMAS: Final = DOCUMENT["components"]["schemas"]
VALUES: Final[dict[str, Any]] = {  # what a member is filled with; by type where it does not stand here
    "name": "weather",
    "imageName": "weather-tool",
    "imageVersion": "1.0.0",
    "environmentVariables": {"UNIT": "celsius"},
    "replicaCount": 2,
    "useWorkloadIdentity": False,
    "port": 8000,
    "createdAt": "2026-08-21T15:22:34Z",
    "lastUpdatedAt": "2026-08-21T15:22:34Z",
    "inputSchema": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
    "annotations": {"readOnly": True},
}


def example(schema: dict[str, Any]) -> Any:
    """With every member that the schema knows."""
    if "$ref" in schema:
        return example(SCHEMAS[schema["$ref"].rsplit("/", 1)[1]])
    if "enum" in schema:
        return schema["enum"][0]
    match schema["type"]:
        case "array":
            return [example(schema["items"])]
        case "object":
            return {name: VALUES.get(name, example(each)) for name, each in schema.get("properties", {}).items()}
        case "string":
            return "text"
        case "integer":
            return 1
        case "boolean":
            return True
        case other:
            raise AssertionError(other)


async def test_what_get_returns_can_be_put_back_changed(plane: ControlPlane) -> None:
    for kind in ("adapters", "tools"):
        body = body_of(f"/{kind}", "post") | {"name": f"some-{kind}"}
        if kind == "tools":
            body["toolDefinition"]["tool"]["name"] = body["name"]
        whole = (await plane.ask("POST", f"/{kind}", ADA, json=body)).json
        replaced = await plane.ask("PUT", f"/{kind}/some-{kind}", ADA, json=whole | {"description": "other"})
        assert (replaced.status, replaced.json["description"]) == (200, "other")
        assert replaced.json["createdAt"] == whole["createdAt"]
        wrong = await plane.ask("PUT", f"/{kind}/some-{kind}", ADA, json=whole | {"replicaCont": 3})
        assert wrong.errors == {"replicaCont": ["is not a known field; did you mean replicaCount?"]}


@pytest.fixture(name="plane")
async def _plane() -> AsyncIterator[ControlPlane]:
    async with control_plane() as plane:
        yield plane


def body_of(path: str, method: str) -> Any:
    return example(DOCUMENT["paths"][path][method]["requestBody"]["content"]["application/json"]["schema"])


@pytest.mark.parametrize("kind", ["adapters", "tools"])
async def test_every_request_of_the_file_is_answered_as_it_says(plane: ControlPlane, kind: str) -> None:
    one = f"/{kind}/{{name}}"
    made = await plane.ask("POST", f"/{kind}", ADA, json=body_of(f"/{kind}", "post"))
    assert made.status == 201, made.json  # the file says 200 for adapters; their gateway answers 201, as we do
    plane.backend.see("weather", instance("weather-0"))
    await plane.reconciler.reconcile()
    listed = await plane.ask("GET", f"/{kind}", ADA)
    assert [each["name"] for each in listed.json] == ["weather"]
    assert (await plane.ask("GET", f"/{kind}/weather", ADA)).json["id"] == "weather"
    replaced = await plane.ask("PUT", f"/{kind}/weather", ADA, json=body_of(one, "put"))
    assert replaced.status == 200, replaced.json
    assert replaced.json["replicaCount"] == 2
    status = (await plane.ask("GET", f"/{kind}/weather/status", ADA)).json
    words = DOCUMENT["paths"][f"{one}/status"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
    assert words["properties"].keys() <= status.keys()
    logs = await plane.ask("GET", f"/{kind}/weather/logs?instance=0", ADA)
    assert (logs.status, logs.headers["Content-Type"].partition(";")[0]) == (200, "text/plain")
    assert (await plane.ask("DELETE", f"/{kind}/weather", ADA)).status == 204


@pytest.mark.parametrize("kind", ["adapters", "tools"])
async def test_what_is_returned_has_every_member_that_the_file_promises(plane: ControlPlane, kind: str) -> None:
    made = await plane.ask("POST", f"/{kind}", ADA, json=body_of(f"/{kind}", "post"))
    promised = (
        SCHEMAS["Adapter"]["properties"]
        if kind == "adapters"
        else {name for part in SCHEMAS["ToolResource"]["allOf"] for name in _members(part)}
    )
    gone = {"protocol", "connectionType"}  # which their own gateway does not have either
    assert set(promised) - gone <= made.json.keys()


def _members(part: dict[str, Any]) -> list[str]:
    schema = SCHEMAS["ToolData"] if "$ref" in part else part
    return list(schema["properties"])
