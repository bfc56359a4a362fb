"""ports.Backend on this machine: one loop that brings what runs to what is wanted.

Knows which adapter is kept by whom (a crew of processes, or a watch over a server elsewhere), and no more of either.
"""

import asyncio
import contextlib
import logging
import shutil
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from gateway.backends.process.crew import Crew
from gateway.backends.process.engine import find_engine, image_of
from gateway.backends.process.environment import Secrets, scrubbed
from gateway.backends.process.folder import Folder, claimed
from gateway.backends.process.launcher import Launcher
from gateway.backends.process.life import Life
from gateway.backends.process.logs import Logs
from gateway.backends.process.plan import Plan, plan_of
from gateway.backends.process.records import Record
from gateway.backends.process.refusals import refusal_of
from gateway.backends.reach.caller import Caller, open_caller
from gateway.backends.reach.goodbye import end_session
from gateway.backends.reach.patience import PATIENCE, Patience
from gateway.backends.reach.remote import Egress, Resolve
from gateway.backends.reach.remotes import Remotes
from gateway.core.desired import Desired
from gateway.core.errors import GatewayError
from gateway.core.observed import NOTHING, Observed
from gateway.core.ports import Tokens
from gateway.core.routes import Endpoint
from gateway.services import names
from gateway.wire.http1 import DEFAULT_LIMITS
from gateway.wire.names import AdapterName, InstanceName, instance_name
from gateway.wire.resources import AdapterSpec

log = logging.getLogger(__name__)


class ProcessBackend:
    """Made by `process_backend`."""

    def __init__(
        self,
        folder: Folder,
        *,
        tasks: asyncio.TaskGroup,
        caller: Caller,
        environ: Mapping[str, str],
        passed: Sequence[str],
        egress: Egress,
        resolve: Resolve,
        load: Callable[[str], int],
        max_body: int,
        patience: Patience,
    ) -> None:
        self._folder, self._tasks, self._caller, self._egress, self._resolve = folder, tasks, caller, egress, resolve
        self._load, self._patience = load, patience
        self._secrets = Secrets(folder.secrets, environ)
        self.logs = Logs(folder.logs, tick=patience.tick)
        self._engine = find_engine(environ)
        self._launcher = Launcher(
            folder,
            environment=scrubbed(environ, passed),
            secrets=self._secrets,
            logs=self.logs,
            engine=self._engine,
            max_body=max_body,
        )
        self._crews: dict[AdapterName, Crew] = {}
        self._leaving: list[Crew] = []
        self._desired: dict[AdapterName, Desired] = {}
        self._is_told = self._is_closing = False  # is_told: what is wanted, at all
        self._news, self._changed, self._stepped = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self._remotes = Remotes(
            tasks,
            lambda _: self._news.set(),
            caller=caller,
            secrets=self._secrets.looked_up,
            egress=egress,
            resolve=resolve,
            patience=patience,
        )

    # ports.Backend

    async def refusal(self, spec: AdapterSpec) -> GatewayError | None:
        return await refusal_of(
            spec,
            engine=self._engine,
            egress=self._egress,
            resolve=self._resolve,
            seconds=self._patience.resolve,
        )

    async def apply(self, desired: Sequence[Desired]) -> None:
        wanted = {each.name: each for each in desired}
        for name in [*self._crews, *self._remotes]:
            if name not in wanted or bool(wanted[name].spec.url) != (name in self._remotes):
                self._dismiss(name)
        for name in self.logs.adapters() - wanted.keys() - {crew.adapter for crew in self._leaving}:
            self._forget(name)  # it was deleted while no gateway ran
        for name, each in wanted.items():
            if each.spec.url:
                self._remotes.want(each, self._desired.get(name))
            else:
                self._crew(name).want(plan_of(each), each.spec.replica_count)
        self._desired = wanted
        self._is_told = True
        self._news.set()

    def observed(self, adapter: AdapterName) -> Observed:
        if adapter in self._remotes:
            return self._remotes.observed(adapter)
        if adapter not in self._crews:
            return NOTHING
        desired = self._desired.get(adapter)
        image = image_of(desired.spec) if desired is not None and desired.spec.image_name else ""
        return Observed(instances=self._crews[adapter].instances(), image=image)

    async def changed(self) -> None:
        await self._changed.wait()
        self._changed.clear()

    async def end_session(self, endpoint: Endpoint, session: bytes, headers: Sequence[tuple[bytes, bytes]]) -> None:
        await end_session(self._caller, endpoint, session, headers, seconds=self._patience.answer)

    # its own loop

    async def take_up(self) -> None:
        """The lives that outlived an earlier gateway, wanted or not: `apply` decides what becomes of them."""
        by_place: dict[AdapterName, dict[int, list[Life]]] = {}
        for record in sorted(await self._launcher.survivors(), key=lambda record: record.life):
            by_place.setdefault(record.adapter, {}).setdefault(record.ordinal, []).append(self._resume(record))
        for adapter, found in by_place.items():
            self._crews[adapter] = Crew(adapter, begin=self._begin, patience=self._patience, found=found)
        if by_place:
            log.info("taken up from an earlier gateway: %s", ", ".join(sorted(by_place)))

    async def keep(self) -> None:
        """Whatever happens, look at all of it."""
        clock = asyncio.get_running_loop().time
        while True:
            self._news.clear()
            due = self._step(clock())
            self._changed.set()
            self._stepped.set()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(due):
                    await self._news.wait()

    async def close(self) -> None:
        """End everything, and come back when it has ended."""
        self._is_closing = True
        for name in [*self._crews, *self._remotes]:
            self._dismiss(name)
        self._news.set()
        while self._leaving:
            self._stepped.clear()
            await self._stepped.wait()

    def kill_all(self) -> None:
        self._launcher.kill_all()

    def _step(self, now: float) -> float | None:
        """When to look again, if nothing happens before. What was taken up lives on until `apply` knows better."""
        if not (self._is_told or self._is_closing):
            return None
        dues = [crew.step(now) for crew in self._leaving]
        for crew in [crew for crew in self._leaving if crew.is_empty]:
            self._leaving.remove(crew)
            if not self._is_closing:
                self._forget(crew.adapter)
        dues += [crew.step(now) for crew in self._crews.values()]
        return min((due for due in dues if due is not None), default=None)

    def _crew(self, name: AdapterName) -> Crew:
        if name not in self._crews:
            before = next((crew for crew in reversed(self._leaving) if crew.adapter == name), None)
            self._crews[name] = Crew(name, begin=self._begin, patience=self._patience, before=before)
        return self._crews[name]

    def _dismiss(self, name: AdapterName) -> None:
        crew = self._crews.pop(name, None)
        if crew is not None:
            crew.dismiss()
            self._leaving.append(crew)
        self._remotes.dismiss(name)

    def _forget(self, name: AdapterName) -> None:
        """What an adapter left on disk: the next one of that name may be another owner's."""
        self.logs.forget(name)
        shutil.rmtree(self._folder.work(name), ignore_errors=True)

    def _begin(self, plan: Plan, ordinal: int, restarts: int) -> Life:
        name = instance_name(plan.adapter, ordinal)
        life = self._life(name, plan.digest, restarts=restarts)
        self._tasks.create_task(life.begin(plan, ordinal), name=f"{name}: live")
        return life

    def _resume(self, record: Record) -> Life:
        life = self._life(record.instance, record.digest, restarts=record.restarts, record=record)
        self._tasks.create_task(life.resume(record), name=f"{record.instance}: live on")
        return life

    def _life(self, name: InstanceName, digest: str, *, restarts: int, record: Record | None = None) -> Life:
        return Life(
            name,
            launcher=self._launcher,
            logs=self.logs,
            caller=self._caller,
            patience=self._patience,
            load=self._load,
            on_change=self._news.set,
            digest=digest,
            restarts=restarts,
            record=record,
        )


@asynccontextmanager
async def process_backend(
    data: Path,
    *,
    environ: Mapping[str, str],
    passed: Sequence[str] = (),
    allow_private: bool = False,
    allow_http: bool = False,
    tokens: Tokens | None = None,
    load: Callable[[str], int] = lambda uid: 0,  # noqa: ARG005 - nobody counts, so nothing is in hand
    ca_file: Path | None = None,
    max_body: int = DEFAULT_LIMITS.body,
    resolve: Resolve = names.addresses,
    patience: Patience = PATIENCE,
) -> AsyncIterator[ProcessBackend]:
    """A backend whose children end with it; those of a gateway that was killed are taken up again.

    data: the folder of logs, records and secrets, one gateway's at a time. environ: the gateway's environment; of it
    children see environment.PASSED, and the names in `passed`. allow_private: `url` adapters may lie in private
    networks, and do without TLS there; allow_http: they may do without it anywhere. tokens: where their access tokens
    are had. load: requests and sessions in hand, by an endpoint's uid: an instance that leaves stays until there are
    none, or for `drain`. ca_file: an authority that `url` adapters' certificates may come from besides. max_body: the
    largest request in bytes. Raises GatewayError when the folder is another gateway's.
    """
    with claimed(data) as folder:
        async with open_caller(ca_file) as caller, asyncio.TaskGroup() as tasks:
            backend = ProcessBackend(
                folder,
                tasks=tasks,
                caller=caller,
                environ=environ,
                passed=passed,
                egress=Egress(allow_private, allow_http, tokens),
                resolve=resolve,
                load=load,
                max_body=max_body,
                patience=patience,
            )
            try:
                await backend.take_up()
                keeping = tasks.create_task(backend.keep(), name="keep what runs as it is wanted")
                try:
                    yield backend
                finally:
                    await backend.close()
                    keeping.cancel()
            finally:
                backend.kill_all()
