"""Calls that are held until somebody with the role approves them, or time is over. Makes no call itself.

An approval is bound to a digest of tool and arguments: what was shown is what is called. The gateway that has the call
holds it; where there are other replicas, they show it and pass on what is decided.
"""

import hashlib
import secrets
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import msgspec

from gateway.core.access import Principal, folded
from gateway.core.errors import Forbidden, NotFound, PreconditionFailed
from gateway.core.sharing import Shared
from gateway.wire.policies import ApprovalDecision, ApprovalTerms, PendingApproval

MOST: Final = 1000  # calls that may be held at once
TABLE: Final = "approvals"
DECIDE: Final = "decide on a call"

_canonical = msgspec.json.Encoder(order="sorted").encode


class _Shown(msgspec.Struct, frozen=True):
    """What others may know of a call that is held."""

    pending: PendingApproval
    roles: frozenset[str]

    def may_decide(self, principal: Principal) -> bool:
        return principal.is_admin or not principal.roles.isdisjoint(self.roles)

    def may_see(self, principal: Principal) -> bool:
        return self.may_decide(principal) or self.pending.principal == principal.id


class _Held(_Shown, frozen=True):
    decided: Callable[[str], None]


class _Decision(msgspec.Struct, frozen=True):
    """What another replica passes on, of somebody whom it knows."""

    principal: Principal
    approval_id: str
    decision: ApprovalDecision


class Approvals:
    """services.policies.Approvals, and core.sharing.Table where there are other replicas.

    on_change is called when calls are held or decided; it must not wait.
    """

    def __init__(self, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self.on_change: Callable[[], None] | None = None
        self._clock = clock
        self._held: dict[str, _Held] = {}
        self._elsewhere: dict[str, dict[str, _Shown]] = {}  # by replica
        self._shared: Shared | None = None

    def share(self, shared: Shared) -> None:
        self._shared = shared
        shared.join(TABLE, self)
        shared.serve(DECIDE, self._decide_for_another)

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
        self._tell(pending.id)
        return pending

    def pending(self, principal: Principal) -> list[PendingApproval]:
        """Those that the principal may decide, and its own; the oldest first. Held at whatever replica."""
        held: list[_Shown] = [*self._held.values(), *(each for by in self._elsewhere.values() for each in by.values())]
        found = [each.pending for each in held if each.may_see(principal)]
        return sorted(found, key=lambda each: each.created_at)

    async def decide_anywhere(
        self, principal: Principal, approval_id: str, decision: ApprovalDecision
    ) -> PendingApproval:
        """As `decide`, of calls that other replicas hold too. Raises Unreachable besides."""
        for replica, held in self._elsewhere.items():
            if approval_id in held and held[approval_id].may_see(principal) and self._shared is not None:
                body = msgspec.msgpack.encode(_Decision(principal, approval_id, decision))
                reply = await self._shared.ask(replica, DECIDE, body)
                return msgspec.msgpack.decode(reply, type=PendingApproval)
        return self.decide(principal, approval_id, decision)

    def decide(self, principal: Principal, approval_id: str, decision: ApprovalDecision) -> PendingApproval:
        """Raises NotFound, Forbidden, PreconditionFailed."""
        held = self._held.get(approval_id)
        if held is None or not held.may_see(principal):
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
            self._tell(approval_id)

    def tick(self) -> None:
        now = self._clock()
        for held in [each for each in self._held.values() if each.pending.expires_at <= now]:
            self._settle(held, "nobody approved this call in time")

    def _settle(self, held: _Held, reason: str) -> None:
        del self._held[held.pending.id]
        self._tell(held.pending.id)
        held.decided(reason)

    def _tell(self, approval_id: str) -> None:
        if self._shared is not None:
            self._shared.stir(TABLE, approval_id, at_once=True)
        self._tell_change()

    def _tell_change(self) -> None:
        if self.on_change is not None:
            self.on_change()

    async def _decide_for_another(self, body: bytes) -> bytes:
        asked = msgspec.msgpack.decode(body, type=_Decision)
        return msgspec.msgpack.encode(self.decide(asked.principal, asked.approval_id, asked.decision))

    # core.sharing.Table

    def rows(self) -> Iterable[str]:
        return tuple(self._held)

    def row(self, name: str) -> bytes | None:
        held = self._held.get(name)
        return msgspec.msgpack.encode(_Shown(held.pending, held.roles)) if held is not None else None

    def heard(self, replica: str, name: str, value: bytes | None) -> None:
        held = self._elsewhere.setdefault(replica, {})
        held.pop(name, None)
        if value is not None:
            held[name] = msgspec.msgpack.decode(value, type=_Shown)
        self._tell_change()

    def lost(self, replica: str) -> None:
        if self._elsewhere.pop(replica, None):
            self._tell_change()


def digest_of(tool: str, arguments: dict[str, Any]) -> str:
    return f"sha256:{hashlib.sha256(_canonical({'tool': tool, 'arguments': arguments})).hexdigest()}"
