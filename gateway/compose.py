"""Who meets whom: opens every room in order, hands each what it needs, closes them in reverse. Decides nothing else."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never
from urllib.parse import urlsplit

import msgspec

from gateway.auth.configured import Opened, identity, opened_dev
from gateway.backends.kubernetes.backend import KubernetesBackend, kubernetes_backend
from gateway.backends.kubernetes.shape import Shape
from gateway.backends.process.backend import ProcessBackend, process_backend
from gateway.bridge.sealing import Seals
from gateway.cluster.api import open_api, own_namespace
from gateway.cluster.desires import open_desires
from gateway.controlplane.app import make_app
from gateway.core.access import Principal, folded
from gateway.core.affinity import Sealer
from gateway.core.errors import GatewayError
from gateway.core.inbound import Legacy, Modern
from gateway.core.ports import Exchange, Go, Store, Tokens
from gateway.core.routes import Routes
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset
from gateway.dataplane import exposition
from gateway.dataplane.bounds import Bounds
from gateway.dataplane.lane import give_away
from gateway.dataplane.pipeline import Pipeline
from gateway.services.adapters import Adapters
from gateway.services.audit import open_audit
from gateway.services.events import Hub
from gateway.services.homes import Homes
from gateway.services.logs import Logs, open_logs
from gateway.services.policies import Policies
from gateway.services.reconcile import Reconciler
from gateway.services.registry import Registry
from gateway.services.sessions import Sessions
from gateway.services.tools import Tools, Toolsets
from gateway.services.traffic import Traffic
from gateway.services.witness import Witness
from gateway.services.workloads import workloads
from gateway.settings import BackendKind, Misconfigured, Settings
from gateway.stores.configured import Sharing, sharing
from gateway.stores.keys import keep_keys, load_keys
from gateway.stores.kinds import POLICIES, TOOLS, TOOLSETS
from gateway.stores.kubernetes import stores
from gateway.stores.sqlite import open_sqlite
from gateway.toolrouter.router import Router
from gateway.wire.hosts import Hosts, host_name, is_loopback_name
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName
from gateway.workers.door import Onward
from gateway.workers.follower import Entries, Following, Reporting
from gateway.workers.lead import Lead, leading, unix_listener
from gateway.workers.words import DOOR


async def _at_once(_seconds: float) -> None:
    """Nobody is to be waited for."""


if TYPE_CHECKING:
    from gateway.stores.redis_shared import RedisShared


class House(msgspec.Struct, frozen=True):
    """What the server serves. on_stopping: readiness goes, and streams without an end of their own end.

    onward: where a follower's other clients go. inner: local sockets by which they come to the lead. settled: waits for
    who still needs what is closed next, so many seconds at most.
    """

    pipeline: Pipeline
    app: Any
    on_stopping: Callable[[], None]
    onward: Onward | None = None
    inner: tuple[socket.socket, ...] = ()
    settled: Callable[[float], Awaitable[None]] = _at_once


def bounds_of(settings: Settings) -> Bounds:
    return Bounds(
        connections=settings.max_connections,
        connections_per_peer=settings.max_connections_per_peer,
        streams=settings.max_streams,
        sessions=settings.max_sessions,
        requests=settings.max_requests,
        event=settings.max_event,
        request_time=settings.request_time,
        keep_alive=settings.keep_alive,
    )


def trusted(settings: Settings, variables: Mapping[str, str], keys: list[bytes]) -> Opened:
    """Authentication as configured; dev authentication on loopback without an issuer. Raises Misconfigured."""
    allow_private = _allows_private(settings)
    try:
        configured = identity(variables)
        if configured is not None:
            return configured.open(keys, allow_private=allow_private)
        if is_loopback_name(settings.host):
            return opened_dev(variables, settings.dev_roles, allow_private=allow_private)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    raise Misconfigured(
        f"--bind {settings.host} is reached by others, and no issuer says who they are: configure one "
        "(MCPDECK_ENTRA_TENANT or MCPDECK_OIDC_ISSUERS, see docs/identity.md), or bind 127.0.0.1"
    )


@asynccontextmanager
async def opened(
    settings: Settings, variables: Mapping[str, str], *, meeting: Path | None = None
) -> AsyncIterator[House]:
    """Everything but the port. Raises Misconfigured, and GatewayError for what can't be opened.

    meeting: the folder in which this one leads other workers.
    """
    folder = settings.data_dir
    _make_private(settings)
    keys = load_keys(folder / "seal.keys")
    identified, shares = trusted(settings, variables, keys), _shares(variables)
    authenticator, tokens = identified.authenticator, identified.tokens
    hosts = _hosts(settings, identified.public_url)
    routes, hub = Routes(), Hub()
    held, stopping = _Held(), _Stopping()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        audit = await enter(open_audit(settings.audit))
        shared = await enter(_shared(shares, keys)) if shares is not None else None
        ground = await enter(_ground(settings, variables, tokens=tokens, load=held.count))
        store, tool_store, toolset_store, backend = ground.adapters, ground.tools, ground.toolsets, ground.backend
        held.sessions = sessions = Sessions(routes, backend, hub=hub, audit=audit, tokens=tokens)
        traffic = Traffic(routes, sessions)
        logs = await enter(open_logs(backend.logs))
        sealer, seals = Sealer(keys), Seals(keys)
        witness = Witness(audit)
        router = Router(routes, sealer, witness=witness, budget=settings.token_budget)
        lead = Lead(
            routes,
            sessions,
            audit,
            is_weighed=lambda: router.has_policies,
            listened=lambda: traffic.listened,
        )
        traffic.on_turn = lead.publish
        together = _share(shares, shared, sessions, traffic, router) if shares and shared else {}
        if shared is not None:
            identified.share(shared.vault)
        reconciler = Reconciler(
            workloads(store, tool_store),
            backend,
            routes=routes,
            hub=hub,
            listeners=(
                sessions.observed,
                traffic.observed,
                logs.observed,
                router.heed,
                lambda _observed: lead.publish(),
            ),
        )
        registry = Registry(tool_store, toolset_store, ground.policies, offers=router, reconciler=reconciler, hub=hub)

        def offers_changed() -> None:
            registry.stir()
            lead.publish()  # a policy may be the first, or have been the last

        router.on_change = offers_changed
        pipeline = await enter(
            Pipeline(
                routes,
                authenticator,
                sessions,
                sealer,
                seals=seals,
                hosts=hosts,
                tools=router,
                witness=witness,
                assertions=identified.assertions,
                tokens=tokens,
                challenge=identified.challenge,
                scheme="https" if settings.tls_certificate else "http",
                bounds=bounds_of(settings),
                **together,
            )
        )
        traffic.join(pipeline.tapped)
        await enter(router.serving(pipeline))
        create_roles, identity_roles = folded(settings.create_roles), folded(settings.identity_roles)
        app = make_app(
            adapters=Adapters(
                store, backend, reconciler=reconciler, create_roles=create_roles, identity_roles=identity_roles
            ),
            tools=Tools(
                tool_store,
                store,
                backend,
                registry=registry,
                reconciler=reconciler,
                create_roles=create_roles,
                identity_roles=identity_roles,
            ),
            toolsets=Toolsets(toolset_store, registry=registry, create_roles=create_roles),
            policies=Policies(ground.policies, registry=registry),
            offers=router,
            in_force=router,
            reconciler=reconciler,
            hub=hub,
            sessions=sessions,
            traffic=traffic,
            logs=logs,
            authenticator=authenticator,
            hosts=hosts,
            authentication=identified.name,
            audit=audit,
            metrics=lambda: [
                *exposition.lines(pipeline.counters.plus(lead.counted())),
                *(shared.metrics() if shared is not None else ()),
            ],
            checks={"stopping": stopping.reason, "tools": lambda: registry.trouble},
            lesser_checks={"redis": lambda: shared.trouble} if shared is not None else {},
            partial=lambda: shared.trouble if shared is not None else "",
            anonymous=settings.anonymous,
            blueprints=identified.blueprints,
        )
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(reconciler.run(), name="reconcile"),
                tasks.create_task(registry.run(), name="read what is registered"),
                tasks.create_task(sessions.run(), name="let idle sessions go"),
                tasks.create_task(
                    keep_keys(folder / "seal.keys", partial(_renew, sealer, seals, identified, shared)),
                    name="keep the keys",
                ),
            ]
            if shared is not None:
                running.append(tasks.create_task(shared.run(), name="redis: what replicas share"))
            begin = partial(stopping.begin, hub, logs, traffic, router)
            if meeting is None:
                yield House(pipeline, app, begin)
            else:
                await enter(leading(lead, meeting))
                inner = (unix_listener(meeting / DOOR),)
                yield House(pipeline, app, begin, inner=inner, settled=lead.followers_gone)
            for task in running:
                task.cancel()


@asynccontextmanager
async def following(
    settings: Settings, variables: Mapping[str, str], *, number: int, meeting: Path
) -> AsyncIterator[House]:
    """A worker beside the one that leads: it passes bytes between clients and adapters, and sends all else on."""
    _make_private(settings)
    keys = load_keys(settings.data_dir / "seal.keys")
    identified = trusted(settings, variables, keys)
    routes, entries, sealer = Routes(), Entries(), Sealer(keys)
    sessions = Reporting(routes, entries)
    async with Onward(meeting) as onward, AsyncExitStack() as stack:
        distant = Distant()
        pipeline = await stack.enter_async_context(
            Pipeline(
                routes,
                identified.authenticator,
                sessions,
                sealer,
                hosts=_hosts(settings, identified.public_url),
                tools=distant,
                witness=Witness(entries),
                assertions=identified.assertions,
                tokens=identified.tokens,
                challenge=identified.challenge,
                scheme="https" if settings.tls_certificate else "http",
                bounds=bounds_of(settings),
                elsewhere=give_away,
            )
        )
        link = Following(
            number,
            meeting,
            routes,
            sessions=sessions,
            entries=entries,
            counters=pipeline.counters.numbers,
            divert=pipeline.divert,
        )
        distant.link = link
        async with asyncio.TaskGroup() as tasks:
            running = [
                tasks.create_task(link.run(), name="follow the lead"),
                tasks.create_task(sessions.run(), name="let idle sessions go"),
                tasks.create_task(
                    keep_keys(settings.data_dir / "seal.keys", partial(_renew, sealer, None, identified, None)),
                    name="keep the keys",
                ),
            ]
            await link.has_routes.wait()
            yield House(pipeline, None, lambda: None, onward=onward)
            for task in running:
                task.cancel()


def _renew(
    sealer: Sealer, seals: Seals | None, identified: Opened, shared: "RedisShared | None", keys: Sequence[bytes]
) -> None:
    for each in (sealer, seals, identified, shared):
        if each is not None:
            each.renew(keys)


class Distant:
    """core.ports.ToolsDoor of a follower: the lead's is meant, to which everything goes."""

    link: Following | None = None

    @property
    def has_policies(self) -> bool:
        return self.link is not None and self.link.is_weighed

    def serve(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:  # noqa: ARG002
        give_away(exchange)

    def weigh(
        self,
        exchange: Exchange,
        principal: Principal,  # noqa: ARG002 - the lead finds out itself
        adapter: AdapterName,  # noqa: ARG002
        *,
        era: Era,  # noqa: ARG002
        go: Go,  # noqa: ARG002
        refused: Callable[[int], None],  # noqa: ARG002
    ) -> None:
        give_away(exchange)


def _shares(variables: Mapping[str, str]) -> Sharing | None:
    try:
        return sharing(variables)
    except ValueError as error:
        raise Misconfigured(str(error)) from error


def _shared(shares: Sharing, keys: list[bytes]) -> AbstractAsyncContextManager["RedisShared"]:
    from gateway.stores.redis_shared import open_redis

    return open_redis(shares.redis_url, keys, ttl=shares.ttl)


def _share(
    shares: Sharing, shared: "RedisShared", sessions: Sessions, traffic: Traffic, router: Router
) -> dict[str, Any]:
    """What there is to share is from now on. Where this replica is, and where others are, for the pipeline."""
    sessions.share(shared)
    traffic.share(shared)
    router.share(shared, is_strict=shares.is_strict)
    home = f"{shares.replica_url}#{shared.name}"
    return {"home": home, "homes": Homes(shared, home)}


class _Ground(msgspec.Struct, frozen=True):
    """Where desired state is kept, and where it runs: this machine, or a cluster."""

    adapters: Store
    tools: Store[DesiredTool]
    toolsets: Store[DesiredToolset]
    policies: Store[DesiredPolicy]
    backend: ProcessBackend | KubernetesBackend


@asynccontextmanager
async def _ground(
    settings: Settings, variables: Mapping[str, str], *, tokens: Tokens | None, load: Callable[[str], int]
) -> AsyncIterator[_Ground]:
    reach: dict[str, Any] = {
        "allow_private": _allows_private(settings),
        "allow_http": settings.allow_http_urls,
        "tokens": tokens,
    }
    match settings.backend:
        case BackendKind.PROCESS:
            folder = settings.data_dir
            running = process_backend(
                folder, environ=variables, passed=settings.pass_env, max_body=settings.max_body, load=load, **reach
            )
            async with open_sqlite(folder / "state.sqlite") as store, running as backend:
                yield _Ground(store, store.beside(TOOLS), store.beside(TOOLSETS), store.beside(POLICIES), backend)
        case BackendKind.KUBERNETES:
            namespace, context = settings.cluster_namespace, settings.cluster_context
            async with (
                open_api(namespace=namespace, kubeconfig=settings.kubeconfig, context=context) as api,
                open_desires(api) as desires,
                kubernetes_backend(api, desires, _shape(settings), **reach) as pods,
            ):
                kept = stores(api, desires)
                yield _Ground(kept.adapters, kept.tools, kept.toolsets, kept.policies, pods)
        case other:
            assert_never(other)


def _shape(settings: Settings) -> Shape:
    return Shape(
        runner_image=settings.runner_image,
        registry=settings.registry,
        pull_policy=settings.pull_policy,
        pull_secrets=settings.pull_secrets,
        workload_account=settings.workload_account,
        drain=settings.pod_drain,
        allow_private_egress=_allows_private(settings),
        gateway_namespace=own_namespace(),
    )


class _Held:
    """What an instance has in hand, for the backend, which is there before the sessions are."""

    sessions: Sessions | None = None

    def count(self, uid: str) -> int:
        return self.sessions.held(uid) if self.sessions is not None else 0


def _allows_private(settings: Settings) -> bool:
    """Whether `url` adapters may lie in private networks."""
    is_loopback = is_loopback_name(settings.host)
    return is_loopback if settings.allow_private_urls is None else settings.allow_private_urls


def _hosts(settings: Settings, public_url: str) -> Hosts:
    """Behind a proxy clients come with the public URL's host, also where only loopback is bound."""
    is_loopback = is_loopback_name(settings.host)
    hosts, origins = settings.allow_hosts, settings.allow_origins
    if public_url:
        hosts = hosts | {host_name(urlsplit(public_url).netloc)} if is_loopback or hosts else hosts
        origins |= {public_url}
    return Hosts(is_loopback, hosts, origins)


class _Stopping:
    """Readiness goes first, for balancers; then what lasts, ends."""

    has_begun = False

    def reason(self) -> str:
        return "the gateway is stopping" if self.has_begun else ""

    def begin(self, hub: Hub, logs: Logs, traffic: Traffic, router: Router) -> None:
        self.has_begun = True
        hub.close()
        logs.close()
        traffic.close()
        router.stop()


def _make_private(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise GatewayError(f"--data-dir {settings.data_dir} can't be made: {error.strerror}") from error
