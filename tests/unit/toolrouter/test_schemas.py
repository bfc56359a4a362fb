"""Which definitions are sound, which are quarantined and why, and what is told about arguments that don't fit."""

from typing import Any

import pytest

from gateway.toolrouter.schemas import MAX_BYTES, MAX_DEPTH, Schema, fault

OBJECT = {"type": "object"}


def tool(**members: Any) -> dict[str, Any]:
    return {"name": "forecast", "inputSchema": OBJECT} | members


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        schema = {"type": "object", "properties": {"a": schema}}
    return schema


def test_a_plain_definition_is_sound() -> None:
    assert fault(tool(title="Forecast", description="The weather", annotations={"readOnlyHint": True})) is None


@pytest.mark.parametrize(
    ("definition", "reason"),
    [
        ([], "the definition is no object"),
        (tool(name=5), "the name is no text of 1 to 256 characters"),
        (tool(name=""), "the name is no text of 1 to 256 characters"),
        (tool(title=1), "title is no text"),
        (tool(description=["x"]), "description is no text"),
        (tool(annotations=1), "annotations is no object"),
        ({"name": "x"}, "inputSchema is no object"),
        (tool(inputSchema=True), "inputSchema is no object"),
        (tool(inputSchema={"type": "string"}), "inputSchema has the type 'string'; it must be 'object'"),
        (tool(inputSchema=OBJECT | {"required": 5}), "inputSchema is no JSON Schema: "),
        (tool(inputSchema=OBJECT | {"patternProperties": {"(": {}}}), "inputSchema is no JSON Schema: "),
        (tool(inputSchema=OBJECT | {"$schema": "http://example.org/mine"}), "Unknown meta-schema"),
        (tool(outputSchema={"type": "objekt"}), "outputSchema is no JSON Schema: "),
        (tool(description="x" * MAX_BYTES), "bytes; at most"),
        (tool(inputSchema=nested(MAX_DEPTH)), "nests deeper than 64 levels"),
        (
            tool(inputSchema=OBJECT | {"properties": {"a": {"type": "array", "x-mcp-header": "A"}}}),
            "x-mcp-header of 'a' mirrors what is no string, integer or boolean",
        ),
        (
            tool(inputSchema=OBJECT | {"properties": {"a": {"type": "string", "x-mcp-header": "a b"}}}),
            "x-mcp-header of 'a' is no header's name",
        ),
    ],
)
def test_a_bad_definition_is_quarantined_with_its_reason(definition: Any, reason: str) -> None:
    assert reason in (fault(definition) or "")


@pytest.mark.parametrize("where", ["http://127.0.0.1:9/schema", "file:///etc/passwd", "https://example.org/x"])
def test_nothing_that_a_schema_refers_to_is_fetched(where: str) -> None:
    assert "Retrieval is disabled" in (fault(tool(inputSchema=OBJECT | {"$ref": where})) or "")


def test_arguments_that_fit_cause_no_complaint() -> None:
    schema = Schema(OBJECT | {"properties": {"city": {"type": "string"}}, "required": ["city"]})
    assert schema.complaints({"city": "Oslo"}) == []


def test_complaints_name_the_place_and_are_few() -> None:
    properties = {f"n{number}": {"type": "integer"} for number in range(9)}
    schema = Schema(OBJECT | {"properties": properties})
    told = schema.complaints(dict.fromkeys(properties, "x"))
    assert told[0] == 'n0: "x" is not of type "integer"'
    assert len(told) == 5


def test_a_regular_expression_without_end_ends() -> None:
    schema = Schema(OBJECT | {"properties": {"a": {"type": "string", "pattern": "^(a+)+(?=c)$"}}})
    assert schema.complaints({"a": "a" * 5000 + "b"})


def test_arguments_that_nest_without_end_are_a_complaint() -> None:
    value: dict[str, Any] = {}
    for _ in range(100_000):
        value = {"a": value}
    assert Schema(OBJECT | {"properties": {"a": {"$ref": "#"}}}).complaints(value)
