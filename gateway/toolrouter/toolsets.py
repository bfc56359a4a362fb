"""Which tools a toolset holds. Pure; who may use it is `core.access`'s to say, as for everything else."""

from fnmatch import fnmatchcase

from gateway.wire.tools import ToolsetSpec


def holds(toolset: ToolsetSpec, name: str, source: str, original: str) -> bool:
    """By exported name, or as `source/original`. What is excluded is excluded, whatever else names it."""
    words = (name, f"{source}/{original}")
    return _names(toolset.tools, words) and not _names(toolset.exclude, words)


def _names(patterns: list[str], words: tuple[str, str]) -> bool:
    """A pattern with a slash is about the origin, one without about the exported name."""
    return any(fnmatchcase(words["/" in pattern], pattern) for pattern in patterns)
