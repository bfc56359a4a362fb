"""The Adapter objects of a namespace as desired state, whoever wrote them. Writes none; the store does.

An etag has to survive writes of the status, which change an object's resourceVersion as well. So a revision is the
resourceVersion with which the desired state last changed; the status carries it on for gateways that start later.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.cluster.api import FIELD_MANAGER, Api
from gateway.cluster.definitions import API_VERSION, CREATED_AT, CREATED_BY, EDITION, RESTARTED_AT, UPDATED_AT
from gateway.cluster.errors import ClusterUnreachable
from gateway.cluster.mirror import Mirror, version_of
from gateway.cluster.objects import ADAPTER, AdapterObject, Metadata
from gateway.core.desired import Desired, Revision
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec

FIRST_SYNC: Final = 60.0  # seconds that a gateway waits for its first list before it gives up and is started anew
NOBODY: Final = "(cluster)"  # who made an object that was not made through the gateway
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class Adapters:
    """Kept by `open_adapters`. Shared by the store, which writes, and the backend, which needs owners and statuses."""

    def __init__(self, api: Api) -> None:
        self.mirror = Mirror(api, ADAPTER, AdapterObject, on_change=self._changed)
        self._desired: dict[AdapterName, Desired] = {}
        self._news = asyncio.Event()

    def list(self) -> Sequence[Desired]:
        return [self._desired[name] for name in sorted(self._desired)]

    def get(self, name: AdapterName) -> Desired | None:
        return self._desired.get(name)

    def object(self, name: AdapterName) -> AdapterObject | None:
        return self.mirror.items.get(name)

    async def changed(self) -> None:
        """Returns when the desired state of any has changed since the last call returned."""
        await self._news.wait()
        self._news.clear()

    def _changed(self, name: str, item: AdapterObject | None, before: AdapterObject | None) -> None:
        adapter = AdapterName(name)
        known = self._desired.get(adapter)
        if item is None or item.metadata.deletion_timestamp is not None:
            self._desired.pop(adapter, None)
        elif before is None or known is None or _mark(item) != _mark(before):
            try:
                self._desired[adapter] = desired_of(item)
            except (msgspec.ValidationError, ValueError) as error:
                self._desired.pop(adapter, None)
                log.warning("adapter '%s' can't be read, a newer mcpdeck may have written it: %s", name, error)
        if self._desired.get(adapter) is not known:
            self._news.set()


@asynccontextmanager
async def open_adapters(api: Api) -> AsyncIterator[Adapters]:
    """Synced when it opens. Raises ClusterUnreachable after FIRST_SYNC seconds."""
    adapters = Adapters(api)
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(adapters.mirror.keep(), name="watch adapters")
        try:
            await synced(adapters.mirror, "Adapter objects")
            yield adapters
        finally:
            keeping.cancel()


async def synced(mirror: Mirror[Any], what: str) -> None:
    """Raises ClusterUnreachable."""
    try:
        async with asyncio.timeout(FIRST_SYNC):
            await mirror.synced.wait()
    except TimeoutError:
        raise ClusterUnreachable(f"no list of {what} within {FIRST_SYNC:g} s; see the lines above") from None


def desired_of(item: AdapterObject) -> Desired:
    """Raises msgspec.ValidationError, ValueError."""
    told = item.metadata.annotations
    return Desired(
        spec=msgspec.convert({**item.spec, "name": item.metadata.name}, AdapterSpec),
        created_by=told.get(CREATED_BY, NOBODY),
        created_at=_time(told.get(CREATED_AT)) or item.metadata.creation_timestamp or _EPOCH,
        last_updated_at=_updated_at(item.metadata),
        restarted_at=_time(told.get(RESTARTED_AT)),
        revision=_revision(item),
    )


def object_of(desired: Desired, namespace: str) -> dict[str, Any]:
    """What is written to create it."""
    return {
        "apiVersion": API_VERSION,
        "kind": ADAPTER.name,
        "metadata": {"name": desired.name, "namespace": namespace, "annotations": annotations_of(desired)},
        "spec": spec_of(desired),
    }


def spec_of(desired: Desired) -> dict[str, Any]:
    spec: dict[str, Any] = msgspec.to_builtins(desired.spec)
    del spec["name"]
    return spec


def annotations_of(desired: Desired) -> dict[str, str]:
    times = {CREATED_AT: desired.created_at, UPDATED_AT: desired.last_updated_at, RESTARTED_AT: desired.restarted_at}
    told = {key: time.isoformat() for key, time in times.items() if time is not None}
    told[EDITION] = secrets.token_hex(8)  # a write that changes nothing would keep its resourceVersion: two could win
    return told if desired.created_by == NOBODY else told | {CREATED_BY: desired.created_by}


def _mark(item: AdapterObject) -> tuple[object, ...]:
    """Changes when desired state does, and never with the status."""
    metadata = item.metadata
    told = tuple(metadata.annotations.get(key) for key in (RESTARTED_AT, CREATED_BY, CREATED_AT, UPDATED_AT, EDITION))
    return metadata.uid, metadata.generation, metadata.deletion_timestamp, told


def _revision(item: AdapterObject) -> Revision:
    """As the status says, where it speaks of this very desired state; else this is where it began."""
    status, metadata = item.status, item.metadata
    is_said = (
        status.get("observedGeneration") == metadata.generation
        and status.get("observedRestart", "") == metadata.annotations.get(RESTARTED_AT, "")
        and str(status.get("revision", "")).isdecimal()
    )
    return Revision(int(status["revision"]) if is_said else version_of(item))


def _updated_at(metadata: Metadata) -> datetime:
    """As the gateway wrote it, or when someone else did since (kubectl, a GitOps tool). Theirs are whole seconds."""
    told = metadata.annotations
    said = _time(told.get(UPDATED_AT)) or _time(told.get(CREATED_AT)) or metadata.creation_timestamp or _EPOCH
    ours = theirs = _EPOCH
    for each in metadata.managed_fields:
        if each.time is None or each.subresource == "status":
            continue
        if each.manager == FIELD_MANAGER:
            ours = max(ours, each.time)
        else:
            theirs = max(theirs, each.time)
    return max(said, theirs) if theirs >= ours else said


def _time(text: str | None) -> datetime | None:
    """None for what is no time: people write annotations too."""
    try:
        time = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return time if time is None or time.tzinfo else time.replace(tzinfo=UTC)
