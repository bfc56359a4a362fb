"""How tools are shown and how their calls go on: renames, descriptions, hidden and pinned arguments; and what it costs."""

from typing import Any

import pytest

from gateway.toolrouter.cost import tokens
from gateway.toolrouter.toolsets import holds
from gateway.toolrouter.views import refused, sent, shown
from gateway.wire.tools import ToolsetSpec, ToolView

SEARCH: dict[str, Any] = {
    "name": "search",
    "description": "Finds",
    "inputSchema": {
        "type": "object",
        "properties": {"query": {"type": "string"}, "site": {"type": "string"}, "debug": {"type": "boolean"}},
        "required": ["query", "site"],
        "additionalProperties": False,
    },
    "_meta": {"kept": True},
}


def test_a_view_that_says_nothing_changes_only_the_name() -> None:
    assert shown(SEARCH, "wiki_search", ToolView()) == SEARCH | {"name": "wiki_search"}


def test_title_and_description_are_replaced() -> None:
    found = shown(SEARCH, "search", ToolView(title="Wiki", description="Finds pages"))
    assert (found["title"], found["description"], found["_meta"]) == ("Wiki", "Finds pages", {"kept": True})


def test_hidden_and_pinned_arguments_leave_the_schema() -> None:
    view = ToolView(hidden_arguments=["debug"], pinned_arguments={"site": "docs"})
    schema = shown(SEARCH, "search", view)["inputSchema"]
    assert schema["properties"] == {"query": {"type": "string"}}
    assert schema["required"] == ["query"]
    assert SEARCH["inputSchema"]["required"] == ["query", "site"]


def test_pinned_arguments_go_with_every_call_and_cannot_be_given() -> None:
    view = ToolView(hidden_arguments=["debug"], pinned_arguments={"site": "docs"})
    assert sent({"query": "x"}, view) == {"query": "x", "site": "docs"}
    assert refused({"query": "x"}, view) == []
    assert refused({"site": "secret", "debug": True}, view) == [
        "debug: is not an argument of this tool",
        "site: is not an argument of this tool",
    ]


@pytest.mark.parametrize(
    ("view", "why"),
    [
        (ToolView(hidden_arguments=["nope"]), "hides or pins nope, which is no argument of it"),
        (ToolView(hidden_arguments=["query"]), "hides query, which it requires; pin a value instead"),
    ],
)
def test_a_view_that_cannot_be_says_why(view: ToolView, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        shown(SEARCH, "search", view)


def test_the_cost_is_a_token_per_four_bytes_of_what_models_read() -> None:
    bare = {"name": "a", "inputSchema": {"type": "object"}}
    assert tokens(bare) == -(-len('{"name":"a","inputSchema":{"type":"object"}}') // 4)
    assert tokens(bare | {"_meta": {"x": "y" * 400}, "icons": ["z"]}) == tokens(bare)


@pytest.mark.parametrize(
    ("tools", "exclude", "is_in"),
    [
        (["*"], [], True),
        (["wiki_*"], [], True),
        (["jira_*"], [], False),
        (["wiki/*"], [], True),
        (["*/search"], [], True),
        (["wiki/find"], [], False),
        (["*"], ["wiki/*"], False),
        ([], [], False),
    ],
)
def test_a_toolset_holds_tools_by_exported_name_or_origin(tools: list[str], exclude: list[str], is_in: bool) -> None:
    toolset = ToolsetSpec(name="x", tools=tools, exclude=exclude)
    assert holds(toolset, "wiki_search", "wiki", "search") is is_in
