"""What a verb of the deck is, where it applies, what may stand in its way. The verbs themselves: `registry`."""

from enum import StrEnum
from typing import Final

import msgspec

from gateway.wire.policies import PendingApproval
from gateway.wire.resources import Adapter, LiveSession
from gateway.wire.tools import Tool
from mcpdeck.model.formatting import listed
from mcpdeck.model.state import Standing, State

WRITER_ROLE: Final = "mcp.admin"
CREATOR_ROLE: Final = "mcp.engineer"


class View(StrEnum):
    """A place of the deck. The strip shows the main ones; the others are reached from a row."""

    ADAPTERS = "adapters"
    TOOLS = "tools"
    SESSIONS = "sessions"
    TRAFFIC = "traffic"
    LOGS = "logs"
    PLAYGROUND = "playground"
    CONTEXTS = "contexts"
    PULSE = "pulse"
    EVENTS = "events"
    AUDIT = "audit"
    DOCTOR = "doctor"
    DETAIL = "detail"  # one adapter
    SESSION = "session"  # one session
    EXCHANGE = "exchange"  # one request, and what came of it
    TOOL = "tool"  # one tool
    APPROVALS = "approvals"
    XRAY = "xray"


MAIN_VIEWS: Final = (
    View.ADAPTERS,
    View.TOOLS,
    View.SESSIONS,
    View.TRAFFIC,
    View.LOGS,
    View.PLAYGROUND,
    View.CONTEXTS,
    View.PULSE,
)
PARENTS: Final = {  # where the others are reached from
    View.DETAIL: View.ADAPTERS,
    View.SESSION: View.SESSIONS,
    View.EXCHANGE: View.TRAFFIC,
    View.TOOL: View.TOOLS,
    View.APPROVALS: View.TOOLS,
    View.XRAY: View.ADAPTERS,
    View.EVENTS: View.PULSE,
    View.AUDIT: View.PULSE,
    View.DOCTOR: View.CONTEXTS,
}
TABLES: Final = (View.ADAPTERS, View.TOOLS, View.SESSIONS, View.CONTEXTS, View.AUDIT, View.APPROVALS)
LINES: Final = (View.LOGS, View.EVENTS)
ADAPTER_VIEWS: Final = (View.ADAPTERS, View.DETAIL)
SESSION_VIEWS: Final = (View.SESSIONS, View.SESSION)
TRAFFIC_VIEWS: Final = (View.TRAFFIC, View.EXCHANGE)
TOOL_VIEWS: Final = (View.TOOLS, View.TOOL)
EVERY_VIEW: Final = tuple(View)
COMMAND_AREAS: Final = (
    "adapter",
    "tool",
    "call",
    "session",
    "traffic",
    "context",
    "deed",
    "log",
    "table",
    "view",
    "identity",
    "deck",
)  # in the order of the help page

_OF_A_VIEW: Final = frozenset({"table", "log", "traffic"})  # what these do needs a table, a log, traffic to be shown


class Need(StrEnum):
    """What must be at hand before a command can run."""

    ADAPTER = "adapter"  # one is selected, or named
    SESSION = "session"  # the same
    CONTEXT = "context"  # the same
    TOOL = "tool"  # the same
    APPROVAL = "approval"  # a call that waits is selected
    DECIDE = "decide"  # whether it may go out
    WRITE = "write"  # the caller owns the adapter or the tool, or is an admin
    END = "end"  # the session is the caller's own, or of an adapter that they may change
    CREATE = "create"
    GATEWAY = "gateway"  # the gateway answers


CHANGES: Final = frozenset({Need.WRITE, Need.END, Need.CREATE, Need.DECIDE})


class Takes(StrEnum):
    """What the first word after a command names."""

    ADAPTER = "adapter"
    SESSION = "session"
    CONTEXT = "context"
    THEME = "theme"
    TOOL = "tool"
    TOOLSET = "toolset"
    ENDPOINT = "endpoint"  # /mcp, /mcp/TOOLSET, or an adapter
    REACHED = "reached"  # an adapter, or a tool


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """`id` is for good: a keymap names it. `words` are what `:` knows it by, `usage` what may follow.

    `takes` says what its first argument names; None: it names nothing that is known.
    while_typing: its keys hold in a field that is typed into, too.
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
    takes: Takes | None = None
    footer: int | None = None
    needs: frozenset[Need] = frozenset()
    while_typing: bool = False


class Situation(msgspec.Struct, frozen=True, kw_only=True):
    """What decides whether a command can run. `refused` holds why the gateway said no before, by (command, target)."""

    state: State
    view: View
    adapter: Adapter | None = None
    session: LiveSession | None = None
    tool: Tool | None = None
    tool_name: str = ""  # of one that may be registered where the caller does not see it
    approval: PendingApproval | None = None
    context: str = ""
    refused: dict[tuple[str, str], str] = {}
    read_only: bool = False


def obstacle(command: Command, situation: Situation) -> str:
    """Why the command can not run now, as a sentence for its reader; empty when it can."""
    state, needs = situation.state, command.needs
    if needs & CHANGES and (situation.read_only or state.here.read_only):
        return "this deck is read-only" if situation.read_only else f"context {state.context!r} is read-only"
    if command.area in _OF_A_VIEW and situation.view not in command.views:
        return f"only in {listed([view.capitalize() for view in command.views])}"
    if Need.ADAPTER in needs and situation.adapter is None:
        return "no adapter is selected"
    if Need.SESSION in needs and situation.session is None:
        return "no session is selected"
    if Need.TOOL in needs and not situation.tool_name:
        return "no tool is selected"
    if Need.APPROVAL in needs and situation.approval is None:
        return "no call is selected"
    if Need.CONTEXT in needs and not situation.context:
        return "no context is selected"
    if Need.GATEWAY in needs and state.link.standing is Standing.SIGN_IN:
        return "sign in first: L"
    if Need.GATEWAY in needs and state.link.standing is not Standing.LIVE:
        return f"the gateway does not answer ({state.link.reason or state.link.standing}); ctrl+r tries again now"
    return situation.refused.get((command.id, target_of(command, situation)), "") or _forbidden(command, situation)


def target_of(command: Command, situation: Situation) -> str:
    """The name of what the command acts on; empty where it acts on nothing."""
    if Need.TOOL in command.needs:
        return situation.tool_name
    if Need.APPROVAL in command.needs:
        return situation.approval.id if situation.approval else ""
    if Need.SESSION in command.needs:
        return situation.session.id if situation.session else ""
    return situation.adapter.name if situation.adapter and Need.ADAPTER in command.needs else ""


def _forbidden(command: Command, situation: Situation) -> str:
    state, adapter, session = situation.state, situation.adapter, situation.session
    who = state.principal
    if who is None:
        return ""
    if Need.CREATE in command.needs and not {"create", "admin"} & set(who.permissions):
        return (
            f"{who.name or who.id} may not create adapters; ask for a role that may ({CREATOR_ROLE} or {WRITER_ROLE})"
        )
    if Need.WRITE in command.needs and Need.TOOL in command.needs:
        return _not_ones_own_tool(state, situation)
    if Need.WRITE in command.needs and adapter is not None and not may_write(state, adapter):
        return f"{adapter.name} belongs to {adapter.created_by}; only they or {WRITER_ROLE} may change it"
    return _unending(state, session) if Need.END in command.needs and session is not None else ""


def _unending(state: State, session: LiveSession) -> str:
    if not may_end(state, session):
        owner = session.principal_name or session.principal
        return f"the session is {owner}'s; only they, {session.adapter}'s owner or {WRITER_ROLE} may end it"
    if session.era == "modern":
        return "a modern client has no session, each call stands by itself; the adapter's roles keep it out"
    return ""


def _not_ones_own_tool(state: State, situation: Situation) -> str:
    tool = situation.tool
    if tool is None:
        return f"the registration of {situation.tool_name} is not yours to read"
    if may_write(state, tool):
        return ""
    return f"{tool.name} belongs to {tool.created_by}; only they or {WRITER_ROLE} may change it"


def may_write(state: State, owned: Adapter | Tool) -> bool:
    who = state.principal
    return who is not None and ("admin" in who.permissions or owned.created_by == who.id)


def may_end(state: State, session: LiveSession) -> bool:
    adapter = state.adapters.get(session.adapter)
    is_own = state.principal is not None and session.principal == state.principal.id
    return is_own or adapter is None or may_write(state, adapter)


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
    "up": "↑",
    "down": "↓",
    "pageup": "PgUp",
    "pagedown": "PgDn",
    "left_square_bracket": "[",
    "right_square_bracket": "]",
    "minus": "-",
    "less_than_sign": "<",
    "greater_than_sign": ">",
}


def key_name(key: str) -> str:
    """A key as people call it: `ctrl+d`, `?`, `shift+→`."""
    return "+".join(_KEY_NAMES.get(part, part) for part in key.split("+"))
