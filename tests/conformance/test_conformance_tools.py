"""The MCP conformance suite at /mcp: one adapter behind it, unprefixed, gets the verdicts that it gets by itself.

Where the gateway's own server answers in the adapter's place, and rightly otherwise, the check stands below with the reason.
"""

from pathlib import Path

import pytest

from tests.support.borrowed import Borrowed
from tests.support.conformance import REQUIREMENTS, Key, differences, run_suite, told
from tests.support.programs import fixture_server
from tests.support.tools_gateway import tools_gateway

pytestmark = [pytest.mark.conformance, pytest.mark.timeout(600)]

EXCEPTIONS: dict[Key, str] = {
    (
        "server-sse-multiple-streams",
        "server-sse-streams-functional",
    ): "asks for tools/list, which /mcp answers as JSON: the suite has no stream to look at",
}


@pytest.mark.parametrize("requirements", REQUIREMENTS)
async def test_the_gateways_own_server_changes_no_verdict(
    borrowed: Borrowed, requirements: str, tmp_path: Path
) -> None:
    async with fixture_server() as url, tools_gateway({"x": url}) as gateway:
        direct = await run_suite(borrowed, url, requirements, tmp_path / "direct")
        through = await run_suite(borrowed, gateway.url, requirements, tmp_path / "through")
    found = [each for each in differences(direct, through) if (each.scenario, each.check) not in EXCEPTIONS]
    assert not found, told(found, "direct", "at /mcp")
    assert through.exit_status == 0, through.output
