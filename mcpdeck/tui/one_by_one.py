"""Keys, clicks and pastes one at a time, however fast they come: each goes where the one before it has led.

Textual gives every one on at once, to what has the focus just then: of `n` and a name typed in one go the name would be
commands to the view behind the form, and what follows the key that closes a dialog would be lost in its queue. Here the
next one waits until the one before is handled: until every queue on its way is empty, and what it opens is there. What
is handled as it is given on, as a row down is, holds up nothing; nor does a letter the letter behind it. Knows no key
but ctrl+c, which overtakes what hangs.
"""

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Final
from weakref import WeakKeyDictionary

from textual import events
from textual.app import App
from textual.dom import DOMNode
from textual.message import Message
from textual.screen import Screen
from textual.widget import Widget
from textual.widgets import Input

PATIENCE: Final = 2.0  # seconds that what a key does may take before the next one is given on regardless
HANGS: Final = 0.5  # seconds after which ctrl+c overtakes
INTERRUPT: Final = "ctrl+c"

type Work = Callable[[], Coroutine[None, None, None]]


class OneByOneApp(App[None]):
    class Handled(Message):
        """The next one may be given on."""

    def __init__(self, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self._line = deque[events.Event]()  # what waits for its turn
        self._since: float | None = None  # when the one was given on that is not handled yet
        self._writes_in: Widget | None = None  # the field for which that one is text
        self._given_on = asyncio.Event()
        self._to_come: list[tuple[asyncio.Event, float]] = []
        self._hanging = WeakKeyDictionary[DOMNode, asyncio.Event]()  # set once it has gone on

    def on_mount(self) -> None:
        self.run_worker(self._see_through(), group="one by one")

    async def on_event(self, event: events.Event) -> None:
        if not isinstance(event, events.InputEvent | events.Paste) or event.is_forwarded:
            await super().on_event(event)
        elif isinstance(event, events.Key) and event.key == INTERRUPT and self._hangs:
            self._line.clear()  # as a terminal does
            self.action_help_quit()
        else:
            self._line.append(event)
            await self._give_on()

    def before_next(self, work: Work, *, seconds: float) -> Work:
        """What to begin instead: the next key waits for the end of this work too, for so long at most."""
        ended = asyncio.Event()
        self._to_come.append((ended, seconds))

        async def work_then_tell() -> None:
            try:
                await work()
            finally:
                ended.set()

        return work_then_tell

    @property
    def is_at_rest(self) -> bool:
        """Whether all that was typed so far is handled."""
        return self._since is None and not self._line

    async def _give_on(self) -> None:
        while self._line and (self._since is None or self._is_more_of_it(self._line[0])):
            self._writes_in = self.focused if _is_text(self._line[0]) and is_typed_into(self.focused) else None
            event, before, posted = self._line.popleft(), self._aim, self.message_queue_size
            await super().on_event(event)
            is_under_way = event.is_forwarded and not isinstance(event, events.MouseMove)
            if is_under_way or self._to_come or self._aim != before or self.message_queue_size > posted:
                self._since = _now()
                self._given_on.set()

    def _is_more_of_it(self, event: events.Event) -> bool:
        """Text for the field that the text before it is for, to which it comes in order in any case."""
        return self._writes_in is not None and self._writes_in is self.focused and _is_text(event)

    async def _on_one_by_one_app_handled(self) -> None:
        await self._give_on()

    async def _see_through(self) -> None:
        """Beside the app's own queue, as that is one of those that have to be empty."""
        while True:
            await self._given_on.wait()
            self._given_on.clear()
            to_come, self._to_come = self._to_come, []
            for ended, seconds in to_come:
                await _within(seconds, ended)
            await self._quiet(_now() + PATIENCE)
            self._since = None
            self.post_message(self.Handled())

    async def _quiet(self, deadline: float) -> None:
        """A key rises from what has the focus to the app, and so does what comes of it; that may lead down again."""
        while _now() < deadline:
            aim, way = self._aim, [node for node in self._way if not self._is_hanging(node)]
            for node in way:
                emptied = asyncio.Event()
                if node.call_later(emptied.set) and not await _within(deadline - _now(), emptied):
                    self._hanging[node] = emptied
            if self._aim == aim and not any(node.message_queue_size for node in way if node.is_running):
                return
            await asyncio.sleep(0)

    # Where a key goes

    @property
    def _aim(self) -> tuple[Screen[object], Widget | None]:
        return self.screen, self.focused

    @property
    def _way(self) -> list[DOMNode]:
        """From what has the focus up to the app, and from what the pointer is on."""
        over = self.mouse_over
        ends = [self.focused or self.screen, *([over] if over and over.is_attached else [])]
        return list(dict.fromkeys(node for end in ends for node in end.ancestors_with_self))

    @property
    def _hangs(self) -> bool:
        is_late = self._since is not None and _now() - self._since > HANGS
        return is_late or any(map(self._is_hanging, self._way))

    def _is_hanging(self, node: DOMNode) -> bool:
        return node in self._hanging and not self._hanging[node].is_set()


def is_typed_into(widget: Widget | None) -> bool:
    """Text areas by their name: what they load would be loaded before the first frame, and there is none yet."""
    return isinstance(widget, Input) or any(kind.__name__ == "TextArea" for kind in type(widget).__mro__)


def _is_text(event: events.Event) -> bool:
    return isinstance(event, events.Paste) or (isinstance(event, events.Key) and event.is_printable)


def _now() -> float:
    return asyncio.get_running_loop().time()


async def _within(seconds: float, event: asyncio.Event) -> bool:
    try:
        async with asyncio.timeout(seconds):
            return await event.wait()
    except TimeoutError:
        return False
