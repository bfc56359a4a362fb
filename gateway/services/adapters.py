"""What callers may do with adapters: who may, what is valid, and which revision it replaces. Starts nothing itself.

Every write is one write to the store; the reconciler makes it so.
"""

from collections.abc import Callable
from datetime import UTC, datetime

import msgspec

from gateway.core.access import ADMIN_ROLE, DEFAULT_CREATE_ROLES, Principal
from gateway.core.desired import Desired
from gateway.core.errors import Conflict, Forbidden, Invalid
from gateway.core.grants import is_for_the_caller
from gateway.core.ports import Backend, Store
from gateway.core.tools import DesiredTool
from gateway.services.managed import Managed, summary
from gateway.services.reconcile import Reconciler
from gateway.wire.names import AdapterName
from gateway.wire.resources import AdapterSpec, AdapterStatus, Recording, normalized, problems_of


class Adapters(Managed[Desired, AdapterSpec]):
    """tools: whose servers' names are taken. identity_roles: who may give an adapter an identity that is not its own
    (`check_identities`); case-folded."""

    noun, a_noun = "adapter", "an adapter"

    def __init__(
        self,
        store: Store,
        backend: Backend,
        *,
        tools: Store[DesiredTool],
        reconciler: Reconciler,
        create_roles: frozenset[str] = DEFAULT_CREATE_ROLES,
        identity_roles: frozenset[str] = frozenset({ADMIN_ROLE}),
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(store, Desired, AdapterSpec, create_roles=create_roles, clock=clock)
        self._backend, self._tools, self._reconciler = backend, tools, reconciler
        self._identity_roles = identity_roles | {ADMIN_ROLE}

    def status(self, desired: Desired) -> AdapterStatus:
        return self._reconciler.status(desired)

    async def restart(self, principal: Principal, name: str, *, if_match: str = "") -> Desired:
        """One instance after the other, as the backend can."""
        return await self._restarted(principal, await self._writable(principal, name), if_match)

    # Managed

    def checked(self, spec: AdapterSpec) -> AdapterSpec:
        spec = normalized(spec)
        if errors := problems_of(spec):
            raise Invalid(summary(errors), errors=errors)
        return spec

    def kept_errors(self, old: Desired, spec: AdapterSpec) -> dict[str, list[str]]:
        if spec.use_workload_identity == old.spec.use_workload_identity:
            return {}
        return {"useWorkloadIdentity": ["never changes; delete the adapter and create it anew"]}

    async def admit(self, principal: Principal, new: Desired, old: Desired | None) -> None:
        check_identities(principal, self._identity_roles, new.spec, old.spec if old else None)
        await self.check_name(new, old)
        if old is None or runs_otherwise(old.spec, new.spec):
            refusal = await self._backend.refusal(new.spec)
            if refusal is not None:
                raise refusal

    async def check_name(self, new: Desired, old: Desired | None) -> None:
        """Who takes a tool server's name would run in its place, and hear what its callers say."""
        tool = await self._tools.get(new.name) if old is None else None
        if tool is not None and tool.spec.is_server:
            raise Conflict(f"a tool server is named '{new.name}', and runs beside adapters: rename the adapter")

    async def was_written(self, stored: Desired) -> None:  # noqa: ARG002 - the reconciler reads all of them
        self._reconciler.kick()

    async def was_deleted(self, name: AdapterName) -> None:
        """Its route is gone at once; its instances follow."""
        self._reconciler.forget(name)


def check_identities(principal: Principal, roles: frozenset[str], new: AdapterSpec, old: AdapterSpec | None) -> None:
    """Raises Forbidden for who may not give something an identity that is not its own: the cloud's, or its callers'."""
    if not principal.roles.isdisjoint(roles):
        return
    named = ", ".join(sorted(roles))
    if old is None and new.use_workload_identity:
        raise Forbidden(f"useWorkloadIdentity takes one of the roles {named}: it lets the server act as the cluster")
    kind = new.authorization.kind if new.authorization is not None else None
    if kind is not None and is_for_the_caller(kind) and (old is None or _asks(new) != _asks(old)):
        raise Forbidden(
            f"authorization by {kind} takes one of the roles {named}, and so does a change of what is called with it: "
            "it lets the server act as its callers"
        )


def _asks(spec: AdapterSpec) -> tuple[object, ...]:
    """What decides where a server elsewhere is, and what it is shown."""
    return spec.url, spec.headers, spec.authorization


def runs_otherwise(old: AdapterSpec, new: AdapterSpec) -> bool:
    """Whether more changes than how many run, who may, and what is said of it."""

    def stripped(spec: AdapterSpec) -> AdapterSpec:
        return msgspec.structs.replace(spec, replica_count=1, required_roles=[], description="", recording=Recording())

    return stripped(old) != stripped(new)
