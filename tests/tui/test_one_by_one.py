"""Keys one at a time: in what order, what holds them up and for how long, and what overtakes."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import ClassVar

import pytest
from textual import events
from textual._xterm_parser import XTermParser
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical
from textual.pilot import Pilot
from textual.screen import ModalScreen
from textual.widget import Widget
from textual.widgets import Button, Input

from mcpdeck.tui import one_by_one
from mcpdeck.tui.one_by_one import OneByOneApp


class Ear(Widget, can_focus=True):
    """Writes down what comes, in its own time."""

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[str] = []
        self.goes_on = asyncio.Event()
        self.goes_on.set()

    async def on_key(self, event: events.Key) -> None:
        await self.goes_on.wait()
        self.heard.append(event.key)

    def on_paste(self, event: events.Paste) -> None:
        self.heard.append(f"<{event.text}>")

    def on_click(self) -> None:
        self.heard.append("click")


class Question(ModalScreen[bool]):
    BINDINGS: ClassVar[list[BindingType]] = [Binding("q", "dismiss(False)")]

    def compose(self) -> ComposeResult:
        with Vertical():
            yield Button("yes", id="yes")

    def on_button_pressed(self) -> None:
        self.dismiss(True)


class Host(OneByOneApp):
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("a", "ask", priority=True),
        Binding("w", "work", priority=True),
        Binding("f", "field", priority=True),
    ]

    def __init__(self) -> None:
        super().__init__(ansi_color=None)
        self.answers: list[bool | None] = []
        self.interrupted = 0
        self.work = asyncio.Event()

    def compose(self) -> ComposeResult:
        yield Ear()
        yield Input()

    def on_mount(self) -> None:
        self.query_one(Ear).focus()

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        if action in {"ask", "work", "field"}:
            return isinstance(self.focused, Ear)
        return super().check_action(action, parameters)

    def action_ask(self) -> None:
        self.push_screen(Question(), self.answers.append)

    def action_field(self) -> None:
        self.query_one(Input).focus()

    def action_work(self) -> None:
        """Opens a dialog once something has come."""

        async def work() -> None:
            await self.work.wait()
            self.action_ask()

        self.run_worker(self.before_next(work, seconds=0.2)())

    def action_help_quit(self) -> None:
        self.interrupted += 1

    @property
    def ear(self) -> Ear:
        return self.screen_stack[0].query_one(Ear)


class Hand:
    def __init__(self, app: Host, pilot: Pilot[None]) -> None:
        self.app, self.pilot = app, pilot

    def send(self, text: str) -> None:
        driver = self.app._driver
        assert driver is not None
        for event in XTermParser().feed(text):
            driver.process_message(event)

    async def until(self, condition: Callable[[], object]) -> None:
        async with asyncio.timeout(10):
            while not condition():  # noqa: ASYNC110  (a pause of the pilot's would wait for what hangs)
                await asyncio.sleep(0.005)

    async def rests(self) -> None:
        """All that was sent has arrived and is handled."""
        arrived = asyncio.Event()
        driver = self.app._driver
        assert driver is not None
        driver.send_message(events.Callback(callback=arrived.set))  # by the way that keys take
        await arrived.wait()
        await self.until(lambda: self.app.is_at_rest)


@asynccontextmanager
async def hand() -> AsyncIterator[Hand]:
    app = Host()
    async with app.run_test() as pilot:
        yield Hand(app, pilot)


async def test_keys_pastes_and_clicks_keep_their_order() -> None:
    async with hand() as it:
        it.send("x\x1b[200~two\nlines\x1b[201~y\x1b[<0;3;3M\x1b[<0;3;3mz")
        await it.rests()
        assert it.app.ear.heard == ["x", "<two\nlines>", "y", "click", "z"]


async def test_answer_of_a_dialog_and_what_comes_behind_it_arrive_in_one_go() -> None:
    async with hand() as it:
        it.send("a\rxaqy")
        await it.rests()
        assert it.app.answers == [True, False]
        assert it.app.ear.heard == ["x", "y"]


async def test_letters_are_for_the_field_that_the_key_before_them_goes_to() -> None:
    async with hand() as it:
        it.send("xfwaf\x7f\x1b[200~p\x1b[201~!")
        await it.rests()
        assert it.app.screen.query_one(Input).value == "wap!"
        assert it.app.ear.heard == ["x"]


async def test_keys_wait_for_the_dialog_that_work_opens() -> None:
    async with hand() as it:
        it.send("wx\ry")
        it.app.work.set()
        await it.rests()
        assert it.app.answers == [True]
        assert it.app.ear.heard == ["y"]


async def test_work_that_takes_long_holds_keys_up_no_longer_than_it_said() -> None:
    async with hand() as it:
        it.send("wx")
        await it.until(lambda: it.app.ear.heard == ["x"])
        assert not it.app.work.is_set()


async def test_what_hangs_is_waited_for_once_and_then_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_by_one, "PATIENCE", 0.05)
    async with hand() as it:
        it.app.ear.goes_on.clear()
        it.send("x123456f!")
        await it.rests()
        assert it.app.screen.query_one(Input).value == "!"
        it.app.ear.goes_on.set()
        await it.until(lambda: it.app.ear.heard == [*"x123456"])


async def test_interrupt_overtakes_what_hangs_and_drops_what_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(one_by_one, "HANGS", 0.0)
    async with hand() as it:
        it.app.ear.goes_on.clear()
        it.send("xyz")
        await it.until(lambda: not it.app.is_at_rest)
        it.send("\x03")
        await it.until(lambda: it.app.interrupted)
        it.app.ear.goes_on.set()
        await it.rests()
        assert it.app.ear.heard == ["x"]


async def test_interrupt_keeps_its_place_where_nothing_hangs() -> None:
    async with hand() as it:
        it.send("x\x03y")
        await it.rests()
        assert it.app.interrupted == 1
        assert it.app.ear.heard == ["x", "ctrl+c", "y"]
