"""What may be asked of a gateway's control plane (api.md), and what its answers mean. Sends nothing: `client` and
`direct` do.
"""

import re
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final
from urllib.parse import quote, urlencode

import msgspec

from gateway.wire.audit import AuditRecord
from gateway.wire.policies import ApprovalDecision, PendingApproval, Policy, PolicySpec, Question, Tested
from gateway.wire.problems import Problem
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, LiveSession, WhoAmI
from gateway.wire.tools import OfferedTool, Tool, ToolsCost, Toolset, ToolsetSpec, ToolSpec, ToolStatus
from gateway.wire.traffic import RecordingStatus
from mcpdeck.errors import ProblemError, Unreachable
from mcpdeck.model.plain import decode, plain

LONGEST_WAIT: Final = 86400.0  # seconds; who asks for more means that nobody should come back
_EXCERPT: Final = 200  # characters of an answer that is no problem
_TITLE: Final = re.compile(r"<title[^>]*>\s*([^<]{1,200}?)\s*</title>", re.IGNORECASE)
_PARTIAL: Final = "x-mcpdeck-partial"


class Ask[Value](msgspec.Struct, frozen=True, kw_only=True):
    """One request; `kind` is what its answer is decoded into, None where the answer says nothing.

    takes: seconds that the answer may take, besides what every answer may.
    note: is told where the answer may lack what other gateways have, and why.
    """

    method: str
    path: str
    kind: type[Value]
    body: bytes | None = None
    headers: Mapping[str, str] = {}
    note: Callable[[str], None] | None = None
    takes: float = 0.0


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, read whole. Names of headers in lower case."""

    status: int
    reason: str
    headers: Mapping[str, str]
    body: bytes


def whoami() -> Ask[WhoAmI]:
    return Ask(method="GET", path="/whoami", kind=WhoAmI)


def openapi() -> Ask[dict[str, Any]]:
    """`info.version` is the gateway's own."""
    return Ask(method="GET", path="/openapi.json", kind=dict[str, Any])


def adapters() -> Ask[list[Adapter]]:
    """Those that the caller may read."""
    return Ask(method="GET", path="/adapters", kind=list[Adapter])


def adapter(name: str) -> Ask[Adapter]:
    return Ask(method="GET", path=path("adapters", name), kind=Adapter)


def create(spec: AdapterSpec) -> Ask[Adapter]:
    return Ask(method="POST", path="/adapters", kind=Adapter, body=msgspec.json.encode(spec), headers=_JSON)


def replace(name: str, spec: AdapterSpec, etag: str | None) -> Ask[Adapter]:
    """Only if it still is what the etag names; whatever it is without one."""
    headers = _JSON | _if_match(etag)
    body = msgspec.json.encode(spec)
    return Ask(method="PUT", path=path("adapters", name), kind=Adapter, body=body, headers=headers)


def patch(name: str, merge: Mapping[str, Any], etag: str | None) -> Ask[Adapter]:
    """RFC 7396: what is named is set, null removes."""
    headers = {"content-type": "application/merge-patch+json"} | _if_match(etag)
    body = msgspec.json.encode(merge)
    return Ask(method="PATCH", path=path("adapters", name), kind=Adapter, body=body, headers=headers)


def delete(name: str, etag: str | None) -> Ask[None]:
    return Ask(method="DELETE", path=path("adapters", name), kind=_NOTHING, headers=_if_match(etag))


def status(name: str) -> Ask[AdapterStatus]:
    return Ask(method="GET", path=path("adapters", name, "status"), kind=AdapterStatus)


def restart(name: str) -> Ask[None]:
    return Ask(method="POST", path=path("adapters", name, "restart"), kind=_NOTHING)


def audit(*, limit: int, text: str = "", since: datetime | None = None) -> Ask[list[AuditRecord]]:
    """Who did what, the newest first; for administrators. text: what any field contains."""
    asked = {"limit": str(limit), "q": text, "since": since.isoformat() if since else ""}
    query = urlencode({name: value for name, value in asked.items() if value})
    return Ask(method="GET", path=f"/audit?{query}", kind=list[AuditRecord])


def sessions(note: Callable[[str], None] | None = None) -> Ask[list[LiveSession]]:
    """The live MCP sessions of every adapter that the caller may read."""
    return Ask(method="GET", path="/sessions/live", kind=list[LiveSession], note=note)


def session(session_id: str) -> Ask[LiveSession]:
    return Ask(method="GET", path=path("sessions", "live", session_id), kind=LiveSession)


def end_session(session_id: str, *, drain: int = 0) -> Ask[None]:
    """drain: seconds that its calls in flight have; the answer waits for them."""
    where = path("sessions", "live", session_id) + (f"?drain={drain}" if drain else "")
    return Ask(method="DELETE", path=where, kind=_NOTHING, takes=drain)


def recording_status(adapter: str) -> Ask[RecordingStatus]:
    return Ask(method="GET", path=path("adapters", adapter, "recording", "status"), kind=RecordingStatus)


def traffic_path(*, session: str = "", adapter: str = "") -> str:
    """Of a session's live messages, of an adapter's, or where neither is named of all."""
    if session:
        return path("sessions", "live", session, "traffic")
    return path("adapters", adapter, "traffic") if adapter else path("traffic")


def offers() -> Ask[list[OfferedTool]]:
    """What /mcp offers of the tools that the caller may read."""
    return Ask(method="GET", path="/offers", kind=list[OfferedTool])


def tools() -> Ask[list[Tool]]:
    """Those that the caller may read, as they are registered."""
    return Ask(method="GET", path="/tools", kind=list[Tool])


def tool(name: str) -> Ask[Tool]:
    return Ask(method="GET", path=path("tools", name), kind=Tool)


def register(spec: ToolSpec) -> Ask[Tool]:
    return Ask(method="POST", path="/tools", kind=Tool, body=msgspec.json.encode(spec), headers=_JSON)


def replace_tool(name: str, spec: ToolSpec, etag: str | None) -> Ask[Tool]:
    body = msgspec.json.encode(spec)
    return Ask(method="PUT", path=path("tools", name), kind=Tool, body=body, headers=_JSON | _if_match(etag))


def patch_tool(name: str, merge: Mapping[str, Any]) -> Ask[Tool]:
    """RFC 7396."""
    headers = {"content-type": "application/merge-patch+json"}
    return Ask(method="PATCH", path=path("tools", name), kind=Tool, body=msgspec.json.encode(merge), headers=headers)


def delete_tool(name: str) -> Ask[None]:
    return Ask(method="DELETE", path=path("tools", name), kind=_NOTHING)


def tool_status(name: str) -> Ask[ToolStatus]:
    return Ask(method="GET", path=path("tools", name, "status"), kind=ToolStatus)


def costs() -> Ask[list[ToolsCost]]:
    """Of the lists of /mcp and of each toolset, as the caller gets them."""
    return Ask(method="GET", path="/offers/cost", kind=list[ToolsCost])


def toolsets() -> Ask[list[Toolset]]:
    return Ask(method="GET", path="/toolsets", kind=list[Toolset])


def toolset(name: str) -> Ask[Toolset]:
    return Ask(method="GET", path=path("toolsets", name), kind=Toolset)


def create_toolset(spec: ToolsetSpec) -> Ask[Toolset]:
    return Ask(method="POST", path="/toolsets", kind=Toolset, body=msgspec.json.encode(spec), headers=_JSON)


def delete_toolset(name: str) -> Ask[None]:
    return Ask(method="DELETE", path=path("toolsets", name), kind=_NOTHING)


def policies() -> Ask[list[Policy]]:
    return Ask(method="GET", path="/policies", kind=list[Policy])


def policy(name: str) -> Ask[Policy]:
    return Ask(method="GET", path=path("policies", name), kind=Policy)


def create_policy(spec: PolicySpec) -> Ask[Policy]:
    return Ask(method="POST", path="/policies", kind=Policy, body=msgspec.json.encode(spec), headers=_JSON)


def replace_policy(spec: PolicySpec) -> Ask[Policy]:
    where = path("policies", spec.name)
    return Ask(method="PUT", path=where, kind=Policy, body=msgspec.json.encode(spec), headers=_JSON)


def delete_policy(name: str) -> Ask[None]:
    return Ask(method="DELETE", path=path("policies", name), kind=_NOTHING)


def test_policies(question: Question) -> Ask[list[Tested]]:
    """What policies make of calls. Makes none."""
    body = msgspec.json.encode(question)
    return Ask(method="POST", path="/policies/test", kind=list[Tested], body=body, headers=_JSON)


def approvals(note: Callable[[str], None] | None = None) -> Ask[list[PendingApproval]]:
    return Ask(method="GET", path="/approvals", kind=list[PendingApproval], note=note)


def decide(approval_id: str, decision: ApprovalDecision) -> Ask[PendingApproval]:
    where, body = path("approvals", approval_id), msgspec.json.encode(decision)
    return Ask(method="POST", path=where, kind=PendingApproval, body=body, headers=_JSON)


def answer[Value](ask: Ask[Value], reply: Reply, url: str) -> Value:
    """What the reply says. url: the gateway's. Raises ProblemError, and Unreachable where no gateway replied."""
    if not 200 <= reply.status < 300:
        raise problem(ask.method, ask.path, reply, url=url)
    if ask.note is not None and (reason := reply.headers.get(_PARTIAL)):
        ask.note(plain(reason))
    if ask.kind is _NOTHING:
        return None  # type: ignore[return-value]  # Value is None
    try:
        return decode(reply.body, ask.kind)
    except msgspec.DecodeError as error:
        told = f"{ask.method} {ask.path} gave {_excerpt(reply) if _is_page(reply) else plain(str(error))}"
        raise Unreachable(f"what answers at {url} is no gateway of this version: {told}") from error


def problem(method: str, asked: str, reply: Reply, *, url: str) -> ProblemError:
    """The problem that a reply carries; one made of its status where it carries none."""
    try:
        told = decode(reply.body, Problem)
    except msgspec.DecodeError:
        said = _excerpt(reply)
        if 300 <= reply.status < 400:
            said = f"it leads elsewhere, to {plain(reply.headers.get('location', 'no place'))}; is it a gateway's URL?"
        detail = f"{method} {asked} at {url} gave {reply.status}" + (f": {said}" if said else "")
        told = Problem(title=plain(reply.reason) or "Error", status=reply.status, detail=detail)
    return ProblemError(
        told, request_id=plain(reply.headers.get("x-request-id", "")), retry_after=_retry_after(reply.headers)
    )


def _excerpt(reply: Reply) -> str:
    """What an answer that is no problem says; of a page, as proxies show them, its title."""
    text = reply.body.decode(errors="replace")
    if _is_page(reply):
        title = _TITLE.search(text)
        text = f"a page, {title[1]!r}" if title else "a page"
    return plain(" ".join(text.split()))[:_EXCERPT]


def _is_page(reply: Reply) -> bool:
    return reply.headers.get("content-type", "").startswith("text/html") or reply.body.lstrip()[:1] == b"<"


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds, which a server may also tell as a moment of its own clock (RFC 9110, 10.2.3)."""
    wait = headers.get("retry-after", "")
    if wait.isdecimal():
        return min(float(wait), LONGEST_WAIT)
    if not wait:
        return None
    from email.utils import parsedate_to_datetime

    try:
        until, now = (parsedate_to_datetime(moment) for moment in (wait, headers.get("date", "")))
        return min(max(0.0, (until - now).total_seconds()), LONGEST_WAIT)
    except (TypeError, ValueError):
        return None


def path(*parts: str) -> str:
    return "/" + "/".join(quote(part, safe="") for part in parts)


def _if_match(etag: str | None) -> dict[str, str]:
    return {} if etag is None else {"if-match": etag}


_JSON: Final = {"content-type": "application/json"}
_NOTHING: Final = type(None)
