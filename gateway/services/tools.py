"""What callers may do with tools and toolsets: who may, what is valid, and which revision it replaces.

A write holds at /mcp when it returns. Starts nothing itself: a tool server's instances are the reconciler's affair.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.core.access import ADMIN_ROLE, DEFAULT_CREATE_ROLES, Principal, folded, may_read
from gateway.core.errors import Conflict, Invalid
from gateway.core.ports import Backend, Store
from gateway.core.tools import DesiredTool, DesiredToolset
from gateway.services.adapters import check_identities, runs_otherwise
from gateway.services.managed import Managed, summary
from gateway.services.reconcile import Reconciler
from gateway.services.registry import Registry
from gateway.wire.names import AdapterName
from gateway.wire.resources import normalized
from gateway.wire.tools import (
    ToolsetSpec,
    ToolSpec,
    ToolStatus,
    problems_of,
    problems_of_toolset,
)


class Tools(Managed[DesiredTool, ToolSpec]):
    """adapters: whose tools may be named. identity_roles: as `Adapters` has them."""

    noun, a_noun = "tool", "a tool"

    def __init__(
        self,
        store: Store[DesiredTool],
        adapters: Store,
        backend: Backend,
        *,
        registry: Registry,
        reconciler: Reconciler,
        create_roles: frozenset[str] = DEFAULT_CREATE_ROLES,
        identity_roles: frozenset[str] = frozenset({ADMIN_ROLE}),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(store, DesiredTool, ToolSpec, create_roles=create_roles, clock=clock)
        self._adapters, self._backend = adapters, backend
        self._registry, self._reconciler = registry, reconciler
        self._identity_roles = identity_roles | {ADMIN_ROLE}

    def status(self, desired: DesiredTool) -> ToolStatus:
        return self._registry.status(desired)

    async def restart(self, principal: Principal, name: str, *, if_match: str = "") -> DesiredTool:
        """Of a tool server; a tool of an adapter has nothing to restart."""
        found = await self._writable(principal, name)
        if not found.spec.is_server:
            raise Invalid(f"tool '{name}' is adapter '{found.spec.adapter}''s; see: mcpdeck adapters restart")
        return await self._restarted(principal, found, if_match)

    # Managed

    def checked(self, spec: ToolSpec) -> ToolSpec:
        spec = normalized(spec)
        if errors := problems_of(spec):
            raise Invalid(summary(errors), errors=errors)
        return spec

    def kept_errors(self, old: DesiredTool, spec: ToolSpec) -> dict[str, list[str]]:
        if spec.use_workload_identity == old.spec.use_workload_identity:
            return {}
        return {"useWorkloadIdentity": ["never changes; delete the tool and create it anew"]}

    async def admit(self, principal: Principal, new: DesiredTool, old: DesiredTool | None) -> None:
        check_identities(principal, self._identity_roles, new.spec, old.spec if old else None)
        await self.check_name(new, old)
        if new.spec.is_server:
            await self._admit_server(new, old)
        elif old is None or old.spec.adapter != new.spec.adapter:
            await self._admit_reference(principal, AdapterName(new.spec.adapter))

    async def check_name(self, new: DesiredTool, old: DesiredTool | None) -> None:  # noqa: ARG002 - may become a server
        if new.spec.is_server and await self._adapters.get(new.name) is not None:
            raise Conflict(f"an adapter is named '{new.name}', and a tool server runs beside adapters: rename the tool")

    async def was_written(self, stored: DesiredTool) -> None:
        if stored.spec.is_server:
            self._reconciler.kick()
        await self._registry.refresh()
        await self._registry.settled()

    async def was_deleted(self, name: AdapterName) -> None:
        if await self._adapters.get(name) is None:
            self._reconciler.forget(name)
        await self._registry.refresh()

    async def _admit_server(self, new: DesiredTool, old: DesiredTool | None) -> None:
        workload = new.workload()
        before = old.workload() if old is not None else None
        if workload is None or (before is not None and not runs_otherwise(before.spec, workload.spec)):
            return
        refusal = await self._backend.refusal(workload.spec)
        if refusal is not None:
            raise refusal

    async def _admit_reference(self, principal: Principal, adapter: AdapterName) -> None:
        """Who offers an adapter's tools may use it; those who may not are told what those hear who name none."""
        found = await self._adapters.get(adapter)
        if found is None or not may_read(principal, found.ownership):
            errors = {"adapter": [f"there is no adapter '{adapter}' that you may use"]}
            raise Invalid(summary(errors), errors=errors)


class Toolsets(Managed[DesiredToolset, ToolsetSpec]):
    """Who may create one may name any tool: who may not use a tool does not see it in a toolset either."""

    noun, a_noun = "toolset", "a toolset"

    def __init__(
        self,
        store: Store[DesiredToolset],
        *,
        registry: Registry,
        create_roles: frozenset[str] = DEFAULT_CREATE_ROLES,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(store, DesiredToolset, ToolsetSpec, create_roles=create_roles, clock=clock)
        self._registry = registry

    def checked(self, spec: ToolsetSpec) -> ToolsetSpec:
        if errors := problems_of_toolset(spec):
            raise Invalid(summary(errors), errors=errors)
        roles: dict[str, str] = {}
        for role in filter(None, map(str.strip, spec.required_roles)):
            roles.setdefault(min(folded([role])), role)
        return msgspec.structs.replace(spec, required_roles=list(roles.values()))

    async def was_written(self, stored: DesiredToolset) -> None:  # noqa: ARG002 - all are read again
        await self._registry.refresh()

    async def was_deleted(self, name: AdapterName) -> None:  # noqa: ARG002 - as above
        await self._registry.refresh()
