"""What policies say of a call: their rules compiled once, and evaluated on facts. Pure; knows no tool and no store.

CEL is loaded when the first policy is compiled. What can't be evaluated counts against the caller: a rule that allows
does not hold then, one that denies or asks for approval denies.
"""

import copy
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from gateway.wire.policies import Decided, Effect, Facts, Limit, Mode, PolicySpec, Rule, Verdict

if TYPE_CHECKING:
    from cel_expr_python import cel

_STRICTNESS: Final = {Effect.ALLOW: 0, Effect.APPROVE: 1, Effect.DENY: 2}
_UNEVALUATED: Final = (RuntimeError, OverflowError, TypeError, ValueError)  # what evaluation raises, for want of one
_ARGUMENT: Final = re.compile(r"\bargs\b(?:\s*\.\s*([A-Za-z_]\w*)(?!\w|\s*\())?")
_NO_REASON: Final = "a policy does not allow this call"


class Expression:
    """A compiled condition. Raises ValueError with what is wrong, and where.

    reads: the arguments that it may look at; None for any.
    """

    def __init__(self, text: str) -> None:
        self.is_constant = text.strip() == "true"
        names = frozenset(_ARGUMENT.findall(text))
        self.reads: frozenset[str] | None = None if "" in names else names
        if not self.is_constant:
            self._compiled = _compiled(text)

    def holds(self, facts: dict[str, Any]) -> bool | str:
        """Whether it does; a sentence where that can't be told."""
        if self.is_constant:
            return True
        try:
            found = self._compiled.eval(data=facts)
            value = found.value()
        except _UNEVALUATED as error:
            return _first_line(error)
        if isinstance(value, bool):
            return value
        return _first_line(value) if str(found.type()) == "ERROR" else f"gives {found.type()}, not true or false"

    def settled(self, facts: dict[str, Any]) -> bool | None:
        """Whether it holds whatever the arguments are, which these facts don't have; None where they matter.

        What can't be evaluated is an error in CEL, and neither && nor || lets one through that the other side decides.
        """
        holds = self.holds(facts)
        return holds if isinstance(holds, bool) else None


class Remembering:
    """A condition on one caller's calls of one tool. What it says of one that has nothing it reads, it says of all."""

    def __init__(self, expression: Expression, facts: dict[str, Any]) -> None:
        self.reads, self._expression = expression.reads, expression
        self._otherwise = expression.holds(facts | {"args": {}})

    def holds(self, facts: dict[str, Any]) -> bool | str:
        if self.reads is not None and self.reads.isdisjoint(facts["args"]):
            return self._otherwise
        return self._expression.holds(facts)


type Condition = Expression | Remembering


class CompiledPolicy:
    """Raises ValueError, with what is wrong by field, when an expression is none."""

    def __init__(self, spec: PolicySpec) -> None:
        self.spec = spec
        self.conditions: list[tuple[Rule, Condition]] = []
        self.bounds: list[tuple[Limit, Condition]] = []
        problems: dict[str, list[str]] = {}
        for number, rule in enumerate(spec.rules):
            if (expression := _expression(rule.when, f"rules.{number}.when", problems)) is not None:
                self.conditions.append((rule, expression))
        for number, limit in enumerate(spec.limits):
            if (expression := _expression(limit.when, f"limits.{number}.when", problems)) is not None:
                self.bounds.append((limit, expression))
        if problems:
            raise Faulty(problems)

    @property
    def reads(self) -> frozenset[str] | None:
        """The arguments that its conditions may look at; None for any."""
        each = [expression.reads for _, expression in (*self.conditions, *self.bounds)]
        names = [found for found in each if found is not None]
        return frozenset[str]().union(*names) if len(names) == len(each) else None

    def narrowed(self, facts: Facts) -> "CompiledPolicy":
        """The same for calls of which all but the arguments is known: without what does not hang on those."""
        seen = seen_by_rules(facts)
        narrow = copy.copy(self)
        narrow.conditions, narrow.bounds = list(_open(self.conditions, seen)), list(_open(self.bounds, seen))
        ends = next((at for at, (_, each) in enumerate(narrow.conditions, 1) if each is _ALWAYS), None)
        narrow.conditions = narrow.conditions[:ends]
        return narrow

    def concerns(self, facts: Facts) -> bool:
        return self.spec.toolset in ("", facts.toolset)

    def decide(self, facts: dict[str, Any]) -> Decided:
        is_shadow = self.spec.mode is Mode.SHADOW
        for rule, expression in self.conditions:
            holds = expression.holds(facts)
            if isinstance(holds, str):
                if rule.effect is Effect.ALLOW:
                    continue
                return Decided(
                    policy=self.spec.name, rule=rule.name, effect=Effect.DENY, error=holds, reason=rule.reason,
                    shadow=is_shadow,
                )  # fmt: skip
            if holds:
                return Decided(
                    policy=self.spec.name, rule=rule.name, effect=rule.effect, reason=rule.reason, shadow=is_shadow
                )
        return Decided(policy=self.spec.name, effect=self.spec.default, shadow=is_shadow)

    def limits(self, facts: Facts) -> Iterable[Limit]:
        """Those that hold for a call; one that can't be evaluated does."""
        if not self.bounds:
            return ()
        seen = seen_by_rules(facts)
        return [limit for limit, expression in self.bounds if expression.holds(seen)]


_ALWAYS: Final = Expression("true")


def _open[T](conditioned: Sequence[tuple[T, Condition]], seen: dict[str, Any]) -> Iterator[tuple[T, Condition]]:
    """Those that may hold, by their arguments."""
    known = {name: value for name, value in seen.items() if name != "args"}
    for each, condition in conditioned:
        if not isinstance(condition, Expression):
            yield each, condition
        elif (settled := condition.settled(known)) is not False:
            yield each, _ALWAYS if settled else Remembering(condition, seen)


class Faulty(ValueError):
    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__("; ".join(f"{field}: {sentences[0]}" for field, sentences in problems.items()))
        self.problems = problems


def judge(policies: Sequence[CompiledPolicy], facts: Facts) -> Verdict:
    """The strictest of all verdicts; what is only shadowed is told and does not count."""
    seen = seen_by_rules(facts)
    decided = [each.decide(seen) for each in policies if each.concerns(facts)]
    effects = [each.effect for each in decided if not each.shadow]
    return Verdict(effect=max(effects, key=_STRICTNESS.__getitem__, default=Effect.ALLOW), decided=decided)


def strictest(verdicts: Sequence[Verdict]) -> Verdict:
    """Of one call that may be told of in several ways."""
    if len(verdicts) == 1:
        return verdicts[0]
    effects = [each.effect for each in verdicts]
    decided = dict.fromkeys(each for verdict in verdicts for each in verdict.decided)
    return Verdict(effect=max(effects, key=_STRICTNESS.__getitem__), decided=list(decided))


def seen_by_rules(facts: Facts) -> dict[str, Any]:
    """The variables of an expression."""
    return {"principal": facts.principal, "tool": facts.tool, "args": facts.args, "toolset": facts.toolset}


def decisive(verdict: Verdict) -> Decided | None:
    """The policy's word that the verdict hangs on; None where nothing stands in the way."""
    if verdict.effect is Effect.ALLOW:
        return None
    return next(each for each in verdict.decided if each.effect is verdict.effect and not each.shadow)


def reason_of(decided: Decided) -> str:
    """What a caller is told. An error is for who writes policies, not for callers."""
    return decided.reason or _NO_REASON


def _expression(text: str, field: str, problems: dict[str, list[str]]) -> Expression | None:
    try:
        return Expression(text)
    except ValueError as error:
        problems[field] = [str(error)]
        return None


def _compiled(text: str) -> "cel.Expression":
    from cel_expr_python import cel

    names = cel.Type.Map(cel.Type.STRING, cel.Type.DYN)
    variables = {"principal": names, "tool": names, "args": names, "toolset": cel.Type.STRING}
    try:
        compiled = cel.NewEnv(variables=variables).compile(text)
    except RuntimeError as error:
        raise ValueError(f"is no CEL expression: {_first_line(error)}") from error
    if compiled.return_type() not in (cel.Type.BOOL, cel.Type.DYN):
        raise ValueError(f"gives {compiled.return_type()}, and a condition gives true or false")
    return compiled


def _first_line(error: object) -> str:
    line = str(error).removeprefix("INVALID_ARGUMENT: ").removeprefix("ERROR: ").partition("\n")[0]
    return line.partition(", expecting {")[0].partition(" expecting {")[0]  # a list of all that could stand there
