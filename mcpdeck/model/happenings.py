"""A change of the gateway's as a line for a reader: what is different from before; nothing where nothing is. Pure."""

from collections.abc import Mapping
from datetime import datetime

import msgspec

from gateway.wire.resources import Adapter, AdapterStatus, ChangeEvent, LiveSession
from mcpdeck.model.formatting import listed, plural


class News(msgspec.Struct, frozen=True):
    """kind: adapter or session; empty for what befell the stream itself."""

    at: datetime
    kind: str
    text: str


def adapter_change(before: Adapter | None, after: Adapter | None, name: str) -> str:
    """Which fields of it are others now."""
    if after is None:
        return f"{name} is deleted"
    if before is None:
        return f"{name} is deployed by {after.created_by}"
    fields = [field for field in Adapter.__struct_fields__ if field not in {"etag", "last_updated_at"}]
    changed = [field.replace("_", " ") for field in fields if getattr(before, field) != getattr(after, field)]
    return f"{name}: {listed(changed)} changed" if changed else ""


def status_change(before: AdapterStatus | None, after: AdapterStatus, name: str) -> str:
    """From where to where it went, and why."""
    had = (before.phase, before.ready_replicas, before.reason, _restarts(before)) if before else None
    if had == (after.phase, after.ready_replicas, after.reason, _restarts(after)):
        return ""
    way = f"{before.phase} → {after.phase}" if before and before.phase != after.phase else f"{after.phase}"
    why = f": {after.reason}" if after.reason else ""
    fresh = _restarts(after) - (_restarts(before) if before else 0)
    again = f", {plural(fresh, 'restart')}" if fresh > 0 else ""
    return f"{name} {way}, {after.ready_replicas} ready{again}{why}"


def _restarts(status: AdapterStatus) -> int:
    return sum(instance.restarts for instance in status.instances)


def session_change(before: LiveSession | None, after: LiveSession | None, session_id: str) -> str:
    """Its beginning, its end, and errors it meets; calls alone are no event."""
    shown = after or before
    if shown is None:
        return ""
    who = f"{shown.principal_name or shown.principal}, {shown.client_name or 'unknown client'} at {shown.adapter}"
    told = f"{session_id[:8]} ({' '.join(who.split())})"
    if after is None:
        return f"{told} ended after {plural(shown.calls, 'call')}"
    if before is None:
        return f"{told} began"
    if after.state != before.state:
        return f"{told} is {after.state}"
    fresh = after.errors - before.errors
    return f"{told} met {plural(fresh, 'error')}" if fresh > 0 else ""


class Known(msgspec.Struct, frozen=True):
    """What was known before a change."""

    adapters: Mapping[str, Adapter]
    statuses: Mapping[str, AdapterStatus]
    sessions: Mapping[str, LiveSession]


def happening(change: ChangeEvent, known: Known) -> str:
    """What a change changes; empty where it changes nothing that a reader would want to know."""
    name, resource = change.name, change.resource
    match change.kind, change.type:
        case "Adapter", "deleted":
            return adapter_change(known.adapters.get(name), None, name) if name in known.adapters else ""
        case "Adapter", "status":
            return status_change(known.statuses.get(name), msgspec.convert(resource, AdapterStatus), name)
        case "Adapter", _:
            return adapter_change(known.adapters.get(name), msgspec.convert(resource, Adapter), name)
        case "Session", "deleted":
            return session_change(known.sessions.get(name), None, name)
        case "Session", _:
            return session_change(known.sessions.get(name), msgspec.convert(resource, LiveSession), name)
        case _:
            return f"{change.kind} {name} {change.type}"
