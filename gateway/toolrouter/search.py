"""Tools found by words: a full-text index over names, descriptions and arguments, ranked by BM25. In memory.

SQLite's FTS5: it comes with Python, ranks well, stems English and takes any script. Asks nobody who may see what.
"""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any, Final

import msgspec

_WEIGHTS: Final = "10.0, 6.0, 3.0, 1.0"  # of name, title, description, arguments
_WORD = re.compile(r"\w+")
_HUMP = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|_+")
_MAX_WORDS: Final = 16
_DEEP: Final = 8  # levels of a schema whose property names are indexed


class Entry(msgspec.Struct, frozen=True):
    """One tool to be found. arguments: the names and descriptions of its schema's properties."""

    name: str
    title: str = ""
    description: str = ""
    arguments: str = ""


def entry(definition: dict[str, Any]) -> Entry:
    words = " ".join(_argument_words(definition.get("inputSchema"), _DEEP))
    return Entry(definition["name"], definition.get("title", ""), definition.get("description", ""), words)


class Index:
    """An index of what does not change; a new list of tools is a new index."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._connection = sqlite3.connect(":memory:", isolation_level=None)
        self._connection.execute(
            "CREATE VIRTUAL TABLE tools USING fts5("
            "words, title, description, arguments, name UNINDEXED, tokenize = 'porter unicode61 remove_diacritics 2')"
        )
        rows = ((_spelled(each.name), each.title, each.description, each.arguments, each.name) for each in entries)
        self._connection.executemany("INSERT INTO tools VALUES (?, ?, ?, ?, ?)", rows)

    def search(self, query: str) -> Iterator[str]:
        """Names, best first. Any word may match, whole or as a beginning; more of them rank higher."""
        words = _WORD.findall(_spelled(query))[:_MAX_WORDS]
        if not words:
            return
        match = " OR ".join(f'"{word}"*' for word in words)
        ranked = f"SELECT name FROM tools WHERE tools MATCH ? ORDER BY bm25(tools, {_WEIGHTS}), name"  # noqa: S608 - ours
        for (name,) in self._connection.execute(ranked, (match,)):
            yield name

    def close(self) -> None:
        self._connection.close()


def _spelled(name: str) -> str:
    """`createIssue_v2` -> `create Issue v2 createIssue_v2`: found by its parts and as a whole."""
    return f"{_HUMP.sub(' ', name)} {name}"


def _argument_words(schema: Any, levels: int) -> Iterator[str]:
    if not isinstance(schema, dict) or not levels:
        return
    properties = schema.get("properties")
    for name, each in properties.items() if isinstance(properties, dict) else ():
        yield _spelled(name)
        if isinstance(each, dict):
            if isinstance(each.get("description"), str):
                yield each["description"]
            yield from _argument_words(each, levels - 1)
            yield from _argument_words(each.get("items"), levels - 1)
