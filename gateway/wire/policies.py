"""Policies on tool calls: rules in CEL over who calls what with which arguments, limits, approval. Evaluates none.

Of several policies the strictest verdict holds: denied before held for approval before allowed.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

from gateway.wire.names import parse_adapter_name
from gateway.wire.resources import DESCRIPTION_LENGTH

MAX_RULES: Final = 200
MAX_EXPRESSION: Final = 4096
MAX_NAME: Final = 128
LONGEST_WAIT: Final = 3600.0  # seconds that a call may be held for approval
ALWAYS: Final = "true"


class Effect(StrEnum):
    """What a rule does with a call."""

    ALLOW = "allow"
    DENY = "deny"
    APPROVE = "approve"  # held until somebody with the role approves it


class Mode(StrEnum):
    """Whether a policy is in force, or only says what it would do."""

    ENFORCE = "enforce"
    SHADOW = "shadow"


class _Strict(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What clients send: an unknown field is an error that names it."""


class _Returned(msgspec.Struct, frozen=True, rename="camel"):
    """What the gateway returns: a client tolerates fields of a newer one."""


class _Conditioned(_Strict, frozen=True, kw_only=True):
    """when: a CEL expression of type bool."""

    name: str
    when: str = ALWAYS


class Rule(_Conditioned, frozen=True, kw_only=True, omit_defaults=True):
    """reason: what the caller is told where the rule stands in its way."""

    effect: Effect
    reason: str = ""


class Limit(_Conditioned, frozen=True, kw_only=True, omit_defaults=True):
    """How often calls may be made by one principal to one tool, where `when` holds. 0 for no bound.

    Gateways that share through Redis count together, others each for itself.
    """

    per_minute: int = 0
    concurrent: int = 0


class ApprovalTerms(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """roles: who may approve; administrators always may. expires: seconds that a call is held."""

    roles: list[str] = []
    expires: float = 300.0


class PolicySpec(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """The first rule whose `when` holds decides; where none does, `default`.

    toolset: only of calls that are made there; "" for all.
    """

    name: str
    description: str = ""
    mode: Mode = Mode.ENFORCE
    toolset: str = ""
    rules: list[Rule] = []
    default: Effect = Effect.ALLOW
    limits: list[Limit] = []
    approval: ApprovalTerms = ApprovalTerms()


class Policy(PolicySpec, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=False, omit_defaults=False):
    """A policy as the gateway returns it."""

    id: str
    created_by: str
    created_at: datetime
    last_updated_at: datetime
    etag: str


class Decided(_Returned, frozen=True, kw_only=True, omit_defaults=True):
    """What one policy says of a call. rule: "" where its default decided. error: why a rule could not be evaluated."""

    policy: str
    rule: str = ""
    effect: Effect
    reason: str = ""
    shadow: bool = False
    error: str = ""


class Verdict(_Returned, frozen=True, kw_only=True):
    """What becomes of a call, and every policy's word on it."""

    effect: Effect
    decided: list[Decided] = []


class Facts(_Strict, frozen=True, kw_only=True, omit_defaults=True):
    """A call as rules see it, to ask about or from a recording: `principal`, `tool`, `args`, `toolset` in CEL.

    tool: `name`, `original`, `source`, `annotations`. principal: `id`, `name`, `roles`, `isAdmin`.
    """

    principal: dict[str, Any] = {}
    tool: dict[str, Any] = {}
    args: dict[str, Any] = {}
    toolset: str = ""


class Question(_Strict, frozen=True, kw_only=True):
    """What `/policies/test` is asked: what a draft would make of calls. Without one, what the policies in force do."""

    calls: list[Facts]
    draft: PolicySpec | None = None


class Tested(_Returned, frozen=True, kw_only=True):
    """One call of a question: its verdict now, and with the draft in force as well, or in place of its namesake."""

    now: Verdict
    draft: Verdict | None = None


class PendingApproval(_Returned, frozen=True, kw_only=True):
    """A call that is held. digest: of its arguments; an approval names it, and so is good for these alone."""

    id: str
    policy: str
    rule: str
    reason: str = ""
    tool: str
    principal: str
    principal_name: str = ""
    arguments: dict[str, Any]
    digest: str
    created_at: datetime
    expires_at: datetime


class ApprovalDecision(_Strict, frozen=True, kw_only=True):
    """digest: as the pending approval has it, of what the decider has seen."""

    approve: bool
    digest: str
    reason: str = ""


type Problems = dict[str, list[str]]


def problems_of_policy(spec: PolicySpec) -> Problems:
    """What is wrong with a policy, by field as on the wire, but for its expressions, which `core.policy` compiles."""
    found: Problems = {}

    def check(ok: object, field: str, sentence: str) -> None:
        if not ok:
            found.setdefault(field, []).append(sentence)

    for field, name in (("name", spec.name), *([("toolset", spec.toolset)] if spec.toolset else [])):
        try:
            parse_adapter_name(name)
        except ValueError as error:
            check(False, field, str(error))
    check(len(spec.description) <= DESCRIPTION_LENGTH, "description", f"has more than {DESCRIPTION_LENGTH} characters")
    check(spec.default is not Effect.APPROVE, "default", "is allow or deny; a rule with effect approve holds calls")
    check(0 < spec.approval.expires <= LONGEST_WAIT, "approval.expires", f"must be up to {LONGEST_WAIT:g} seconds")
    conditioned: dict[str, Sequence[_Conditioned]] = {"rules": spec.rules, "limits": spec.limits}
    for kind, entries in conditioned.items():
        check(len(entries) <= MAX_RULES, kind, f"has more than {MAX_RULES} entries")
        names = [each.name for each in entries]
        check(len(set(names)) == len(names), kind, "two of them have the same name")
        for number, each in enumerate(entries):
            check(each.name.strip(), f"{kind}.{number}.name", "is empty")
            check(len(each.name) <= MAX_NAME, f"{kind}.{number}.name", f"has more than {MAX_NAME} characters")
            is_short = len(each.when) <= MAX_EXPRESSION
            check(is_short, f"{kind}.{number}.when", f"has more than {MAX_EXPRESSION} characters")
    for number, limit in enumerate(spec.limits):
        check(limit.per_minute >= 0, f"limits.{number}.perMinute", "must be 0 (no bound) or more")
        check(limit.concurrent >= 0, f"limits.{number}.concurrent", "must be 0 (no bound) or more")
        check(limit.per_minute or limit.concurrent, f"limits.{number}", "bounds nothing: give perMinute or concurrent")
    return found
