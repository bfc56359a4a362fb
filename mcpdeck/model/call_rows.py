"""The table of calls that were made or kept. Pure."""

from datetime import datetime
from typing import Final

import msgspec

from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import age
from mcpdeck.model.plain import one_line
from mcpdeck.model.playground import Call, Request
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import Cell, Tone

FIELD_NAMES: Final = ("name", "what", "arguments", "where", "outcome")


class CallRow(msgspec.Struct, frozen=True):
    """A call by its place in a list."""

    number: int
    call: Call


def subject_name(request: Request) -> str:
    return one_line(str(request.params.get("name") or request.params.get("uri") or request.method))


def arguments(request: Request) -> str:
    """As JSON on one line; empty where there are none."""
    given = request.params.get("arguments") or {k: v for k, v in request.params.items() if k not in ("name", "uri")}
    given = {k: v for k, v in given.items() if k != "arguments"} if isinstance(given, dict) else given
    return one_line(msgspec.json.encode(given).decode()) if given else ""


def table() -> TableSpec[CallRow]:
    """The newest first."""

    def fields(row: CallRow, _now: datetime) -> Fields:
        call = row.call
        return {
            "name": call.name,
            "what": subject_name(call.request),
            "arguments": arguments(call.request),
            "where": call.request.endpoint,
            "outcome": call.outcome,
        }

    columns: list[Column[CallRow]] = [
        Column(
            id="when", title="WHEN", minimum=4, maximum=5, right=True,
            cell=lambda row, now: Cell(age(row.call.at, now), Tone.DIM),
            order=lambda row: -row.call.at.timestamp(),
        ),
        Column(
            id="name", title="NAME", minimum=8, maximum=24,
            cell=lambda row, _now: Cell(one_line(row.call.name), Tone.ACCENT),
            order=lambda row: row.call.name,
        ),
        Column(
            id="what", title="WHAT", minimum=10, maximum=32,
            cell=lambda row, _now: Cell(subject_name(row.call.request), Tone.STRONG),
            order=lambda row: subject_name(row.call.request),
        ),
        Column(
            id="arguments", title="ARGUMENTS", minimum=10, maximum=90, flexible=True, priority=1,
            cell=lambda row, _now: Cell(arguments(row.call.request)),
            order=lambda row: arguments(row.call.request),
        ),
        Column(
            id="where", title="WHERE", minimum=5, maximum=20, priority=2,
            cell=lambda row, _now: Cell(one_line(row.call.request.endpoint), Tone.DIM),
            order=lambda row: row.call.request.endpoint,
        ),
        Column(
            id="outcome", title="CAME TO", minimum=5, maximum=10, priority=3,
            cell=lambda row, _now: Cell(row.call.outcome, Tone.DIM if row.call.outcome in ("", "done") else Tone.BAD),
            order=lambda row: row.call.outcome,
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda row: f"{row.number:09}", fields, FIELD_NAMES)
