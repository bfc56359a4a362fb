"""The objects of a namespace that hold desired state (Adapter, Tool, …), whoever wrote them. Writes none; stores do.

An etag has to survive writes of the status, which change an object's resourceVersion as well. So a revision is the
resourceVersion with which the desired state last changed; the status carries it on for gateways that start later.
"""

import asyncio
import logging
import secrets
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.cluster.api import FIELD_MANAGER, Api
from gateway.cluster.definitions import CREATED_AT, CREATED_BY, EDITION, RESTARTED_AT, UPDATED_AT
from gateway.cluster.errors import ClusterUnreachable
from gateway.cluster.mirror import Mirror, version_of
from gateway.cluster.objects import ADAPTER, POLICY, TOOL, TOOLSET, CustomObject, Kind, Metadata
from gateway.core.desired import Desired, Kept, Revision
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset
from gateway.wire.names import AdapterName
from gateway.wire.policies import PolicySpec
from gateway.wire.resources import AdapterSpec
from gateway.wire.tools import ToolsetSpec, ToolSpec

FIRST_SYNC: Final = 60.0  # seconds that a gateway waits for its first list before it gives up and is started anew
NOBODY: Final = "(cluster)"  # who made an object that was not made through the gateway
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)

log = logging.getLogger(__name__)


class Form[Stored: Kept](msgspec.Struct, frozen=True):
    """How one kind of desired state looks as an object. noun: what people call one."""

    kind: Kind
    noun: str
    spec: type[msgspec.Struct]
    stored: Callable[..., Stored]
    restarts: bool = True


ADAPTERS: Final = Form(ADAPTER, "adapter", AdapterSpec, Desired)
TOOLS: Final = Form(TOOL, "tool", ToolSpec, DesiredTool)
TOOLSETS: Final = Form(TOOLSET, "toolset", ToolsetSpec, DesiredToolset, restarts=False)
POLICIES: Final = Form(POLICY, "policy", PolicySpec, DesiredPolicy, restarts=False)


class Objects[Stored: Kept]:
    """The objects of one kind, and the desired state they hold. Kept by `open_desires`."""

    def __init__(self, api: Api, form: Form[Stored]) -> None:
        self.form = form
        self.mirror = Mirror(api, form.kind, CustomObject, on_change=self._changed)
        self._desired: dict[AdapterName, Stored] = {}
        self._listeners: list[Callable[[], None]] = []

    def listed(self) -> Sequence[Stored]:
        return [self._desired[name] for name in sorted(self._desired)]

    def get(self, name: AdapterName) -> Stored | None:
        return self._desired.get(name)

    def object(self, name: AdapterName) -> CustomObject | None:
        return self.mirror.items.get(name)

    def listen(self, listener: Callable[[], None]) -> None:
        """Called when the desired state of any has changed; it must not wait."""
        self._listeners.append(listener)

    def _changed(self, name: str, item: CustomObject | None, before: CustomObject | None) -> None:
        known = self._desired.get(AdapterName(name))
        now = self._read(name, item, known if item and before and _mark(item) == _mark(before) else None)
        if now is None:
            self._desired.pop(AdapterName(name), None)
        else:
            self._desired[AdapterName(name)] = now
        if now is not known:
            for listener in self._listeners:
                listener()

    def _read(self, name: str, item: CustomObject | None, known: Stored | None) -> Stored | None:
        """known: what it held before, where that is still so: its revision stands."""
        if item is None or item.metadata.deletion_timestamp is not None:
            return None
        if known is not None:
            return known
        try:
            return desired_of(item, self.form)
        except (msgspec.ValidationError, ValueError) as error:
            log.warning("%s '%s' can't be read, a newer mcpdeck may have written it: %s", self.form.noun, name, error)
            return None


class Owner(msgspec.Struct, frozen=True):
    """The object that a workload belongs to, and goes with."""

    kind: Kind
    item: CustomObject

    @property
    def uid(self) -> str:
        return self.item.metadata.uid


class Desires(msgspec.Struct, frozen=True):
    """All that is desired in a namespace. Shared by the stores, which write, and the backend, which needs owners."""

    adapters: Objects[Desired]
    tools: Objects[DesiredTool]
    toolsets: Objects[DesiredToolset]
    policies: Objects[DesiredPolicy]

    def owner(self, desired: Desired) -> Owner | None:
        """None where it is gone, or has been changed since: another is wanted in a moment."""
        objects = self._of(TOOL if desired.is_tool else ADAPTER)
        item, now = objects.object(desired.name), objects.get(desired.name)
        if item is None or now is None or now.revision != desired.revision:
            return None
        return Owner(objects.form.kind, item)

    def uids(self, name: AdapterName) -> frozenset[str]:
        """Of what may own objects of this name."""
        found = (self.adapters.object(name), self.tools.object(name))
        return frozenset(item.metadata.uid for item in found if item is not None)

    def learn(self, kind: Kind, answer: bytes) -> None:
        """The answer to a write of an object's status."""
        self._of(kind).mirror.learn(answer)

    def _of(self, kind: Kind) -> Objects[Any]:
        return self.tools if kind == TOOL else self.adapters


@asynccontextmanager
async def open_desires(api: Api) -> AsyncIterator[Desires]:
    """Synced when it opens. Raises ClusterUnreachable after FIRST_SYNC seconds."""
    desires = Desires(Objects(api, ADAPTERS), Objects(api, TOOLS), Objects(api, TOOLSETS), Objects(api, POLICIES))
    kept: list[Objects[Any]] = [desires.adapters, desires.tools, desires.toolsets, desires.policies]
    async with asyncio.TaskGroup() as tasks:
        keeping = [tasks.create_task(each.mirror.keep(), name=f"watch {each.form.kind.plural}") for each in kept]
        try:
            for each in kept:
                await synced(each.mirror, f"{each.form.kind.name} objects")
            yield desires
        finally:
            for task in keeping:
                task.cancel()


async def synced(mirror: Mirror[Any], what: str) -> None:
    """Raises ClusterUnreachable."""
    try:
        async with asyncio.timeout(FIRST_SYNC):
            await mirror.synced.wait()
    except TimeoutError:
        raise ClusterUnreachable(f"no list of {what} within {FIRST_SYNC:g} s; see the lines above") from None


def desired_of[Stored: Kept](item: CustomObject, form: Form[Stored]) -> Stored:
    """Raises msgspec.ValidationError, ValueError."""
    told = item.metadata.annotations
    more = {"restarted_at": _time(told.get(RESTARTED_AT))} if form.restarts else {}
    return form.stored(
        spec=msgspec.convert({**item.spec, "name": item.metadata.name}, form.spec),
        created_by=told.get(CREATED_BY, NOBODY),
        created_at=_time(told.get(CREATED_AT)) or item.metadata.creation_timestamp or _EPOCH,
        last_updated_at=_updated_at(item.metadata),
        revision=_revision(item),
        **more,
    )


def object_of(desired: Kept, kind: Kind, namespace: str) -> dict[str, Any]:
    """What is written to create it."""
    return {
        "apiVersion": kind.api_version,
        "kind": kind.name,
        "metadata": {"name": desired.name, "namespace": namespace, "annotations": annotations_of(desired)},
        "spec": spec_of(desired),
    }


def spec_of(desired: Kept) -> dict[str, Any]:
    spec: dict[str, Any] = msgspec.to_builtins(desired.spec)
    del spec["name"]
    return spec


def annotations_of(desired: Kept) -> dict[str, str]:
    restarted_at: datetime | None = getattr(desired, "restarted_at", None)
    times = {CREATED_AT: desired.created_at, UPDATED_AT: desired.last_updated_at, RESTARTED_AT: restarted_at}
    told = {key: time.isoformat() for key, time in times.items() if time is not None}
    told[EDITION] = secrets.token_hex(8)  # a write that changes nothing would keep its resourceVersion: two could win
    return told if desired.created_by == NOBODY else told | {CREATED_BY: desired.created_by}


def _mark(item: CustomObject) -> tuple[object, ...]:
    """Changes when desired state does, and never with the status."""
    metadata = item.metadata
    told = tuple(metadata.annotations.get(key) for key in (RESTARTED_AT, CREATED_BY, CREATED_AT, UPDATED_AT, EDITION))
    return metadata.uid, metadata.generation, metadata.deletion_timestamp, told


def _revision(item: CustomObject) -> Revision:
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
