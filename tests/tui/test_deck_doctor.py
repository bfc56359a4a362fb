"""The doctor in the deck: of the gateway that is shown, or of one by name."""

from pathlib import Path

import pytest

from mcpdeck.config.contexts import Context, Contexts
from mcpdeck.config.running import Running
from mcpdeck.model.commands import View
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import Fault, Scene
from tests.support.fake_mcp import FakeMcp


@pytest.fixture
def scene() -> Scene:
    scene = scenes.team()
    scene.servers = {name: FakeMcp(name=name) for name in scene.adapters}
    return scene


async def test_doctor_finds_one_thing_after_the_other(scene: Scene) -> None:
    async with deck_on(scene, size=(120, 30)) as deck:
        gate = deck.gateway.hold("GET", "/readyz")
        await deck.type(":doctor<enter>")
        await deck.sees("Doctor of test", "examining", "✓ Connection", "◌ Health          asking")
        gate.set()
        await deck.sees("works; mind Adapters", "search (OOMKilled)", "MCP handshake")
        await deck.sees("› mcpdeck --context test adapters status search; mcpdeck --context test logs search")
        await deck.type("c")
        await deck.until(lambda: "✓ Connection" in deck.app.clipboard)
        await deck.type("q")
        assert deck.app.place.view is View.ADAPTERS


async def test_doctor_examines_again(scene: Scene) -> None:
    async with deck_on(scene, size=(120, 30)) as deck:
        deck.gateway.fail("GET", "/readyz", Fault(404, "no"))
        await deck.type(":doctor<enter>")
        await deck.sees("Health wrong", "not before Health is right")
        deck.gateway.fail("GET", "/readyz", None)
        await deck.type("<enter>")
        await deck.sees("works; mind Adapters")


async def test_doctor_sees_a_context_that_does_not_answer(scene: Scene, tmp_path: Path) -> None:
    book = Contexts(tmp_path / "contexts.yaml", Running(tmp_path / "running"))
    book.add(Context(name="alpha", url="http://127.0.0.1:9"), use=False)
    async with deck_on(scene, size=(120, 30), surroundings={"contexts": book}) as deck:
        await deck.type("8")
        await deck.sees("alpha")
        await deck.type("gT")
        await deck.sees("Doctor of alpha", "Connection wrong", "› mcpdeck up, and leave it running")
        await deck.type(":doctor test<enter>")
        await deck.sees("Doctor of test", "works; mind Adapters")
