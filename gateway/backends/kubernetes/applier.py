"""Applies one adapter's objects, and never one that is somebody else's. Keeps what it saw of them, and decides nothing.

Ours is what the adapter's own object controls. Server-side apply makes an object exactly what is told: a variable that
is told no more disappears. The uid in what is applied keeps it from an object that took the name meanwhile.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Final

import msgspec

from gateway.backends.kubernetes.shape import DIGEST, SELECTOR, Shape
from gateway.backends.kubernetes.workload import KINDS, objects_of
from gateway.cluster.api import Api
from gateway.cluster.errors import Overtaken
from gateway.cluster.mirror import Mirror
from gateway.cluster.objects import ADAPTER, STATEFUL_SET, TOOL, Bare, Kind, Metadata
from gateway.core.desired import Desired
from gateway.core.errors import Conflict, GatewayError, NotFound
from gateway.wire.names import AdapterName

type Json = dict[str, Any]

_OWNERS: Final = (ADAPTER.name, TOOL.name)

_decode = msgspec.json.Decoder(Bare).decode


class Leftover(GatewayError):
    """An earlier adapter of the name had it, and is still being removed. It passes by itself."""

    retry = 1.0


class Applier:
    """on_change: called with an adapter's name when one of its objects changed, by whomever."""

    def __init__(self, api: Api, shape: Shape, on_change: Callable[[AdapterName], None]) -> None:
        self._api, self._shape, self._on_change = api, shape, on_change
        self._applied: dict[tuple[Kind, str], str] = {}  # what the object was like right after we applied it
        self.mirrors = {kind: Mirror(api, kind, Bare, selector=SELECTOR, on_change=self._changed) for kind in KINDS}

    def uid(self, kind: Kind, name: str) -> str:
        """Of the object there is; "" without one."""
        found = self.mirrors[kind].items.get(name)
        return found.metadata.uid if found else ""

    async def apply(self, desired: Desired, owner_uid: str, *, is_thorough: bool = False) -> int:
        """How many objects had to be applied. is_thorough: all, whether or not they look right.

        Raises Conflict for an object that is not ours, Leftover, and whatever the API server says.
        """
        count = 0
        for kind, body in objects_of(desired, owner_uid, self._shape):
            if is_thorough or not self._is_right(kind, body, owner_uid):
                await self._apply(kind, body, owner_uid)
                count += 1
        return count

    async def remove(self, name: AdapterName, owner_uid: str) -> None:
        """The objects of an adapter that goes on without: its source is a URL now."""
        for kind in reversed(KINDS):
            found = self.mirrors[kind].items.get(name)
            if found is None or _owner_uid(found.metadata) != owner_uid:
                continue
            try:
                await self._api.delete(kind, name, uid=found.metadata.uid)
            except NotFound:
                continue

    async def release_pods(self, name: AdapterName) -> None:
        """The StatefulSet of an adapter that is gone goes without its pods, so that it makes no new ones for them."""
        found = self.mirrors[STATEFUL_SET].items.get(name)
        if found is None or found.metadata.deletion_timestamp is not None:
            return
        try:
            await self._api.delete(STATEFUL_SET, name, uid=found.metadata.uid, propagation="Orphan")
        except NotFound:
            return

    async def conflict(self, name: AdapterName, owner_uids: frozenset[str]) -> Conflict | None:
        """Whose the name is, where it is somebody else's. owner_uids: none where the adapter is not there yet."""
        found: list[Conflict] = []

        async def look(kind: Kind) -> None:
            answer = await self._api.find(kind, name)
            if answer is not None:
                metadata = _decode(answer).metadata
                if _owner_uid(metadata) not in owner_uids and not _is_leftover(metadata):
                    found.append(_conflict(kind, metadata, self._api.namespace))

        async with asyncio.TaskGroup() as tasks:
            for kind in KINDS:
                tasks.create_task(look(kind), name=f"whose is {kind.name} {name}")
        return found[0] if found else None

    def _is_right(self, kind: Kind, body: Json, owner_uid: str) -> bool:
        """As it was applied, and not touched since; after a start there is only the digest to go by."""
        name = body["metadata"]["name"]
        found = self.mirrors[kind].items.get(name)
        if found is None or _owner_uid(found.metadata) != owner_uid:
            return False
        if found.metadata.annotations.get(DIGEST) != body["metadata"]["annotations"][DIGEST]:
            return False
        known = self._applied.get((kind, name))
        return known is None or known == _state(found.metadata)

    async def _apply(self, kind: Kind, body: Json, owner_uid: str) -> None:
        name = body["metadata"]["name"]
        found = self.mirrors[kind].items.get(name) or await self._find(kind, name)
        if found is not None:
            self._check(kind, found.metadata, owner_uid)
            body = {**body, "metadata": {**body["metadata"], "uid": found.metadata.uid}}
        try:
            answer = await self._api.apply(kind, body, force=found is not None)
        except Overtaken:
            now = await self._find(kind, name)
            if now is not None:
                self._check(kind, now.metadata, owner_uid)
            raise
        item = self.mirrors[kind].learn(answer)
        self._applied[kind, name] = _state(item.metadata)

    async def _find(self, kind: Kind, name: str) -> Bare | None:
        answer = await self._api.find(kind, name)
        return None if answer is None else _decode(answer)

    def _check(self, kind: Kind, metadata: Metadata, owner_uid: str) -> None:
        if _owner_uid(metadata) == owner_uid and metadata.deletion_timestamp is None:
            return
        if _is_leftover(metadata) or _owner_uid(metadata) == owner_uid:
            raise Leftover(f"{kind.name} '{metadata.name}' of an earlier adapter is still being removed")
        raise _conflict(kind, metadata, self._api.namespace)

    def _changed(self, name: str, item: Bare | None, before: Bare | None) -> None:
        if item is None and before is not None:
            for kind in KINDS:
                if name not in self.mirrors[kind].items:
                    self._applied.pop((kind, name), None)
        self._on_change(AdapterName(name))


def _state(metadata: Metadata) -> str:
    """Changes when somebody edits what we applied. Kinds without a status count no generations."""
    return f"{metadata.uid}/{metadata.generation or metadata.resource_version}"


def _owner_uid(metadata: Metadata) -> str:
    owner = metadata.owner
    return owner.uid if owner is not None and owner.kind in _OWNERS else ""


def _is_leftover(metadata: Metadata) -> bool:
    """An adapter's that is gone: the cluster removes it."""
    owner = metadata.owner
    return owner is not None and owner.kind in _OWNERS and owner.name == metadata.name


def _conflict(kind: Kind, metadata: Metadata, namespace: str) -> Conflict:
    owner = metadata.owner
    managers = sorted({each.manager for each in metadata.managed_fields if each.manager})
    if owner is not None:
        whose = f"belongs to {owner.kind} '{owner.name}'"
    elif managers:
        whose = f"is kept by {', '.join(managers)}"
    else:
        whose = "is not this gateway's"
    return Conflict(
        f"{kind.name} '{metadata.name}' in namespace '{namespace}' {whose}: choose another name, or remove it first"
    )
