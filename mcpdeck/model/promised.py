"""Whether a tool's result fits the schema that the tool promised. Fetches nothing that a schema refers to."""

from collections.abc import Mapping
from typing import Any, Final

from mcpdeck.model.plain import one_line

DEEPEST: Final = 64  # levels of a schema or a result: the validator recurses on the machine's stack
_TOLD: Final = 3
_BACKTRACKING: Final = 100_000


def misfit(tool: Mapping[str, Any], result: Mapping[str, Any]) -> str:
    """`does not fit its output schema: …`; empty where it fits, where nothing was promised, and for a tool's error."""
    schema = tool.get("outputSchema")
    if schema is None or result.get("isError") is True:
        return ""
    if "structuredContent" not in result:
        return "does not fit its output schema: there is no structuredContent"
    complaints = _complaints(schema, result["structuredContent"])
    return f"does not fit its output schema: {'; '.join(complaints)}" if complaints else ""


def _complaints(schema: Any, value: Any) -> list[str]:
    import jsonschema_rs

    if _is_deep(schema) or _is_deep(value):
        return [f"what nests deeper than {DEEPEST} levels is not looked at"]
    patterns = jsonschema_rs.FancyRegexOptions(backtrack_limit=_BACKTRACKING)
    try:
        validator = jsonschema_rs.validator_for(schema, offline=True, pattern_options=patterns)
    except (ValueError, jsonschema_rs.ReferencingError) as error:
        return [f"the schema is none ({one_line(str(error).partition(chr(10))[0])})"]
    found = [error for _, error in zip(range(_TOLD), iter(validator.iter_errors(value)), strict=False)]
    return [one_line(f"{_place(error.instance_path)}{error.message}") for error in found]


def _place(path: list[str | int]) -> str:
    return f"{'.'.join(map(str, path))}: " if path else ""


def _is_deep(value: Any) -> bool:
    level, depth = [value], 0
    while level:
        depth += 1
        if depth > DEEPEST:
            return True
        inner = [each.values() if isinstance(each, dict) else each for each in level if isinstance(each, dict | list)]
        level = [each for several in inner for each in several]
    return False
