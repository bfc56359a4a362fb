"""ports.Backend on a cluster: objects applied, pods watched, and what follows told.

Knows which adapter is served by which pods, or by a watch over a server elsewhere; the how is others' business.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.backends.kubernetes.applier import Applier, Leftover
from gateway.backends.kubernetes.asking import Asker
from gateway.backends.kubernetes.instances import Spoken, instance_of
from gateway.backends.kubernetes.logs import Logs
from gateway.backends.kubernetes.pod import image_of, template_of
from gateway.backends.kubernetes.queue import Queue
from gateway.backends.kubernetes.refusals import EVENTS, Refusals
from gateway.backends.kubernetes.secrets import Secrets
from gateway.backends.kubernetes.shape import ADAPTER_LABEL, SELECTOR, SPEAKS_MCP, TEMPLATE, Shape
from gateway.backends.kubernetes.statuses import Statuses
from gateway.backends.reach.caller import Caller, open_caller
from gateway.backends.reach.goodbye import end_session
from gateway.backends.reach.patience import PATIENCE, Patience
from gateway.backends.reach.refusals import refusal_of_url
from gateway.backends.reach.remote import Egress, Resolve
from gateway.backends.reach.remotes import Remotes
from gateway.cluster.api import Api
from gateway.cluster.desires import Desires, synced
from gateway.cluster.mirror import Mirror
from gateway.cluster.objects import EVENT, POD, STATEFUL_SET, Event, Pod
from gateway.core.desired import Desired
from gateway.core.errors import Conflict, GatewayError
from gateway.core.observed import NOTHING, Instance, Observed
from gateway.core.ports import Tokens
from gateway.core.routes import Endpoint
from gateway.services import names
from gateway.wire.names import AdapterName, InstanceName, instance_name, split_instance_name
from gateway.wire.resources import AdapterSpec, Phase

RESYNC: Final = 900.0  # seconds in which every adapter's objects are applied anew, whatever they look like

LEAVING: Final = 2  # seconds that a pod gets whose adapter was deleted

log = logging.getLogger(__name__)


class KubernetesBackend:
    """Made by `kubernetes_backend`."""

    def __init__(
        self,
        api: Api,
        desires: Desires,
        shape: Shape,
        *,
        tasks: asyncio.TaskGroup,
        caller: Caller,
        egress: Egress,
        resolve: Resolve,
        patience: Patience,
    ) -> None:
        self._api, self._desires, self._shape = api, desires, shape
        self._caller, self._egress, self._resolve = caller, egress, resolve
        self._patience = patience
        self._desired: dict[AdapterName, Desired] = {}
        self._templates: dict[AdapterName, str] = {}
        self._failures: dict[AdapterName, GatewayError] = {}
        self._observed: dict[AdapterName, Observed] = {}
        self._by_adapter: dict[AdapterName, dict[str, Pod]] = {}
        self._changed = asyncio.Event()
        self.pods = Mirror(api, POD, Pod, selector=SELECTOR, on_change=self._pod_changed)
        self._refusals = Refusals()
        self.events = Mirror(api, EVENT, Event, fields=EVENTS, on_change=self._event_changed)
        self.applier = Applier(api, shape, self._object_changed)
        self.statuses = Statuses(api, desires, wanted=self._desired.get, observed=self.observed)
        self.queue = Queue(self._bring_about)
        self.logs = Logs(api, self.pods.items, lambda name: list(self._by_adapter.get(name, {}).values()))
        self._remotes = Remotes(
            tasks,
            self._stir,
            caller=caller,
            secrets=Secrets(api).values,
            egress=egress,
            resolve=resolve,
            patience=patience,
        )
        self._asker = Asker(
            self.pods.items,
            tasks=tasks,
            caller=caller,
            patience=patience,
            path=self._path,
            confirm=self._confirm,
            last_words=self.logs.last_words,
            on_news=self._pod_told,
        )

    # ports.Backend

    async def refusal(self, spec: AdapterSpec) -> GatewayError | None:
        if spec.url:
            return await refusal_of_url(spec, self._egress, self._resolve, seconds=self._patience.resolve)
        name = AdapterName(spec.name)
        return await self.applier.conflict(name, self._desires.uids(name))

    async def apply(self, desired: Sequence[Desired]) -> None:
        wanted = {each.name: each for each in desired}
        gone = list(self._desired.keys() - wanted.keys())
        changed = [(each, self._desired.get(name)) for name, each in wanted.items() if self._desired.get(name) != each]
        self._desired.update(wanted)
        for name in gone:
            del self._desired[name]
            self._dismiss(name)
        for each, before in changed:
            self._want(each, before)

    def observed(self, adapter: AdapterName) -> Observed:
        found = self._observed.get(adapter)
        if found is None:
            found = self._observed[adapter] = self._look(adapter)
        return found

    async def changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def end_session(self, endpoint: Endpoint, session: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        await end_session(self._caller, endpoint, session, headers, seconds=self._patience.answer)

    def close(self) -> None:
        """Watches over servers elsewhere end; what runs in the cluster goes on."""
        self._asker.close()
        for name in self._remotes:
            self._remotes.dismiss(name)

    # its own loops

    async def resync(self) -> None:
        """One adapter after the other, so that what was changed while nobody looked is set right too."""
        while True:
            names = list(self._desired)
            for name in names:
                await asyncio.sleep(RESYNC / len(names))
                self.queue.add(name, is_thorough=True)
            if not names:
                await asyncio.sleep(RESYNC)

    # what is wanted

    def _want(self, desired: Desired, before: Desired | None) -> None:
        name = desired.name
        if desired.spec.url:
            self._remotes.want(desired, before)
        else:
            self._remotes.dismiss(name)
            self._templates[name] = template_of(desired, self._shape)["metadata"]["annotations"][TEMPLATE]
        for pod in self._own_pods(name):
            self._consider(name, pod)
        self._stir(name)
        self.queue.add(name)

    def _dismiss(self, name: AdapterName) -> None:
        """Its objects go with the adapter's own: the cluster collects what that controlled."""
        self._remotes.dismiss(name)
        self._templates.pop(name, None)
        self._failures.pop(name, None)
        self._refusals.ended(name)
        self._observed.pop(name, None)
        self._changed.set()
        self.queue.add(name)

    async def _bring_about(self, name: AdapterName, *, is_thorough: bool) -> float | None:
        """Seconds after which to try again; None when it is as it should be."""
        desired = self._desired.get(name)
        owner = self._desires.owner(desired) if desired is not None else None
        if desired is None or owner is None:
            if desired is None and not self._desires.uids(name):
                await self._end(name)
            return None
        try:
            if desired.spec.url:
                await self.applier.remove(name, owner.uid)
            else:
                await self.applier.apply(desired, owner.uid, is_thorough=is_thorough)
        except GatewayError as error:
            log.warning("adapter '%s': %s", name, error)
            self._fail(name, error)
            return error.retry or self._patience.first_restart
        self._fail(name, None)
        return None

    async def _end(self, name: AdapterName) -> None:
        """Its pods go at once. The cluster would collect them too, but let each serve out its drain first."""
        try:
            await self.applier.release_pods(name)
            for pod in list(self._by_adapter.get(name, {}).values()):
                if pod.metadata.deletion_timestamp is None:
                    await self._api.delete(POD, pod.metadata.name, uid=pod.metadata.uid, grace=LEAVING)
        except GatewayError as error:
            log.info("the pods of '%s' leave in their own time: %s", name, error)

    def _fail(self, name: AdapterName, error: GatewayError | None) -> None:
        if str(self._failures.get(name, "")) == str(error or ""):
            return
        if error is None:
            self._failures.pop(name, None)
        else:
            self._failures[name] = error
        self._stir(name)

    # what is seen

    def _look(self, name: AdapterName) -> Observed:
        desired = self._desired.get(name)
        if name in self._remotes:
            return self._remotes.observed(name)
        if desired is None:
            return NOTHING
        template = self._templates.get(name, "")
        pods = sorted(self._own_pods(name), key=lambda pod: split_instance_name(pod.metadata.name))
        instances = [
            instance_of(
                pod,
                path=desired.spec.path,
                template=template,
                asks=not desired.is_tool,
                trouble=self._asker.trouble(pod),
            )
            for pod in pods
        ]
        missing = self._refusals.instance(
            name, instances, wanted=desired.spec.replica_count, uid=self.applier.uid(STATEFUL_SET, name)
        )
        if missing is not None:
            instances = sorted([*instances, missing], key=lambda each: split_instance_name(each.name))
        failure = self._failures.get(name)
        if failure is not None:
            instances.append(_failed(instance_name(name, _behind(instances)), failure))
        return Observed(instances=tuple(instances), image=image_of(desired.spec, self._shape))

    def _own_pods(self, name: AdapterName) -> list[Pod]:
        """Labels alone make no pod ours: whoever may create pods could have calls sent to his."""
        uid = self.applier.uid(STATEFUL_SET, name)
        pods = self._by_adapter.get(name, {}).values()
        return [pod for pod in pods if (owner := pod.metadata.owner) is not None and owner.uid == uid]

    def _path(self, pod: Pod) -> str:
        desired = self._desired.get(AdapterName(pod.metadata.labels.get(ADAPTER_LABEL, "")))
        return desired.spec.path if desired is not None else "/mcp"

    def _pod_changed(self, name: str, pod: Pod | None, before: Pod | None) -> None:
        seen = pod or before
        assert seen is not None  # noqa: S101 - there was one, or there is
        adapter = AdapterName(seen.metadata.labels.get(ADAPTER_LABEL, ""))
        if pod is None:
            self._by_adapter.get(adapter, {}).pop(name, None)
            self._asker.forget(name)
        else:
            self._by_adapter.setdefault(adapter, {})[name] = pod
            self._refusals.made(adapter, pod)
            self._consider(adapter, pod)
        self.logs.stir(name)
        self._stir(adapter)

    def _event_changed(self, _: str, event: Event | None, before: Event | None) -> None:
        if event is not None:
            self._stir(self._refusals.heard(event))
        elif before is not None:
            self._refusals.forgotten(before)

    def _consider(self, adapter: AdapterName, pod: Pod) -> None:
        desired = self._desired.get(adapter)
        if desired is not None and not desired.is_tool and pod in self._own_pods(adapter):
            self._asker.look(pod)

    def _pod_told(self, name: str) -> None:
        pod = self.pods.items.get(name)
        if pod is not None:
            self._stir(AdapterName(pod.metadata.labels.get(ADAPTER_LABEL, "")))

    def _object_changed(self, name: AdapterName) -> None:
        if name in self._desired:
            self.queue.add(name)
            for pod in self._own_pods(name):
                self._consider(name, pod)
            self._stir(name)

    def _stir(self, name: AdapterName) -> None:
        """Something of it may look otherwise now."""
        before = self._observed.pop(name, None)
        if name not in self._desired:
            return
        if self.observed(name) != before:
            self._changed.set()
        self.statuses.look(name)

    async def _confirm(self, pod: Pod, spoken: Spoken) -> None:
        condition = {
            "type": SPEAKS_MCP,
            "status": "True",
            "reason": "Answered",
            "message": msgspec.json.encode(spoken).decode(),
            "lastTransitionTime": datetime.now(UTC).isoformat(timespec="seconds"),
        }
        body = {"metadata": {"uid": pod.metadata.uid}, "status": {"conditions": [condition]}}
        self.pods.learn(await self._api.merge(POD, pod.metadata.name, body, subresource="status"))


@asynccontextmanager
async def kubernetes_backend(
    api: Api,
    desires: Desires,
    shape: Shape,
    *,
    allow_private: bool = False,
    allow_http: bool = False,
    tokens: Tokens | None = None,
    resolve: Resolve = names.addresses,
    patience: Patience = PATIENCE,
) -> AsyncIterator[KubernetesBackend]:
    """desires: opened by `cluster.desires.open_desires`, and the stores' as well.

    allow_private: `url` adapters may lie in private networks. tokens: where their access tokens are had. load: requests
    and sessions in hand, by an endpoint's uid. Whatever runs goes on when this closes. Raises ClusterUnreachable when
    the first lists do not come.
    """
    async with open_caller() as caller, asyncio.TaskGroup() as tasks:
        backend = KubernetesBackend(
            api,
            desires,
            shape,
            tasks=tasks,
            caller=caller,
            egress=Egress(allow_private, allow_http, tokens),
            resolve=resolve,
            patience=patience,
        )
        async with asyncio.TaskGroup() as loops:
            mirrors: Mapping[str, Mirror[Any]] = {
                "pods": backend.pods,
                **{kind.plural: mirror for kind, mirror in backend.applier.mirrors.items()},
            }
            running = [loops.create_task(each.keep(), name=f"watch {what}") for what, each in mirrors.items()]
            for what, each in mirrors.items():
                await synced(each, what)
            running += [
                # Not waited for: without the right to see them, all else still works
                loops.create_task(backend.events.keep(), name="watch events"),
                loops.create_task(backend.queue.keep(), name="apply objects"),
                loops.create_task(backend.statuses.keep(), name="write statuses"),
                loops.create_task(backend.resync(), name="apply everything anew"),
            ]
            try:
                yield backend
            finally:
                for task in running:
                    task.cancel()
                backend.close()


def _behind(instances: Sequence[Instance]) -> int:
    return split_instance_name(instances[-1].name)[1] + 1 if instances else 0


def _failed(name: InstanceName, error: GatewayError) -> Instance:
    """What can't be applied has no pod to say so."""
    phase = Phase.PENDING if isinstance(error, Leftover) else Phase.FAILED
    reason = type(error).__name__ if isinstance(error, Conflict | Leftover) else "NotApplied"
    return Instance(name=name, uid="", phase=phase, reason=reason, message=str(error))
