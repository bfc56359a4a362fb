"""`mcpdeck policy test`: which past calls a draft of a policy would decide otherwise. Makes no call."""

import argparse
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec

from gateway.wire.policies import Decided, Effect, Facts, PolicySpec, Question, Tested, Verdict
from mcpdeck import control
from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import CONFLICT, OK, USAGE, Failure
from mcpdeck.cli.output import Column, View
from mcpdeck.cli.policy_files import of_file

if TYPE_CHECKING:
    from gateway.wire.traffic import TrafficMessage
    from mcpdeck.cli.words import Words

_BATCH: Final = 200  # calls that are asked about at once


class Flip(msgspec.Struct, frozen=True, rename="camel"):
    """A call that the draft decides otherwise. number: of the call among those that were tried, from 1."""

    number: int
    now: Effect
    draft: Effect
    tool: str
    principal: str
    by: str = ""
    reason: str = ""


FLIPS: Final = View[Flip](
    kind="Flip",
    columns=[
        Column("CALL", lambda each: str(each.number), is_right=True),
        Column("NOW", lambda each: each.now),
        Column("DRAFT", lambda each: each.draft, tone=lambda each: "31" if each.draft is Effect.DENY else "33"),
        Column("TOOL", lambda each: each.tool),
        Column("CALLER", lambda each: each.principal),
        Column("BY", lambda each: each.by),
        Column("REASON", lambda each: each.reason),
    ],
    name=lambda each: str(each.number),
)


def add_parser(verbs: "argparse._SubParsersAction[Words]") -> None:
    line = "Which calls of a recording a draft would decide otherwise. Exit code 8 where it would."
    test = verbs.add_parser("test", help=line, description=line)
    test.add_argument("-f", "--file", required=True, metavar="FILE", help="the draft: one policy, YAML or JSON")
    lines = (
        "a file that `mcpdeck traffic export` wrote (- is stdin), or an adapter that records; or JSON lines of "
        '{"principal": {id, roles}, "tool": {name, …}, "args": {…}, "toolset": …}'
    )
    test.add_argument("--against", required=True, metavar="RECORDING", help=lines)
    roles = "that every caller of recorded traffic has, which holds none; or PRINCIPAL=ROLE; repeat"
    test.add_argument("--role", action="append", default=[], help=roles)
    output.add_options(test)
    test.set_defaults(run=_test)


def _test(words: argparse.Namespace, desk: Desk) -> int:
    drafts = list(of_file(words.file))
    if len(drafts) != 1:
        raise Failure(USAGE, f"{words.file} holds {len(drafts)} policies, and one is tried at a time")
    calls = _calls(words, desk)
    if not calls:
        raise Failure(USAGE, f"{words.against} holds no tool call that could be tried")
    flips = list(_flips(desk, drafts[0], calls))
    if flips or desk.printer.output.is_machines:
        desk.printer.many(FLIPS, flips)
    desk.printer.tell(f"{len(flips)} of {len(calls)} calls would be decided otherwise")
    if flips:
        counts = Counter(f"{each.now} -> {each.draft}" for each in flips)
        raise Failure(CONFLICT, ", ".join(f"{count} {change}" for change, count in counts.items()), name="flips")
    return OK


def _flips(desk: Desk, draft: PolicySpec, calls: Sequence[Facts]) -> Iterator[Flip]:
    for begin in range(0, len(calls), _BATCH):
        some = calls[begin : begin + _BATCH]
        answers = desk.target.do(control.test_policies(Question(calls=list(some), draft=draft)))
        for number, (facts, tested) in enumerate(zip(some, answers, strict=True), begin + 1):
            if (flip := _flip(number, facts, tested)) is not None:
                yield flip


def _flip(number: int, facts: Facts, tested: Tested) -> Flip | None:
    if tested.draft is None or tested.draft.effect is tested.now.effect:
        return None
    # what it hangs on: of the stricter of both
    by = _decisive(tested.draft) or _decisive(tested.now)
    return Flip(
        number=number,
        now=tested.now.effect,
        draft=tested.draft.effect,
        tool=str(facts.tool.get("name", "?")),
        principal=str(facts.principal.get("id", "?")),
        by=f"{by.policy}/{by.rule or '(default)'}" if by is not None else "",
        reason=(by.error and f"can't be evaluated: {by.error}") or by.reason if by is not None else "",
    )


def _decisive(verdict: Verdict) -> Decided | None:
    if verdict.effect is Effect.ALLOW:
        return None
    return next((each for each in verdict.decided if each.effect is verdict.effect and not each.shadow), None)


def _calls(words: argparse.Namespace, desk: Desk) -> list[Facts]:
    """Lines of facts, or of traffic: which of both the first one says."""
    source = words.against
    if source != "-" and not set(source) & set("./\\"):
        from mcpdeck.cli.traffic import recorded

        return _of_traffic(words, desk, recorded(source, desk))
    try:
        lines = (sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()).splitlines()
    except OSError as error:
        raise Failure(USAGE, f"{source}: {error.strerror}") from error
    if _is_traffic(lines):
        from mcpdeck.traffic.recording import read

        try:
            return _of_traffic(words, desk, list(read(lines)))
        except ValueError as error:
            raise Failure(USAGE, f"{source}: {error}") from error
    return list(_of_facts(source, lines))


class _Line(msgspec.Struct):
    sender: str = ""


def _is_traffic(lines: Sequence[bytes]) -> bool:
    first = next((line for line in lines if line.strip()), b"{}")
    try:
        return bool(msgspec.json.decode(first, type=_Line).sender)
    except msgspec.DecodeError:
        return False


def _of_traffic(words: argparse.Namespace, desk: Desk, messages: "Sequence[TrafficMessage]") -> list[Facts]:
    from mcpdeck.traffic.weighed import roles_of, weighed

    found = weighed(messages, desk.target.do(control.offers()), roles=roles_of(words.role))
    if found.left:
        desk.printer.tell(f"{found.left} calls are left out: the recording has not all of what they said")
    if found.hidden:
        desk.printer.tell(f"of {found.hidden} calls some values are hidden, and rules see what hides them")
    if found.facts and not words.role:
        desk.printer.tell("a recording has no roles: rules see callers without any; --role gives them some")
    return list(found.facts)


def _of_facts(source: str, lines: Sequence[bytes]) -> Iterator[Facts]:
    for number, line in enumerate(lines, 1):
        if line.strip():
            try:
                yield msgspec.json.decode(line, type=Facts)
            except msgspec.DecodeError as error:
                raise Failure(USAGE, f"{source}:{number}: {error}") from error
