"""What the answers to the doctor's questions mean. Pure: facts go in, findings come out."""

import base64
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from gateway.wire.resources import Adapter, AdapterStatus, WhoAmI
from mcpdeck.model.adapters import AdapterRow
from mcpdeck.model.findings import CLUSTER_TITLES, TITLES, Finding, Outcome
from mcpdeck.model.formatting import duration, listed, plural
from mcpdeck.model.plain import one_line

CERTIFICATE_SECONDS: Final = 14 * 86400.0  # a certificate with less than this is soon to be renewed
TOKEN_SECONDS: Final = 300.0
_NAMED: Final = 4  # faulty adapters that are named


class Claims(msgspec.Struct, frozen=True, kw_only=True):
    """What a token says of itself, unverified. `is_opaque`: it is no JWT, and says nothing."""

    is_opaque: bool = False
    issuer: str = ""
    audience: str = ""
    expires_at: float = 0.0
    roles: tuple[str, ...] = ()


def claims_of(token: str) -> Claims:
    """Of a JWT's middle part. Verifies nothing: only the gateway's word counts."""
    parts = token.split(".")
    if len(parts) != 3:
        return Claims(is_opaque=True)
    try:
        said = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)), type=dict[str, Any])
    except (ValueError, msgspec.DecodeError):
        return Claims(is_opaque=True)
    audience, roles, expires = said.get("aud", ""), said.get("roles", []), said.get("exp", 0)
    return Claims(
        issuer=one_line(str(said.get("iss", ""))),
        audience=one_line(", ".join(map(str, audience)) if isinstance(audience, list) else str(audience)),
        expires_at=float(expires) if isinstance(expires, int | float) else 0.0,
        roles=tuple(one_line(str(role)) for role in roles) if isinstance(roles, list) else (),
    )


def certificate(seconds_left: float, names: str) -> Finding:
    """Of a certificate that was believed."""
    left = f"{names}, good for {duration(seconds_left)}"
    if seconds_left < CERTIFICATE_SECONDS:
        return _finding("tls", Outcome.WARNING, left, fix="have the gateway's certificate renewed")
    return _finding("tls", Outcome.OK, left)


def token(claims: Claims, now: float) -> Finding:
    if claims.is_opaque:
        return _finding("token", Outcome.OK, "there is one; it is no JWT, so only the gateway can read it")
    left = claims.expires_at - now
    about = f"of {claims.issuer}, for {claims.audience or 'no audience'}"
    if claims.expires_at and left <= 0:
        return _finding("token", Outcome.WRONG, f"{about}: expired {duration(-left)} ago", fix="mcpdeck login")
    if claims.expires_at and left < TOKEN_SECONDS:
        return _finding("token", Outcome.WARNING, f"{about}: ends in {duration(left)}", fix="it is renewed by itself")
    ends = f", good for {duration(left)}" if claims.expires_at else ""
    return _finding("token", Outcome.OK, about + ends)


def roles(who: WhoAmI) -> Finding:
    name = f"{who.name} ({who.id})" if who.name and who.name != who.id else who.id
    held = listed(who.roles) if who.roles else "no role"
    told = f"{name}, by {who.authentication}, with {held}"
    if may_create(who):
        may = "may change everything" if "admin" in who.permissions else "may deploy adapters"
        return _finding("roles", Outcome.OK, f"{told}: {may}")
    fix = "to deploy, ask for mcp.engineer; to change what others made, for mcp.admin"
    return _finding("roles", Outcome.WARNING, f"{told}: may look, and use what these roles open", fix=fix)


def may_create(who: WhoAmI) -> bool:
    return bool({"create", "admin"} & set(who.permissions))


def adapters(found: Sequence[Adapter], statuses: Mapping[str, AdapterStatus], *, may_create: bool = True) -> Finding:
    if not found:
        make = "mcpdeck adapters create time --stdio -- uvx mcp-server-time"
        ask = "ask who deploys them for one of the roles that they require"
        return mind("adapters", "none that you may see", make if may_create else ask)
    rows = [AdapterRow(adapter, statuses.get(adapter.name), 0) for adapter in found]
    faulty = [row for row in rows if row.is_faulty]
    if not faulty:
        return _finding("adapters", Outcome.OK, f"{plural(len(found), 'adapter')}, none in trouble")
    named = [f"{row.adapter.name} ({row.reason or 'no reason told'})" for row in faulty[:_NAMED]]
    more = [f"{len(faulty) - _NAMED} more"] if len(faulty) > _NAMED else []
    told = f"{len(faulty)} of {plural(len(found), 'adapter')} in trouble: {listed([*named, *more])}"
    first = faulty[0].adapter.name
    fix = f"mcpdeck adapters status {first}; mcpdeck logs {first}"
    return _finding("adapters", Outcome.WARNING, one_line(told), fix=fix)


def ready_adapter(found: Sequence[Adapter], statuses: Mapping[str, AdapterStatus], wanted: str) -> str:
    """The one that a handshake is tried with: the wanted one, else the first that is ready; empty if none is."""
    if wanted:
        return wanted
    ready = [it.name for it in found if it.name in statuses and statuses[it.name].ready_replicas > 0]
    return min(ready, default="")


def fine(check: str, told: str, *, seconds: float | None = None) -> Finding:
    return _finding(check, Outcome.OK, told, seconds=seconds)


def wrong(check: str, told: str, fix: str) -> Finding:
    return _finding(check, Outcome.WRONG, one_line(told), fix=fix)


def mind(check: str, told: str, fix: str) -> Finding:
    return _finding(check, Outcome.WARNING, one_line(told), fix=fix)


def skipped(check: str, why: str) -> Finding:
    return _finding(check, Outcome.SKIPPED, why)


def _finding(check: str, outcome: Outcome, told: str, *, fix: str = "", seconds: float | None = None) -> Finding:
    title = TITLES.get(check) or CLUSTER_TITLES[check]
    return Finding(check=check, title=title, outcome=outcome, told=told, fix=fix, seconds=seconds)
