"""One member of a JSON text set or removed, with every comment, space and trailing comma of the rest left as it is.

Reads what editors call JSONC. Pure.
"""

import json
import re
from typing import Any, NamedTuple

_SKIPPED = re.compile(r"(?:[\s\ufeff]|//[^\n]*|/\*.*?\*/)*", re.DOTALL)
_STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')
_SCALAR = re.compile(r"-?[0-9][0-9.eE+-]*|true|false|null")
_INDENT = re.compile(r"\n([ \t]+)\S")


class NotJson(ValueError):
    """The sentence says in which line."""


class Member(NamedTuple):
    """Where a member of an object stands: its key, its value, and where its value ends."""

    key: str
    key_start: int
    value: "Node"


class Node(NamedTuple):
    start: int
    end: int
    plain: Any
    members: tuple[Member, ...] | None = None  # of an object


def read(text: str) -> Any:
    """The value. Raises NotJson."""
    return _parsed(text).plain


def with_member(text: str, path: tuple[str, ...], value: Any) -> str:
    """The text with the value at the path; objects on the way are made. Raises NotJson."""
    if "\r\n" in text:  # as its lines end, so do the new ones
        return with_member(text.replace("\r\n", "\n"), path, value).replace("\n", "\r\n")
    if not text.strip():
        text = "{}\n"
    node, rest = _descend(text, path)
    if node.members is None:
        raise NotJson(f"line {_line(text, node.start)}: wanted an object there")
    for key in reversed(rest[1:]):
        value = {key: value}
    present = next((member for member in node.members if member.key == rest[0]), None)
    depth = len(path) - len(rest) + 1
    written = _written(value, _indent_of(text), depth)
    if present is not None:
        return text[: present.value.start] + written + text[present.value.end :]
    return _inserted(text, node, f"{json.dumps(rest[0], ensure_ascii=False)}: {written}", depth)


def without_member(text: str, path: tuple[str, ...]) -> str:
    """The text without what the path names; as it is where there is nothing. Raises NotJson."""
    if not text.strip():
        return text
    node, rest = _descend(text, path)
    members = node.members or ()
    index = next((place for place, member in enumerate(members) if [member.key] == rest), None)
    if index is None:
        return text
    start, end = members[index].key_start, members[index].value.end
    after = _skip(text, end)
    if text[after : after + 1] == ",":
        end = after + 1
    elif index > 0:  # the last one: the comma before it goes
        comma = _skip(text, members[index - 1].value.end)
        return text[:comma] + text[comma + 1 : start].rstrip() + text[end:]
    start = len(text[:start].rstrip(" \t"))
    if text[start - 1 : start] == "\n" and text[end : end + 1] in ("\n", "\r"):
        start -= 1
    return text[:start] + text[end:]


def _descend(text: str, path: tuple[str, ...]) -> tuple[Node, list[str]]:
    """The deepest object on the way that exists, and the keys from there on."""
    node, rest = _parsed(text), list(path)
    while len(rest) > 1:
        inner = next((it.value for it in node.members or () if it.key == rest[0]), None)
        if inner is None:
            break
        node = inner
        rest.pop(0)
    return node, rest


def _inserted(text: str, node: Node, member: str, depth: int) -> str:
    """As the last member of an object."""
    indent = _indent_of(text)
    assert node.members is not None  # noqa: S101  (the caller looked)
    if not node.members:
        inside = text[node.start + 1 : node.end - 1].rstrip()
        return (
            f"{text[: node.start + 1]}{inside}\n{indent * depth}{member}\n{indent * (depth - 1)}{text[node.end - 1 :]}"
        )
    last = node.members[-1].value.end
    comma = _skip(text, last)
    if text[comma : comma + 1] == ",":
        last, begin = comma, comma + 1
    else:
        begin = last
    said = text[begin : _skip(text, begin)]  # what is said there is about the member before
    kept = said.rstrip()
    return f"{text[:last]},{kept}\n{indent * depth}{member}{text[begin + len(kept) :]}"


def _written(value: Any, indent: str, depth: int) -> str:
    return json.dumps(value, indent=indent, ensure_ascii=False).replace("\n", "\n" + indent * depth)


def _indent_of(text: str) -> str:
    found = _INDENT.search(text)
    return found[1] if found else "  "


def _parsed(text: str) -> Node:
    node = _value(text, _skip(text, 0))
    end = _skip(text, node.end)
    if end != len(text):
        raise _unexpected(text, end)
    return node


def _value(text: str, at: int) -> Node:
    if text[at : at + 1] == "{":
        return _object(text, at)
    if text[at : at + 1] == "[":
        return _array(text, at)
    found = _STRING.match(text, at) or _SCALAR.match(text, at)
    if found is None:
        raise _unexpected(text, at)
    try:
        return Node(at, found.end(), json.loads(found[0]))
    except ValueError:
        raise _unexpected(text, at) from None


def _object(text: str, start: int) -> Node:
    members: list[Member] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "}":
        found = _STRING.match(text, at)
        if found is None:
            raise _unexpected(text, at)
        colon = _skip(text, found.end())
        if text[colon : colon + 1] != ":":
            raise _unexpected(text, colon)
        value = _value(text, _skip(text, colon + 1))
        members.append(Member(json.loads(found[0]), at, value))
        at = _next(text, value.end, "}")
    return Node(start, at + 1, {member.key: member.value.plain for member in members}, tuple(members))


def _array(text: str, start: int) -> Node:
    items: list[Any] = []
    at = _skip(text, start + 1)
    while text[at : at + 1] != "]":
        item = _value(text, at)
        items.append(item.plain)
        at = _next(text, item.end, "]")
    return Node(start, at + 1, items)


def _next(text: str, at: int, closing: str) -> int:
    """Behind a comma, or at the closing bracket."""
    at = _skip(text, at)
    if text[at : at + 1] == ",":
        return _skip(text, at + 1)
    if text[at : at + 1] != closing:
        raise _unexpected(text, at)
    return at


def _skip(text: str, at: int) -> int:
    found = _SKIPPED.match(text, at)
    return found.end() if found else at


def _unexpected(text: str, at: int) -> NotJson:
    what = repr(text[at]) if at < len(text) else "the end"
    return NotJson(f"line {_line(text, at)}: {what} is not expected there")


def _line(text: str, at: int) -> int:
    return text.count("\n", 0, at) + 1
