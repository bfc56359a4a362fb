"""`mcpdeck policy …` and `mcpdeck approvals …`: which tool calls go out, and those that wait for somebody's word."""

import argparse
import getpass
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

import msgspec

from gateway.wire.policies import (
    ApprovalDecision,
    Decided,
    Effect,
    Facts,
    PendingApproval,
    Policy,
    PolicySpec,
    Question,
    Verdict,
)
from mcpdeck import control
from mcpdeck.cli import drafts, output
from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import NOT_FOUND, OK, Failure
from mcpdeck.cli.output import Column, View
from mcpdeck.cli.policy_files import of_file
from mcpdeck.cli.target import OWN
from mcpdeck.cli.tools import listed, told, typed
from mcpdeck.cli.words import pair
from mcpdeck.errors import ProblemError
from mcpdeck.model.formatting import age

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words

_PATIENCE: Final = 20.0  # seconds for a list of tools

POLICIES: Final = View[Policy](
    kind="Policy",
    columns=[
        Column("NAME", lambda each: each.name),
        Column("MODE", lambda each: each.mode),
        Column("RULES", lambda each: str(len(each.rules)), is_right=True),
        Column("LIMITS", lambda each: str(len(each.limits)), is_right=True),
        Column("DEFAULT", lambda each: each.default),
        Column("TOOLSET", lambda each: each.toolset),
        Column("DESCRIPTION", lambda each: each.description),
    ],
    name=lambda each: each.name,
)
APPROVALS: Final = View[PendingApproval](
    kind="PendingApproval",
    columns=[
        Column("ID", lambda each: each.id),
        Column("TOOL", lambda each: each.tool),
        Column("CALLER", lambda each: each.principal_name or each.principal),
        Column("WAITS", lambda each: age(each.created_at, datetime.now(UTC)), is_right=True),
        Column("REASON", lambda each: each.reason or f"{each.policy}/{each.rule}"),
        Column("ARGUMENTS", lambda each: msgspec.json.encode(each.arguments).decode()),
    ],
    name=lambda each: each.id,
)


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    _add_policy(commands)
    _add_approvals(commands)


def _add_policy(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Which tool calls go out, at /mcp and straight at adapters; for administrators."
    verbs = commands.add_parser("policy", help=line, description=line).nested()
    line = "Every policy."
    found = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    output.add_options(found)
    found.set_defaults(run=_list)
    line = "One policy."
    got = verbs.add_parser("get", help=line, description=line)
    got.add_argument("name", metavar="NAME")
    output.add_options(got, table=False)
    got.set_defaults(run=_get)
    line = "Make policies as files say."
    apply = verbs.add_parser("apply", help=line, description=line)
    apply.add_argument("-f", "--file", action="append", required=True, metavar="FILE", help="YAML or JSON; - is stdin")
    apply.set_defaults(run=_apply)
    line = "Remove policies: what they kept back goes out from then on."
    delete = verbs.add_parser("delete", aliases=["rm"], help=line, description=line)
    delete.add_argument("names", nargs="+", metavar="NAME")
    add_consent(delete)
    delete.set_defaults(run=_delete)
    line = "Which rule decides about a call, and why. Makes no call."
    explain = verbs.add_parser("explain", help=line, description=line)
    explain.add_argument("tool", metavar="TOOL", help="its name at /mcp")
    explain.add_argument("-a", "--arg", action="append", type=pair, default=[], metavar="NAME=VALUE", help="repeat")
    explain.add_argument("--user", default="", metavar="ID", help="who calls; you")
    explain.add_argument("--role", action="append", default=[], help="of the caller; repeat")
    explain.add_argument("--toolset", default="", metavar="NAME", help="where it is called; /mcp itself")
    output.add_options(explain, table=False)
    explain.set_defaults(run=_explain)
    drafts.add_parser(verbs)


def _add_approvals(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Tool calls that wait for somebody's word."
    verbs = commands.add_parser("approvals", help=line, description=line).nested()
    line = "Those that you may decide, and your own."
    found = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    output.add_options(found)
    found.set_defaults(run=_pending)
    for verb, line in (("approve", "Let a call go out."), ("deny", "Don't.")):
        decide = verbs.add_parser(verb, help=line, description=line)
        decide.add_argument("id", metavar="ID")
        decide.add_argument("--digest", default="", help="of the arguments you looked at; those it has now")
        decide.add_argument("--reason", default="", help="for the caller")
        decide.set_defaults(run=_decide, approve=verb == "approve")


def _list(words: argparse.Namespace, desk: Desk) -> int:  # noqa: ARG001 - a command's signature
    found = desk.target.do(control.policies())
    desk.printer.many(POLICIES, found)
    if not found:
        desk.printer.tell("no policies: every call that may be made goes out")
    return OK


def _get(words: argparse.Namespace, desk: Desk) -> int:
    desk.printer.one(POLICIES, desk.target.do(control.policy(words.name)))
    return OK


def _apply(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    specs = [spec for name in words.file for spec in of_file(name)]
    desk.target.must_be_writable()

    def put(spec: PolicySpec) -> None:
        try:
            desk.target.do(control.create_policy(spec))
        except ProblemError as error:
            if error.problem.status != 409:
                raise
            desk.target.do(control.replace_policy(spec))
        desk.printer.tell(f"{spec.name} is in {'force' if spec.mode == 'enforce' else 'shadow'}")

    return each(desk, specs, put, lambda spec: spec.name)


def _delete(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.changes import each

    desk.target.must_be_writable()
    must_consent(words, desk, verb="Delete", names=words.names, lost=lambda: "What they keep back goes out then. ")

    def delete(name: str) -> None:
        desk.target.do(control.delete_policy(name))
        desk.printer.tell(f"{name} is deleted")

    return each(desk, words.names, delete, str)


def _explain(words: argparse.Namespace, desk: Desk) -> int:
    offers = {each.name: each for each in desk.target.do(control.offers())}
    offer = offers.get(words.tool)
    if offer is None:
        raise Failure(
            NOT_FOUND, f"there is no tool {words.tool!r} at /mcp that you may read", hint="mcpdeck tools list"
        )
    facts = Facts(
        principal={
            "id": words.user or getpass.getuser(),
            "name": "",
            "roles": sorted(words.role),
            "isAdmin": "mcp.admin" in words.role,
        },
        tool={
            "name": offer.name,
            "original": offer.original,
            "source": offer.source,
            "annotations": offer.annotations,
        },
        args=_arguments(words, desk),
        toolset=words.toolset,
    )
    (tested,) = desk.target.do(control.test_policies(Question(calls=[facts])))
    if desk.printer.output.is_machines:
        desk.printer.json(tested.now)
    else:
        print("\n".join(_lines(tested.now)))
    return OK


def _lines(verdict: Verdict) -> Iterator[str]:
    yield {Effect.ALLOW: "goes out", Effect.DENY: "is refused", Effect.APPROVE: "waits for approval"}[verdict.effect]
    for each in verdict.decided:
        yield f"  {each.policy}: {_said(each)}"


def _said(decided: Decided) -> str:
    by = f"by rule {decided.rule!r}" if decided.rule else "by default, as no rule holds"
    error = f" (can't be evaluated: {decided.error})" if decided.error else ""
    reason = f": {decided.reason}" if decided.reason else ""
    return f"{decided.effect} {by}{error}{reason}" + (" [shadow: counts for nothing]" if decided.shadow else "")


def _arguments(words: argparse.Namespace, desk: Desk) -> dict[str, Any]:
    """As a call would send them: of the types that the tool's schema wants, where the reader may see it."""
    if not words.arg:
        return {}
    where = argparse.Namespace(adapter=OWN, era=None, timeout=_PATIENCE)
    known = {tool.get("name"): tool for tool in told(listed(where, desk))}
    return {name: typed(known.get(words.tool, {}), name, text) for name, text in words.arg}


def _pending(words: argparse.Namespace, desk: Desk) -> int:  # noqa: ARG001 - a command's signature
    found = desk.target.do(control.approvals(desk.printer.tell_lack))
    desk.printer.many(APPROVALS, found)
    if not found:
        desk.printer.tell("nothing waits for approval")
    return OK


def _decide(words: argparse.Namespace, desk: Desk) -> int:
    desk.target.must_be_writable()
    digest = words.digest or _digest_of(words.id, desk)
    decision = ApprovalDecision(approve=words.approve, digest=digest, reason=words.reason)
    decided = desk.target.do(control.decide(words.id, decision))
    word = "is approved" if words.approve else "is not approved"
    desk.printer.tell(f"call of {decided.tool} by {decided.principal_name or decided.principal} {word}")
    return OK


def _digest_of(approval_id: str, desk: Desk) -> str:
    for each in desk.target.do(control.approvals()):
        if each.id == approval_id:
            return each.digest
    raise Failure(NOT_FOUND, f"nothing waits under {approval_id!r}", hint="mcpdeck approvals list")
