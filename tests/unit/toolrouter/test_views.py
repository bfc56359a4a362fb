"""How tools are shown and how their calls go on: renames, descriptions, hidden and pinned arguments; and what it costs."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.toolrouter.cost import tokens
from gateway.toolrouter.schemas import Schema
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


LETTERS = st.sampled_from("abcde")


@st.composite
def narrowed(draw: st.DrawFn) -> tuple[dict[str, Any], ToolView, dict[str, Any]]:
    """A schema, a view of it that can be, and a caller's arguments."""
    names = sorted(draw(st.sets(LETTERS, min_size=1)))
    required = draw(st.lists(st.sampled_from(names), unique=True))
    pinned = draw(st.sets(st.sampled_from(names)))
    optional = sorted(set(names) - set(required) - pinned)
    hidden = draw(st.lists(st.sampled_from(optional), unique=True)) if optional else []
    schema = {"type": "object", "properties": {name: {"type": "integer"} for name in names}, "required": required}
    view = ToolView(hidden_arguments=hidden, pinned_arguments=dict.fromkeys(sorted(pinned), 7))
    given = draw(st.dictionaries(LETTERS, st.one_of(st.integers(0, 9), st.just("no number"))))
    return schema | {"additionalProperties": False}, view, given


@given(narrowed())
def test_what_fits_the_schema_that_is_shown_fits_the_tools_own_as_it_is_sent(
    case: tuple[dict[str, Any], ToolView, dict[str, Any]],
) -> None:
    schema, view, arguments = case
    definition = {"name": "t", "inputSchema": schema}
    fits_shown = not Schema(shown(definition, "t", view)["inputSchema"]).complaints(arguments)
    goes_out = not refused(arguments, view) and not Schema(schema).complaints(sent(arguments, view))
    assert fits_shown == goes_out
    assert all(sent(arguments, view)[name] == 7 for name in view.pinned_arguments)


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
