"""A member of a JSON text is set or removed; everything else stays as its owner wrote it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpdeck.connect.jsonc import NotJson, read, with_member, without_member

SETTINGS = """\
// Zed settings
{
    "theme": "One Dark", /* as it should be */
    "context_servers": {
        "docs": {
            "url": "https://docs.example/mcp", // ours
        },
    },
    "vim_mode": true,
}
"""


def test_comments_and_commas_at_the_end_are_read() -> None:
    assert read(SETTINGS)["context_servers"] == {"docs": {"url": "https://docs.example/mcp"}}


def test_new_member_stands_last_and_nothing_else_moves() -> None:
    changed = with_member(SETTINGS, ("context_servers", "time"), {"url": "http://x/mcp"})
    time = '        "time": {\n            "url": "http://x/mcp"\n        }\n'
    assert changed == SETTINGS.replace("        },\n    },", f"        }},\n{time}    }},")


def test_value_that_is_there_is_replaced_where_it_stands() -> None:
    changed = with_member(SETTINGS, ("context_servers", "docs"), {"url": "http://new/mcp"})
    assert read(changed)["context_servers"] == {"docs": {"url": "http://new/mcp"}}
    assert changed.index('"docs"') < changed.index('"vim_mode"')
    assert "/* as it should be */" in changed


def test_objects_on_the_way_are_made() -> None:
    changed = with_member('{"a": 1}', ("mcpServers", "time"), {"url": "u"})
    assert read(changed) == {"a": 1, "mcpServers": {"time": {"url": "u"}}}
    assert read(with_member("", ("servers", "x"), 1)) == {"servers": {"x": 1}}
    assert read(with_member("{ // nothing yet\n}", ("servers", "x"), 1)) == {"servers": {"x": 1}}


def test_member_goes_with_its_comma() -> None:
    assert without_member('{"a": 1, "b": 2, "c": 3}', ("b",)) == '{"a": 1, "c": 3}'
    assert without_member('{"a": 1, "b": 2}', ("b",)) == '{"a": 1}'
    assert read(without_member(SETTINGS, ("context_servers", "docs")))["context_servers"] == {}
    assert without_member(SETTINGS, ("context_servers", "absent")) == SETTINGS
    assert without_member("", ("a",)) == ""


def test_what_was_added_can_be_taken_out_again() -> None:
    text = '{\n  "a": {\n    "b": 1\n  }\n}\n'
    assert without_member(with_member(text, ("a", "new"), {"x": [1]}), ("a", "new")) == text


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ('{"a": }', "line 1: '}' is not expected"),
        ('{\n"a": 1\n"b": 2}', "line 3"),
        ('{"a": 1} x', "'x'"),
        ("{", "the end"),
        ('{"a": 01}', "'0'"),
        ("{'a': 1}", '"\'"'),
    ],
)
def test_what_is_no_json_is_told_with_its_line(text: str, told: str) -> None:
    with pytest.raises(NotJson) as error:
        read(text)
    assert told in str(error.value)


def test_array_at_the_place_is_not_taken_for_an_object() -> None:
    with pytest.raises(NotJson, match="wanted an object"):
        with_member("[]", ("a",), 1)


_KEYS = st.text('abc"\\/ é\n', min_size=1, max_size=4)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_KEYS, inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(_KEYS, _VALUES, max_size=4), _KEYS, _VALUES, st.sampled_from([None, 2, "\t"]))
def test_any_object_is_as_before_but_for_the_member(
    before: dict[str, object], key: str, value: object, indent: int | str | None
) -> None:
    text = json.dumps(before, indent=indent)
    assert read(text) == before
    changed = with_member(text, (key,), value)
    assert json.loads(changed) == before | {key: value}
    removed = without_member(changed, (key,))
    assert json.loads(removed) == {other: it for other, it in before.items() if other != key}


@pytest.mark.parametrize(
    ("text", "changed"),
    [
        ('{\n  "a": 1 // first\n}\n', '{\n  "a": 1, // first\n  "b": 2\n}\n'),
        ('{\n  "a": 1, // first\n}\n', '{\n  "a": 1, // first\n  "b": 2\n}\n'),
        ('{\n  "a": 1 /* x */\n  // end\n}\n', '{\n  "a": 1, /* x */\n  // end\n  "b": 2\n}\n'),
    ],
)
def test_comment_stays_with_the_member_that_it_is_about(text: str, changed: str) -> None:
    assert with_member(text, ("b",), 2) == changed
    assert read(without_member(changed, ("b",))) == {"a": 1}
    for comment in ("// first", "/* x */", "// end"):
        assert (comment in without_member(changed, ("b",))) == (comment in text)


def test_lines_end_as_those_of_the_file_do() -> None:
    text = '{\r\n  "a": 1\r\n}\r\n'
    changed = with_member(text, ("b", "c"), {"d": 2})
    assert changed.count("\r\n") == changed.count("\n") == 8
    assert without_member(with_member(text, ("b",), 2), ("b",)) == text
