"""Desired states for tests, made of no more than a test cares about."""

from datetime import UTC, datetime
from typing import Any

from gateway.core.desired import Desired
from gateway.wire.resources import AdapterSpec, Stdio

THEN = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)


def stdio_spec(name: str = "weather", command: str = "true", *args: str, **fields: Any) -> AdapterSpec:
    return AdapterSpec(name=name, stdio=Stdio(command=command, args=list(args)), **fields)


def desired(spec: AdapterSpec | None = None, **fields: Any) -> Desired:
    """By ada, then."""
    told: dict[str, Any] = {"created_by": "ada", "created_at": THEN, "last_updated_at": THEN} | fields
    return Desired(spec=spec or stdio_spec(), **told)
