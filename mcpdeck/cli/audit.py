"""`mcpdeck audit verify`: whether an audit log is as it was written. Reads files, asks no gateway."""

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

OK: Final = 0
BROKEN: Final = 1
USAGE: Final = 2


def add_parser(commands: Any) -> None:
    """commands: argparse's subparsers."""
    about = "The gateway's audit log."
    audit = commands.add_parser("audit", help=about, description=about)
    line = "Check that no line of an audit log was changed, removed, added or moved."
    verify = audit.add_subparsers(required=True).add_parser("verify", help=line, description=line)
    verify.add_argument("file", type=Path, help="the newest file; rotated ones (FILE.1, FILE.2, …) are read before it")
    verify.add_argument("--expect", default="", metavar="HASH", help="what the last line's hash must be, or have been")
    verify.set_defaults(run=_verify)


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
