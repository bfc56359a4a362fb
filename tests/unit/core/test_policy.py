"""Policies: which rule decides, which policy of several, and that what can't be evaluated never helps the caller."""

from typing import Any

import pytest

from gateway.core.policy import CompiledPolicy, Faulty, decisive, judge, reason_of
from gateway.wire.policies import Effect, Facts, Limit, Mode, PolicySpec, Rule, problems_of_policy

ALLOW, DENY, APPROVE = Effect.ALLOW, Effect.DENY, Effect.APPROVE
DELETE = Facts(
    principal={"id": "ada", "roles": ["dev"]},
    tool={"name": "delete_page", "annotations": {"destructiveHint": True}},
    args={"page": "home", "count": 3},
)


def policy(*rules: Rule, name: str = "p", **members: Any) -> CompiledPolicy:
    return CompiledPolicy(PolicySpec(name=name, rules=list(rules), **members))


def rule(when: str, effect: Effect = DENY, name: str = "r", reason: str = "") -> Rule:
    return Rule(name=name, when=when, effect=effect, reason=reason)


@pytest.mark.parametrize(
    ("when", "holds"),
    [
        ("true", True),
        ('"dev" in principal.roles', True),
        ('principal.roles.exists(r, r.startswith("x"))', None),
        ('principal.roles.exists(r, r.startsWith("d"))', True),
        ("has(tool.annotations.destructiveHint) && tool.annotations.destructiveHint", True),
        ("args.count > 5", False),
        ('args.page.matches("^h")', True),
        ('toolset == "team"', False),
        ("has(args.nope) && args.nope > 1", False),
    ],
)
def test_rules_see_caller_tool_and_arguments(when: str, holds: bool | None) -> None:
    if holds is None:
        with pytest.raises(Faulty, match="undeclared reference to 'startswith'"):
            policy(rule(when))
        return
    assert judge([policy(rule(when))], DELETE).effect is (DENY if holds else ALLOW)


def test_the_first_rule_that_holds_decides() -> None:
    found = policy(rule("false", DENY, "a"), rule("args.count == 3", ALLOW, "b"), rule("true", DENY, "c"))
    verdict = judge([found], DELETE)
    assert (verdict.effect, verdict.decided[0].rule) == (ALLOW, "b")


def test_where_no_rule_holds_the_default_decides() -> None:
    verdict = judge([policy(rule("false", ALLOW), default=DENY)], DELETE)
    assert (verdict.effect, verdict.decided[0].rule) == (DENY, "")


def test_the_strictest_of_several_policies_holds() -> None:
    held = policy(rule("true", APPROVE), name="held")
    denied = policy(rule("true", DENY, reason="not on Fridays"), name="denied")
    assert judge([policy(name="open"), held], DELETE).effect is APPROVE
    verdict = judge([held, denied], DELETE)
    decided = decisive(verdict)
    assert decided is not None
    assert (verdict.effect, decided.policy, reason_of(decided)) == (DENY, "denied", "not on Fridays")
    assert decisive(judge([], DELETE)) is None


def test_a_shadowed_policy_is_told_of_and_does_not_count() -> None:
    verdict = judge([policy(rule("true", DENY), mode=Mode.SHADOW)], DELETE)
    assert verdict.effect is ALLOW
    assert (verdict.decided[0].effect, verdict.decided[0].shadow) == (DENY, True)


def test_a_policy_of_a_toolset_concerns_calls_made_there_alone() -> None:
    found = policy(rule("true", DENY), toolset="team")
    assert judge([found], DELETE).decided == []
    assert judge([found], Facts(toolset="team")).effect is DENY


@pytest.mark.parametrize(
    "when", ["args.nope == 1", "args.count / 0 == 1", 'args.page + args.count == "x"', "args.page", "args.huge > 1"]
)
@pytest.mark.parametrize(("effect", "becomes"), [(ALLOW, DENY), (DENY, DENY), (APPROVE, DENY)])
def test_what_can_not_be_evaluated_counts_against_the_caller(when: str, effect: Effect, becomes: Effect) -> None:
    facts = Facts(args={"page": "home", "count": 3, "huge": 2**70})
    verdict = judge([policy(rule(when, effect), default=DENY)], facts)
    assert verdict.effect is becomes
    if effect is not ALLOW:
        decided = decisive(verdict)
        assert decided is not None
        assert decided.error
        assert reason_of(decided) == "a policy does not allow this call"


def test_an_expression_without_end_is_cut_off() -> None:
    facts = Facts(args={"l": list(range(2000))})
    assert judge([policy(rule("args.l.all(x, args.l.all(y, x + y >= 0))"))], facts).effect is DENY


@pytest.mark.parametrize(
    ("when", "why"),
    [
        ("principal.", "is no CEL expression"),
        ("nobody == 1", "undeclared reference to 'nobody'"),
        ('"text"', "gives STRING, and a condition gives true or false"),
        ("toolset == 1", "no matching overload"),
    ],
)
def test_a_faulty_expression_is_told_by_field_when_it_is_written(when: str, why: str) -> None:
    with pytest.raises(Faulty) as raised:
        policy(rule("true", name="good"), rule(when, name="bad"))
    assert list(raised.value.problems) == ["rules.1.when"]
    assert why in raised.value.problems["rules.1.when"][0]
    with pytest.raises(Faulty, match=r"limits\.0\.when"):
        policy(limits=[Limit(name="l", when=when, per_minute=1)])


def test_a_limit_holds_where_its_condition_does_or_can_not_be_told() -> None:
    limits = [
        Limit(name="all", per_minute=1),
        Limit(name="destructive", when="tool.annotations.destructiveHint", per_minute=1),
        Limit(name="none", when="false", per_minute=1),
        Limit(name="broken", when="args.nope > 1", per_minute=1),
    ]
    facts = Facts(tool=DELETE.tool)
    assert [each.name for each in policy(limits=limits).limits(facts)] == ["all", "destructive", "broken"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        (PolicySpec(name="Not A Label"), "name"),
        (PolicySpec(name="p", toolset="Not A Label"), "toolset"),
        (PolicySpec(name="p", description="x" * 5000), "description"),
        (PolicySpec(name="p", default=APPROVE), "default"),
        (PolicySpec(name="p", rules=[rule("true"), rule("true")]), "rules"),
        (PolicySpec(name="p", rules=[rule("true", name=" ")]), "rules.0.name"),
        (PolicySpec(name="p", rules=[rule("x" * 5000)]), "rules.0.when"),
        (PolicySpec(name="p", limits=[Limit(name="l")]), "limits.0"),
        (PolicySpec(name="p", limits=[Limit(name="l", per_minute=-1)]), "limits.0.perMinute"),
        (PolicySpec(name="p", limits=[Limit(name="l", concurrent=-1)]), "limits.0.concurrent"),
        (PolicySpec(name="p", rules=[rule("true", name=str(number)) for number in range(300)]), "rules"),
    ],
)
def test_what_is_wrong_with_a_policy_is_told_by_field(spec: PolicySpec, field: str) -> None:
    assert list(problems_of_policy(spec)) == [field]
