"""The local backend for tests: impatient, in a temporary folder, watched until it is as a test wants it."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import psutil

from gateway.backends.process import ProcessBackend, process_backend
from gateway.backends.process.strays import MARK
from gateway.backends.reach.patience import Patience
from gateway.core.observed import Instance, Observed
from gateway.core.ports import Backend
from gateway.core.routes import Endpoint
from gateway.wire.names import AdapterName
from gateway.wire.resources import Phase
from tests.support.sidecar_process import McpClient

PATIENT = 60.0  # seconds; a failure is not a hang
QUICK = Patience(
    probe=0.02,
    longest_probe=0.1,
    first_restart=0.05,
    longest_restart=0.2,
    health=0.1,
    handover=0.05,
    remote=0.1,
    tick=0.02,
)
WEATHER = AdapterName("weather")


@asynccontextmanager
async def local_backend(
    folder: Path, *, environ: Mapping[str, str] | None = None, patience: Patience = QUICK, **options: Any
) -> AsyncIterator[ProcessBackend]:
    async with process_backend(
        folder, environ=os.environ if environ is None else environ, patience=patience, **options
    ) as backend:
        yield backend


async def until(backend: Backend, is_so: Callable[[Observed], object], *, adapter: AdapterName = WEATHER) -> Observed:
    """What is observed once it is so."""
    try:
        async with asyncio.timeout(PATIENT):
            while not is_so(observed := backend.observed(adapter)):
                await backend.changed()
            return observed
    except TimeoutError:
        raise AssertionError(f"after {PATIENT} s there is still {backend.observed(adapter)}") from None


def are_ready(count: int) -> Callable[[Observed], bool]:
    """So many instances, all of them ready and up to date, and no other."""
    return lambda observed: (
        len(observed.instances) == count and all(each.is_ready and each.is_updated for each in observed.instances)
    )


def has_failed(reason: str) -> Callable[[Observed], bool]:
    return lambda observed: any(each.phase is Phase.FAILED and each.reason == reason for each in observed.instances)


def uids(observed: Observed) -> list[str]:
    return [each.uid for each in observed.instances]


def only(observed: Observed) -> Instance:
    (instance,) = observed.instances
    return instance


def endpoint_of(instance: Instance) -> Endpoint:
    assert instance.endpoint is not None
    return instance.endpoint


@asynccontextmanager
async def mcp_client(instance: Instance) -> AsyncIterator[McpClient]:
    """Straight at an instance, past any gateway."""
    place = endpoint_of(instance)
    async with httpx.AsyncClient(timeout=PATIENT, trust_env=False) as http:
        yield McpClient(http, f"http://{place.host}:{place.port}{place.path}")


def processes_of(uid: str) -> list[psutil.Process]:
    """All living processes that were started for an instance, its sidecar first."""
    return sorted(
        (each for each in psutil.process_iter() if _mark(each).endswith(f".{uid}")), key=psutil.Process.create_time
    )


def kill(instance: Instance, number: signal.Signals = signal.SIGKILL) -> None:
    """Its first process, as an out-of-memory killer would."""
    processes_of(instance.uid)[0].send_signal(number)


async def gone(uids: Sequence[str]) -> None:
    """Until no process of these is there any more."""
    async with asyncio.timeout(PATIENT):
        while any(processes_of(uid) for uid in uids):  # noqa: ASYNC110 - the ends of others' children raise no event
            await asyncio.sleep(0.02)


def _mark(process: psutil.Process) -> str:
    try:
        return process.environ().get(MARK, "") if process.status() != psutil.STATUS_ZOMBIE else ""
    except psutil.Error:
        return ""
