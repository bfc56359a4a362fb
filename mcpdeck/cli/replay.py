"""`mcpdeck replay`: recorded calls made again, at the same adapter or another one, and what is different now."""

import argparse
from collections.abc import Sequence
from contextlib import aclosing
from typing import TYPE_CHECKING, Final

from mcpdeck.cli.consent import add_consent, must_consent
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, PARTIAL, USAGE, Failure
from mcpdeck.cli.tools import add_reach, told
from mcpdeck.cli.traffic import add_filter, recorded

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words
    from mcpdeck.traffic.replaying import Outcome, Step

_SHOWN: Final = 10  # changes of one call


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "Make recorded calls again, and say what is different now."
    replay = commands.add_parser(
        "replay", help=line, description=f"{line} Tools are really called. Exits with 9 where something is different."
    )
    replay.add_argument("source", metavar="RECORDING", help="a file of JSON lines, or an adapter that records")
    replay.add_argument("--against", required=True, metavar="ADAPTER", help="where the calls are made")
    add_filter(replay)
    replay.add_argument(
        "--ignore", action="append", default=[], metavar="NAME", help="a member that may differ anywhere; repeat"
    )
    replay.add_argument("-o", "--output", choices=("table", "jsonl"), default="table", help="table, jsonl")
    add_reach(replay)
    add_consent(replay)
    replay.set_defaults(run=_replay)


def _replay(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.traffic.recording import calls
    from mcpdeck.traffic.replaying import plan

    desk.target.must_be_writable()
    kept = [call for call in calls(recorded(words.source, desk)) if words.filter.keeps(call.request)]
    steps, left = plan(kept)
    for each in left:
        what = f"{each.call.request.method} {each.call.request.target}".rstrip()
        desk.printer.tell(f"left out: {what}: {each.reason}")
    if not steps:
        raise Failure(USAGE, f"{words.source} holds no call that can be made again")
    must_consent(
        words, desk, verb=f"Make {len(steps)} calls at", names=[words.against], lost=lambda: "Tools are really called. "
    )
    outcomes = told(_made(words, desk, steps))
    different = sum(not each.is_same for each in outcomes)
    desk.printer.tell(f"{len(outcomes)} calls made, {different} different, {len(left)} left out")
    return PARTIAL if different else OK


async def _made(words: argparse.Namespace, desk: Desk, steps: "Sequence[Step]") -> "list[Outcome]":
    from gateway.wire.mcp import Era
    from mcpdeck.mcp.again import made_again
    from mcpdeck.mcp.peer import connected

    era = Era(words.era) if words.era else None
    target = desk.target
    outcomes: list[Outcome] = []
    async with (
        connected(
            target.mcp_url(words.against),
            auth=target.auth(),
            ca_file=target.context.ca_file,
            era=era,
            silence=words.timeout,
        ) as peer,
        aclosing(made_again(peer, steps, ignored=words.ignore)) as made,
    ):
        async for outcome in made:
            _print(words, desk, outcome)
            outcomes.append(outcome)
    return outcomes


def _print(words: argparse.Namespace, desk: Desk, outcome: "Outcome") -> None:
    step = outcome.step
    response = step.call.response
    before = response.duration if response is not None else None
    if words.output == "jsonl":
        changes = [{"path": each.path, "before": each.before, "after": each.after} for each in outcome.changes]
        desk.printer.jsonl(
            {
                "number": step.call.request.number,
                "method": step.method,
                "target": step.call.request.target,
                "same": outcome.is_same,
                "changes": changes,
                "recordedSeconds": before,
                "seconds": outcome.seconds,
            }
        )
        return
    took = f"{1000 * (outcome.seconds or 0):.1f} ms" + (f" (was {1000 * before:.1f})" if before is not None else "")
    print(f"{'same     ' if outcome.is_same else 'DIFFERENT'}  {step.name}  {took}", flush=True)
    for each in outcome.changes[:_SHOWN]:
        print(f"    {each.path}: {each.before or '(absent)'} → {each.after or '(absent)'}", flush=True)
    if len(outcome.changes) > _SHOWN:
        print(f"    … and {len(outcome.changes) - _SHOWN} more", flush=True)
