"""The control plane as one Quart application: the door, the routes, the errors. Opens nothing and serves nothing."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from importlib.metadata import version
from typing import Final

import msgspec
from quart import Blueprint, Quart, Response

from gateway.controlplane import docs, replies
from gateway.controlplane.adapters import adapter_routes
from gateway.controlplane.audit import audit_routes
from gateway.controlplane.contract import ACTIONS
from gateway.controlplane.door import Door
from gateway.controlplane.health import Check, health_routes, metric_routes, whoami_routes
from gateway.controlplane.openapi import document
from gateway.controlplane.policies import approval_routes, policy_routes
from gateway.controlplane.sessions import session_routes
from gateway.controlplane.streams import event_routes, log_routes
from gateway.controlplane.tools import tool_routes, toolset_routes
from gateway.controlplane.traffic import traffic_routes
from gateway.core.ports import Authenticator, Offers
from gateway.services.adapters import Adapters
from gateway.services.audit import AuditLog
from gateway.services.events import Hub
from gateway.services.logs import Logs
from gateway.services.policies import InForce, Policies
from gateway.services.reconcile import Reconciler
from gateway.services.sessions import Sessions
from gateway.services.tools import Tools, Toolsets
from gateway.services.traffic import Traffic
from gateway.wire.hosts import Hosts

MAX_BODY: Final = 1024 * 1024  # bytes
BODY_TIMEOUT: Final = 30  # seconds in which a body must have come
OPEN_PREFIXES: Final = ("/.well-known/", "/oauth/")


def make_app(
    *,
    adapters: Adapters,
    tools: Tools,
    toolsets: Toolsets,
    policies: Policies,
    offers: Offers,
    in_force: InForce,
    reconciler: Reconciler,
    hub: Hub,
    sessions: Sessions,
    traffic: Traffic,
    logs: Logs,
    authenticator: Authenticator,
    hosts: Hosts,
    authentication: str,
    audit: AuditLog | None = None,
    metrics: Callable[[], Iterable[str]] = tuple,
    checks: Mapping[str, Check] | None = None,
    lesser_checks: Mapping[str, Check] | None = None,
    partial: Check = lambda: "",
    anonymous: Collection[str] = (),
    open_prefixes: Sequence[str] = OPEN_PREFIXES,
    blueprints: Sequence[Blueprint] = (),
    max_body: int = MAX_BODY,
) -> Quart:
    """authentication: what /whoami calls it, `dev` or `oidc`. metrics: the data plane's lines, without their ends.

    audit: in memory alone without it. checks: what /readyz asks besides the reconciler; each says why not, or "".
    lesser_checks: what leaves the gateway ready. partial: why lists of what other replicas have may be old, or "".
    anonymous: paths that need no token, of /metrics, /openapi.json and /docs. open_prefixes: of paths that pages of any
    origin may ask for, without a token.
    """
    audit = audit if audit is not None else AuditLog("")
    app = Quart("mcpdeck")
    app.config.update(RESPONSE_TIMEOUT=None, BODY_TIMEOUT=BODY_TIMEOUT, MAX_CONTENT_LENGTH=max_body)
    app.url_map.strict_slashes = app.url_map.merge_slashes = False  # never a redirect
    door = Door(authenticator, hosts, anonymous=anonymous, open_prefixes=open_prefixes, audit=audit, actions=ACTIONS)
    door.guard(app)
    replies.register_errors(app)
    all_checks = {"reconciler": lambda: reconciler.trouble, **(checks or {})}
    for routes in (
        adapter_routes(adapters),
        tool_routes(tools, toolsets, offers),
        toolset_routes(toolsets, offers),
        policy_routes(policies, in_force),
        approval_routes(in_force, partial),
        log_routes(adapters, tools, logs, door),
        session_routes(adapters, tools, sessions, partial),
        traffic_routes(adapters, traffic, door),
        event_routes(hub, door),
        audit_routes(audit),
        whoami_routes(adapters, authentication),
        health_routes(all_checks, lesser_checks),
        metric_routes(reconciler, sessions, hub, metrics),
        _contract_routes(authentication),
        *blueprints,
    ):
        app.register_blueprint(routes)
    return app


def _contract_routes(authentication: str) -> Blueprint:
    routes = Blueprint("contract", __name__)
    described = document(version("mcpdeck"), authentication=authentication)
    encoded, shown = msgspec.json.encode(described), docs.page(described).encode()

    @routes.get("/openapi.json")
    async def openapi() -> Response:
        return Response(encoded, content_type=replies.JSON)

    @routes.get("/docs")
    async def docs_page() -> Response:
        return Response(shown, content_type="text/html; charset=utf-8", headers=docs.HEADERS)

    return routes
