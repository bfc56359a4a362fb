"""Every route of the control plane in words and types: what /openapi.json, /docs and the audit log are made from.

A test holds it against the routes that there are. Routes nothing.
"""

from collections.abc import Mapping
from typing import Any, Final

from gateway.controlplane.health import Readiness
from gateway.controlplane.managed_contract import managed_operations
from gateway.controlplane.operations import IF_MATCH, LOG, SESSIONS, TEXT, Operation, Parameter
from gateway.controlplane.tool_contract import TOOL_OPERATIONS, TOOL_TAGS
from gateway.controlplane.traffic_contract import TRAFFIC_OPERATIONS, TRAFFIC_TAGS
from gateway.wire.audit import AuditRecord
from gateway.wire.problems import Problem
from gateway.wire.resources import Adapter, AdapterSpec, AdapterStatus, LiveSession, Page, WhoAmI

TAGS: Final = {
    "adapters": "MCP servers: what should run, and what does.",
    **TOOL_TAGS,
    "logs": "What adapters and tool servers say.",
    "sessions": "Who uses them at this moment.",
    **TRAFFIC_TAGS,
    "events": "Every change, as it happens.",
    "audit": "Who did what.",
    "whoami": "Who is asking.",
    "health": "For orchestrators.",
    "metrics": "For Prometheus.",
    "contract": "This description.",
}

REFUSALS: Final[Mapping[int, str]] = {
    304: "Not changed since the etag in If-None-Match.",
    400: "Not valid; `errors` names the fields.",
    401: "Sign in first; WWW-Authenticate says how.",
    403: "Known, but not allowed.",
    404: "There is none of that name.",
    409: "The name is taken.",
    412: "It has changed since the etag in If-Match.",
    413: "The body is too large.",
    421: "This host is not served here.",
    503: "Not ready.",
}

SUCCESSES: Final[Mapping[int, str]] = {
    200: "Here it is.",
    201: "Created; Location says where.",
    202: "Accepted; it follows.",
    204: "Done.",
}

OPERATIONS: Final = (
    *managed_operations(
        "an adapter",
        "adapters",
        AdapterSpec,
        Adapter,
        filters=(
            Parameter("source", "`image`, `stdio` or `url`."),
            Parameter("phase", "Only those in this phase, such as `Ready`."),
            Parameter("requiredRole", "Only those that this role may read."),
        ),
        make="Deploy",
        said={
            "create": "Needs one of the create roles. The answer comes once it is stored; `/status` and `/events` tell "
            "how it starts.",
            "one": "Who may not change it sees the names of its environment variables, not their values.",
            "replace": "What is left out gets its default. Name, creator and `useWorkloadIdentity` stay.",
            "delete": "Its route answers 404 at once; its instances and sessions follow.",
        },
    ),
    Operation(
        method="POST",
        path="/adapters/{name}/restart",
        endpoint="adapters.restart",
        summary="Restart an adapter",
        description="One instance after the other. The answer comes before the restart.",
        status=202,
        answer=Adapter,
        parameters=(IF_MATCH,),
        refusals=(404, 412),
        action="adapter.restart",
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/status",
        endpoint="adapters.status",
        summary="What runs of an adapter",
        answer=AdapterStatus,
        refusals=(404,),
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/logs",
        endpoint="logs.read",
        summary="An adapter's log",
        description="Lines of text. While an instance starts the log is empty, and `X-Log-State: starting` says why; "
        "`elsewhere` says that the server is hosted by others, who keep its log. "
        "A reader who is slower than the log loses the oldest lines, and a line says how many.",
        answer=TEXT,
        parameters=LOG,
        refusals=(400, 404),
    ),
    Operation(
        method="GET",
        path="/adapters/{name}/sessions",
        endpoint="sessions.of_adapter",
        summary="Live sessions of an adapter",
        description="All to who may change the adapter; to others their own.",
        answer=list[LiveSession] | Page[LiveSession],
        parameters=SESSIONS,
        refusals=(400, 404),
    ),
    Operation(
        method="GET",
        path="/sessions/live",
        endpoint="sessions.listing",
        summary="Live sessions",
        description="Of adapters that the caller may change, and its own.",
        answer=list[LiveSession] | Page[LiveSession],
        parameters=SESSIONS,
        refusals=(400,),
    ),
    Operation(
        method="GET",
        path="/sessions/live/{session_id}",
        endpoint="sessions.one",
        summary="One live session",
        answer=LiveSession,
        refusals=(404,),
    ),
    Operation(
        method="DELETE",
        path="/sessions/live/{session_id}",
        endpoint="sessions.end",
        summary="End a session",
        description="Its id is refused from now on, and its server is told. Calls without a session (modern clients) "
        "have nothing to end. With `drain` it is ended once none of its calls is in flight, or after so many seconds; "
        "until then it is served as ever, and the answer waits. Who hangs up before has ended nothing.",
        status=204,
        parameters=(Parameter("drain", "Seconds that calls in flight have, at most 300; 0 cuts them.", "integer"),),
        refusals=(400, 404),
        action="session.end",
    ),
    Operation(
        method="GET",
        path="/events",
        endpoint="events.follow",
        summary="Every change the caller may see",
        description="Server-sent events. First all there is, as `change` events of type `added` and `status`, then "
        "`synced`, then changes. With `Last-Event-ID` of this gateway, what came after it instead.",
        answer="text/event-stream",
        parameters=(Parameter("Last-Event-ID", "Of the last event that was heard.", kind="header"),),
    ),
    Operation(
        method="GET",
        path="/audit",
        endpoint="audit.listing",
        summary="Who did what",
        description="Management actions, MCP calls and refusals, the newest first, for `mcp.admin`; neither arguments "
        "nor tokens. From the audit file where there is one, else the last thousand in memory.",
        answer=list[AuditRecord],
        parameters=(
            Parameter("limit", "At most that many, 1 to 1000; 100.", "integer"),
            Parameter("q", "Only what contains this text, whatever its case."),
            Parameter("since", "A moment (RFC 3339), or how long ago (`30s`, `5m`, `1h`)."),
        ),
        refusals=(400,),
    ),
    Operation(
        method="GET",
        path="/whoami",
        endpoint="whoami.whoami",
        summary="The caller, and what it may do",
        answer=WhoAmI,
    ),
    Operation(
        method="GET", path="/ping", endpoint="health.ping", summary="Always 200", answer=TEXT, is_anonymous=True
    ),
    Operation(
        method="GET", path="/livez", endpoint="health.livez", summary="The process lives", answer=TEXT,
        is_anonymous=True,
    ),
    Operation(
        method="GET",
        path="/readyz",
        endpoint="health.readyz",
        summary="Ready for traffic, or why not",
        answer=Readiness,
        refusals=(503,),
        is_anonymous=True,
    ),
    Operation(method="GET", path="/metrics", endpoint="metrics.metrics", summary="Counters", answer=TEXT),
    Operation(
        method="GET",
        path="/openapi.json",
        endpoint="contract.openapi",
        summary="This contract, for programs",
        answer=dict[str, Any],
    ),
    Operation(
        method="GET",
        path="/docs",
        endpoint="contract.docs_page",
        summary="This contract, for people",
        answer="text/html",
    ),
    *TOOL_OPERATIONS,
    *TRAFFIC_OPERATIONS,
)  # fmt: skip

ACTIONS: Final = {each.endpoint: each.action for each in OPERATIONS if each.action}
ERROR: Final = Problem
