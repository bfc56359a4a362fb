"""What policies say of one caller's calls of one tool, worked out once as far as arguments have no part in it.

Most calls have none of the arguments that a rule reads: those cost a look-up.
"""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway.core.policy import CompiledPolicy, decisive, judge, strictest
from gateway.wire.policies import Decided, Effect, Facts, Limit, Mode


class Judged(msgspec.Struct, frozen=True):
    """by: what stands in a call's way, if anything does. shadowed: what would, of policies in shadow.

    limits: those that it counts for, with their policies' names.
    """

    by: Decided | None
    limits: tuple[tuple[str, Limit], ...]
    shadowed: tuple[Decided, ...]


class Outlook:
    """alike: the call in all the ways that it may be told of, without arguments; the strictest verdict holds."""

    def __init__(self, policies: Sequence[CompiledPolicy], alike: Sequence[Facts]) -> None:
        self._alike = [(facts, [each.narrowed(facts) for each in policies if each.concerns(facts)]) for facts in alike]
        reads = [each.reads for _, narrow in self._alike for each in narrow]
        names = [each for each in reads if each is not None]
        self._reads = frozenset[str]().union(*names) if len(names) == len(reads) else None
        self._plain = self._judged({})

    def of(self, arguments: dict[str, Any]) -> Judged:
        if self._reads is not None and self._reads.isdisjoint(arguments):
            return self._plain
        return self._judged(arguments)

    def _judged(self, arguments: dict[str, Any]) -> Judged:
        each = [(msgspec.structs.replace(facts, args=arguments), narrow) for facts, narrow in self._alike]
        verdict = strictest([judge(narrow, facts) for facts, narrow in each])
        limits = [
            (policy.spec.name, limit)
            for facts, narrow in each
            for policy in narrow
            if policy.spec.mode is Mode.ENFORCE
            for limit in policy.limits(facts)
        ]
        shadowed = tuple(one for one in verdict.decided if one.shadow and one.effect is not Effect.ALLOW)
        return Judged(decisive(verdict), tuple(dict.fromkeys(limits)), shadowed)
