"""What was done from this deck, with the command that would have done the same. Pure."""

import shlex
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Final

import msgspec

from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import age
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Sign, Tone

CAPACITY: Final = 1_000

# What the command line calls each verb; {target} is what it acts on.
_WORDS: Final[Mapping[str, Sequence[str]]] = {
    "adapter.deploy": ("adapters", "apply", "-f", "{target}.yaml"),
    "adapter.edit": ("adapters", "edit", "{target}"),
    "adapter.scale": ("adapters", "scale", "{target}"),
    "adapter.restart": ("adapters", "restart", "{target}"),
    "adapter.delete": ("adapters", "delete", "{target}", "--yes"),
    "tool.register": ("tools", "register", "-f", "{target}.yaml"),
    "tool.edit": ("tools", "register", "--replace", "-f", "{target}.yaml"),
    "tool.delete": ("tools", "delete", "{target}", "--yes"),
    "tool.pin": ("tools", "pin", "{target}"),
    "tool.unpin": ("tools", "unpin", "{target}"),
    "approval.approve": ("approvals", "approve", "{target}"),
    "approval.deny": ("approvals", "deny", "{target}"),
    "traffic.record": ("traffic", "record", "{target}"),
    "traffic.reveal": ("traffic", "tail", "--adapter", "{target}", "--reveal"),
    "session.end": ("sessions", "end", "{target}", "--yes"),
    "session.drain": ("sessions", "end", "{target}", "--drain", "--yes"),
}


class Deed(msgspec.Struct, frozen=True, kw_only=True):
    """error: empty when it was done. line: the command that does the same, to be pasted."""

    at: datetime
    context: str
    title: str
    target: str
    line: str
    error: str = ""


class DeedRow(msgspec.Struct, frozen=True):
    """A deed by its place in the order of time."""

    number: int
    deed: Deed


def line_of(command_id: str, target: str, context: str, arguments: Sequence[str] = ()) -> str:
    """`mcpdeck --context prod adapters scale weather 3`."""
    words = [word.format(target=target) for word in _WORDS.get(command_id, (command_id, "{target}"))]
    return shlex.join(["mcpdeck", "--context", context, *words, *arguments])


def _without_context(deed: Deed) -> str:
    """As a row says it: its context has a column of its own, and what is copied names it."""
    return deed.line.replace(f" --context {shlex.quote(deed.context)}", "", 1)


DONE: Final = Sign("✓", "[ok]", "Done", Tone.OK)
REFUSED: Final = Sign("✖", "[XX]", "Failed", Tone.BAD)


def sign_of(deed: Deed) -> Sign:
    return REFUSED if deed.error else DONE


def rows(deeds: Sequence[Deed]) -> list[DeedRow]:
    return [DeedRow(number, deed) for number, deed in enumerate(deeds)]


def _fields(row: DeedRow, now: datetime) -> Fields:
    deed = row.deed
    word = sign_of(deed).word
    return {
        "what": deed.title,
        "target": deed.target,
        "context": deed.context,
        "status": word,
        "outcome": word,
        "command": deed.line,
        "why": deed.error,
        "age": (now - deed.at).total_seconds(),
    }


FIELD_NAMES: Final = ("what", "target", "context", "status", "outcome", "command", "why", "age")


def table(glyphs: Glyphs = UNICODE) -> TableSpec[DeedRow]:
    """The table of deeds, drawn with these glyphs."""

    def outcome(row: DeedRow, _now: datetime) -> Cell:
        sign = sign_of(row.deed)
        return Cell(glyphs.sign(sign), sign.tone)

    columns: list[Column[DeedRow]] = [
        Column(
            id="when", title="WHEN", minimum=5, maximum=5, right=True,
            cell=lambda row, now: Cell(age(row.deed.at, now), Tone.DIM),
            order=lambda row: -row.number,
        ),
        Column(
            id="outcome", title="OUTCOME", minimum=11, maximum=11,
            cell=outcome,
            order=lambda row: sign_of(row.deed).word,
        ),
        Column(
            id="what", title="WHAT", minimum=7, maximum=12,
            cell=lambda row, _now: Cell(row.deed.title, Tone.STRONG),
            order=lambda row: row.deed.title,
        ),
        Column(
            id="target", title="TARGET", minimum=10, maximum=30,
            cell=lambda row, _now: Cell(row.deed.target),
            order=lambda row: row.deed.target,
        ),
        Column(
            id="context", title="CONTEXT", minimum=8, maximum=24, priority=3,
            cell=lambda row, _now: Cell(row.deed.context),
            order=lambda row: row.deed.context,
        ),
        Column(
            id="why", title="WHY", minimum=20, maximum=40, priority=1, flexible=True,
            cell=lambda row, _now: Cell(" ".join(row.deed.error.split()), Tone.BAD),
            order=lambda row: row.deed.error,
        ),
        Column(
            id="command", title="THE SAME AS A COMMAND", minimum=22, maximum=90, priority=2, flexible=True,
            cell=lambda row, _now: Cell(_without_context(row.deed), Tone.DIM),
            order=lambda row: row.deed.line,
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda row: f"{row.number:09}", _fields, FIELD_NAMES)
