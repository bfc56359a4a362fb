"""The MCP conformance suite: a server direct, through the gateway, and as stdio behind sidecar and gateway.

What is between client and server may change no verdict. The suite's own fixtures stand in tests/support.
"""

from pathlib import Path

import pytest

from tests.support.borrowed import Borrowed
from tests.support.conformance import REQUIREMENTS, Run, differences, run_suite, told
from tests.support.gateways import gateway
from tests.support.programs import FIXTURE_SERVER_STDIO, fixture_server, sidecar

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

SCORED = {"2025-11-25": 30, "2026-07-28": 37}  # the suite's scenarios for servers
# Where nothing is to be streamed the sidecar answers with JSON, and the suite has no stream to look at.
NO_STREAM = {
    ("server-sse-multiple-streams", "server-sse-streams-functional"),
    ("server-sse-polling", "server-sse-disconnect-resume"),
    ("server-sse-polling", "server-sse-priming-event"),
    ("server-sse-polling", "server-sse-retry-field"),
}


@pytest.mark.parametrize("requirements", REQUIREMENTS)
async def test_the_fixture_server_passes_all_that_is_scored(
    borrowed: Borrowed, requirements: str, tmp_path: Path
) -> None:
    async with fixture_server() as url:
        direct = await run_suite(borrowed, url, requirements, tmp_path)
    assert direct.exit_status == 0, direct.output
    assert len(direct.scenarios - set(direct.failed)) >= SCORED[requirements]


@pytest.mark.parametrize("requirements", REQUIREMENTS)
async def test_a_url_adapter_changes_no_verdict(borrowed: Borrowed, requirements: str, tmp_path: Path) -> None:
    async with fixture_server() as url, gateway(tmp_path / "data") as deck:
        direct = await run_suite(borrowed, url, requirements, tmp_path / "direct")
        through = await run_suite(borrowed, await deck.deploy("x", url=url), requirements, tmp_path / "through")
    assert_same(direct, through, "direct", "through the gateway")


@pytest.mark.parametrize("requirements", REQUIREMENTS)
async def test_a_stdio_adapter_changes_no_verdict(borrowed: Borrowed, requirements: str, tmp_path: Path) -> None:
    command, *args = FIXTURE_SERVER_STDIO
    async with fixture_server() as url, gateway(tmp_path / "data") as deck:
        direct = await run_suite(borrowed, url, requirements, tmp_path / "direct")
        adapter = await deck.deploy("x", stdio={"command": command, "args": args})
        through = await run_suite(borrowed, adapter, requirements, tmp_path / "through")
    assert_same(without_streams(direct), without_streams(through), "direct", "through sidecar and gateway")


@pytest.mark.parametrize("requirements", REQUIREMENTS)
async def test_the_sidecar_alone_changes_no_verdict(borrowed: Borrowed, requirements: str, tmp_path: Path) -> None:
    async with fixture_server() as url, sidecar(FIXTURE_SERVER_STDIO) as bridged:
        direct = await run_suite(borrowed, url, requirements, tmp_path / "direct")
        through = await run_suite(borrowed, bridged, requirements, tmp_path / "through")
    assert_same(without_streams(direct), without_streams(through), "direct", "through the sidecar")


def assert_same(first: Run, second: Run, *names: str) -> None:
    found = differences(first, second)
    assert not found, told(found, *names)
    assert second.exit_status == 0, second.output


def without_streams(run: Run) -> Run:
    return Run(run.exit_status, {key: checks for key, checks in run.checks.items() if key not in NO_STREAM}, run.output)
