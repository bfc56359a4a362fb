"""Desired state as custom objects in a cluster: etcd is the database, and kubectl another door to the same rows.

Reads come from the watch; only a name that it does not know is asked for. Knows nothing of what the state means.
"""

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.cluster.api import Api
from gateway.cluster.definitions import RESTARTED_AT
from gateway.cluster.desires import Desires, Objects, annotations_of, object_of, spec_of
from gateway.cluster.errors import Overtaken
from gateway.cluster.mirror import version_of
from gateway.cluster.objects import CustomObject
from gateway.core.desired import Desired, Kept, Revision
from gateway.core.errors import Conflict, NotFound
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset
from gateway.stores.expectations import check_delete, check_put
from gateway.wire.names import AdapterName

ATTEMPTS: Final = 6  # of a write that the status' own writes overtook


class KubernetesStore[Stored: Kept]:
    """ports.WatchedStore. also: other objects of which `changed` tells as well."""

    def __init__(self, api: Api, objects: Objects[Stored], also: Sequence[Objects[Any]] = ()) -> None:
        self._api, self._objects = api, objects
        self._kind, self._noun = objects.form.kind, objects.form.noun
        self._news = asyncio.Event()
        for each in (objects, *also):
            each.listen(self._news.set)

    async def list(self) -> Sequence[Stored]:
        return self._objects.listed()

    async def get(self, name: AdapterName) -> Stored | None:
        if self._objects.object(name) is None:
            await self._refresh(name)
        return self._objects.get(name)

    async def put(self, desired: Stored, *, expect: Revision | None) -> Stored:
        if expect is None:
            return await self._create(desired)
        for attempt in range(ATTEMPTS):
            current = await self._expected(desired.name, expect)
            try:
                answer = await self._api.edit(self._kind, desired.name, _edits(current, desired))
            except Overtaken:
                await self._refresh(desired.name)
                if attempt == ATTEMPTS - 1:
                    raise
            except NotFound:
                self._objects.mirror.forget(current)
                raise NotFound(f"there is no {self._noun} '{desired.name}'") from None
            else:
                return self._learn(answer)
        raise AssertionError  # the last attempt returned or raised

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        for attempt in range(ATTEMPTS):
            current = await self._expected(name, expect, deleting=True)
            version = current.metadata.resource_version if expect is not None else ""
            try:
                await self._api.delete(self._kind, name, uid=current.metadata.uid, revision=version)
            except Overtaken:
                await self._refresh(name)
                if attempt == ATTEMPTS - 1:
                    raise
            except NotFound:
                self._objects.mirror.forget(current)
                raise NotFound(f"there is no {self._noun} '{name}'") from None
            else:
                self._objects.mirror.forget(current)
                return

    async def changed(self) -> None:
        await self._news.wait()
        self._news.clear()

    async def _create(self, desired: Stored) -> Stored:
        known = self._objects.get(desired.name)
        self._check_put(desired.name, known.revision if known else None, None)
        try:
            return self._learn(await self._api.create(self._kind, object_of(desired, self._kind, self._api.namespace)))
        except Overtaken:
            raise
        except Conflict:
            await self._refresh(desired.name)
            self._check_put(desired.name, Revision(0), None)
            raise

    async def _expected(self, name: AdapterName, expect: Revision | None, *, deleting: bool = False) -> CustomObject:
        """The object to write over. Raises NotFound, PreconditionFailed."""
        known, item = await self.get(name), self._objects.object(name)
        found = _found(known, item, expect)
        if deleting:
            check_delete(name, found, expect, noun=self._noun)
        else:
            self._check_put(name, found, expect)
        if item is None:
            raise NotFound(f"there is no {self._noun} '{name}'")
        return item

    def _check_put(self, name: AdapterName, found: Revision | None, expect: Revision | None) -> None:
        check_put(name, found, expect, noun=self._noun)

    async def _refresh(self, name: AdapterName) -> None:
        answer = await self._api.find(self._kind, name)
        if answer is not None:
            self._objects.mirror.learn(answer)
        elif (item := self._objects.object(name)) is not None:
            self._objects.mirror.forget(item)

    def _learn(self, answer: bytes) -> Stored:
        item = self._objects.mirror.learn(answer)
        stored = self._objects.get(AdapterName(item.metadata.name))
        if stored is None:
            raise NotFound(f"{self._noun} '{item.metadata.name}' was deleted by someone else meanwhile")
        return stored


class Stores(msgspec.Struct, frozen=True):
    """adapters: whose `changed` tells of tools as well, since a tool server is a workload like an adapter."""

    adapters: KubernetesStore[Desired]
    tools: KubernetesStore[DesiredTool]
    toolsets: KubernetesStore[DesiredToolset]
    policies: KubernetesStore[DesiredPolicy]


def stores(api: Api, desires: Desires) -> Stores:
    return Stores(
        KubernetesStore(api, desires.adapters, also=[desires.tools]),
        KubernetesStore(api, desires.tools),
        KubernetesStore(api, desires.toolsets),
        KubernetesStore(api, desires.policies),
    )


def _found(known: Kept | None, item: CustomObject | None, expect: Revision | None) -> Revision | None:
    """The revision there is. Any version since the desired state last changed is as good as the first with it."""
    if known is None or item is None:
        return None
    if expect is not None and known.revision <= expect <= version_of(item):
        return expect
    return known.revision


def _edits(current: CustomObject, desired: Kept) -> list[dict[str, Any]]:
    """A JSON patch: labels, finalizers and others' annotations stay; another version than the one read refuses it."""
    told = {key: value for key, value in current.metadata.annotations.items() if key != RESTARTED_AT}
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": current.metadata.resource_version},
        {"op": "add", "path": "/metadata/annotations", "value": {**told, **annotations_of(desired)}},
        {"op": "replace", "path": "/spec", "value": spec_of(desired)},
    ]
