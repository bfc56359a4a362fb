"""Every version of a client to servers of every era, verdict by verdict; what may differ is listed with its reason."""

from pathlib import Path

import pytest

from tests.support.borrowed import Borrowed
from tests.support.conformance import told
from tests.support.conformance_eras import TABLE, VERSIONS, is_bridged, listed, run_pairs
from tests.support.conformance_eras import told as told_of

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(900)]

MOST = 9  # checks that may differ; lower it with each that no longer does, and never raise it


@pytest.mark.parametrize("version", VERSIONS)
async def test_every_server_gives_the_same_verdicts_but_for_what_is_listed(
    borrowed: Borrowed, version: str, tmp_path: Path
) -> None:
    shown = TABLE.read_text()
    for pair in await run_pairs(borrowed, version, tmp_path):
        expected = {
            (each.scenario, check)
            for each in listed()
            if (each.client, each.server) == (pair.client, pair.server)
            for check in each.checks
        }
        unlisted = [each for each in pair.different if (each.scenario, each.check) not in expected]
        assert not unlisted, told(unlisted, "direct", f"to the {pair.server} server through the gateway")
        assert not expected - pair.keys, f"listed, but the same by now: {sorted(expected - pair.keys)}"
        row = next(line for line in shown.splitlines() if line.startswith(f"| {version} |"))
        assert pair.cell() in row, "docs/conformance.md is stale: run python -m tests.support.conformance_eras"


def test_the_list_of_exceptions_only_gets_shorter() -> None:
    assert sum(len(each.checks) for each in listed()) <= MOST
    assert all(each.reason for each in listed())


def test_no_pair_that_passes_may_have_exceptions() -> None:
    assert all(is_bridged(each.client, each.server) for each in listed())


def test_the_table_shows_every_exception() -> None:
    assert TABLE.read_text().endswith(told_of(listed()))
