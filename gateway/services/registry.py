"""What is registered at /mcp, read from the stores and published; and how each tool stands, for /events.

Level-triggered like the reconcile loop: everything is read again after each write and every so often, so that another
replica's writes show as well. Writes nothing.
"""

import asyncio
import logging
from contextlib import suppress
from typing import Final

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.ports import Offers, Store
from gateway.core.tools import DesiredPolicy, DesiredTool, DesiredToolset, Registered
from gateway.services.events import Hub
from gateway.services.reconcile import Reconciler
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterStatus, Phase
from gateway.wire.tools import OfferedTool, ToolStatus

PERIOD: Final = 30.0  # seconds between readings that nobody asked for
BOUND: Final = 60.0  # seconds that a store may take
PACE: Final = 0.5  # seconds between two looks at what is offered

log = logging.getLogger(__name__)


class Registry:
    """`async with` nothing: `run` keeps it going, `refresh` after a write."""

    def __init__(
        self,
        tools: Store[DesiredTool],
        toolsets: Store[DesiredToolset],
        policies: Store[DesiredPolicy],
        *,
        offers: Offers,
        reconciler: Reconciler,
        hub: Hub,
        period: float = PERIOD,
    ) -> None:
        self.trouble = "nothing has been read from the store yet"
        self._tools, self._toolsets, self._policies = tools, toolsets, policies
        self._offers, self._reconciler, self._hub = offers, reconciler, hub
        self._period = period
        self._registered = Registered()
        self._shown: set[AdapterName] = set()
        self._shown_toolsets: set[AdapterName] = set()
        self._warned: set[str] = set()
        self._stirred = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. What fails is said in the log and tried again."""
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._keep_reading(), name="read tools")
            tasks.create_task(self._keep_showing(), name="show tools")

    async def refresh(self) -> None:
        """Raises what the stores raise."""
        async with asyncio.timeout(BOUND):
            tools, toolsets = await self._tools.list(), await self._toolsets.list()
            policies = await self._policies.list()
        registered = Registered(tuple(tools), tuple(toolsets), tuple(policies))
        if registered != self._registered or self.trouble:
            self._registered, self.trouble = registered, ""
            self._offers.publish(registered)
        self._show()

    async def settled(self) -> None:
        """What was registered is known, as far as it can be."""
        await self._offers.settled()

    def stir(self) -> None:
        """What is offered may be another set, or stand otherwise."""
        self._stirred.set()

    def status(self, desired: DesiredTool) -> ToolStatus:
        """Of its own instances, or of the adapter whose tool it is, and what of it is offered."""
        offered = list(self._offers.offered(desired.name))
        workload = desired.workload()
        if workload is not None:
            return _status(self._reconciler.status(workload), offered)
        base = self._reconciler.statuses().get(desired.source)
        if base is None:
            return _status(_absent(desired.source), offered)
        problem = self._offers.problem(desired.source)
        if problem and not base.reason:
            base = msgspec.structs.replace(base, reason="ListsIncomplete", message=problem)
        return _status(base, offered)

    async def _keep_reading(self) -> None:
        while True:
            try:
                await self.refresh()
            except (GatewayError, TimeoutError, OSError) as error:
                self.trouble = f"tools can't be read from the store: {error}"
                log.warning("%s; trying again in %.0f s", self.trouble, self._period)
            await asyncio.sleep(self._period)

    async def _keep_showing(self) -> None:
        """Many changes in a row are looked at once."""
        while True:
            await self._stirred.wait()
            self._stirred.clear()
            self._show()
            with suppress(TimeoutError):
                await asyncio.sleep(PACE)

    def _show(self) -> None:
        for each in self._registered.tools:
            self._hub.show_tool(each, _without_counts(self.status(each)))
        names = {each.name for each in self._registered.tools}
        for gone in sorted(self._shown - names):
            self._hub.hide_tool(gone)
        self._shown = names
        self._show_toolsets()

    def _show_toolsets(self) -> None:
        warned = {self._offers.cost(None, None).warning}
        for each in self._registered.toolsets:
            cost = self._offers.cost(None, each)
            warned.add(cost.warning)
            self._hub.show_toolset(each, cost)
        places = {each.name for each in self._registered.toolsets}
        for gone in sorted(self._shown_toolsets - places):
            self._hub.hide_toolset(gone)
        self._shown_toolsets = places
        for warning in sorted(warned - self._warned - {""}):
            log.warning("%s; see: mcpdeck tools cost", warning)
        self._warned = warned


def _status(base: AdapterStatus, offered: list[OfferedTool]) -> ToolStatus:
    fields = {name: getattr(base, name) for name in AdapterStatus.__struct_fields__}
    return ToolStatus(**fields, offered=offered)


def _absent(adapter: AdapterName) -> AdapterStatus:
    return AdapterStatus(
        ready_replicas=0,
        updated_replicas=0,
        available_replicas=0,
        image="",
        replica_status="Degraded: 0/0 ready",
        phase=Phase.FAILED,
        reason="AdapterMissing",
        message=f"there is no adapter '{adapter}'; see: mcpdeck adapters list",
    )


def _without_counts(status: ToolStatus) -> ToolStatus:
    """An event for each call would be too many."""
    bare = [msgspec.structs.replace(each, calls=0, errors=0, last_called_at=None) for each in status.offered]
    return msgspec.structs.replace(status, offered=bare)
