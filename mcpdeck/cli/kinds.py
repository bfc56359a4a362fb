"""Adapters, sessions and what was done, as they are printed. Asks nobody."""

from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.wire.audit import AuditRecord
from gateway.wire.resources import Adapter, ChangeEvent, LiveSession
from mcpdeck.cli.output import Column, View
from mcpdeck.model.adapters import AdapterRow
from mcpdeck.model.formatting import age, milliseconds, source
from mcpdeck.model.state import Changed, State, reduce_all
from mcpdeck.model.words import Tone, sign_of
from mcpdeck.model.yaml_lines import to_yaml

SGR: Final = {Tone.OK: "32", Tone.BUSY: "36", Tone.WARN: "33", Tone.BAD: "31", Tone.DIM: "2"}


def rows_of(events: list[ChangeEvent]) -> list[AdapterRow]:
    """What an event stream has named, by name."""
    now = datetime.now(UTC)
    state = reduce_all(State(), [Changed(event, now) for event in events])
    counts = state.session_counts()
    return [AdapterRow(state.adapters[name], state.statuses.get(name), counts[name]) for name in sorted(state.adapters)]


def _word(row: AdapterRow) -> str:
    return sign_of(row.status.phase if row.status else None).word


def _tone(row: AdapterRow) -> str:
    return SGR.get(sign_of(row.status.phase if row.status else None).tone, "")


def _age(row: AdapterRow) -> str:
    return age(row.adapter.created_at, datetime.now(UTC))


def row_plain(row: AdapterRow) -> dict[str, Any]:
    """An adapter with its status beside it."""
    plain: dict[str, Any] = msgspec.to_builtins(row.adapter)
    return plain | {"status": msgspec.to_builtins(row.status)}


ADAPTER_ROWS: Final = View[AdapterRow](
    kind="Adapter",
    columns=[
        Column("NAME", lambda row: row.adapter.name),
        Column("STATUS", _word, tone=_tone),
        Column("READY", lambda row: f"{row.ready}/{row.adapter.replica_count}", key=lambda row: row.ready),
        Column("SESSIONS", lambda row: str(row.sessions), is_right=True, key=lambda row: row.sessions),
        Column("RESTARTS", lambda row: str(row.restarts), is_right=True, key=lambda row: row.restarts),
        Column("AGE", _age, is_right=True, key=lambda row: -row.adapter.created_at.timestamp()),
        Column("REASON", lambda row: row.reason),
        Column("OWNER", lambda row: row.adapter.created_by, is_wide=True),
        Column("ROLES", lambda row: ",".join(row.adapter.required_roles), is_wide=True),
        Column("SOURCE", lambda row: source(row.adapter)),
        Column("DESCRIPTION", lambda row: row.adapter.description, is_wide=True),
    ],
    name=lambda row: row.adapter.name,
    plain=row_plain,
    yaml=lambda row: to_yaml(row.adapter, returned=True),
)

ADAPTERS: Final = View[Adapter](
    kind="Adapter",
    columns=[Column("NAME", lambda adapter: adapter.name), Column("SOURCE", source)],
    name=lambda adapter: adapter.name,
    yaml=lambda adapter: to_yaml(adapter, returned=True),
)

SESSIONS: Final = View[LiveSession](
    kind="Session",
    columns=[
        Column("ID", lambda session: session.id),
        Column("ADAPTER", lambda session: session.adapter),
        Column("INSTANCE", lambda session: session.instance),
        Column("ERA", lambda session: session.era),
        Column("CLIENT", lambda session: " ".join(filter(None, [session.client_name, session.client_version]))),
        Column("USER", lambda session: session.principal_name or session.principal),
        Column("CALLS", lambda session: str(session.calls), is_right=True, key=lambda session: session.calls),
        Column("ERRORS", lambda session: str(session.errors), is_right=True, key=lambda session: session.errors),
        Column("IDLE", lambda session: age(session.last_used_at, datetime.now(UTC)), is_right=True,
               key=lambda session: -session.last_used_at.timestamp()),
        Column("AGE", lambda session: age(session.opened_at, datetime.now(UTC)), is_right=True,
               key=lambda session: -session.opened_at.timestamp()),
        Column("STATE", lambda session: session.state),
        Column("PROTOCOL", lambda session: session.protocol_version, is_wide=True),
        Column("IN", lambda session: str(session.bytes_in), is_wide=True, is_right=True,
               key=lambda session: session.bytes_in),
        Column("OUT", lambda session: str(session.bytes_out), is_wide=True, is_right=True,
               key=lambda session: session.bytes_out),
    ],
    name=lambda session: session.id,
)  # fmt: skip


def _outcome(record: AuditRecord) -> str:
    return str(record.status) if record.status else "left"


AUDIT: Final = View[AuditRecord](
    kind="AuditRecord",
    columns=[
        Column("AT", lambda record: f"{record.at.astimezone(UTC):%Y-%m-%d %H:%M:%S}", key=lambda record: record.at),
        Column("WHO", lambda record: record.principal_name or record.principal or "-"),
        Column("DID", lambda record: record.action),
        Column("TO", lambda record: record.target),
        Column("WHAT", lambda record: " ".join(filter(None, [record.method, record.name]))),
        Column("OUTCOME", _outcome, tone=lambda record: SGR[Tone.BAD] if record.status >= 400 else ""),
        Column("TOOK", lambda record: milliseconds(record.duration), is_right=True,
               key=lambda record: record.duration),
        Column("WHY", lambda record: record.detail),
        Column("ID", lambda record: record.principal, is_wide=True),
        Column("FROM", lambda record: record.peer, is_wide=True),
        Column("INSTANCE", lambda record: record.instance, is_wide=True),
        Column("IN", lambda record: str(record.bytes_in), is_wide=True, is_right=True,
               key=lambda record: record.bytes_in),
        Column("OUT", lambda record: str(record.bytes_out), is_wide=True, is_right=True,
               key=lambda record: record.bytes_out),
        Column("REQUEST", lambda record: record.request_id, is_wide=True),
    ],
    name=lambda record: record.request_id,
)  # fmt: skip
