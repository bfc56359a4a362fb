"""How the deck starts: what it loads, where it refuses, and that every command does something."""

import subprocess
import sys
from pathlib import Path

import pytest
from textual import events

from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import Context
from mcpdeck.config.places import Places
from mcpdeck.model.commands import View
from mcpdeck.model.registry import BY_ID
from mcpdeck.tui import app
from mcpdeck.tui.actions.performing import KNOWN
from mcpdeck.tui.app import DeckApp, refusal
from mcpdeck.tui.clipboard import Clipboard
from mcpdeck.tui.surroundings import Opening, Surroundings
from tests.support import scenes
from tests.support.deck import Driver, connect_to
from tests.support.fake_gateway import NOW, FakeGateway
from tests.support.terminal import ROOT

LATE = ("httpx", "yaml", "azure", "msal", "keyring", "kubernetes", "cryptography", "mcp", "mcpdeck.client",
        "textual.widgets._text_area")  # fmt: skip


def test_nothing_heavy_is_loaded_before_the_first_frame() -> None:
    code = f"import sys, mcpdeck.tui.app; print([name for name in {LATE!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_place_but_the_first_and_no_verb_is_loaded_before_the_first_frame() -> None:
    rooms = ("mcpdeck.tui.views.", "mcpdeck.tui.actions", "mcpdeck.tui.screens", "mcpdeck.traffic")
    code = f"import sys, mcpdeck.tui.app; print(*sorted(name for name in sys.modules if name.startswith({rooms!r})))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    first = [f"mcpdeck.tui.views.{name}" for name in ("adapters", "place", "table_place")]
    assert done.stdout.split() == first


def test_every_command_does_something_and_nothing_else_is_known() -> None:
    assert BY_ID.keys() == KNOWN


@pytest.mark.parametrize(
    ("is_terminal", "term", "refused"),
    [(True, "xterm-256color", False), (False, "xterm-256color", True), (True, "dumb", True)],
)
def test_deck_refuses_where_it_can_not_be_shown_and_says_what_helps(
    is_terminal: bool, term: str, refused: bool
) -> None:
    sentence = refusal(is_terminal=is_terminal, term=term)
    assert bool(sentence) is refused
    assert refused is ("mcpdeck adapters list" in sentence)


@pytest.mark.parametrize(("theme", "code"), [("dusk", 0), ("light", 0), ("dust", 2)])
def test_deck_starts_in_a_theme_of_the_readers_own_and_tells_which_there_are(
    theme: str, code: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "themes").mkdir()
    (tmp_path / "themes/dusk.yaml").write_text("like: light\n")
    shown = list[str]()
    monkeypatch.setattr(app, "refusal", lambda **_: "")
    monkeypatch.setattr(DeckApp, "run", lambda self: shown.append(self.theme))
    places = Places(config=tmp_path, data=tmp_path, cache=tmp_path)
    context = Context(name="test", url="http://127.0.0.1:9")
    found = app.run(context=context, connect=lambda _: GatewayClient(context.url), places=places, theme=theme)
    assert found == code
    assert shown == ([theme] if code == 0 else [])
    assert ("dusk" in capsys.readouterr().err) is (code == 2)


class _Hasty(DeckApp):
    """Somebody types before there is anything to see."""

    CSS_PATH = str(ROOT / "mcpdeck/tui/styles.tcss")

    def on_mount(self) -> None:
        self.post_message(events.Key("2", "2"))


async def test_key_that_is_typed_before_the_first_frame_is_obeyed_once_there_is_one() -> None:
    async with FakeGateway(scenes.team()).running() as gateway:
        world = Surroundings(connect=connect_to(gateway), clock=lambda: NOW, clipboard=Clipboard({}))
        hasty = _Hasty(world, Opening(context=Context(name="test", url=gateway.url)))
        async with hasty.run_test(size=(110, 30)) as pilot:
            deck = Driver(hasty, pilot, gateway)
            await deck.until(lambda: deck.view is View.TOOLS and not hasty.state.is_stale)
