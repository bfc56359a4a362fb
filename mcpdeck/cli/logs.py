"""`mcpdeck logs`: an adapter's log as it comes, cut to what was asked for."""

import argparse
import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import aclosing
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, USAGE, Failure
from mcpdeck.cli.words import seconds

if TYPE_CHECKING:
    from mcpdeck.cli.output import Printer
    from mcpdeck.cli.words import Words
    from mcpdeck.client import GatewayClient
    from mcpdeck.logbook import LogLine
    from mcpdeck.resuming import Seen

TAIL: Final = 1_000
FIRST_PAUSE: Final = 1.0  # seconds
LONGEST_PAUSE: Final = 30.0
_COLORS: Final = ("36", "33", "35", "32", "34", "31")  # of instances, by turns


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "What an adapter's instances write."
    logs = commands.add_parser("logs", help=line, description=line)
    logs.add_argument("name", metavar="NAME")
    logs.add_argument("-f", "--follow", action="store_true", help="go on until Ctrl-C")
    logs.add_argument("--since", type=seconds, metavar="DURATION", help="only the last 30s, 5m, 2h")
    logs.add_argument("--tail", type=int, metavar="N", help=f"only the last N lines; {TAIL}, or all of --since")
    logs.add_argument("--previous", action="store_true", help="of the run before the last restart")
    which = logs.add_mutually_exclusive_group()
    which.add_argument("--instance", default="all", metavar="N", help="of one replica, by its number")
    which.add_argument("--all-replicas", action="store_const", const="all", dest="instance", help="of all; the default")
    logs.add_argument("--timestamps", action="store_true", help="when each line was written")
    logs.add_argument("--grep", type=_pattern, metavar="REGEX", help="only lines in which it is found")
    logs.add_argument("--jsonl", action="store_true", help="an object per line: instance, time, text")
    logs.set_defaults(run=_logs)


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise argparse.ArgumentTypeError(f"{text!r} is no regular expression: {error}") from error


def _logs(words: argparse.Namespace, desk: Desk) -> int:
    if words.instance != "all" and not words.instance.isdecimal():
        raise Failure(USAGE, f"--instance {words.instance}: wanted a number, such as 0")
    asyncio.run(_follow(words, desk))
    return OK


async def _follow(words: argparse.Namespace, desk: Desk) -> None:
    """A stream that breaks while it is followed goes on where it was, however long that takes."""
    from mcpdeck.errors import Unreachable
    from mcpdeck.resuming import Seen

    writer, seen, pause = _Writer(words, desk.printer), Seen(), FIRST_PAUSE
    async with desk.target.client() as client:
        while True:
            try:
                async for line in _lines(words, client, seen):
                    pause = FIRST_PAUSE
                    writer.write(line)
                if not words.follow or words.previous:
                    return
                why = "the log ended"
            except Unreachable as error:
                if not words.follow or seen.since is None:
                    raise
                why = str(error)
            desk.printer.tell(f"{why}; trying again in {pause:g} s")
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)
            seen.broke()


async def _lines(words: argparse.Namespace, client: "GatewayClient", seen: "Seen") -> AsyncIterator["LogLine"]:
    """Those that were not here before."""
    from mcpdeck.logbook import parse_line

    since = seen.since
    if since is None and words.since is not None:
        since = (datetime.now(UTC) - timedelta(seconds=words.since)).isoformat()
    lines = client.logs(
        words.name,
        instance=words.instance,
        follow=words.follow,
        since=since,
        tail=None if seen.since else words.tail if words.tail is not None or since else TAIL,
        previous=words.previous,
        timestamps=words.timestamps or words.jsonl or words.follow,
    )
    async with aclosing(lines):
        async for raw in lines:
            line = parse_line(raw)
            if seen.is_new(line):
                yield line


class _Writer:
    def __init__(self, words: argparse.Namespace, printer: "Printer") -> None:
        self._words = words
        self._printer = printer
        self._colors: dict[str, str] = {}

    def write(self, line: "LogLine") -> None:
        grep: re.Pattern[str] | None = self._words.grep
        if grep and not grep.search(line.text):
            return
        if self._words.jsonl:
            self._printer.jsonl({"instance": line.instance, "time": line.stamp, "text": line.text})
            return
        stamp = f"{line.stamp} " if line.stamp and self._words.timestamps else ""
        print(f"{self._front(line.instance)}{stamp}{self._marked(line.text, grep)}", flush=True)

    def _front(self, instance: str) -> str:
        if not instance:
            return ""
        if not self._printer.has_color:
            return f"[{instance}] "
        color = self._colors.setdefault(instance, _COLORS[len(self._colors) % len(_COLORS)])
        return f"\x1b[{color}m[{instance}]\x1b[0m "

    def _marked(self, text: str, grep: re.Pattern[str] | None) -> str:
        if grep is None or not self._printer.has_color:
            return text
        return grep.sub(lambda found: f"\x1b[1;31m{found[0]}\x1b[0m" if found[0] else "", text)
