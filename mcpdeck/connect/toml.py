"""One table of a TOML text set or removed, with the rest left as it is. Pure."""

import json
import re
import tomllib
from typing import Any

_HEADER = re.compile(r"^[ \t]*\[+[^\n]*$", re.MULTILINE)
_BARE = re.compile(r"[A-Za-z0-9_-]+")


class NotToml(ValueError):
    """The text is no TOML, or holds the table in a form that can not be changed line by line."""


def read(text: str) -> dict[str, Any]:
    """Raises NotToml."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise NotToml(str(error)) from error


def with_table(text: str, path: tuple[str, ...], values: dict[str, Any]) -> str:
    """The text with this table, in the place of the old one or at the end. Raises NotToml."""
    before = without_table(text, path)
    table = f"[{_dotted(path)}]\n" + "".join(f"{_key(key)} = {_value(value)}\n" for key, value in values.items())
    place = _place(text, path)
    if place is None or before == text:
        body = before.rstrip("\n")
        return f"{body}\n\n{table}" if body else table
    head, tail = before[:place], before[place:].lstrip("\n")
    return f"{head}{table}" + (f"\n{tail}" if tail else "")


def without_table(text: str, path: tuple[str, ...]) -> str:
    """The text without the table and those in it. Raises NotToml."""
    read(text)
    spans = [span for span in _spans(text) if _is_in(span[2], path)]
    for start, end, _ in reversed(spans):
        text = text[:start] + text[end:]
    if _held(read(text), path):
        raise NotToml(f"{_dotted(path)} is no [table] of its own there; change it by hand")
    return text if not spans else text.rstrip("\n") + "\n" if text.strip() else ""


def _place(text: str, path: tuple[str, ...]) -> int | None:
    return next((start for start, _, keys in _spans(text) if _is_in(keys, path)), None)


def _spans(text: str) -> list[tuple[int, int, tuple[str, ...]]]:
    """Where each table begins and ends, and its keys."""
    heads = [found for found in _HEADER.finditer(text) if _keys(found[0]) is not None]
    ends = [*(head.start() for head in heads[1:]), len(text)]
    return [
        (head.start(), head.end() + _own(text, head, end), _keys(head[0]) or ())
        for head, end in zip(heads, ends, strict=False)
    ]


def _own(text: str, head: re.Match[str], end: int) -> int:
    """How much behind a head is that table's: comments at its end, before the next one, are about that."""
    lines = text[head.end() : end].splitlines(keepends=True)
    own = len(lines)
    while own > 1 and lines[own - 1].lstrip()[:1] in ("", "#"):
        own -= 1
    if text[: head.start()].endswith(("\n\n", "\r\n\r\n")) or not head.start():
        while own < len(lines) and not lines[own].strip():  # of the blank lines around it, those behind it go
            own += 1
    return sum(map(len, lines[:own]))


def _keys(header: str) -> tuple[str, ...] | None:
    """The keys of `[a."b.c"]`; None for a line that is none, such as one of a long array."""
    try:
        value: Any = tomllib.loads(header)
    except tomllib.TOMLDecodeError:
        return None
    keys: list[str] = []
    while isinstance(value, dict | list) and value:
        if isinstance(value, list):
            value = value[0]
            continue
        key, value = next(iter(value.items()))
        keys.append(key)
    return tuple(keys)


def _is_in(keys: tuple[str, ...], path: tuple[str, ...]) -> bool:
    return keys[: len(path)] == path


def _held(value: Any, path: tuple[str, ...]) -> bool:
    for key in path:
        if not isinstance(value, dict) or key not in value:
            return False
        value = value[key]
    return True


def _dotted(path: tuple[str, ...]) -> str:
    return ".".join(map(_key, path))


def _key(key: str) -> str:
    return key if _BARE.fullmatch(key) else json.dumps(key)


def _value(value: Any) -> str:
    """Text, numbers, switches and lists of them: JSON writes those as TOML does."""
    return json.dumps(value, ensure_ascii=False)
