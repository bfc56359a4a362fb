"""Whether a request passes through or is translated: by who asks, what the adapter speaks, and what its owner wants."""

from enum import Enum

from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.resources import EraPolicy


class Way(Enum):
    """How a request gets to its adapter."""

    PASS = "pass"  # noqa: S105 - bytes through, in the caller's own era
    TO_MODERN = "to modern"  # a legacy client before a server of 2026-07-28
    TO_LEGACY = "to legacy"  # a modern client before a server that begins with `initialize`
    TO_SSE = "to sse"  # a legacy client of streamable HTTP before a server of HTTP+SSE


def way(policy: EraPolicy, caller: Era, endpoint: Endpoint) -> Way:
    """An endpoint whose eras nobody knows yet is passed to: it answers for itself, and dual-era clients fall back."""
    if policy is EraPolicy.PASS or not endpoint.eras:
        return Way.PASS
    spoken = _newest(endpoint) if policy is EraPolicy.BRIDGE or caller not in endpoint.eras else caller
    if spoken is caller:
        return Way.TO_SSE if endpoint.is_sse else Way.PASS
    return Way.TO_MODERN if spoken is Era.MODERN else Way.TO_LEGACY


def _newest(endpoint: Endpoint) -> Era:
    return Era.MODERN if Era.MODERN in endpoint.eras else Era.LEGACY
