"""What the tests of the command line share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from tests.support import scenes
from tests.support.command import Command
from tests.support.fake_gateway import FakeGateway


@pytest.fixture
async def gateway() -> AsyncIterator[FakeGateway]:
    async with FakeGateway(scenes.team()).running() as it:
        yield it


@pytest.fixture
def mcpdeck(
    gateway: FakeGateway, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Command:
    """The command line, with the fake gateway as what is meant."""
    command = Command(monkeypatch, capsys, tmp_path)
    monkeypatch.setenv("MCPDECK_URL", gateway.url)
    return command
