"""What a verb of the deck is, where it applies, what may stand in its way. The verbs themselves: `registry`."""

from enum import StrEnum
from typing import Final

import msgspec

from gateway.wire.resources import Adapter
from mcpdeck.model.state import Standing, State

WRITER_ROLE: Final = "mcp.admin"


class View(StrEnum):
    """A place of the deck. The strip shows the main ones; `detail` is reached from a row."""

    ADAPTERS = "adapters"
    LOGS = "logs"
    DETAIL = "detail"


MAIN_VIEWS: Final = (View.ADAPTERS, View.LOGS)
TABLES: Final = (View.ADAPTERS,)
ADAPTER_VIEWS: Final = (View.ADAPTERS, View.DETAIL)
EVERY_VIEW: Final = tuple(View)
COMMAND_AREAS: Final = ("adapter", "log", "table", "view", "deck")  # in the order of the help page


class Need(StrEnum):
    """What must be at hand before a command can run."""

    ADAPTER = "adapter"  # one is selected, or named
    WRITE = "write"  # the caller owns it, or is an admin
    CREATE = "create"
    GATEWAY = "gateway"  # the gateway answers


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is for good: a keymap names it. `words` are what `:` knows it by, `usage` what may follow.

    `footer` is its place at the foot of its views, lower first; None keeps it out.
    """

    id: str
    title: str
    area: str
    help: str
    keys: tuple[str, ...] = ()
    views: tuple[View, ...] = EVERY_VIEW
    words: tuple[str, ...] = ()
    usage: str = ""
    footer: int | None = None
    needs: frozenset[Need] = frozenset()
    dangerous: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a command can run. `refused` holds why the gateway said no before, by (command, adapter)."""

    state: State
    view: View
    adapter: Adapter | None = None
    refused: dict[tuple[str, str], str] = {}
    read_only: bool = False


def obstacle(command: Command, situation: Situation) -> str:
    """Why the command can not run now, as a sentence for its reader; empty when it can."""
    state, adapter = situation.state, situation.adapter
    changes = command.needs & {Need.WRITE, Need.CREATE}
    if situation.read_only and changes:
        return "this deck is read-only"
    if Need.ADAPTER in command.needs and adapter is None:
        return "no adapter is selected"
    if Need.GATEWAY in command.needs and state.link.standing is not Standing.LIVE:
        return f"the gateway does not answer ({state.link.reason or state.link.standing}); ctrl+r tries again now"
    if said := situation.refused.get((command.id, adapter.name if adapter else "")):
        return said
    who = state.principal
    if who is None:
        return ""
    if Need.CREATE in command.needs and not {"create", "admin"} & set(who.permissions):
        return f"{who.name or who.id} may not create adapters; ask for a role that may (mcp.engineer or {WRITER_ROLE})"
    if Need.WRITE in command.needs and adapter is not None and not may_write(state, adapter):
        return f"{adapter.name} belongs to {adapter.created_by}; only they or {WRITER_ROLE} may change it"
    return ""


def may_write(state: State, adapter: Adapter) -> bool:
    who = state.principal
    return who is not None and ("admin" in who.permissions or adapter.created_by == who.id)


_KEY_NAMES: Final = {
    "question_mark": "?",
    "slash": "/",
    "colon": ":",
    "backslash": "\\",
    "escape": "esc",
    "left": "←",
    "right": "→",
    "space": "space",
    "backspace": "bksp",
}


def key_name(key: str) -> str:
    """A key as people call it: `ctrl+d`, `?`, `shift+→`."""
    return "+".join(_KEY_NAMES.get(part, part) for part in key.split("+"))
