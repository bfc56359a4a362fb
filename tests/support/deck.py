"""The deck on a fake gateway, driven by what a person types. Waits for what shows, never for time."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from textual._xterm_parser import XTermParser
from textual.keys import _character_to_key
from textual.pilot import Pilot

from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import Context
from mcpdeck.model.commands import View
from mcpdeck.tui.app import DeckApp
from mcpdeck.tui.clipboard import Clipboard
from mcpdeck.tui.surroundings import Opening, Surroundings
from tests.support.fake_gateway import NOW, FakeGateway, Scene

_TOKEN = re.compile(r"<([a-z0-9+]+)>|(.)", re.DOTALL)
_NAMES = {"esc": "escape", "bksp": "backspace"}
_SENT = {
    "esc": "\x1b",
    "bksp": "\x7f",
    "enter": "\r",
    "tab": "\t",
    "shift+tab": "\x1b[Z",
    "up": "\x1b[A",
    "down": "\x1b[B",
    "right": "\x1b[C",
    "left": "\x1b[D",
    "pagedown": "\x1b[6~",
    "f1": "\x1bOP",
    "f2": "\x1bOQ",
    "f3": "\x1bOR",
}


def keys(text: str) -> Iterator[str]:
    """`:logs we<tab><enter>` as Textual's names of keys."""
    for named, letter in _TOKEN.findall(text):
        yield _NAMES.get(named, named) if named else _character_to_key(letter)


def sequences(text: str) -> Iterator[str]:
    """The same as a terminal sends it."""
    for named, letter in _TOKEN.findall(text):
        if control := re.fullmatch("ctrl\\+([a-z])", named):
            yield chr(ord(control[1]) - ord("a") + 1)
        else:
            yield _SENT[named] if named else letter


def connect_to(gateway: FakeGateway) -> Callable[[str], Any]:
    return lambda _context: GatewayClient(gateway.url)


class Driver:
    """A person at the deck."""

    def __init__(self, app: DeckApp, pilot: Pilot[None], gateway: FakeGateway) -> None:
        self.app = app
        self.pilot = pilot
        self.gateway = gateway

    async def type(self, text: str) -> None:
        for key in keys(text):
            await self.pilot.press(key)
        await self.pilot.pause()

    async def burst(self, text: str) -> None:
        """All of it in one go, as a terminal sends what was typed while the deck was busy; until it is handled."""
        driver = self.app._driver
        assert driver is not None
        parser = XTermParser()
        for event in [*parser.feed("".join(sequences(text))), *parser.tick()]:
            driver.process_message(event)
        await self.pilot.pause()
        await self.until(lambda: self.app.is_at_rest)
        await self.pilot.pause()

    async def until(self, condition: Callable[[], object], *, seconds: float = 15) -> None:
        """Until it holds; the screen is what a failure shows."""
        try:
            async with asyncio.timeout(seconds):
                while not condition():
                    await self.pilot.pause(0.02)
        except TimeoutError:
            raise AssertionError(f"it never came to hold; the screen is\n{self.text}") from None

    async def sees(self, *texts: str) -> None:
        await self.until(lambda: all(text in self.text for text in texts))

    async def sees_no(self, text: str) -> None:
        await self.until(lambda: text not in self.text)

    @property
    def view(self) -> View:
        """Where the person is now."""
        return self.app.place.view

    @property
    def lines(self) -> list[str]:
        """What is on the screen, toasts and dialogs included."""
        width, height = self.app.size
        strips = self.app.screen._compositor.render_strips()
        return ["".join(segment.text for segment in strip)[:width] for strip in strips[:height]]

    @property
    def text(self) -> str:
        return "\n".join(self.lines)

    def line(self, text: str) -> str:
        """The first line that holds it; empty if none does."""
        return next((line for line in self.lines if text in line), "")


@asynccontextmanager
async def deck_on(
    scene: Scene,
    *,
    size: tuple[int, int] = (110, 30),
    ready: bool = True,
    surroundings: dict[str, Any] | None = None,
    context: str = "test",
    protected: bool = False,
    **opening: Any,
) -> AsyncIterator[Driver]:
    """The deck, looking at a gateway with this scene. `ready`: only once it shows what is there."""
    async with FakeGateway(scene).running() as gateway:
        usual: dict[str, Any] = {
            "connect": connect_to(gateway),
            "clock": lambda: NOW,
            "random": Random(1),
            "clipboard": Clipboard({}),
        }
        world = Surroundings(**(usual | (surroundings or {})))
        here = Context(name=context, url=gateway.url, protected=protected)
        app = DeckApp(world, Opening(context=here, **opening))
        async with app.run_test(size=size, notifications=True) as pilot:
            driver = Driver(app, pilot, gateway)
            if ready:
                await driver.until(lambda: not app.state.is_stale and len(app.state.adapters) == len(scene.adapters))
                await driver.until(lambda: len(app.state.sessions) == len(scene.sessions))
            yield driver
