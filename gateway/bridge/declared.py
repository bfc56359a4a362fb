"""Which arguments of an adapter's tools travel as `Mcp-Param-*` headers too, as its lists of tools have shown so far.

Learned from lists that go by anyway; a server that misses a header says so with -32020, which is when to ask for one.
"""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from msgspec import Raw

from gateway.bridge.sides import Header
from gateway.wire import envelope, mirrored
from gateway.wire.mirrored import Mirrored

_MOST_TOOLS: Final = 4096  # that mirror anything; more are a server gone wrong


class _Tool(msgspec.Struct, rename="camel"):
    name: str = ""
    input_schema: Raw = Raw()


class _Tools(msgspec.Struct):
    tools: list[_Tool] = []


_tools = msgspec.json.Decoder(_Tools)


class Declared:
    """Shared by all sessions with one adapter."""

    def __init__(self) -> None:
        self._by_tool: dict[str, tuple[Mirrored, ...]] = {}

    def learn(self, result: Raw) -> None:
        """result: of a tools/list, one page of it."""
        if b"x-mcp-header" not in bytes(result) and not self._by_tool:
            return
        try:
            tools = _tools.decode(result).tools
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            return
        for tool in tools:
            declared = mirrored.declarations(_schema(tool.input_schema))
            if not declared:
                self._by_tool.pop(tool.name, None)
            elif len(self._by_tool) < _MOST_TOOLS or tool.name in self._by_tool:
                self._by_tool[tool.name] = declared

    def mismatch(self, tool: str, arguments: Raw, headers: Sequence[Header]) -> str | None:
        """What is wrong between a call's arguments and its headers, as far as is known; None where nothing is."""
        declared = self._by_tool.get(tool)
        if not declared:
            return None
        return mirrored.mismatch(declared, msgspec.json.decode(arguments) if bytes(arguments) else None, headers)

    def headers(self, tool: str, arguments: Raw | None) -> list[Header]:
        declared = self._by_tool.get(tool)
        if not declared or arguments is None:
            return []
        return mirrored.headers(declared, msgspec.json.decode(arguments))


def _schema(raw: Raw) -> Any:
    """Nothing where there can be no annotation: most schemas need not be taken apart."""
    return msgspec.json.decode(raw) if b"x-mcp-header" in bytes(raw) else None


def next_cursor(result: Raw) -> Raw | None:
    """Where the next page begins; None on the last. An empty cursor is one (2026-07-28, pagination)."""
    cursor = envelope.members(result).get("nextCursor")
    return None if cursor is None or bytes(cursor) == b"null" else cursor
