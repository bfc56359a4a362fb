"""Whether a result fits its tool's output schema, and what a server proposes as one types."""

from typing import Any

import pytest

from mcpdeck.model.completing import continued, params_of, proposed
from mcpdeck.model.playground import Kind, Subject
from mcpdeck.model.promised import DEEPEST, misfit

TOOL = {"outputSchema": {"type": "object", "properties": {"a": {"type": "object"}}, "required": ["a"]}}


def nested(depth: int) -> Any:
    value: Any = {}
    for _ in range(depth):
        value = {"a": value}
    return value


@pytest.mark.parametrize(
    ("tool", "result", "told"),
    [
        ({}, {"structuredContent": 5}, ""),
        (TOOL, {"structuredContent": {"a": {}}}, ""),
        (TOOL, {"content": [], "isError": True}, ""),
        (TOOL, {"content": []}, "there is no structuredContent"),
        (TOOL, {"structuredContent": {"a": 5}}, 'a: 5 is not of type "object"'),
        (TOOL, {"structuredContent": {}}, '"a" is a required property'),
        (TOOL, {"structuredContent": nested(1_000)}, f"what nests deeper than {DEEPEST} levels is not looked at"),
        ({"outputSchema": {"type": "nonsense"}}, {"structuredContent": {}}, "the schema is none"),
        ({"outputSchema": {"$ref": "http://127.0.0.1:1/x"}}, {"structuredContent": {}}, "the schema is none"),
        ({"outputSchema": nested(1_000)}, {"structuredContent": {}}, "is not looked at"),
        (TOOL, {"structuredContent": {"a": "\x1b]0;x\x07\nnext"}}, "is not of type"),
    ],
)
def test_what_breaks_its_promise_is_told(tool: dict[str, Any], result: dict[str, Any], told: str) -> None:
    found = misfit(tool, result)
    assert told in found
    assert bool(told) == found.startswith("does not fit its output schema: ")
    assert "\x1b" not in found
    assert "\n" not in found


def test_a_prompt_is_asked_about_with_what_is_known_already() -> None:
    prompt = Subject(kind=Kind.PROMPT, name="summary")
    assert params_of(prompt, "day", "to", {"day": "to", "team": "x", "empty": ""}) == {
        "ref": {"type": "ref/prompt", "name": "summary"},
        "argument": {"name": "day", "value": "to"},
        "context": {"arguments": {"team": "x"}},
    }


@pytest.mark.parametrize("result", [{}, {"completion": None}, {"completion": {"values": "x"}}, {"completion": []}])
def test_proposals_of_no_sense_are_none(result: dict[str, Any]) -> None:
    assert proposed(result) == []


def test_proposals_stay_in_their_order_and_are_at_most_a_hundred() -> None:
    assert proposed({"completion": {"values": ["b", 5, "a\nb"]}}) == ["b", "a b"]
    assert len(proposed({"completion": {"values": ["x"] * 200}})) == 100


def test_what_is_typed_goes_on_as_the_first_that_fits_and_is_more() -> None:
    assert continued("gr", ["red", "gr", "ground", "green"]) == "ground"
    assert continued("x", ["red"]) is None
