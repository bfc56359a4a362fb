"""Whether the gateway lives and is ready, what it counts, and who asks. Checks nothing itself."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping

import msgspec
from quart import Blueprint, Response

from gateway.controlplane import replies
from gateway.controlplane.door import principal
from gateway.services.adapters import Adapters
from gateway.services.events import Hub
from gateway.services.reconcile import Reconciler
from gateway.services.sessions import Sessions
from gateway.wire import prometheus
from gateway.wire.resources import WhoAmI

type Check = Callable[[], str]  # why not, in a sentence; empty when all is well


class CheckResult(msgspec.Struct, frozen=True, omit_defaults=True):
    """reason: why it is not ok, in a sentence."""

    name: str
    ok: bool
    reason: str = ""


class Readiness(msgspec.Struct, frozen=True):
    """status: `ready`; `degraded`, where clients are served and something else is not as it should be; `not ready`."""

    status: str
    checks: list[CheckResult]


def health_routes(checks: Mapping[str, Check], lesser: Mapping[str, Check] | None = None) -> Blueprint:
    """lesser: what makes the gateway degraded, and leaves it ready."""
    routes = Blueprint("health", __name__)

    @routes.get("/ping")
    async def ping() -> Response:
        return replies.nothing(200)

    @routes.get("/livez")
    async def livez() -> Response:
        return Response(b"ok\n", content_type="text/plain")

    @routes.get("/readyz")
    async def readyz() -> Response:
        results = [CheckResult(name, not reason, reason) for name, reason in _asked(checks)]
        degraded = [CheckResult(name, not reason, reason) for name, reason in _asked(lesser or {})]
        if all(each.ok for each in results):
            status = "ready" if all(each.ok for each in degraded) else "degraded"
            return replies.json(Readiness(status, [*results, *degraded]))
        results += degraded
        return replies.json(Readiness("not ready", results), 503, {"Retry-After": "2"})

    return routes


def _asked(checks: Mapping[str, Check]) -> Iterator[tuple[str, str]]:
    for name, check in checks.items():
        yield name, check()


def whoami_routes(adapters: Adapters, authentication: str) -> Blueprint:
    """authentication: how callers are known, such as `dev` or `oidc`."""
    routes = Blueprint("whoami", __name__)

    @routes.get("/whoami")
    async def whoami() -> Response:
        who = principal()
        permissions = [
            name for name, is_given in (("create", adapters.may_create(who)), ("admin", who.is_admin)) if is_given
        ]
        return replies.json(
            WhoAmI(
                id=who.id,
                name=who.name,
                roles=sorted(who.roles),
                permissions=permissions,
                authentication=authentication,
            )
        )

    return routes


def metric_routes(
    reconciler: Reconciler, sessions: Sessions, hub: Hub, data_plane: Callable[[], Iterable[str]]
) -> Blueprint:
    """data_plane: more lines, in Prometheus' text form, without their ends."""
    routes = Blueprint("metrics", __name__)

    @routes.get("/metrics")
    async def metrics() -> Response:
        lines = [*_own(reconciler, sessions, hub), *data_plane()]
        return Response("".join(f"{line}\n" for line in lines).encode(), content_type=prometheus.CONTENT_TYPE)

    return routes


def _own(reconciler: Reconciler, sessions: Sessions, hub: Hub) -> Iterator[str]:
    statuses = sorted(reconciler.statuses().items())
    phases = sorted(Counter(status.phase for _, status in statuses).items())
    yield from prometheus.family(
        "mcpdeck_adapters", "gauge", "Adapters by phase.", *(({"phase": phase}, count) for phase, count in phases)
    )
    yield from prometheus.family(
        "mcpdeck_adapter_ready_replicas",
        "gauge",
        "Ready instances of each adapter.",
        *(({"adapter": name}, status.ready_replicas) for name, status in statuses),
    )
    yield from prometheus.family(
        "mcpdeck_sessions",
        "gauge",
        "Live MCP sessions by adapter and era.",
        *(({"adapter": adapter, "era": era}, count) for (adapter, era), count in sorted(sessions.counts().items())),
    )
    yield from prometheus.single("mcpdeck_event_streams", "gauge", "Readers of /events.", hub.readers)
