"""The gateway's audit log as lines of a page: when, who, what, to what, and what came of it. Asks nobody."""

from collections.abc import Sequence
from datetime import datetime

from gateway.wire.audit import AuditRecord
from mcpdeck.model.formatting import moment
from mcpdeck.model.words import Cell, Tone


def lines(records: Sequence[AuditRecord], now: datetime) -> list[list[Cell]]:
    """As they come, the newest first."""
    if not records:
        return [[Cell("Nothing is recorded. A gateway keeps an audit log when it is started with --audit.", Tone.DIM)]]
    who = max(len(_who(record)) for record in records)
    what = max(len(_what(record)) for record in records)
    return [_line(record, now, who, what) for record in records]


def _line(record: AuditRecord, now: datetime, who: int, what: int) -> list[Cell]:
    is_refused = record.status >= 400
    outcome = Cell(f"{record.status or 'left':<6}", Tone.BAD if is_refused else Tone.OK)
    cells = [
        Cell(f"{moment(record.at, now)}  ", Tone.DIM),
        Cell(f"{_who(record):<{who}}  "),
        Cell(f"{_what(record):<{what}}  ", Tone.STRONG),
        outcome,
    ]
    return [*cells, Cell(record.detail, Tone.BAD)] if record.detail else cells


def _who(record: AuditRecord) -> str:
    return record.principal_name or record.principal or "nobody"


def _what(record: AuditRecord) -> str:
    return " ".join(filter(None, (record.action, record.target, record.name)))
