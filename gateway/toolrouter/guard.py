"""Whether a call may go out, by the policies in force: now, not at all, later, or once somebody approves it.

Stands between a call and its backend, at /mcp and on adapters' own routes. What it refuses reads like a tool's error,
so that a model can act on it.
"""

import logging
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from functools import partial

from gateway.core.access import Principal
from gateway.core.errors import Forbidden, GatewayError, NothingReady, TooManyRequests
from gateway.core.outlook import Judged
from gateway.core.policy import CompiledPolicy, judge, reason_of
from gateway.core.ports import Exchange, Go, Witness, nothing
from gateway.core.sharing import Shared
from gateway.core.tools import DesiredPolicy
from gateway.toolrouter import replies
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.carried import Carried, Heard, Ticket
from gateway.toolrouter.limits import Admitted, Exceeded, Limits, SharedLimits, Uncounted
from gateway.toolrouter.waiting import Resumed, waiting
from gateway.toolrouter.weighing import Outlooks, Weighed
from gateway.wire.mcp import Era
from gateway.wire.policies import Decided, Effect, Facts, Limit, PolicySpec, Question, Tested, Verdict

log = logging.getLogger(__name__)

type Spawn = Callable[[Callable[[], Coroutine[None, None, None]]], bool]


class Guard:
    """witness: is told of what is refused."""

    def __init__(self, approvals: Approvals, *, witness: Witness | None = None) -> None:
        self.approvals = approvals
        self._witness = witness
        self._limits = Limits()
        self._shared: SharedLimits | None = None
        self._spawn: Spawn | None = None
        self._carried = Carried()
        self._waiting: set[Resumed] = set()
        self.has_policies = False
        self.outlooks = Outlooks()
        self._policies: tuple[CompiledPolicy, ...] = ()
        self._made_of: tuple[DesiredPolicy, ...] = ()

    def share(self, shared: Shared, *, is_strict: bool, spawn: Spawn) -> None:
        """There are other replicas: limits hold for all of them together. spawn: runs what has to ask them."""
        self._carried.share(shared)
        self._shared, self._spawn = SharedLimits(shared, self._limits, is_strict=is_strict), spawn

    def publish(self, desired: tuple[DesiredPolicy, ...]) -> None:
        """One that can't be compiled was written past the gateway's check: all calls that it concerns are refused."""
        if desired == self._made_of:
            return
        self._made_of = desired
        self._policies = tuple(map(_compiled, desired))
        self.has_policies = bool(self._policies)
        self.outlooks.publish(self._policies)
        self._carried.clear()

    def admit(self, exchange: Exchange, call: Weighed, go: Go) -> None:
        """go: makes the call; perhaps at once, perhaps never."""
        judged = call.outlook.of(call.arguments)
        if judged.shadowed:
            self._tell_shadows(call, judged.shadowed)
        by = judged.by
        if by is None and not judged.limits:
            go(exchange, nothing)
            return
        if by is not None and by.effect is Effect.DENY:
            self._deny(exchange, call, reason=reason_of(by), by=by)
            return
        ticket = self._carried.take(call)
        if by is None or (ticket is not None and ticket.approves(by.policy, by.rule)):
            self._count(exchange, call, go, judged.limits, before=ticket, ticket=ticket)
        else:
            self._hold(exchange, call, go, judged=judged, by=by, before=ticket)

    def tick(self) -> None:
        """Every few seconds."""
        self.approvals.tick()
        self._carried.tick()
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

    def _count(
        self,
        exchange: Exchange,
        call: Weighed,
        go: Go,
        limits: Sequence[tuple[str, Limit]],
        *,
        before: Ticket | None,
        ticket: Ticket | None,
    ) -> None:
        """before: of a round that was counted already. ticket: for the next one, if there is one."""
        after = ticket or Ticket(self._carried.until())

        def asks(state: str) -> None:
            self._carried.keep(call, state, after)

        def heard(through: Exchange, release: Callable[[], None]) -> None:
            go(through if call.caller.era is Era.LEGACY else Heard(through, asks), release)

        if not limits:
            heard(exchange, nothing)
            return
        who, name, is_again = call.caller.principal.id, call.name, before is not None

        def counted(admitted: Admitted | Exceeded | Uncounted) -> None:
            if before is not None and not isinstance(admitted, Admitted):
                self._carried.keep(call, call.state or "", before)  # it did not go: the client may try again
            self._counted(exchange, call, heard, admitted)

        shared, spawn = self._shared, self._spawn
        if shared is not None and spawn is not None:
            taking = partial(shared.admit, limits, who, name, is_again=is_again)
            if spawn(partial(self._count_together, taking, exchange, call, counted)):
                return
        counted(self._limits.admit(limits, who, name, is_again=is_again))

    async def _count_together(
        self,
        taking: Callable[[], Awaitable[Admitted | Exceeded | Uncounted]],
        exchange: Exchange,
        call: Weighed,
        counted: Callable[[Admitted | Exceeded | Uncounted], None],
    ) -> None:
        admitted = await taking()
        try:
            if not exchange.has_ended:
                counted(admitted)
            elif isinstance(admitted, Admitted):
                admitted.take_back()
        except Exception:  # one call's, not the server's
            log.exception("a call of %s could not be made", call.name)
            exchange.abort()

    def _counted(self, exchange: Exchange, call: Weighed, go: Go, admitted: Admitted | Exceeded | Uncounted) -> None:
        principal = call.caller.principal
        if isinstance(admitted, Exceeded):
            sentence = f"too many calls of {call.name}: limit '{admitted.limit}' of policy '{admitted.policy}'"
            error = TooManyRequests(f"{sentence}; try again in {admitted.seconds:.0f} s", retry=admitted.seconds)
            self._refused(exchange, principal, error.detail)
            self._refuse(exchange, call, error)
        elif isinstance(admitted, Uncounted):
            refusal = NothingReady(f"{call.name} has limits, and calls can't be counted now: {admitted.reason}")
            self._refused(exchange, principal, refusal.detail)
            self._refuse(exchange, call, refusal)
        else:
            go(exchange, admitted.release)

    def _hold(
        self, exchange: Exchange, call: Weighed, go: Go, *, judged: Judged, by: Decided, before: Ticket | None
    ) -> None:
        terms = next(each.spec.approval for each in self._policies if each.spec.name == by.policy)
        until = self._carried.until(terms.expires)
        waits: list[Resumed] = []

        def decided(reason: str) -> None:
            outer = waits[0]
            self._waiting.discard(outer)
            outer.resume()
            if reason:
                self._deny(outer, call, reason=reason, by=by)
            else:
                ticket = Ticket(until, (by.policy, by.rule))
                self._count(outer, call, go, judged.limits, before=before, ticket=ticket)

        caller = call.caller
        held = self.approvals.hold(
            caller.principal,
            call.name,
            call.arguments,
            rule=(by.policy, by.rule, by.reason),
            terms=terms,
            decided=decided,
        )
        if held is None:
            error = TooManyRequests("too many calls wait for approval already", retry=30.0)
            self._refuse(exchange, call, error)
            return
        pending = held
        log.info("call of %s by %s waits for approval %s", call.name, caller.principal.id, pending.id)

        def left() -> None:
            self._waiting.discard(waits[0])
            self.approvals.forget(pending.id)
            call.refused(0)

        waits.append(waiting(exchange, pending, caller.era, token=call.token, left=left))
        self._waiting.update(waits)

    def _deny(self, exchange: Exchange, call: Weighed, *, reason: str, by: Decided) -> None:
        name, principal = call.name, call.caller.principal
        log.info("call of %s by %s is refused: %s/%s %s", name, principal.id, by.policy, by.rule, by.error)
        self._refused(exchange, principal, f"{name}, policy {by.policy}, rule {by.rule or '(default)'}")
        if call.is_posted:
            self._refuse(exchange, call, Forbidden(f"{name}: {reason}"))
        else:
            replies.result(exchange, call.raw_id, replies.tool_error(call.caller.era, f"{name}: {reason}"))
            call.refused(exchange.status)

    def _refuse(self, exchange: Exchange, call: Weighed, error: GatewayError) -> None:
        replies.refuse(exchange, error, call.raw_id)
        call.refused(exchange.status)

    def _refused(self, exchange: Exchange, principal: Principal, detail: str) -> None:
        if self._witness is not None:
            self._witness.refused(exchange, principal, Forbidden(detail), request_id=b"")

    def _tell_shadows(self, call: Weighed, shadowed: Sequence[Decided]) -> None:
        for each in shadowed:
            told = (each.policy, each.rule or "(default)", each.effect, call.name, call.caller.principal.id)
            log.info("policy %s, rule %s would %s the call of %s by %s", *told)


def _compiled(desired: DesiredPolicy) -> CompiledPolicy:
    try:
        return CompiledPolicy(desired.spec)
    except ValueError as error:
        log.error("policy '%s' is not right and refuses every call: %s", desired.name, error)  # noqa: TRY400 - a sentence says it
        spec = desired.spec
        return CompiledPolicy(PolicySpec(name=spec.name, mode=spec.mode, toolset=spec.toolset, default=Effect.DENY))
