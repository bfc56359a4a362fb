"""A backend without processes and a control plane without a socket: what services and routes are tried with."""

import asyncio
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from typing import Any, Self

import msgspec
from quart import Quart
from quart.typing import TestHTTPConnectionProtocol
from werkzeug.datastructures import Headers

from gateway.auth.dev import DevAuthenticator
from gateway.controlplane.app import make_app
from gateway.core.access import Principal
from gateway.core.desired import Desired
from gateway.core.errors import GatewayError
from gateway.core.observed import NOTHING, Instance, Observed
from gateway.core.ports import Authenticator, LogLine, Position
from gateway.core.routes import Endpoint, Routes
from gateway.core.tools import DesiredToolset, Registered
from gateway.services.adapters import Adapters
from gateway.services.audit import AuditLog
from gateway.services.events import Hub
from gateway.services.logs import Logs, open_logs
from gateway.services.policies import Policies
from gateway.services.reconcile import Reconciler
from gateway.services.registry import Registry
from gateway.services.sessions import Sessions
from gateway.services.tools import Tools, Toolsets
from gateway.services.traffic import Traffic
from gateway.services.workloads import workloads
from gateway.stores.kinds import POLICIES, TOOLS, TOOLSETS
from gateway.stores.memory import MemoryStore
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.cost import of_list
from gateway.toolrouter.guard import Guard
from gateway.wire import sse
from gateway.wire.hosts import Hosts
from gateway.wire.names import AdapterName, InstanceName, PrincipalId, instance_name
from gateway.wire.policies import Question, Tested
from gateway.wire.resources import AdapterSpec, ChangeEvent, Phase, Stdio
from gateway.wire.tools import OfferedTool, ToolsCost

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=UTC)
WEATHER = AdapterName("weather")

ADMIN = Principal(PrincipalId("root"), "Root", frozenset({"mcp.admin"}))
ADA = Principal(PrincipalId("ada"), "Ada", frozenset({"mcp.engineer"}))  # creates, and so writes
BEA = Principal(PrincipalId("bea"), "Bea", frozenset({"forecasters"}))  # may read what asks for forecasters
EVE = Principal(PrincipalId("eve"), "Eve")


def stdio(name: str = "weather", **fields: Any) -> AdapterSpec:
    return AdapterSpec(name=name, stdio=Stdio(command="weather-server"), **fields)


def desired(spec: AdapterSpec | None = None, *, owner: str = "ada", **fields: Any) -> Desired:
    return Desired(spec=spec or stdio(), created_by=owner, created_at=NOW, last_updated_at=NOW, **fields)


def instance(name: str = "weather-0", phase: Phase = Phase.READY, *, uid: str = "", **fields: Any) -> Instance:
    uid = uid or f"uid-{name}"
    endpoint = Endpoint(InstanceName(name), uid, "127.0.0.1", 9) if phase is Phase.READY else None
    return Instance(name=InstanceName(name), uid=uid, phase=phase, endpoint=endpoint, **fields)


class FakeBackend:
    """ports.Backend and ports.LogSource. Starts nothing: a test says what is seen, and what instances say."""

    def __init__(self) -> None:
        self.applied: list[list[Desired]] = []
        self.apply_error: Exception | None = None
        self._was_applied = asyncio.Condition()
        self.refused: GatewayError | None = None
        self.asked: list[AdapterSpec] = []
        self.ended: list[tuple[Endpoint, bytes, Sequence[tuple[bytes, bytes]]]] = []
        self.end_error: GatewayError | None = None
        self.lines: dict[InstanceName, list[LogLine]] = {}
        self.before: dict[InstanceName, list[str]] = {}  # of the life before the last restart
        self.reads = 0
        self.follows = 0
        self.open_follows = 0
        self.log_errors: list[Exception] = []  # raised by the next follows
        self._seen: dict[AdapterName, Observed] = {}
        self._changed = asyncio.Event()
        self._said = asyncio.Condition()

    # What a test does

    def see(self, adapter: str, *instances: Instance, **fields: Any) -> None:
        self._seen[AdapterName(adapter)] = Observed(instances=instances, **fields)
        self._changed.set()

    async def say(self, name: str, *texts: str) -> None:
        """An instance writes lines, a second apart."""
        lines = self.lines.setdefault(InstanceName(name), [])
        async with self._said:
            for text in texts:
                lines.append(LogLine((0, len(lines)), NOW + timedelta(seconds=len(lines)), text))
            self._said.notify_all()

    async def applies(self, times: int) -> None:
        """Once it has been told what to run that often, since it was made."""
        async with asyncio.timeout(10), self._was_applied:
            await self._was_applied.wait_for(lambda: len(self.applied) >= times)

    # Backend

    async def refusal(self, spec: AdapterSpec) -> GatewayError | None:
        self.asked.append(spec)
        return self.refused

    async def apply(self, wanted: Sequence[Desired]) -> None:
        async with self._was_applied:
            self.applied.append(list(wanted))
            self._was_applied.notify_all()
        if self.apply_error is not None:
            raise self.apply_error

    def observed(self, adapter: AdapterName) -> Observed:
        return self._seen.get(adapter, NOTHING)

    async def changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def end_session(self, endpoint: Endpoint, session: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        self.ended.append((endpoint, session, headers))
        if self.end_error is not None:
            raise self.end_error

    # LogSource

    def instances(self, adapter: AdapterName) -> Sequence[InstanceName]:
        names = (instance_name(adapter, ordinal) for ordinal in range(100))
        return [name for name in names if name in self.lines]

    async def read(
        self, instance: InstanceName, *, tail: int | None, since: datetime | None, previous: bool = False
    ) -> Sequence[LogLine]:
        self.reads += 1
        await asyncio.sleep(0)
        if previous:
            return [LogLine((-1, n), NOW, text) for n, text in enumerate(self.before.get(instance, []))]
        lines = [line for line in self.lines[instance] if since is None or line.at >= since]
        return lines if tail is None else lines[max(0, len(lines) - tail) :]

    async def end(self, instance: InstanceName) -> Position:
        lines = self.lines[instance]
        return lines[-1].position if lines else (0, -1)

    async def follow(self, instance: InstanceName, after: Position) -> AsyncIterator[LogLine]:
        self.follows += 1
        self.open_follows += 1
        try:
            async with self._said:
                while True:
                    for line in [line for line in self.lines[instance] if line.position > after]:
                        after = line.position
                        yield line
                    if self.log_errors:
                        raise self.log_errors.pop(0)
                    await self._said.wait()
        finally:
            self.open_follows -= 1


class FakeOffers:
    """ports.Offers and Policies: remembers what was published; a test says what is offered of it."""

    def __init__(self) -> None:
        self.registered = Registered()
        self.published = 0
        self.approvals = Approvals(lambda: NOW)
        self.guard = Guard(self.approvals)
        self.tools: list[OfferedTool] = []
        self.problems: dict[str, str] = {}

    def publish(self, registered: Registered) -> None:
        self.registered, self.published = registered, self.published + 1
        self.guard.publish(registered.policies)

    def tested(self, question: Question) -> list[Tested]:
        return self.guard.answer(question)

    async def settled(self) -> None:
        """At once."""

    def offered(self, tool: str | None = None) -> Sequence[OfferedTool]:
        return [each for each in self.tools if tool in (None, each.tool)]

    def problem(self, source: AdapterName) -> str:
        return self.problems.get(source, "")

    def cost(self, principal: Principal | None, toolset: DesiredToolset | None) -> ToolsCost:
        budget = toolset.spec.token_budget if toolset is not None else 0
        return of_list(toolset.name if toolset is not None else "", [each.tokens for each in self.tools], budget)


class ControlPlane:
    """All services over a memory store and a fake backend, and the application in front of them."""

    def __init__(self, logs: Logs, backend: FakeBackend, **options: Any) -> None:
        self.store, self.backend, self.routes = MemoryStore(), backend, Routes()
        self.hub = Hub(keep_alive=options.pop("keep_alive", 60.0))
        self.logs = logs
        audit: AuditLog | None = options.get("audit")
        self.sessions = Sessions(self.routes, backend, hub=self.hub, audit=audit)
        self.traffic = Traffic(self.routes, self.sessions)
        self.tool_store, self.toolset_store = MemoryStore(TOOLS), MemoryStore(TOOLSETS)
        self.policy_store = MemoryStore(POLICIES)
        self.offers = FakeOffers()
        self.reconciler = Reconciler(
            workloads(self.store, self.tool_store),
            backend,
            routes=self.routes,
            hub=self.hub,
            listeners=(self.sessions.observed, self.traffic.observed, logs.observed),
            clock=lambda: NOW,
        )
        self.adapters = Adapters(
            self.store, backend, tools=self.tool_store, reconciler=self.reconciler, clock=lambda: NOW
        )
        self.registry = Registry(
            self.tool_store,
            self.toolset_store,
            self.policy_store,
            offers=self.offers,
            reconciler=self.reconciler,
            hub=self.hub,
        )
        self.tools = Tools(
            self.tool_store,
            self.store,
            backend,
            registry=self.registry,
            reconciler=self.reconciler,
            clock=lambda: NOW,
        )
        self.toolsets = Toolsets(self.toolset_store, registry=self.registry, clock=lambda: NOW)
        self.policies = Policies(self.policy_store, registry=self.registry, clock=lambda: NOW)
        authenticator: Authenticator = options.pop("authenticator", DevAuthenticator())
        self.app: Quart = make_app(
            adapters=self.adapters,
            tools=self.tools,
            toolsets=self.toolsets,
            policies=self.policies,
            offers=self.offers,
            in_force=self.offers,
            reconciler=self.reconciler,
            hub=self.hub,
            sessions=self.sessions,
            traffic=self.traffic,
            logs=logs,
            authenticator=authenticator,
            hosts=options.pop("hosts", Hosts(is_loopback=True)),
            authentication="dev",
            **options,
        )

    async def ask(
        self, method: str, path: str, who: Principal | None = ADMIN, *, json: Any = None, **more: Any
    ) -> "Answer":
        """One request, as somebody. json: the body, encoded here."""
        headers = headers_of(who) | more.pop("headers", {})
        if json is not None:
            more["data"] = msgspec.json.encode(json)
            headers = {"Content-Type": "application/json"} | headers
        answer = await self.app.test_client().open(path, method=method, headers=headers, **more)
        data = await answer.get_data(as_text=False)
        return Answer(answer.status_code, answer.headers, bytes(data))

    async def deploy(self, spec: AdapterSpec | None = None, who: Principal = ADA) -> Desired:
        """Created, reconciled, and published; one instance of it is ready."""
        made = await self.adapters.create(who, spec or stdio())
        names = [instance_name(made.name, ordinal) for ordinal in range(made.spec.replica_count)]
        self.backend.see(made.name, *map(instance, names))
        await self.reconciler.reconcile()
        return made

    def stream(self, path: str, who: Principal = ADMIN, **headers: str) -> TestHTTPConnectionProtocol:
        return self.app.test_client().request(path, headers=headers_of(who) | headers)


class Answer(msgspec.Struct, frozen=True):
    status: int
    headers: Headers
    body: bytes

    @property
    def json(self) -> Any:
        return msgspec.json.decode(self.body)

    @property
    def errors(self) -> dict[str, list[str]]:
        found: dict[str, list[str]] = self.json["errors"]
        return found


@asynccontextmanager
async def control_plane(**options: Any) -> AsyncIterator[ControlPlane]:
    backend = FakeBackend()
    async with open_logs(backend) as logs:
        yield ControlPlane(logs, backend, **options)


def headers_of(who: Principal | None) -> dict[str, str]:
    if who is None:
        return {}
    return {"X-Dev-UserId": who.id, "X-Dev-Name": who.name, "X-Dev-Roles": ",".join(sorted(who.roles))}


class Listener:
    """Somebody who follows a hub, event by event."""

    def __init__(self, hub: Hub, who: Principal, last_event_id: str = "") -> None:
        self.chunks = hub.follow(who, last_event_id)
        self.decoder = sse.Decoder()
        self.last_event_id = last_event_id
        self._waiting: list[sse.Event] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.chunks.aclose()

    async def event(self) -> sse.Event:
        """The next that carries something."""
        async with asyncio.timeout(10):
            while not self._waiting:
                fed = self.decoder.feed(await anext(self.chunks))
                self._waiting += [each for each in fed if each.data is not None]
        event = self._waiting.pop(0)
        self.last_event_id = event.id or self.last_event_id
        return event

    async def change(self) -> ChangeEvent:
        event = await self.event()
        assert event.event == "change", event
        return msgspec.json.decode(event.data or b"", type=ChangeEvent)

    async def snapshot(self) -> list[ChangeEvent]:
        """All until `synced`."""
        found = []
        while (event := await self.event()).event == "change":
            found.append(msgspec.json.decode(event.data or b"", type=ChangeEvent))
        assert event.event == "synced"
        return found


def words(changes: Iterable[ChangeEvent]) -> list[str]:
    return [f"{each.type} {each.kind} {each.name}" for each in changes]
