"""Runs the MCP conformance suite against a URL and reads its verdicts; says where two runs differ."""

import asyncio
import re
from collections import defaultdict
from pathlib import Path

import msgspec

from tests.support.borrowed import Borrowed

REQUIREMENTS = ("2025-11-25", "2026-07-28")
SCENARIO_TIMEOUT = 60  # seconds
_FOLDER = re.compile(r"server-(?P<scenario>.+)-\d{4}-\d\d-\d\dT[\d-]+Z")
_NOTED = "INFO"  # what the suite only notes, such as each event it saw: no verdict

type Key = tuple[str, str]


class Check(msgspec.Struct, frozen=True, rename="camel"):
    """One entry of a checks.json. A check may stand there several times, once for each case it was tried on."""

    id: str
    status: str
    error_message: str = ""


class Run(msgspec.Struct, frozen=True):
    """What one run of the suite found. exit_status is 0 when all that is scored passed."""

    exit_status: int
    checks: dict[Key, list[Check]]
    output: str

    @property
    def scenarios(self) -> set[str]:
        return {scenario for scenario, _ in self.checks}

    @property
    def failed(self) -> list[str]:
        return sorted(
            {scenario for (scenario, _), checks in self.checks.items() if any(_fails(each) for each in checks)}
        )


class Difference(msgspec.Struct, frozen=True):
    """One check with two verdicts: statuses and messages, of either run."""

    scenario: str
    check: str
    first: list[Check]
    second: list[Check]

    def __str__(self) -> str:
        return f"{self.scenario} / {self.check}\n    {_told(self.first)}\n    {_told(self.second)}"


def differences(first: Run, second: Run) -> list[Difference]:
    """Every check whose statuses are not the same in both, whatever the messages and times say."""
    return [
        Difference(*key, first.checks.get(key, []), second.checks.get(key, []))
        for key in sorted(first.checks.keys() | second.checks.keys())
        if _statuses(first.checks.get(key, [])) != _statuses(second.checks.get(key, []))
    ]


def told(found: list[Difference], first: str, second: str) -> str:
    """For a failing test's message."""
    head = f"{len(found)} checks differ; first line {first}, second line {second}:"
    return "\n".join([head, *map(str, found)])


async def run_suite(borrowed: Borrowed, url: str, requirements: str, folder: Path) -> Run:
    """All scenarios of a requirement set, scored or not; of an older version those that there are for it.

    folder: where checks.json are written.
    """
    process = await asyncio.create_subprocess_exec(
        *borrowed.conformance,
        *("server", "--url", url, "--requirements" if requirements in REQUIREMENTS else "--spec-version", requirements),
        *("-o", str(folder), "--timeout", str(SCENARIO_TIMEOUT * 1000)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode is not None
    return Run(process.returncode, read(folder), output.decode(errors="replace"))


def read(folder: Path) -> dict[Key, list[Check]]:
    """The verdicts in a run's folder, by scenario and check. Raises ValueError on a folder that is not the suite's."""
    found: dict[Key, list[Check]] = defaultdict(list)
    for path in sorted(folder.glob("*/checks.json")):
        name = _FOLDER.fullmatch(path.parent.name)
        if name is None:
            raise ValueError(f"{path.parent.name!r} names no scenario")
        for check in msgspec.json.decode(path.read_bytes(), type=list[Check]):
            if check.status != _NOTED:
                found[name["scenario"], check.id].append(check)
    return dict(found)


def _fails(check: Check) -> bool:
    return check.status == "FAILURE"


def _statuses(checks: list[Check]) -> list[str]:
    return sorted(each.status for each in checks)


def _told(checks: list[Check]) -> str:
    if not checks:
        return "was not checked"
    messages = [each.error_message for each in checks if each.error_message]
    return " ".join([",".join(_statuses(checks)), *messages])
