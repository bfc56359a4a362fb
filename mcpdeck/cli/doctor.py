"""`mcpdeck doctor`: what may be wrong between here and an adapter, each with what mends it."""

import argparse
import asyncio
import os
import shlex
from collections.abc import AsyncGenerator
from contextlib import aclosing
from functools import partial
from typing import TYPE_CHECKING, Final

from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, SIGN_IN, UNEXPECTED, UNREACHABLE

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.model.findings import Finding

_EXITS: Final = {
    "token": SIGN_IN,
    "roles": SIGN_IN,
    **dict.fromkeys(("adapters", "modern", "legacy", "kinds", "gateways"), UNEXPECTED),
}


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Examine the way to the gateway, and through it: name, connection, TLS, sign-in, roles, both eras of MCP."
    doctor = commands.add_parser("doctor", help=line, description=line)
    doctor.add_argument("--cluster", action="store_true", help="examine the cluster that the gateway runs in instead")
    doctor.add_argument("--kube-context", default="", metavar="NAME", help="with --cluster: of your kubeconfig")
    doctor.add_argument("--namespace", default="mcpdeck", help="with --cluster: the gateway's (%(default)s)")
    doctor.add_argument("--adapter", default="", metavar="NAME", help="speak MCP with this one, not with any")
    output.add_options(doctor, table=False)
    doctor.set_defaults(run=_doctor)


def _doctor(words: argparse.Namespace, desk: Desk) -> int:
    found = asyncio.run(_examined(words, desk))
    if desk.printer.output in ("json", "jsonl", "yaml", "name"):
        desk.printer.many(_view(), found)
    return next((_EXITS.get(each.check, UNREACHABLE) for each in found if each.outcome == "wrong"), OK)


async def _examined(words: argparse.Namespace, desk: Desk) -> "list[Finding]":
    """All of it; said as it is found where a person reads."""
    found = []
    is_told = desk.printer.output in ("table", "wide")
    async with aclosing(_of_cluster(words) if words.cluster else _of_gateway(words, desk)) as findings:
        async for each in findings:
            found.append(each)
            if is_told:
                _tell(each, has_color=desk.printer.has_color)
    return found


def _of_gateway(words: argparse.Namespace, desk: Desk) -> "AsyncGenerator[Finding]":
    from mcpdeck.auth.account import Accounts
    from mcpdeck.auth.session import source_of
    from mcpdeck.doctor.examination import Examination

    context, accounts = desk.target.context, Accounts(desk.places.accounts_file)
    source = partial(source_of, context.name, context.url, os.environ, accounts)
    return Examination(context, source=source, adapter=words.adapter, options=_options(words)).findings()


def _options(words: argparse.Namespace) -> str:
    """As they were given, for commands that mend."""
    given = (("--context", getattr(words, "context", "")), ("--gateway", getattr(words, "gateway", "")))
    return " ".join(f"{option} {shlex.quote(value)}" for option, value in given if value)


def _of_cluster(words: argparse.Namespace) -> "AsyncGenerator[Finding]":
    from mcpdeck.doctor.cluster import ClusterExamination

    return ClusterExamination(words.kube_context, words.namespace).findings()


def _tell(finding: "Finding", *, has_color: bool) -> None:
    from mcpdeck.cli.kinds import SGR
    from mcpdeck.model.findings import SIGNS
    from mcpdeck.model.formatting import milliseconds
    from mcpdeck.model.plain import one_line

    sign = SIGNS[finding.outcome]
    tone = SGR.get(sign.tone, "")
    glyph = f"\x1b[{tone}m{sign.glyph}\x1b[0m" if has_color and tone else sign.glyph
    after = f"  ({milliseconds(finding.seconds)})" if finding.seconds and finding.seconds > 0.01 else ""
    print(f"{glyph} {finding.title:<15} {one_line(finding.told)}{after}", flush=True)
    if finding.fix:
        print(f"{'':<17} → {finding.fix}", flush=True)


def _view() -> "output.View[Finding]":
    from mcpdeck.cli.output import Column, View

    return View(
        kind="Finding",
        columns=[Column("CHECK", lambda each: each.check), Column("OUTCOME", lambda each: each.outcome)],
        name=lambda each: each.check,
    )
