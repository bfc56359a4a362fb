"""The doctor's findings as lines: whatever is examined, also what this deck has never heard of."""

import pytest

from mcpdeck.model.findings import TITLES, Finding, Outcome, lines, summary
from mcpdeck.model.words import ASCII, UNICODE

OWN = [Finding(check=name, title=title, outcome=Outcome.OK, told="fine") for name, title in TITLES.items()]
NEW = Finding(
    check="pods", title="Pods of another", outcome=Outcome.WRONG, told="weather-1 has no node " * 6, fix="kubectl get nodes"
)  # fmt: skip


def text(findings: list[Finding], *, is_running: bool = False, width: int = 78, glyphs: object = UNICODE) -> list[str]:
    drawn = lines(findings, is_running=is_running, width=width, glyphs=glyphs)  # type: ignore[arg-type]
    return ["".join(cell.text for cell in line) for line in drawn]


@pytest.mark.parametrize("width", [58, 78, 118])
def test_a_new_kind_of_finding_is_shown_like_every_other(width: int) -> None:
    shown = text([*OWN, NEW], width=width)
    assert any(line.startswith("✖ Pods of another ") for line in shown)
    assert shown[-1].strip() == "› kubectl get nodes"
    assert all(len(line) <= width for line in shown)
    assert summary([*OWN, NEW]) == "Pods of another wrong"


def test_what_is_still_to_come_does_not_wait_for_a_new_kind() -> None:
    shown = text([OWN[0], NEW], is_running=True)
    assert "asking" in next(line for line in shown if "Connection" in line)


def test_a_plain_terminal_gets_plain_findings() -> None:
    assert all(line.isascii() for line in text([*OWN, NEW], glyphs=ASCII))
