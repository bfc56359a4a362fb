"""Calls that are held until somebody with the role approves them, or time is over. Kept by this gateway alone.

An approval is bound to a digest of tool and arguments: what was shown is what is called. Makes no call itself.
"""

import hashlib
import secrets
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.core.access import Principal, folded
from gateway.core.errors import Forbidden, NotFound, PreconditionFailed
from gateway.wire.policies import ApprovalDecision, ApprovalTerms, PendingApproval

MOST: Final = 1000  # calls that may be held at once

_canonical = msgspec.json.Encoder(order="sorted").encode


class _Held(msgspec.Struct, frozen=True):
    pending: PendingApproval
    roles: frozenset[str]
    decided: Callable[[str], None]

    def may_decide(self, principal: Principal) -> bool:
        return principal.is_admin or not principal.roles.isdisjoint(self.roles)


class Approvals:
    """services.policies.Approvals. on_change is called when calls are held or decided; it must not wait."""

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.on_change: Callable[[], None] | None = None
        self._clock = clock
        self._held: dict[str, _Held] = {}

    def hold(
        self,
        principal: Principal,
        tool: str,
        arguments: dict[str, Any],
        *,
        rule: tuple[str, str, str],
        terms: ApprovalTerms,
        decided: Callable[[str], None],
    ) -> PendingApproval | None:
        """rule: policy, rule, reason. decided: told "" once it is approved, else why not. None: too many are held."""
        if len(self._held) >= MOST:
            return None
        now = self._clock()
        policy, name, reason = rule
        pending = PendingApproval(
            id=secrets.token_hex(8),
            policy=policy,
            rule=name,
            reason=reason,
            tool=tool,
            principal=principal.id,
            principal_name=principal.name,
            arguments=arguments,
            digest=digest_of(tool, arguments),
            created_at=now,
            expires_at=now + timedelta(seconds=terms.expires),
        )
        self._held[pending.id] = _Held(pending, folded(terms.roles), decided)
        self._tell()
        return pending

    def pending(self, principal: Principal) -> list[PendingApproval]:
        """Those that the principal may decide, and its own; the oldest first."""
        return [
            each.pending
            for each in self._held.values()
            if each.may_decide(principal) or each.pending.principal == principal.id
        ]

    def decide(self, principal: Principal, approval_id: str, decision: ApprovalDecision) -> PendingApproval:
        """Raises NotFound, Forbidden, PreconditionFailed."""
        held = self._held.get(approval_id)
        if held is None or not (held.may_decide(principal) or held.pending.principal == principal.id):
            raise NotFound(f"no call waits for approval under {approval_id!r}; it may be decided, expired, or given up")
        if not held.may_decide(principal):
            raise Forbidden(
                f"to decide this takes mcp.admin or one of {', '.join(sorted(held.roles)) or 'no other role'}"
            )
        if decision.digest != held.pending.digest:
            raise PreconditionFailed("the digest is another call's: look at this one's arguments, then decide")
        who = principal.name or principal.id
        told = f": {decision.reason}" if decision.reason else ""
        self._settle(held, "" if decision.approve else f"{who} did not approve this call{told}")
        return held.pending

    def forget(self, approval_id: str) -> None:
        """Whoever made the call does not wait any more."""
        if self._held.pop(approval_id, None) is not None:
            self._tell()

    def tick(self) -> None:
        now = self._clock()
        for held in [each for each in self._held.values() if each.pending.expires_at <= now]:
            self._settle(held, "nobody approved this call in time")

    def _settle(self, held: _Held, reason: str) -> None:
        del self._held[held.pending.id]
        self._tell()
        held.decided(reason)

    def _tell(self) -> None:
        if self.on_change is not None:
            self.on_change()


def digest_of(tool: str, arguments: dict[str, Any]) -> str:
    return f"sha256:{hashlib.sha256(_canonical({'tool': tool, 'arguments': arguments})).hexdigest()}"
