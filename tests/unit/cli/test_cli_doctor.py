"""`mcpdeck doctor`: lines for people, JSON for programs, an exit code for scripts."""

import json

import pytest

from mcpdeck.cli.exits import OK, SIGN_IN, UNREACHABLE
from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway, Fault
from tests.support.fake_mcp import FakeMcp


async def test_doctor_says_each_finding_and_what_mends_it(mcpdeck: Command, gateway: FakeGateway) -> None:
    gateway.scene.servers["time"] = FakeMcp(name="clock")
    ended = await mcpdeck("doctor", "--adapter", "time")
    assert ended.code == OK
    assert "✓ Connection" in ended.out
    assert "✓ MCP handshake   time answers as clock 1.0" in ended.out
    assert "→ mcpdeck adapters status search; mcpdeck logs search" in ended.out


async def test_doctor_as_json(mcpdeck: Command, gateway: FakeGateway) -> None:
    ended = await mcpdeck("doctor", "-o", "json")
    told = json.loads(ended.out)
    assert told["kind"] == "FindingList"
    assert {"check": "tls", "outcome": "ok"}.items() <= told["items"][2].items()


@pytest.mark.parametrize(("path", "status", "code"), [("/readyz", 404, UNREACHABLE), ("/whoami", 401, SIGN_IN)])
async def test_doctor_exits_with_what_is_wrong(
    mcpdeck: Command, gateway: FakeGateway, path: str, status: int, code: int
) -> None:
    gateway.fail("GET", path, Fault(status, "no"))
    assert (await mcpdeck("doctor")).code == code
