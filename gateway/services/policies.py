"""What administrators may do with policies on tool calls; to others they do not exist. Evaluates none.

A write holds for the next call when it returns.
"""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Protocol

from gateway.core.access import ADMIN_ROLE, Principal
from gateway.core.errors import Forbidden, Invalid
from gateway.core.policy import CompiledPolicy, Faulty
from gateway.core.ports import Store
from gateway.core.tools import DesiredPolicy
from gateway.services.managed import Managed, summary
from gateway.services.registry import Registry
from gateway.wire.names import AdapterName
from gateway.wire.policies import (
    ApprovalDecision,
    PendingApproval,
    PolicySpec,
    Question,
    Tested,
    problems_of_policy,
)


class InForce(Protocol):
    """What the policies in force make of calls, and calls that are held for approval."""

    def tested(self, question: Question) -> Sequence[Tested]:
        """Raises core.policy.Faulty for a draft that is none."""

    @property
    def approvals(self) -> "Approvals": ...


class Approvals(Protocol):
    def pending(self, principal: Principal) -> Sequence[PendingApproval]:
        """Those that the principal may decide, and its own."""

    async def decide_anywhere(
        self, principal: Principal, approval_id: str, decision: ApprovalDecision
    ) -> PendingApproval:
        """At whatever replica it is held. Raises NotFound, Forbidden, PreconditionFailed, Unreachable."""


class Policies(Managed[DesiredPolicy, PolicySpec]):
    noun, a_noun, plural = "policy", "a policy", "policy"

    def __init__(
        self,
        store: Store[DesiredPolicy],
        *,
        registry: Registry,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        super().__init__(store, DesiredPolicy, PolicySpec, create_roles=frozenset({ADMIN_ROLE}), clock=clock)
        self._registry = registry

    async def visible(self, principal: Principal) -> list[DesiredPolicy]:
        must_administer(principal)
        return await super().visible(principal)

    async def get(self, principal: Principal, name: str) -> DesiredPolicy:
        must_administer(principal)
        return await super().get(principal, name)

    async def _writable(self, principal: Principal, name: str) -> DesiredPolicy:
        must_administer(principal)
        return await super()._writable(principal, name)

    def checked(self, spec: PolicySpec) -> PolicySpec:
        errors = problems_of_policy(spec)
        try:
            CompiledPolicy(spec)
        except Faulty as error:
            errors |= error.problems
        if errors:
            raise Invalid(summary(errors), errors=errors)
        return spec

    async def was_written(self, stored: DesiredPolicy) -> None:  # noqa: ARG002 - all are read again
        await self._registry.refresh()

    async def was_deleted(self, name: AdapterName) -> None:  # noqa: ARG002 - as above
        await self._registry.refresh()


def must_administer(principal: Principal) -> None:
    """Raises Forbidden. A policy's creator who is no administrator any more has no say in it either."""
    if not principal.is_admin:
        raise Forbidden(f"policies are administrators' alone; it takes the role {ADMIN_ROLE}")
