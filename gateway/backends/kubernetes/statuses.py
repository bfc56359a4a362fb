"""What is observed of adapters, written into their objects' status, so that kubectl shows what the deck shows.

Every gateway writes; equal ones write the same, and what is there already is not written again.
"""

import asyncio
import logging
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final

import msgspec

from gateway.backends.kubernetes.shape import ADAPTER_LABEL
from gateway.cluster.api import Api
from gateway.cluster.definitions import RESTARTED_AT, CustomStatus
from gateway.cluster.desires import Desires
from gateway.cluster.objects import CustomObject
from gateway.core.desired import Desired
from gateway.core.errors import GatewayError, NotFound
from gateway.core.observed import Observed, status_of
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterStatus

MANAGER: Final = "mcpdeck-status"
PAUSE: Final = 0.3  # seconds between two writes of one status: a pod that starts changes five times a second
AT_ONCE: Final = 8
RETRY: Final = 2.0


class Statuses:
    """wanted, observed: of an adapter, now."""

    def __init__(
        self,
        api: Api,
        desires: Desires,
        *,
        wanted: Callable[[AdapterName], Desired | None],
        observed: Callable[[AdapterName], Observed],
    ) -> None:
        self._api, self._desires, self._wanted, self._observed = api, desires, wanted, observed
        self._due: dict[AdapterName, None] = {}  # in order
        self._writing: set[AdapterName] = set()  # now, or a moment ago
        self._news = asyncio.Event()

    @property
    def is_busy(self) -> bool:
        """Whether something is still to be looked at."""
        return bool(self._due or self._writing)

    def look(self, name: AdapterName) -> None:
        """What is observed of it may have changed."""
        self._due[name] = None
        self._news.set()

    async def keep(self) -> None:
        """Until cancelled."""
        async with asyncio.TaskGroup() as tasks:
            for number in range(AT_ONCE):
                tasks.create_task(self._write_on(), name=f"write statuses {number}")

    async def _write_on(self) -> None:
        while True:
            while not self._due:
                self._news.clear()
                await self._news.wait()
            name = next((each for each in self._due if each not in self._writing), None)
            if name is None:
                await asyncio.sleep(PAUSE)
                continue
            del self._due[name]
            self._writing.add(name)
            try:
                await self._write(name)
            except NotFound:
                continue
            except GatewayError as error:
                log.warning("the status of '%s' can't be written: %s", name, error)
                await asyncio.sleep(RETRY)
                self.look(name)
            finally:
                asyncio.get_running_loop().call_later(PAUSE, self._writing.discard, name)

    async def _write(self, name: AdapterName) -> None:
        desired = self._wanted(name)
        owner = self._desires.owner(desired) if desired is not None else None
        if desired is None or owner is None:
            return
        told = told_of(owner.item, desired, self._observed(name), now=datetime.now(UTC))
        if any(owner.item.status.get(key) != value for key, value in told.items()):
            answer = await self._api.patch(owner.kind, name, {"status": told}, subresource="status", manager=MANAGER)
            self._desires.learn(owner.kind, answer)


def told_of(item: CustomObject, desired: Desired, observed: Observed, *, now: datetime) -> dict[str, Any]:
    """The status as it should be. Times of conditions stay where nothing changed. Pure."""
    status = status_of(desired, observed, now=now.replace(microsecond=0), previous=_previous(item))
    fields = {field: getattr(status, field) for field in AdapterStatus.__struct_fields__}
    whole = CustomStatus(
        **fields,
        observed_generation=item.metadata.generation,
        observed_restart=item.metadata.annotations.get(RESTARTED_AT, ""),
        revision=str(desired.revision),
        selector=f"{ADAPTER_LABEL}={desired.name}",
    )
    told: dict[str, Any] = msgspec.to_builtins(whole)
    return told


def _previous(item: CustomObject) -> AdapterStatus | None:
    try:
        return msgspec.convert(item.status, AdapterStatus)
    except msgspec.ValidationError:  # none yet, or another mcpdeck's
        return None


log = logging.getLogger(__name__)
