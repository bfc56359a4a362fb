"""The adapters table and an adapter's description, from the deck's state. Pure."""

import textwrap
from collections.abc import Iterator
from datetime import datetime
from typing import Final

import msgspec

from gateway.wire.resources import Adapter, AdapterStatus
from mcpdeck.model.advice import advice
from mcpdeck.model.filters import Fields
from mcpdeck.model.formatting import age, clip, count, moment, plural, source
from mcpdeck.model.plain import one_line
from mcpdeck.model.state import State
from mcpdeck.model.table import Column, TableSpec
from mcpdeck.model.words import FAULTY, UNICODE, URGENCY, Cell, Glyphs, Tone, sign_of

_WIDTH: Final = 76
_LONGEST_SOURCE: Final = 160  # characters; the YAML has all of it


class AdapterRow(msgspec.Struct, frozen=True):
    """One adapter as the table shows it. `sessions` is how many are live, None while that is not known."""

    adapter: Adapter
    status: AdapterStatus | None
    sessions: int | None

    @property
    def restarts(self) -> int:
        return sum(instance.restarts for instance in self.status.instances) if self.status else 0

    @property
    def ready(self) -> int:
        return self.status.ready_replicas if self.status else 0

    @property
    def is_faulty(self) -> bool:
        return self.status is not None and self.status.phase in FAULTY

    @property
    def reason(self) -> str:
        """Why it does not stand as it should; empty when it does."""
        if self.status is None:
            return ""
        told = [self.status.reason, *(instance.reason for instance in self.status.instances if not instance.ready)]
        return next(filter(None, told), "")


def rows(state: State) -> list[AdapterRow]:
    counts = state.session_counts() if _are_sessions_known(state) else None
    return [
        AdapterRow(it, state.statuses.get(name), None if counts is None else counts[name])
        for name, it in state.adapters.items()
    ]


def row(state: State, name: str) -> AdapterRow | None:
    adapter = state.adapters.get(name)
    if adapter is None:
        return None
    sessions = state.sessions_of(name) if _are_sessions_known(state) else None
    return AdapterRow(adapter, state.statuses.get(name), sessions)


def _are_sessions_known(state: State) -> bool:
    return state.are_sessions_listed or bool(state.sessions)


def _status(item: AdapterRow, glyphs: Glyphs) -> Cell:
    sign = sign_of(item.status.phase if item.status else None)
    return Cell(glyphs.sign(sign), sign.tone)


def _ready(item: AdapterRow) -> Cell:
    wanted = item.adapter.replica_count
    tone = Tone.DIM if wanted == 0 else Tone.PLAIN if item.ready >= wanted else Tone.WARN
    return Cell(f"{item.ready}/{wanted}", tone)


def _number(value: int | None, tone: Tone = Tone.PLAIN) -> Cell:
    return Cell("" if value is None else count(value), tone if value else Tone.DIM)


def _fields(item: AdapterRow, now: datetime) -> Fields:
    adapter = item.adapter
    return {
        "name": adapter.name,
        "status": sign_of(item.status.phase if item.status else None).word,
        "reason": item.reason,
        "source": source(adapter),
        "owner": adapter.created_by,
        "role": " ".join(adapter.required_roles),
        "description": adapter.description,
        "ready": float(item.ready),
        "replicas": float(adapter.replica_count),
        "restarts": float(item.restarts),
        "sessions": float(item.sessions or 0),
        "age": (now - adapter.created_at).total_seconds(),
    }


FIELD_NAMES: Final = (
    *("name", "status", "reason", "source", "owner", "role", "description"),
    *("ready", "replicas", "restarts", "sessions", "age"),
)


def table(glyphs: Glyphs = UNICODE) -> TableSpec[AdapterRow]:
    """The adapters table, drawn with these glyphs."""
    columns: list[Column[AdapterRow]] = [
        Column(
            id="name", title="NAME", minimum=14, maximum=36,
            cell=lambda item, _now: Cell(item.adapter.name, Tone.STRONG),
            order=lambda item: item.adapter.name,
        ),
        Column(
            id="status", title="STATUS", minimum=14, maximum=14,
            cell=lambda item, _now: _status(item, glyphs),
            order=lambda item: URGENCY.index(item.status.phase if item.status else None),
        ),
        Column(
            id="ready", title="READY", minimum=5, maximum=7, priority=1, right=True,
            cell=lambda item, _now: _ready(item),
            order=lambda item: item.ready,
        ),
        Column(
            id="sessions", title="SESS", minimum=4, maximum=7, priority=2, right=True,
            cell=lambda item, _now: _number(item.sessions),
            order=lambda item: item.sessions or 0,
        ),
        Column(
            id="restarts", title="RST", minimum=3, maximum=6, priority=3, right=True,
            cell=lambda item, _now: _number(item.restarts, Tone.WARN),
            order=lambda item: item.restarts,
        ),
        Column(
            id="reason", title="REASON", minimum=12, maximum=28, priority=4,
            cell=lambda item, _now: Cell(item.reason, Tone.BAD if item.is_faulty else Tone.BUSY),
            order=lambda item: item.reason,
        ),
        Column(
            id="source", title="SOURCE", minimum=16, maximum=60, priority=6, flexible=True,
            cell=lambda item, _now: Cell(source(item.adapter), Tone.DIM),
            order=lambda item: source(item.adapter),
        ),
        Column(
            id="owner", title="OWNER", minimum=5, maximum=16, priority=5,
            cell=lambda item, _now: Cell(item.adapter.created_by),
            order=lambda item: item.adapter.created_by,
        ),
        Column(
            id="age", title="AGE", minimum=4, maximum=4, priority=0, right=True,
            cell=lambda item, now: Cell(age(item.adapter.created_at, now), Tone.DIM),
            order=lambda item: -item.adapter.created_at.timestamp(),
        ),
    ]  # fmt: skip
    return TableSpec(columns, lambda item: item.adapter.name, _fields, FIELD_NAMES)


def describe(item: AdapterRow, now: datetime, glyphs: Glyphs = UNICODE) -> Iterator[list[Cell]]:
    """An adapter in words, as lines of cells."""
    adapter, status = item.adapter, item.status
    yield from _facts(item, now, glyphs)
    if status is not None and (status.reason or status.message):
        yield []
        yield [Cell("Why", Tone.ACCENT)]
        yield [Cell(f"  {status.reason or status.phase}", Tone.BAD if item.is_faulty else Tone.BUSY)]
        yield from ([Cell(f"  {line}")] for line in _folded(status.message))
        if item.is_faulty and (told := advice(adapter, status.reason)):
            yield [Cell(f"  {glyphs.crumb} {told}", Tone.WARN)]
    yield []
    yield [Cell("Instances", Tone.ACCENT)]
    if status is None or not status.instances:
        yield [Cell("  none", Tone.DIM)]
    else:
        yield from _instances(status, now, glyphs)
    if adapter.environment_variables or adapter.secret_environment:
        yield []
        yield [
            Cell("Environment", Tone.ACCENT),
            Cell("   names only; the values are in the YAML of who may see them", Tone.DIM),
        ]
        yield from ([Cell(f"  {name}")] for name in sorted(adapter.environment_variables))
        for name, reference in sorted(adapter.secret_environment.items()):
            yield [Cell(f"  {name}"), Cell(f"  from secret {reference.secret}/{reference.key}", Tone.DIM)]


def _folded(text: str) -> Iterator[str]:
    """Its lines, none wider than the narrowest terminal: of a registry's answer it is the end that tells."""
    for line in text.splitlines():
        yield from textwrap.wrap(line, _WIDTH, subsequent_indent="  ", break_on_hyphens=False) or [""]


def _facts(item: AdapterRow, now: datetime, glyphs: Glyphs) -> Iterator[list[Cell]]:
    adapter, status = item.adapter, item.status
    facts: list[tuple[str, Cell]] = [
        ("Status", _status(item, glyphs)),
        ("Ready", _ready(item)),
        ("Sessions", Cell("" if item.sessions is None else count(item.sessions))),
        ("Source", Cell(clip(source(adapter), _LONGEST_SOURCE))),
        ("Image", Cell(status.image if status else "")),
        ("Endpoint", Cell(f"/adapters/{adapter.name}/mcp")),
        ("Roles", Cell(", ".join(adapter.required_roles) or "owner and mcp.admin only")),
        ("Owner", Cell(adapter.created_by)),
        ("Created", Cell(moment(adapter.created_at, now))),
        ("Changed", Cell(moment(adapter.last_updated_at, now))),
        ("About", Cell(adapter.description)),
    ]
    for label, cell in facts:
        if cell.text:
            yield [Cell(f"{label:<11}", Tone.DIM), cell]


def _instances(status: AdapterStatus, now: datetime, glyphs: Glyphs) -> Iterator[list[Cell]]:
    wide = max(len(instance.name) for instance in status.instances)
    for instance in status.instances:
        sign = sign_of(instance.phase)
        message = one_line(instance.message) if instance.message != status.message else ""  # it stands above
        why = "  ".join(filter(None, [instance.reason, message]))
        restarts = plural(instance.restarts, "restart")
        yield [
            Cell(f"  {instance.name:<{wide}}  ", Tone.STRONG),
            Cell(f"{glyphs.sign(sign):<12}", sign.tone),
            Cell(f"  up {age(instance.started_at, now) or glyphs.dot:<5}"),
            Cell(f"  {restarts:<12}", Tone.WARN if instance.restarts else Tone.DIM),
            Cell(why, Tone.PLAIN if instance.ready else Tone.BAD),
        ]
