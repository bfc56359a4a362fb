"""A schema as a form: which field a member gets, and that no value is another one after a way through it."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpdeck.model.schema_form import Kind, arguments_of, blank, entries_of, extra_of, fields_of

SCHEMA: dict[str, Any] = {
    "type": "object",
    "required": ["text", "flag"],
    "properties": {
        "text": {"type": "string"},
        "maybe": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "count": {"type": ["integer", "null"], "minimum": 1},
        "share": {"$ref": "#/$defs/Share"},
        "flag": {"type": "boolean"},
        "unsure": {"type": "boolean", "default": True},
        "colour": {"enum": ["red", "null", 3, None]},
        "titled": {"oneOf": [{"const": "a", "title": "First"}, {"const": "b", "title": "Second"}]},
        "nested": {"type": "object"},
        "list": {"type": "array"},
        "any": {},
        "union": {"anyOf": [{"type": "integer"}, {"type": "object"}]},
    },
    "$defs": {"Share": {"type": "number", "maximum": 1}},
}
FIELDS = fields_of(SCHEMA)
BY_NAME = {field.name: field for field in FIELDS}

_texts = st.text(st.characters(exclude_categories=["Cs"]))
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | _texts,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_texts, inner, max_size=3),
    max_leaves=8,
)


def through(arguments: dict[str, Any]) -> dict[str, Any] | None:
    """To the form and back; None where the form can't say it."""
    entries = entries_of(FIELDS, arguments)
    if entries is None:
        return None
    found, errors = arguments_of(FIELDS, entries, extra=extra_of(FIELDS, arguments))
    assert errors == {}
    return found


def test_members_get_the_field_that_suits_them_and_what_is_needed_comes_first() -> None:
    kinds = {name: field.kind for name, field in BY_NAME.items()}
    assert kinds == {
        "text": Kind.TEXT, "flag": Kind.SWITCH, "maybe": Kind.TEXT, "count": Kind.NUMBER, "share": Kind.NUMBER,
        "unsure": Kind.CHOICE, "colour": Kind.CHOICE, "titled": Kind.CHOICE, "nested": Kind.JSON, "list": Kind.JSON,
        "any": Kind.JSON, "union": Kind.JSON,
    }  # fmt: skip
    assert [field.name for field in FIELDS][:2] == ["text", "flag"]
    assert blank(FIELDS)["unsure"] == "true"
    assert [option.label for option in BY_NAME["titled"].options] == ["First", "Second"]


@given(st.dictionaries(st.sampled_from([*BY_NAME, "beyond"]), _json))
def test_no_value_is_another_one_after_a_way_through_the_form(arguments: dict[str, Any]) -> None:
    found = through({"text": "x", "flag": False} | arguments)
    assert found is None or repr(sorted(found.items())) == repr(
        sorted(({"text": "x", "flag": False} | arguments).items())
    )


@given(_texts, _json, _json)
def test_texts_and_nested_values_always_find_a_way_through(text: str, nested: Any, beyond: Any) -> None:
    arguments = {"text": text, "maybe": None, "flag": True, "any": nested, "beyond": beyond}
    assert through(arguments) == arguments


@pytest.mark.parametrize(
    ("name", "typed", "sentence"),
    [
        ("count", "0", "must be at least 1"),
        ("count", "1.5", "is no whole number"),
        ("share", "2", "must be at most 1"),
        ("share", "much", "is no number"),
        ("nested", "[1]", "is no object"),
        ("list", "{", "is no JSON"),
        ("text", "", "is required"),
    ],
)
def test_what_is_typed_wrong_is_told_in_words(name: str, typed: str, sentence: str) -> None:
    _, errors = arguments_of([BY_NAME[name]], {name: typed}, extra={})
    assert sentence in errors[name]


def test_what_is_empty_is_left_out_and_null_and_the_empty_text_can_be_said() -> None:
    entries = blank(FIELDS) | {"text": '""', "maybe": "null", "count": "null", "unsure": "", "flag": "true"}
    assert arguments_of(FIELDS, entries, extra={}) == ({"text": "", "flag": True, "maybe": None, "count": None}, {})
