"""Whether a call may go out, by the policies in force: now, not at all, later, or once somebody approves it.

Stands between a checked call and its backend. What it refuses reads like a tool's error, so that a model can act on it.
"""

import logging
from collections.abc import Callable, Iterable, Sequence

from msgspec import Raw

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, TooManyRequests
from gateway.core.policy import CompiledPolicy, decisive, judge, reason_of
from gateway.core.ports import Exchange, Witness
from gateway.core.tools import DesiredPolicy
from gateway.toolrouter import replies
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.calls import Caller, Ready
from gateway.toolrouter.catalog import Offer
from gateway.toolrouter.limits import Exceeded, Limits
from gateway.toolrouter.waiting import Resumed, waiting
from gateway.wire.policies import Decided, Effect, Facts, Limit, Mode, PolicySpec, Question, Tested, Verdict

log = logging.getLogger(__name__)

type Go = Callable[[Exchange, Callable[[], None]], None]  # the exchange to answer, and what to call at the end


class Guard:
    """witness: is told of what is refused."""

    def __init__(self, approvals: Approvals, *, witness: Witness | None = None) -> None:
        self.approvals = approvals
        self._witness = witness
        self._limits = Limits()
        self._waiting: set[Resumed] = set()
        self._policies: tuple[CompiledPolicy, ...] = ()
        self._made_of: tuple[DesiredPolicy, ...] = ()

    def publish(self, desired: tuple[DesiredPolicy, ...]) -> None:
        """One that can't be compiled was written past the gateway's check: all calls that it concerns are refused."""
        if desired == self._made_of:
            return
        self._made_of = desired
        self._policies = tuple(map(_compiled, desired))

    def admit(
        self, exchange: Exchange, caller: Caller, ready: Ready, *, raw_id: bytes, token: Raw | None, go: Go
    ) -> None:
        """go: makes the call; perhaps at once, perhaps never. token: for progress, where the client wants any."""
        if not self._policies:
            go(exchange, _nothing)
            return
        facts = facts_of(caller, ready.offer, ready.arguments)
        verdict = judge(self._policies, facts)
        self._tell_shadows(caller.principal, ready.offer, verdict.decided)
        decided = decisive(verdict)
        if decided is None:
            self._count(exchange, caller, ready, facts, raw_id=raw_id, go=go)
        elif decided.effect is Effect.DENY:
            self._deny(exchange, caller, ready.offer, raw_id=raw_id, reason=reason_of(decided), by=decided)
        else:
            self._hold(exchange, caller, ready, facts, raw_id=raw_id, token=token, go=go, by=decided)

    def tick(self) -> None:
        """Every few seconds."""
        self.approvals.tick()
        for each in tuple(self._waiting):
            each.tick()

    def answer(self, question: Question) -> list[Tested]:
        """What is in force makes of calls, and what a draft would. Raises core.policy.Faulty."""
        draft = CompiledPolicy(question.draft) if question.draft is not None else None
        return [Tested(now=judge(self._policies, each), draft=self._with(draft, each)) for each in question.calls]

    def _with(self, draft: CompiledPolicy | None, facts: Facts) -> Verdict | None:
        if draft is None:
            return None
        others = [each for each in self._policies if each.spec.name != draft.spec.name]
        return judge([*others, draft], facts)

    def _count(self, exchange: Exchange, caller: Caller, ready: Ready, facts: Facts, *, raw_id: bytes, go: Go) -> None:
        limits = list(_limits(self._policies, facts))
        if not limits:
            go(exchange, _nothing)
            return
        admitted = self._limits.admit(limits, caller.principal.id, ready.offer.name)
        if isinstance(admitted, Exceeded):
            sentence = f"too many calls of {ready.offer.name}: limit '{admitted.limit}' of policy '{admitted.policy}'"
            error = TooManyRequests(f"{sentence}; try again in {admitted.seconds:.0f} s", retry=admitted.seconds)
            self._refused(exchange, caller.principal, error.detail)
            replies.refuse(exchange, error, raw_id)
        else:
            go(exchange, admitted.release)

    def _hold(
        self,
        exchange: Exchange,
        caller: Caller,
        ready: Ready,
        facts: Facts,
        *,
        raw_id: bytes,
        token: Raw | None,
        go: Go,
        by: Decided,
    ) -> None:
        terms = next(each.spec.approval for each in self._policies if each.spec.name == by.policy)
        waits: list[Resumed] = []

        def decided(reason: str) -> None:
            outer = waits[0]
            self._waiting.discard(outer)
            outer.resume()
            if reason:
                self._deny(outer, caller, ready.offer, raw_id=raw_id, reason=reason, by=by)
            else:
                self._count(outer, caller, ready, facts, raw_id=raw_id, go=go)

        pending = self.approvals.hold(
            caller.principal,
            ready.offer.name,
            ready.arguments,
            rule=(by.policy, by.rule, by.reason),
            terms=terms,
            decided=decided,
        )
        if pending is None:
            error = TooManyRequests("too many calls wait for approval already", retry=30.0)
            replies.refuse(exchange, error, raw_id)
            return
        log.info("call of %s by %s waits for approval %s", ready.offer.name, caller.principal.id, pending.id)

        def left() -> None:
            self._waiting.discard(waits[0])
            self.approvals.forget(pending.id)

        waits.append(waiting(exchange, pending, caller.era, token=token, left=left))
        self._waiting.update(waits)

    def _deny(
        self, exchange: Exchange, caller: Caller, offer: Offer, *, raw_id: bytes, reason: str, by: Decided
    ) -> None:
        log.info("call of %s by %s is refused: %s/%s %s", offer.name, caller.principal.id, by.policy, by.rule, by.error)
        self._refused(exchange, caller.principal, f"{offer.name}, policy {by.policy}, rule {by.rule or '(default)'}")
        replies.result(exchange, raw_id, replies.tool_error(caller.era, f"{offer.name}: {reason}"))

    def _refused(self, exchange: Exchange, principal: Principal, detail: str) -> None:
        if self._witness is not None:
            self._witness.refused(exchange, principal, Forbidden(detail), request_id=b"")

    def _tell_shadows(self, principal: Principal, offer: Offer, decided: Iterable[Decided]) -> None:
        for each in decided:
            if each.shadow and each.effect is not Effect.ALLOW:
                told = (each.policy, each.rule or "(default)", each.effect, offer.name, principal.id)
                log.info("policy %s, rule %s would %s the call of %s by %s", *told)


def facts_of(caller: Caller, offer: Offer, arguments: dict[str, object]) -> Facts:
    principal = caller.principal
    return Facts(
        principal={
            "id": principal.id,
            "name": principal.name,
            "roles": sorted(principal.roles),
            "isAdmin": principal.is_admin,
        },
        tool={
            "name": offer.name,
            "original": offer.original,
            "source": offer.source,
            "annotations": offer.plain.get("annotations", {}),
        },
        args=arguments,
        toolset=caller.place,
    )


def _limits(policies: Sequence[CompiledPolicy], facts: Facts) -> Iterable[tuple[str, Limit]]:
    for policy in policies:
        if policy.spec.mode is Mode.ENFORCE and policy.concerns(facts):
            for limit in policy.limits(facts):
                yield policy.spec.name, limit


def _compiled(desired: DesiredPolicy) -> CompiledPolicy:
    try:
        return CompiledPolicy(desired.spec)
    except ValueError as error:
        log.error("policy '%s' is not right and refuses every call: %s", desired.name, error)  # noqa: TRY400
        spec = desired.spec
        return CompiledPolicy(PolicySpec(name=spec.name, mode=spec.mode, toolset=spec.toolset, default=Effect.DENY))


def _nothing() -> None:
    """Nothing was counted."""
