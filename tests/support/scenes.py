"""Fixed data that looks like a team's day, for the deck's tests and for the screenshots. Nothing here is random."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from gateway.wire.resources import (
    Adapter,
    AdapterSpec,
    AdapterStatus,
    InstanceStatus,
    LiveSession,
    Phase,
    Stdio,
)
from tests.support.fake_gateway import NOW, Scene, stored

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def stdio(name: str, command: str, *arguments: str, **fields: object) -> AdapterSpec:
    return AdapterSpec(name=name, stdio=Stdio(command=command, args=list(arguments)), **fields)  # type: ignore[arg-type]


def image(name: str, repository: str, tag: str, **fields: object) -> AdapterSpec:
    return AdapterSpec(name=name, image_name=repository, image_version=tag, **fields)  # type: ignore[arg-type]


def url(name: str, address: str, **fields: object) -> AdapterSpec:
    return AdapterSpec(name=name, url=address, **fields)  # type: ignore[arg-type]


def instance(name: str, phase: Phase = Phase.READY, **fields: object) -> InstanceStatus:
    defaults: dict[str, object] = {"ready": phase is Phase.READY, "started_at": NOW - 3 * HOUR, "uid": f"uid-{name}"}
    return InstanceStatus(name=name, phase=phase, **(defaults | fields))  # type: ignore[arg-type]


def status(phase: Phase, instances: Sequence[InstanceStatus], *, reason: str = "", message: str = "") -> AdapterStatus:
    ready = sum(it.ready for it in instances)
    return AdapterStatus(
        ready_replicas=ready,
        updated_replicas=len(instances),
        available_replicas=ready,
        image="",
        replica_status="Healthy" if ready == len(instances) else f"Degraded: {ready}/{len(instances)} ready",
        phase=phase,
        reason=reason,
        message=message,
        instances=list(instances),
    )


_CLIENTS = (("claude-code", "2.1.4"), ("vscode", "1.107"), ("cursor", "3.2"), ("codex", "0.61"))
_USERS = (("ada", "Ada Lovelace"), ("bea", "Bea Vogel"), ("kim", "Kim Ito"), ("tom", ""))


_ERRORS = ("tools/call 504: the instance did not answer within 30 s", "tools/call -32602: unknown argument 'town'")


def session(number: int, adapter: str, instance: str, **fields: object) -> LiveSession:
    """The same for the same number: every third client speaks the modern era, every seventh has met errors."""
    client, version = _CLIENTS[number % len(_CLIENTS)]
    principal, name = _USERS[number % len(_USERS)]
    calls = number * 37 % 211
    defaults: dict[str, object] = {
        "id": f"{(number + 1) * 0x9E3779B97F4A7C15 % 2**64:016x}",
        "adapter": adapter,
        "instance": instance,
        "era": "legacy" if number % 3 else "modern",
        "principal": principal,
        "principal_name": name,
        "client_name": client,
        "client_version": version,
        "protocol_version": "2025-11-25" if number % 3 else "2026-07-28",
        "opened_at": NOW - number * 7 * MINUTE - 20 * SECOND,
        "last_used_at": NOW - (number * 13 % 400) * SECOND,
        "calls": calls,
        "in_flight": 1 if number % 5 == 2 else 0,
        "streams": number % 2,
        "errors": 0 if number % 7 else number % 4,
        "bytes_in": calls * 412,
        "bytes_out": calls * 3_901,
        "rate": number * 17 % 60 / 40 if number * 13 % 400 < 60 else 0.0,
        "p95": 0.018 * (1 + number * 5 % 23) if calls else None,
        "oldest_call_at": NOW - (number * 3 % 41) * SECOND if number % 5 == 2 else None,
    }
    if number % 7 == 0 and number % 4:
        defaults |= {"last_error": _ERRORS[number % 2], "last_error_at": NOW - (number % 30) * MINUTE}
    return LiveSession(**(defaults | fields))  # type: ignore[arg-type]


def add(scene: Scene, spec: AdapterSpec, owner: str, age: timedelta, told: AdapterStatus | None = None) -> Adapter:
    """Put an adapter into a scene; healthy unless told otherwise."""
    adapter = stored(spec, owner=owner, created_at=NOW - age)
    scene.adapters[adapter.name] = adapter
    healthy = [instance(f"{adapter.name}-{n}") for n in range(spec.replica_count)]
    scene.statuses[adapter.name] = told or status(Phase.READY, healthy)
    return adapter


def empty() -> Scene:
    return Scene()


def team() -> Scene:
    """Fourteen adapters, some in trouble, and the sessions of a working day."""
    scene = Scene()
    add(
        scene,
        stdio("weather", "uvx", "mcp-server-weather", replica_count=3, description="Forecasts for every site"),
        "ada",
        12 * DAY,
    )
    add(scene, stdio("time", "uvx", "mcp-server-time", "--local-timezone=Europe/Berlin"), "ada", 12 * DAY)
    add(scene, url("github", "https://api.githubcopilot.com/mcp", required_roles=["developers"]), "bea", 41 * DAY)
    add(scene, image("jira-proxy", "ghcr.io/acme/jira-mcp", "2.4.1", replica_count=2), "bea", 3 * DAY,
        status(Phase.ROLLING, [instance("jira-proxy-0"), instance("jira-proxy-1", Phase.STARTING, started_at=NOW - 8 * SECOND)],
               reason="Progressing"))  # fmt: skip
    add(scene, image("search", "ghcr.io/acme/search-mcp", "1.0.0", replica_count=3), "kim", 95 * MINUTE,
        status(Phase.DEGRADED, [instance("search-0", restarts=1), instance("search-1", restarts=1),
                                instance("search-2", Phase.FAILED, restarts=7, reason="OOMKilled", message="limit is 512Mi")],
               reason="OOMKilled", message="search-2 was killed: it used more than its limit of 512Mi.\nRaise resources.limits.memory, or find the leak."))  # fmt: skip
    add(scene, image("legacy-crm", "registry.example.com/crm-mcp", "latest"), "tom", 26 * MINUTE,
        status(Phase.FAILED, [instance("legacy-crm-0", Phase.FAILED, restarts=0, reason="ImagePullBackOff")],
               reason="ImagePullBackOff", message="registry.example.com/crm-mcp:latest: unauthorized"))  # fmt: skip
    add(
        scene,
        stdio("filesystem", "npx", "@modelcontextprotocol/server-filesystem", "/srv/docs", replica_count=2),
        "tom",
        8 * DAY,
    )
    add(
        scene,
        stdio("postgres-read", "uvx", "postgres-mcp", "--access-mode=restricted", replica_count=2),
        "kim",
        66 * DAY,
    )
    add(scene, url("linear", "https://mcp.linear.app/mcp"), "bea", 19 * DAY)
    add(scene, stdio("sentry", "npx", "@sentry/mcp-server", replica_count=2), "kim", 19 * DAY)
    add(scene, stdio("browser", "npx", "@playwright/mcp", "--headless", replica_count=4), "ada", 5 * HOUR)
    add(scene, stdio("memory", "npx", "@modelcontextprotocol/server-memory", replica_count=0), "tom", 33 * DAY,
        status(Phase.STOPPED, []))  # fmt: skip
    add(scene, stdio("fetch", "uvx", "mcp-server-fetch"), "ada", 2 * DAY)
    add(scene, stdio("everything", "npx", "@modelcontextprotocol/server-everything"), "ada", 47 * SECOND,
        status(Phase.STARTING, [instance("everything-0", Phase.STARTING, started_at=NOW - 2 * timedelta(seconds=1))]))  # fmt: skip
    counts = {"weather": 12, "github": 31, "browser": 9, "postgres-read": 4, "jira-proxy": 3, "search": 6, "time": 2,
              "filesystem": 5, "linear": 7, "fetch": 1}  # fmt: skip
    for adapter, count in counts.items():
        replicas = max(1, scene.statuses[adapter].ready_replicas)
        for n in range(count):
            made = session(len(scene.sessions), adapter, f"{adapter}-{n % replicas}")
            scene.sessions[made.id] = made
    scene.logs["weather"] = weather_log()
    return scene


_REQUESTS = (
    "INFO  session 7f3a opened by claude-code 2.1",
    "INFO  tools/call get_forecast city=Oslo days=3 → ok in 41 ms",
    "DEBUG cache miss for Oslo, asking upstream",
    "INFO  tools/call get_alerts area=NO → ok in 12 ms",
    "WARN  upstream answered in 2,310 ms, slower than 1,000 ms",
    "INFO  tools/call get_forecast city=Bergen days=5 → ok in 38 ms",
    "ERROR upstream answered 503, retrying in 1 s",
    "INFO  tools/list → 4 tools in 3 ms",
    "INFO  tools/call get_forecast city=Tromsø days=1 → ok in 44 ms",
)


def weather_log(lines: int = 240) -> list[str]:
    """As the gateway merges three replicas with time stamps."""
    first: datetime = NOW - lines * timedelta(seconds=2)
    return [
        f"[weather-{n * 7 % 3}] {first + n * timedelta(seconds=2):%Y-%m-%dT%H:%M:%S}.{n * 37 % 1000:03}Z {_REQUESTS[n * 5 % len(_REQUESTS)]}"
        for n in range(lines)
    ]
