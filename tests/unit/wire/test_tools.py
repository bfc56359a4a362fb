"""A tool's and a toolset's specification: what is taken, what is refused, by field and in a sentence."""

from typing import Any

import msgspec
import pytest

from gateway.wire.resources import normalized
from gateway.wire.tools import ALL, ToolsetSpec, ToolSpec, problems_of, problems_of_toolset

DEFINITION: dict[str, Any] = {"tool": {"name": "weather", "inputSchema": {"type": "object"}}}
REFERENCE: dict[str, Any] = {"name": "search", "adapter": "wiki", "toolName": "search"}
SERVER: dict[str, Any] = {"name": "weather", "url": "http://127.0.0.1:9/", "toolDefinition": DEFINITION}


def spec(base: dict[str, Any], **members: Any) -> ToolSpec:
    return msgspec.convert(base | members, ToolSpec)


# As Microsoft's README has it, with members that MCP does not know.
MS_SAMPLE = """
{"name": "weather", "imageName": "weather-tool", "imageVersion": "1.0.0", "useWorkloadIdentity": true,
 "description": "Weather tool for getting current weather information",
 "toolDefinition": {"tool": {"name": "weather", "title": "Weather Information", "description": "Gets the weather.",
   "type": "http",
   "inputSchema": {"type": "object", "properties": {"location": {"type": "string"}}, "required": ["location"]},
   "annotations": {"readOnly": true}}, "port": 8000}}
"""


def test_microsofts_sample_is_taken_as_it_is() -> None:
    taken = msgspec.json.decode(MS_SAMPLE, type=ToolSpec)
    assert problems_of(taken) == {}
    assert taken.tool_definition is not None
    assert taken.tool_definition.path == "/score"
    assert taken.tool_definition.tool["type"] == "http"


@pytest.mark.parametrize("base", [REFERENCE, SERVER, REFERENCE | {"toolName": ALL}])
def test_a_tool_of_an_adapter_and_a_server_of_its_own_are_both_right(base: dict[str, Any]) -> None:
    assert problems_of(spec(base)) == {}


def test_an_unknown_field_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="unknown field `toolname`"):
        spec(REFERENCE, toolname="x")


@pytest.mark.parametrize(
    ("base", "members", "field"),
    [
        (REFERENCE, {"name": "Not A Label"}, "name"),
        (REFERENCE, {"url": "http://x/"}, "source"),
        ({"name": "x", "toolDefinition": DEFINITION | {"tool": DEFINITION["tool"] | {"name": "x"}}}, {}, "source"),
        (REFERENCE, {"adapter": "Wiki"}, "adapter"),
        (REFERENCE, {"toolName": ""}, "toolName"),
        (REFERENCE, {"toolDefinition": DEFINITION}, "toolDefinition"),
        (REFERENCE, {"environmentVariables": {"A": "b"}}, "environmentVariables"),
        (REFERENCE, {"stdio": {"command": "x"}}, "stdio"),
        (REFERENCE, {"view": {"name": "9x"}}, "view.name"),
        (REFERENCE, {"view": {"hiddenArguments": ["a"], "pinnedArguments": {"a": 1}}}, "view.hiddenArguments"),
        (REFERENCE, {"views": {"search": {"name": "find"}}}, "views"),
        (REFERENCE | {"toolName": ALL}, {"view": {"name": "find"}}, "view"),
        (REFERENCE | {"toolName": ALL}, {"views": {"search": {"name": "a b"}}}, "views.search.name"),
        (REFERENCE, {"locked": {"search": "sha256:1"}}, "locked.search"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "pets"}}}, "toolDefinition.operation.path"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/a?b"}}}, "toolDefinition.operation.path"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/a/../b"}}}, "toolDefinition.operation.path"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/", "method": "TRACE"}}}, "toolDefinition.operation.method"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/{id}"}}}, "toolDefinition.operation.arguments"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/", "arguments": {"a": {"place": "header", "name": "Host"}}}}}, "toolDefinition.operation.arguments.a"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/", "arguments": {"a": {"place": "header", "name": "X-Mcp-UserId"}}}}}, "toolDefinition.operation.arguments.a"),
        (SERVER, {"toolDefinition": DEFINITION | {"operation": {"path": "/", "arguments": {"a": {"place": "whole"}, "b": {"place": "whole"}}}}}, "toolDefinition.operation.arguments"),
        (SERVER, {"toolDefinition": None}, "toolDefinition"),
        (SERVER, {"toolName": "x"}, "toolName"),
        (SERVER, {"toolDefinition": DEFINITION | {"path": "score"}}, "toolDefinition.path"),
        (SERVER, {"toolDefinition": DEFINITION | {"port": 0}}, "toolDefinition.port"),
        (SERVER, {"toolDefinition": {"tool": {"name": "other", "inputSchema": {"type": "object"}}}}, "toolDefinition.tool.name"),
        (SERVER, {"toolDefinition": {"tool": {"name": "weather", "inputSchema": {}}}}, "toolDefinition.tool.inputSchema"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_by_field(base: dict[str, Any], members: dict[str, Any], field: str) -> None:
    assert list(problems_of(spec(base, **members))) == [field]


def test_roles_are_tidied_up_as_an_adapters_are() -> None:
    assert normalized(spec(REFERENCE, requiredRoles=[" a", "A", "b"])).required_roles == ["a", "b"]


def test_a_toolset_says_what_is_wrong_with_it() -> None:
    assert problems_of_toolset(ToolsetSpec(name="team-a")) == {}
    wrong = ToolsetSpec(name="Team A", tools=[""], exclude=[""], token_budget=-1, description="x" * 5000)
    assert sorted(problems_of_toolset(wrong)) == ["description", "exclude", "name", "tokenBudget", "tools"]
