"""Three tools in place of a long list: search, describe, call. What a model reads stays small, however many there are.

Only what they are and how they answer; who may see which tool is `sight`'s.
"""

from collections.abc import Iterable
from itertools import islice
from typing import Any, Final

import msgspec

from gateway.toolrouter.catalog import Offer
from gateway.toolrouter.schemas import Schema

SEARCH: Final = "search_tools"
DESCRIBE: Final = "describe_tool"
CALL: Final = "call_tool"
_MOST: Final = 50
FEW: Final = 10
_SUMMARY: Final = 200  # characters of a description in a search's answer

_READS: Final = {"readOnlyHint": True, "openWorldHint": False}
_NAME: Final = {"type": "string", "description": "The tool's name, as search_tools gives it."}

TOOLS: Final[tuple[dict[str, Any], ...]] = (
    {
        "name": SEARCH,
        "title": "Search tools",
        "description": "Find tools by words of what you want to do. Returns names and summaries, best first; an empty "
        "query lists all. Then use describe_tool for the arguments and call_tool to call.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "Words, such as 'create issue'."},
                "limit": {"type": "integer", "minimum": 1, "maximum": _MOST, "default": FEW},
            },
            "required": ["query"],
            "additionalProperties": False,
        },
        "annotations": _READS,
    },
    {
        "name": DESCRIBE,
        "title": "Describe a tool",
        "description": "A tool's full description and the JSON Schema of its arguments.",
        "inputSchema": {
            "type": "object",
            "properties": {"name": _NAME},
            "required": ["name"],
            "additionalProperties": False,
        },
        "annotations": _READS,
    },
    {
        "name": CALL,
        "title": "Call a tool",
        "description": "Call a tool by name, with the arguments that describe_tool tells of.",
        "inputSchema": {
            "type": "object",
            "properties": {"name": _NAME, "arguments": {"type": "object", "description": "As its schema says."}},
            "required": ["name"],
            "additionalProperties": False,
        },
    },
)
ENCODED: Final = tuple(msgspec.json.encode(each) for each in TOOLS)
SCHEMAS: Final = {each["name"]: Schema(each["inputSchema"]) for each in TOOLS}


def results(offers: Iterable[Offer], limit: int) -> dict[str, Any]:
    """A search's answer, as a tool's result."""
    found = [{"name": each.name, "description": _summary(each)} for each in islice(offers, limit)]
    return _result({"tools": found})


def described(offer: Offer) -> dict[str, Any]:
    return _result(offer.plain)


def _summary(offer: Offer) -> str:
    text = str(offer.plain.get("description") or offer.plain.get("title", ""))
    return text if len(text) <= _SUMMARY else f"{text[: _SUMMARY - 1]}…"


def _result(content: dict[str, Any]) -> dict[str, Any]:
    text = msgspec.json.encode(content).decode()
    return {"content": [{"type": "text", "text": text}], "structuredContent": content}
