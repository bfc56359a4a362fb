"""Outlooks: what is worked out before there are arguments is what would be said with them."""

import itertools
from typing import Any

import msgspec
import pytest

from gateway.core.outlook import Outlook
from gateway.core.policy import CompiledPolicy, Expression, decisive, judge
from gateway.wire.policies import Effect, Facts, Limit, Mode, PolicySpec, Rule

FACTS = Facts(
    principal={"id": "ada", "roles": ["dev"], "isAdmin": False},
    tool={"name": "refund", "original": "refund", "source": "shop", "annotations": {"readOnlyHint": False}},
)
CONDITIONS = (
    "true",
    '"dev" in principal.roles',
    '"ops" in principal.roles',
    "tool.annotations.nope",  # can't be evaluated
    "args.amount > 100.0",
    "has(args.amount) && args.amount > 100.0",
    '!has(args.amount) || tool.name == "refund"',
    'tool.name == "other" && args.amount > 100.0',
    'args.note == "x" || "dev" in principal.roles',
    "args.size() > 1",
    'args["note"] == "x"',
    "[1, 2].exists(n, args.amount == n || n == 2)",
    'has(args.note) ? args.note.size() > 0 : tool.name == "refund"',
    '"args.amount" == tool.name',
)
ARGUMENTS: tuple[dict[str, Any], ...] = (
    {},
    {"other": 1},
    {"amount": 500},
    {"amount": 5.0},
    {"amount": "many"},
    {"note": "x"},
    {"amount": 500.0, "note": ""},
)


def compiled(*rules: Rule, name: str = "p", **members: Any) -> CompiledPolicy:
    return CompiledPolicy(PolicySpec(name=name, rules=list(rules), **members))


@pytest.mark.parametrize("effects", [(Effect.DENY, Effect.APPROVE), (Effect.ALLOW, Effect.DENY)])
def test_an_outlook_says_what_the_policy_says(effects: tuple[Effect, Effect]) -> None:
    for one, two in itertools.product(CONDITIONS, repeat=2):
        rules = [Rule(name=f"r{at}", when=when, effect=effects[at]) for at, when in enumerate((one, two))]
        policy = compiled(*rules, limits=[Limit(name="l", when=two, per_minute=1)])
        outlook = Outlook([policy], [FACTS])
        for arguments in ARGUMENTS:
            facts = msgspec.structs.replace(FACTS, args=arguments)
            found = outlook.of(arguments)
            assert found.by == decisive(judge([policy], facts)), (one, two, arguments)
            assert [limit for _, limit in found.limits] == policy.limits(facts), (one, two, arguments)


@pytest.mark.parametrize(
    ("when", "reads"),
    [
        ("true", set()),
        ('"args" in principal.roles', None),
        ("tool.name == 'x'", set()),
        ("has(args.page) && args . count > 1", {"page", "count"}),
        ("args.page.size() > 1", {"page"}),
        ("args.size() > 1", None),
        ("args.all(name, name != 'x')", None),
        ('args["page"] == 1', None),
        ("size(args) == 0", None),
        (".args.page == 1", {"page"}),
    ],
)
def test_which_arguments_a_condition_may_look_at_is_read_off_it(when: str, reads: set[str] | None) -> None:
    assert Expression(when).reads == reads


def test_nothing_is_evaluated_for_arguments_that_no_rule_reads() -> None:
    outlook = Outlook([compiled(Rule(name="r", when="args.amount > 1.0", effect=Effect.ALLOW))], [FACTS])
    assert outlook.of({"page": "home"}) is outlook.of({"page": "other"})


def test_of_several_names_of_one_tool_the_strictest_holds_and_limits_of_all() -> None:
    first, second = (msgspec.structs.replace(FACTS, tool=FACTS.tool | {"name": name}) for name in ("first", "second"))
    rule = Rule(name="r", when='tool.name == "second"', effect=Effect.DENY)
    limits = [Limit(name=name, when=f'tool.name == "{name}"', per_minute=1) for name in ("first", "second")]
    found = Outlook([compiled(rule, limits=limits)], [first, second]).of({})
    assert found.by is not None
    assert (found.by.rule, [limit.name for _, limit in found.limits]) == ("r", ["first", "second"])


def test_what_is_in_shadow_is_told_and_stands_in_nobodys_way() -> None:
    policy = compiled(Rule(name="r", effect=Effect.DENY), mode=Mode.SHADOW, limits=[Limit(name="l", per_minute=1)])
    found = Outlook([policy], [FACTS]).of({})
    assert (found.by, found.limits, [each.rule for each in found.shadowed]) == (None, (), ["r"])


def test_a_policy_of_another_toolset_has_no_part_in_it() -> None:
    found = Outlook([compiled(toolset="team", default=Effect.DENY)], [FACTS]).of({})
    assert found.by is None
