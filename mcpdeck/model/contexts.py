"""The gateways that the reader knows, as rows: which answers, as whom, how careful one has to be. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Final

import msgspec

from mcpdeck.config.contexts import Context
from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import milliseconds
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import UNICODE, Cell, Glyphs, Sign, Tone


class Reach(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a gateway answered: after how many seconds, or why not. Neither: it is being asked."""

    seconds: float | None = None
    reason: str = ""


class ContextEntry(msgspec.Struct, frozen=True, kw_only=True):
    """is_usual: it is meant when none is named. is_kept: it stands in the reader's file. user: signed in as."""

    context: Context
    is_usual: bool = False
    is_kept: bool = True
    user: str = ""
    reach: Reach | None = None

    @property
    def name(self) -> str:
        return self.context.name


class ContextRow(msgspec.Struct, frozen=True):
    entry: ContextEntry
    is_here: bool  # the deck looks at it


ASKING: Final = Sign("◌", "[..]", "Asking", Tone.BUSY)
ANSWERS: Final = Sign("●", "[OK]", "Answers", Tone.OK)
SILENT: Final = Sign("✖", "[XX]", "Silent", Tone.BAD)
NOT_ASKED: Final = Sign("?", "[??]", "Not asked", Tone.DIM)


def rows(entries: Mapping[str, ContextEntry], here: str) -> list[ContextRow]:
    return [ContextRow(entry, entry.name == here) for entry in entries.values()]


def sign_of(reach: Reach | None) -> Sign:
    if reach is None:
        return NOT_ASKED
    if reach.reason:
        return SILENT
    return ASKING if reach.seconds is None else ANSWERS


def care(context: Context) -> str:
    """What the reader has asked to be kept from, in words."""
    return ", ".join(filter(None, ["protected" * context.protected, "read-only" * context.read_only]))


def _fields(row: ContextRow, _now: datetime) -> Fields:
    entry = row.entry
    return {
        "name": entry.name,
        "state": sign_of(entry.reach).word,
        "status": sign_of(entry.reach).word,
        "url": entry.context.url,
        "user": entry.user,
        "care": care(entry.context),
        "reason": entry.reach.reason if entry.reach else "",
    }


FIELD_NAMES: Final = ("name", "state", "status", "url", "user", "care", "reason")


def table(glyphs: Glyphs = UNICODE) -> TableSpec[ContextRow]:
    """The contexts table, drawn with these glyphs."""

    def state_cell(row: ContextRow, _now: datetime) -> Cell:
        sign, reach = sign_of(row.entry.reach), row.entry.reach
        after = f" {milliseconds(reach.seconds)}" if reach and reach.seconds else ""
        return Cell(f"{glyphs.sign(sign)}{after}", sign.tone)

    def place(row: ContextRow) -> str:
        return " ".join(filter(None, ["here" * row.is_here, "usual" * row.entry.is_usual]))

    columns: list[Column[ContextRow]] = [
        Column(
            id="name", title="NAME", minimum=12, maximum=32,
            cell=lambda row, _now: Cell(row.entry.name, Tone.STRONG),
            order=lambda row: row.entry.name,
        ),
        Column(
            id="place", title="", minimum=4, maximum=10, priority=1,
            cell=lambda row, _now: Cell(place(row), Tone.ACCENT if row.is_here else Tone.DIM),
            order=lambda row: (not row.is_here, not row.entry.is_usual),
        ),
        Column(
            id="state", title="STATE", minimum=11, maximum=20,
            cell=state_cell,
            order=lambda row: sign_of(row.entry.reach).word,
        ),
        Column(
            id="user", title="USER", minimum=12, maximum=30, priority=4,
            cell=lambda row, _now: Cell(row.entry.user),
            order=lambda row: row.entry.user,
        ),
        Column(
            id="care", title="CARE", minimum=20, maximum=20, priority=1,
            cell=lambda row, _now: Cell(care(row.entry.context), Tone.WARN),
            order=lambda row: care(row.entry.context),
        ),
        Column(
            id="url", title="URL", minimum=24, maximum=60, priority=3, flexible=True,
            cell=lambda row, _now: Cell(row.entry.context.url or "runs on this machine, when it runs", Tone.DIM),
            order=lambda row: row.entry.context.url,
        ),
        Column(
            id="reason", title="WHY", minimum=18, maximum=60, priority=2, flexible=True,
            cell=lambda row, _now: Cell(row.entry.reach.reason if row.entry.reach else "", Tone.BAD),
            order=lambda row: row.entry.reach.reason if row.entry.reach else "",
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda row: row.entry.name, _fields, FIELD_NAMES)
