"""What a tool was when somebody last looked at it, and what it is now: digests, and where they differ, a diff.

Tool descriptions are untrusted text that models act on; a server that changes one after it was approved (a "rug pull")
shows here. Reads no file and asks no server.
"""

import difflib
import hashlib
from collections.abc import Mapping
from typing import Any, Final

import msgspec

LOCK_VERSION: Final = 1
PINNED: Final = ("name", "title", "description", "inputSchema", "outputSchema", "annotations")

_canonical = msgspec.json.Encoder(order="sorted").encode


class LockedTool(msgspec.Struct, frozen=True, kw_only=True):
    """One tool as it was accepted. The definition is kept beside its digest, so that a change can be shown."""

    source: str
    original: str
    digest: str
    definition: dict[str, Any]


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """A lock file: tools by exported name."""

    version: int = LOCK_VERSION
    tools: dict[str, LockedTool] = {}


class Added(msgspec.Struct, frozen=True, tag="added"):
    name: str


class Removed(msgspec.Struct, frozen=True, tag="removed"):
    name: str


class Changed(msgspec.Struct, frozen=True, tag="changed"):
    """diff: unified, lines without ends."""

    name: str
    diff: list[str]


type Drifted = Added | Removed | Changed


def pinned(definition: Mapping[str, Any]) -> dict[str, Any]:
    """The part of a definition that a model reads or that decides what a call does; icons and `_meta` are neither."""
    return {field: definition[field] for field in PINNED if field in definition}


def digest(definition: Mapping[str, Any]) -> str:
    """`sha256:…` of what is pinned, whatever the order of its members."""
    return f"sha256:{hashlib.sha256(_canonical(pinned(definition))).hexdigest()}"


def locked(source: str, original: str, definition: Mapping[str, Any]) -> LockedTool:
    return LockedTool(source=source, original=original, digest=digest(definition), definition=pinned(definition))


def drift(lock: Lock, current: Mapping[str, LockedTool]) -> list[Drifted]:
    """What is not as it was locked, by name. A tool that took another's name is a change, whatever it says."""
    found: list[Drifted] = []
    for name in sorted(lock.tools.keys() | current.keys()):
        before, now = lock.tools.get(name), current.get(name)
        if before is None:
            found.append(Added(name))
        elif now is None:
            found.append(Removed(name))
        elif (before.digest, before.source, before.original) != (now.digest, now.source, now.original):
            found.append(Changed(name, difference(before, now)))
    return found


def difference(before: LockedTool, now: LockedTool) -> list[str]:
    return list(difflib.unified_diff(_lines(before), _lines(now), "locked", "now", lineterm="", n=2))


def encode(lock: Lock) -> bytes:
    """For a file that is read by people and kept under version control: one line per value, members in order."""
    return msgspec.json.format(_canonical(lock), indent=2) + b"\n"


def decode(data: bytes) -> Lock:
    """Raises ValueError, with a sentence, on what is no lock, or a newer one."""
    try:
        lock = msgspec.json.decode(data, type=Lock)
    except msgspec.DecodeError as error:
        raise ValueError(f"is no tool lock: {error}") from error
    if lock.version != LOCK_VERSION:
        raise ValueError(f"is a tool lock of version {lock.version}; this mcpdeck reads version {LOCK_VERSION}")
    return lock


def _lines(tool: LockedTool) -> list[str]:
    head = [f"source: {tool.source}/{tool.original}"]
    return head + msgspec.json.format(_canonical(tool.definition), indent=2).decode().split("\n")
