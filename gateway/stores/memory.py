"""Desired state in memory, for tests and gateways that keep nothing. Nothing outlives the process."""

from collections.abc import Sequence

import msgspec

from gateway.core.desired import Desired, Kept, Revision
from gateway.stores.expectations import check_delete, check_put
from gateway.stores.kinds import ADAPTERS, Kind
from gateway.wire.names import AdapterName


class MemoryStore[Stored: Kept = Desired]:
    """ports.Store. No method awaits between reading and writing, so that no lock is needed."""

    def __init__(self, kind: Kind[Stored] = ADAPTERS) -> None:  # type: ignore[assignment]  # Stored's default
        self._kind = kind
        self._by_name: dict[AdapterName, Stored] = {}
        self._last = 0

    async def list(self) -> Sequence[Stored]:
        return [self._by_name[name] for name in sorted(self._by_name)]

    async def get(self, name: AdapterName) -> Stored | None:
        return self._by_name.get(name)

    async def put(self, desired: Stored, *, expect: Revision | None) -> Stored:
        check_put(desired.name, self._revision(desired.name), expect, noun=self._kind.noun)
        self._last += 1
        stored = msgspec.structs.replace(desired, revision=Revision(self._last))
        self._by_name[stored.name] = stored
        return stored

    async def delete(self, name: AdapterName, *, expect: Revision | None) -> None:
        check_delete(name, self._revision(name), expect, noun=self._kind.noun)
        self._last += 1
        del self._by_name[name]

    def _revision(self, name: AdapterName) -> Revision | None:
        stored = self._by_name.get(name)
        return None if stored is None else stored.revision
