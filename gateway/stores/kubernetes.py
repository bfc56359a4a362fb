"""Desired state as Adapter objects in a cluster: etcd is the database, and kubectl another door to the same rows.

Reads come from the watch; only a name that it does not know is asked for. Knows nothing of what the state means.
"""

from collections.abc import Sequence
from typing import Any, Final

from gateway.cluster.adapters import Adapters, annotations_of, object_of, spec_of
from gateway.cluster.api import Api
from gateway.cluster.definitions import RESTARTED_AT
from gateway.cluster.errors import Overtaken
from gateway.cluster.mirror import version_of
from gateway.cluster.objects import ADAPTER, AdapterObject
from gateway.core.desired import Desired, Revision
from gateway.core.errors import Conflict, NotFound
from gateway.stores.expectations import check_delete, check_put
from gateway.wire.names import AdapterName

ATTEMPTS: Final = 6  # of a write that the status' own writes overtook


class KubernetesStore:
    """ports.WatchedStore. adapters: opened by `cluster.adapters.open_adapters`."""

    def __init__(self, api: Api, adapters: Adapters) -> None:
        self._api, self._adapters = api, adapters

    async def list(self) -> Sequence[Desired]:
        return self._adapters.list()

    async def get(self, name: AdapterName) -> Desired | None:
        if self._adapters.object(name) is None:
            await self._refresh(name)
        return self._adapters.get(name)

    async def put(self, desired: Desired, *, expect: Revision | None) -> Desired:
        if expect is None:
            return await self._create(desired)
        for attempt in range(ATTEMPTS):
            current = await self._expected(desired.name, expect)
            try:
                answer = await self._api.edit(ADAPTER, desired.name, _edits(current, desired))
            except Overtaken:
                await self._refresh(desired.name)
                if attempt == ATTEMPTS - 1:
                    raise
            except NotFound:
                self._adapters.mirror.forget(current)
                raise NotFound(f"there is no adapter '{desired.name}'") from None
            else:
                return self._learn(answer)
        raise AssertionError  # the last attempt returned or raised

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        for attempt in range(ATTEMPTS):
            current = await self._expected(name, expect, deleting=True)
            version = current.metadata.resource_version if expect is not None else ""
            try:
                await self._api.delete(ADAPTER, name, uid=current.metadata.uid, revision=version)
            except Overtaken:
                await self._refresh(name)
                if attempt == ATTEMPTS - 1:
                    raise
            except NotFound:
                self._adapters.mirror.forget(current)
                raise NotFound(f"there is no adapter '{name}'") from None
            else:
                self._adapters.mirror.forget(current)
                return

    async def changed(self) -> None:
        await self._adapters.changed()

    async def _create(self, desired: Desired) -> Desired:
        known = self._adapters.get(desired.name)
        check_put(desired.name, known.revision if known else None, None)
        try:
            return self._learn(await self._api.create(ADAPTER, object_of(desired, self._api.namespace)))
        except Overtaken:
            raise
        except Conflict:
            await self._refresh(desired.name)
            raise Conflict(f"adapter '{desired.name}' exists already; choose another name, or replace it") from None

    async def _expected(self, name: AdapterName, expect: Revision | None, *, deleting: bool = False) -> AdapterObject:
        """The object to write over. Raises NotFound, PreconditionFailed."""
        known, item = await self.get(name), self._adapters.object(name)
        found = _found(known, item, expect)
        if deleting:
            check_delete(name, found, expect)
        else:
            check_put(name, found, expect)
        if item is None:
            raise NotFound(f"there is no adapter '{name}'")
        return item

    async def _refresh(self, name: AdapterName) -> None:
        answer = await self._api.find(ADAPTER, name)
        if answer is not None:
            self._adapters.mirror.learn(answer)
        elif (item := self._adapters.object(name)) is not None:
            self._adapters.mirror.forget(item)

    def _learn(self, answer: bytes) -> Desired:
        item = self._adapters.mirror.learn(answer)
        stored = self._adapters.get(AdapterName(item.metadata.name))
        if stored is None:
            raise NotFound(f"adapter '{item.metadata.name}' was deleted by someone else meanwhile")
        return stored


def _found(known: Desired | None, item: AdapterObject | None, expect: Revision | None) -> Revision | None:
    """The revision there is. Any version since the desired state last changed is as good as the first with it."""
    if known is None or item is None:
        return None
    if expect is not None and known.revision <= expect <= version_of(item):
        return expect
    return known.revision


def _edits(current: AdapterObject, desired: Desired) -> list[dict[str, Any]]:
    """A JSON patch: labels, finalizers and others' annotations stay; another version than the one read refuses it."""
    told = {**current.metadata.annotations, **annotations_of(desired)}
    if desired.restarted_at is None:
        told.pop(RESTARTED_AT, None)
    return [
        {"op": "replace", "path": "/metadata/resourceVersion", "value": current.metadata.resource_version},
        {"op": "add", "path": "/metadata/annotations", "value": told},
        {"op": "replace", "path": "/spec", "value": spec_of(desired)},
    ]
