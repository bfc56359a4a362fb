"""The gateway, alone or leading workers: opens every room in order, hands each what it needs, and closes in reverse."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

from gateway.bridge.sealing import Seals
from gateway.compose.ground import ground_of
from gateway.compose.house import (
    House,
    Renewed,
    bounds_of,
    hosts_of,
    kept_running,
    make_private,
    renew,
    trusted,
)
from gateway.compose.replicas import open_shared, share, shares_of
from gateway.controlplane.app import make_app
from gateway.core.access import folded
from gateway.core.affinity import Sealer
from gateway.core.routes import Routes
from gateway.dataplane import exposition
from gateway.dataplane.pipeline import Pipeline
from gateway.services.adapters import Adapters
from gateway.services.audit import open_audit
from gateway.services.events import Hub
from gateway.services.logs import Logs, open_logs
from gateway.services.policies import Policies
from gateway.services.reconcile import Reconciler
from gateway.services.registry import Registry
from gateway.services.sessions import Sessions
from gateway.services.tools import Tools, Toolsets
from gateway.services.traffic import Traffic
from gateway.services.witness import Witness
from gateway.services.workloads import workloads
from gateway.settings import Settings
from gateway.stores.keys import keep_keys, load_keys
from gateway.stores.recordings import open_recordings
from gateway.toolrouter.router import Router
from gateway.workers.lead import Lead, leading, unix_listener
from gateway.workers.words import DOOR

_UNKEPT = "what is recorded is in memory alone: the gateway's log says why"  # and where, which is not for everybody


@asynccontextmanager
async def opened(
    settings: Settings, variables: Mapping[str, str], *, meeting: Path | None = None
) -> AsyncIterator[House]:
    """Everything but the port. Raises Misconfigured, and GatewayError for what can't be opened.

    meeting: the folder in which this one leads other workers.
    """
    make_private(settings)
    keys = load_keys(settings.seal_keys)
    identified, shares = trusted(settings, variables, keys), shares_of(variables)
    authenticator, tokens = identified.authenticator, identified.tokens
    hosts = hosts_of(settings, identified.public_url)
    routes, hub = Routes(), Hub()
    held, stopping = _Held(), _Stopping()
    async with AsyncExitStack() as stack:
        enter = stack.enter_async_context
        audit = await enter(open_audit(settings.audit))
        shared = await enter(open_shared(shares, keys)) if shares is not None else None
        ground = await enter(ground_of(settings, variables, tokens=tokens, load=held.count))
        held.sessions = sessions = Sessions(routes, ground.backend, hub=hub, audit=audit, tokens=tokens)
        recordings = await enter(open_recordings(settings.recordings, keys, most_bytes=settings.max_recordings))
        traffic = Traffic(routes, sessions, recordings=recordings)
        logs = await enter(open_logs(ground.backend.logs))
        sealer, seals, witness = Sealer(keys), Seals(keys), Witness(audit)
        router = Router(routes, sealer, witness=witness, budget=settings.token_budget)
        lead = Lead(
            routes,
            sessions,
            audit,
            is_weighed=lambda: router.has_policies,
            listened=lambda: traffic.listened,
        )
        traffic.on_turn = lead.publish
        home, homes = "", None
        renewed: list[Renewed] = [sealer, seals, identified, recordings]
        if shares is not None and shared is not None:
            home, homes = share(shares, shared, sessions, traffic, router)
            identified.share(shared.vault)
            renewed.append(shared)
        reconciler = Reconciler(
            workloads(ground.adapters, ground.tools),
            ground.backend,
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
        registry = Registry(
            ground.tools, ground.toolsets, ground.policies, offers=router, reconciler=reconciler, hub=hub
        )

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
                home=home,
                homes=homes,
            )
        )
        traffic.join(pipeline.tapped)
        await enter(router.serving(pipeline))
        create_roles, identity_roles = folded(settings.create_roles), folded(settings.identity_roles)
        app = make_app(
            adapters=Adapters(
                ground.adapters,
                ground.backend,
                tools=ground.tools,
                reconciler=reconciler,
                create_roles=create_roles,
                identity_roles=identity_roles,
            ),
            tools=Tools(
                ground.tools,
                ground.adapters,
                ground.backend,
                registry=registry,
                reconciler=reconciler,
                create_roles=create_roles,
                identity_roles=identity_roles,
            ),
            toolsets=Toolsets(ground.toolsets, registry=registry, create_roles=create_roles),
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
            lesser_checks={
                "recordings": lambda: _UNKEPT if recordings.trouble else "",
                **({"redis": lambda: shared.trouble} if shared is not None else {}),
            },
            partial=lambda: shared.trouble if shared is not None else "",
            anonymous=settings.anonymous,
            blueprints=identified.blueprints,
        )
        tasks = {
            "reconcile": reconciler.run(),
            "read what is registered": registry.run(),
            "let idle sessions go": sessions.run(),
            "keep the keys": keep_keys(settings.seal_keys, partial(renew, renewed)),
        }
        if shared is not None:
            tasks["redis: what replicas share"] = shared.run()
        async with kept_running(tasks):
            begin = partial(stopping.begin, hub, logs, traffic, router)
            if meeting is None:
                yield House(pipeline, app, begin)
            else:
                await enter(leading(lead, meeting))
                inner = (unix_listener(meeting / DOOR),)
                yield House(pipeline, app, begin, inner=inner, settled=lead.followers_gone)


class _Held:
    """What an instance has in hand, for the backend, which is there before the sessions are."""

    sessions: Sessions | None = None

    def count(self, uid: str) -> int:
        return self.sessions.held(uid) if self.sessions is not None else 0


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
