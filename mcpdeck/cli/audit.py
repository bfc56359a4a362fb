"""`mcpdeck audit list`: who did what, as the gateway has it. `verify`: whether its files are as they were written."""

import argparse
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

from mcpdeck import control
from mcpdeck.cli import output
from mcpdeck.cli.desk import Desk
from mcpdeck.cli.exits import OK, USAGE
from mcpdeck.cli.words import seconds

if TYPE_CHECKING:
    from mcpdeck.cli.words import Words

BROKEN: Final = 1


def add_parser(commands: "argparse._SubParsersAction[Words]") -> None:
    line = "The gateway's audit log."
    verbs = commands.add_parser("audit", help=line, description=line).nested()
    line = "Who did what, the newest first. For administrators."
    listed = verbs.add_parser("list", aliases=["ls"], help=line, description=line)
    listed.add_argument("--limit", type=int, default=100, metavar="N", help="at most that many, up to 1000; 100")
    listed.add_argument("--since", type=seconds, metavar="DURATION", help="only the last 30s, 5m, 2h")
    listed.add_argument("--text", default="", metavar="TEXT", help="only what contains it, whatever its case")
    output.add_options(listed)
    listed.set_defaults(run=_list)
    line = "Check that no line of an audit log's files was changed, removed, added or moved."
    verify = verbs.add_parser("verify", help=line, description=line)
    verify.add_argument(
        "file", type=Path, metavar="FILE", help="the newest file; rotated ones (FILE.1, FILE.2, …) are read before it"
    )
    verify.add_argument("--expect", default="", metavar="HASH", help="what the last line's hash must be, or have been")
    verify.set_defaults(run=_verify)


def _list(words: argparse.Namespace, desk: Desk) -> int:
    from mcpdeck.cli.kinds import AUDIT

    since = datetime.now(UTC) - timedelta(seconds=words.since) if words.since is not None else None
    found = desk.target.do(control.audit(limit=words.limit, text=words.text, since=since))
    desk.printer.many(AUDIT, found)
    if not found:
        desk.printer.tell("nothing is recorded" + (" of that kind" if words.text or since else ""))
    return OK


def _verify(words: argparse.Namespace, _desk: object = None) -> int:
    from gateway.wire.audit import START, Broken, verify

    files = rotated(words.file)
    lines = _Watched(_lines(files), words.expect)
    try:
        # Where files were rotated, the oldest may continue one that is gone; then its own word must do.
        is_whole = len(files) == 1 or _is_first(files[0])
        verdict = verify(lines, previous=START if is_whole else None)
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return USAGE
    if isinstance(verdict, Broken):
        print(f"BROKEN at line {verdict.line} of {', '.join(map(str, files))}: {verdict.reason}")
        return BROKEN
    if words.expect and not lines.was_seen:
        print(f"BROKEN: no line has the hash {words.expect}; lines after it, or it, were cut off")
        return BROKEN
    print(f"intact: {verdict.lines} lines, last hash {verdict.head}")
    return OK


class _Watched:
    """Lines on their way, with an eye for one hash."""

    def __init__(self, lines: Iterator[bytes], expected: str) -> None:
        self._lines, self._expected = lines, f'"hash":"{expected}"}}'.encode()
        self.was_seen = False

    def __iter__(self) -> Iterator[bytes]:
        for line in self._lines:
            self.was_seen = self.was_seen or line.endswith(self._expected)
            yield line


def rotated(newest: Path) -> list[Path]:
    """Oldest first."""
    older = [each for each in newest.parent.glob(f"{newest.name}.*") if each.suffix[1:].isdecimal()]
    return [*sorted(older, key=lambda each: -int(each.suffix[1:])), newest]


def _is_first(file: Path) -> bool:
    """Whether a file begins a log, or goes on from one that rotation removed."""
    from gateway.wire.audit import START

    with file.open("rb") as opened:
        return f'"previous":"{START}"'.encode() in opened.readline()


def _lines(files: list[Path]) -> Iterator[bytes]:
    for file in files:
        with file.open("rb") as opened:
            for line in opened:
                yield line.rstrip(b"\n")
