"""What the doctor finds, as values and as lines. Pure, and examines nothing."""

import textwrap
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from mcpdeck.model.formatting import listed, milliseconds
from mcpdeck.model.words import Cell, Glyphs, Sign, Tone


class Outcome(StrEnum):
    OK = "ok"
    WARNING = "warning"  # it works, and something should be done
    WRONG = "wrong"
    SKIPPED = "skipped"  # what it needs is wrong already, or there is nothing to examine


SIGNS: Final[Mapping[Outcome, Sign]] = {
    Outcome.OK: Sign("✓", "[ok]", "fine", Tone.OK),
    Outcome.WARNING: Sign("▲", "[!!]", "mind", Tone.WARN),
    Outcome.WRONG: Sign("✖", "[XX]", "wrong", Tone.BAD),
    Outcome.SKIPPED: Sign("·", "[--]", "skipped", Tone.DIM),
}


class Finding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """check: stable, for programs. told: what was found. fix: what to do, empty where nothing is to be done."""

    check: str
    title: str
    outcome: Outcome
    told: str
    fix: str = ""
    seconds: float | None = None


TITLES: Final = {
    "name": "Name",
    "connection": "Connection",
    "tls": "TLS",
    "health": "Health",
    "discovery": "Sign-in place",
    "token": "Token",
    "roles": "Roles",
    "adapters": "Adapters",
    "modern": "MCP 2026-07-28",
    "legacy": "MCP handshake",
}

CLUSTER_TITLES: Final = {
    "cluster": "Cluster",
    "rights": "Your rights",
    "kinds": "Kinds",
    "gateways": "Gateways",
    "instances": "Instances",
}


ORDER: Final = tuple(TITLES)
_TITLE: Final = 16


def summary(findings: Sequence[Finding]) -> str:
    """In a sentence."""
    bad = [finding.title for finding in findings if finding.outcome is Outcome.WRONG]
    warned = [finding.title for finding in findings if finding.outcome is Outcome.WARNING]
    if bad:
        return f"{listed(bad)} wrong"
    return f"works; mind {listed(warned)}" if warned else "all is well"


def lines(findings: Sequence[Finding], *, is_running: bool, width: int, glyphs: Glyphs) -> Iterator[list[Cell]]:
    """One finding after the other, each with what mends it; then what is still to come."""
    for it in findings:
        yield from _lines_of(it, width, glyphs)
    if is_running:
        done = {it.check for it in findings}
        for number, check in enumerate(check for check in ORDER if check not in done):
            told, tone = ("asking", Tone.BUSY) if number == 0 else ("", Tone.DIM)
            yield [Cell(f"{glyphs.waiting} ", tone), Cell(f"{TITLES[check]:<{_TITLE}}{told}", Tone.DIM)]


def _lines_of(finding: Finding, width: int, glyphs: Glyphs) -> Iterator[list[Cell]]:
    """Long sentences go on in the next line, under their beginning."""
    sign, is_dim = SIGNS[finding.outcome], finding.outcome is Outcome.SKIPPED
    glyph = f"{glyphs.glyph(sign)} "
    indent = " " * (len(glyph) + _TITLE)
    after = f"   {milliseconds(finding.seconds)}" if finding.seconds else ""
    first, *rest = textwrap.wrap(finding.told, max(20, width - len(indent) - len(after))) or [""]
    title = Cell(f"{finding.title:<{_TITLE}}", Tone.DIM if is_dim else Tone.STRONG)
    told = Tone.DIM if is_dim else Tone.PLAIN
    yield [Cell(glyph, sign.tone), title, Cell(first, told), Cell(after, Tone.DIM)]
    yield from ([Cell(indent), Cell(line, told)] for line in rest)
    for number, line in enumerate(textwrap.wrap(finding.fix, max(20, width - len(indent) - 2))):
        yield [Cell(indent), Cell(f"{' ' if number else glyphs.crumb} {line}", Tone.WARN)]
