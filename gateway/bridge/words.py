"""What both directions of a translation share: what `_meta` reserves, extensions that both eras know, log levels.

Pure, over raw members: what nobody here has heard of passes as it came.
"""

from collections.abc import Callable, Iterable
from typing import Final

import msgspec
from msgspec import Raw

from gateway.wire import envelope
from gateway.wire.envelope import Message

RESERVED: Final = "io.modelcontextprotocol/"
UI_EXTENSION: Final = "io.modelcontextprotocol/ui"  # MCP Apps, which clients of 2025-11-25 declare too

ELICIT: Final = "elicitation/create"
SAMPLE: Final = "sampling/createMessage"
LIST_ROOTS: Final = "roots/list"
ASKING: Final = {ELICIT: "elicitation", SAMPLE: "sampling", LIST_ROOTS: "roots"}  # and the capability that allows it
MAY_ASK: Final = frozenset({"tools/call", "prompts/get", "resources/read"})  # methods that 2026-07-28 lets ask back

LIST_CHANGED: Final = {  # a listen filter's kinds, and what is sent for each
    "toolsListChanged": "notifications/tools/list_changed",
    "promptsListChanged": "notifications/prompts/list_changed",
    "resourcesListChanged": "notifications/resources/list_changed",
}
UPDATED: Final = "notifications/resources/updated"
LOGGED: Final = "notifications/message"
TASK_METHODS: Final = "tasks/"  # 2025-11-25's experiment and 2026-07-28's extension: one name, two shapes

LEVELS: Final = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")

_list = msgspec.json.Decoder(list[Raw])


def without(members: Message, *names: str) -> Message:
    return {name: value for name, value in members.items() if name not in names}


def without_reserved(meta: Message, *kept: str) -> Message:
    """`_meta` without what only its own era understands."""
    return {key: value for key, value in meta.items() if not key.startswith(RESERVED) or key in kept}


def put_meta(members: Message, meta: Message) -> None:
    """An empty `_meta` is left out."""
    if meta:
        members["_meta"] = envelope.raw(meta)
    else:
        members.pop("_meta", None)


def shared_extensions(capabilities: Message) -> Message:
    """Capabilities whose extensions are those that both eras may know; `tasks` goes, under either of its names."""
    found = without(capabilities, "tasks", "extensions")
    extensions = without_reserved(envelope.members(capabilities.get("extensions")), UI_EXTENSION)
    if extensions:
        found["extensions"] = envelope.raw(extensions)
    return found


def is_true(raw: Raw | None) -> bool:
    return raw is not None and bytes(raw) == b"true"


def is_object(raw: Raw) -> bool:
    return bytes(raw)[:1] == b"{"


def elements(raw: Raw | None) -> list[Raw]:
    """An array's elements; none where it is no array."""
    if raw is None:
        return []
    try:
        return _list.decode(raw)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return []


def texts(raw: Raw | None) -> list[str]:
    return [text for text in map(envelope.text, elements(raw)) if text is not None]


def each(members: Message, name: str, change: Callable[[Message], object]) -> None:
    """Change every object of an array member; what is no object stays."""
    if name not in members:
        return
    changed: list[Raw] = []
    for element in elements(members[name]):
        inner = envelope.members(element)
        change(inner)
        changed.append(envelope.raw(inner) if is_object(element) else element)
    members[name] = envelope.raw(changed)


def level_of(raw: Raw | None) -> int | None:
    """A log level's place among LEVELS; None where it is none of them."""
    text = None if raw is None else envelope.text(raw)
    return LEVELS.index(text) if text in LEVELS else None


def dumped(members: Iterable[tuple[str, Raw]]) -> bytes:
    """One object in a fixed order, to compare by."""
    return msgspec.json.encode(dict(sorted(members)))
