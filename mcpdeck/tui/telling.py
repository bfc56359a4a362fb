"""What the deck tells its reader and does beside: toasts, the clipboard, workers. Knows no place and no gateway."""

import asyncio
import time
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Final

from textual import on
from textual.notifications import SeverityLevel
from textual.worker import Worker, WorkerState

from gateway.wire.resources import Phase
from mcpdeck.model.words import ASCII, UNICODE, sign_of
from mcpdeck.tui.one_by_one import OneByOneApp
from mcpdeck.tui.surroundings import Opening, Surroundings

QUIT_SECONDS: Final = 2.0
SOON: Final = 1.0  # seconds; a dialog for which something is read first opens within them, as a rule


class TellingApp(OneByOneApp):
    def __init__(self, surroundings: Surroundings, opening: Opening, *, ansi_color: bool | None) -> None:
        super().__init__(ansi_color=ansi_color)
        self.surroundings = surroundings
        self.opening = opening
        self.glyphs = ASCII if opening.ascii else UNICODE
        self._quit_asked = 0.0
        self._said_once: set[str] = set()

    def on_mount(self) -> None:
        self._own_loop = asyncio.get_running_loop()

    def begin[*Arguments](
        self,
        work: Callable[[*Arguments], Coroutine[None, None, None]],
        *arguments: *Arguments,
        group: str,
        exclusive: bool = True,
        opens_within: float = 0.0,
    ) -> Worker[None]:
        """Run it in a worker. exclusive: instead of what of its group is still under way.

        opens_within: seconds for which keys wait for its end, as what it opens then is what they are for.
        """
        # As a function: a coroutine that is cancelled before its first step would never have been awaited.
        bound: Callable[[], Coroutine[None, None, None]] = partial(work, *arguments)
        if opens_within:
            bound = self.before_next(bound, seconds=opens_within)
        return self.run_worker(bound, group=group, exclusive=exclusive, exit_on_error=False)

    def say(self, sentence: str, severity: SeverityLevel = "information") -> None:
        """A toast. What it says may come from a server, so it is never markup. A glyph says how bad it is."""
        glyph = {"warning": Phase.DEGRADED, "error": Phase.FAILED}.get(severity)
        sentence = f"{self.glyphs.glyph(sign_of(glyph))} {sentence}" if glyph else sentence
        self.notify(sentence, severity=severity, timeout=8 if severity == "error" else 5, markup=False)

    def say_once(self, sentence: str) -> None:
        """A toast that comes a single time while this deck is open."""
        if sentence not in self._said_once:
            self._said_once.add(sentence)
            self.say(sentence, "warning")

    def call_from_anywhere(self, call: Callable[..., None], *arguments: object) -> None:
        """Run it on the deck's loop, soon. Safe from every thread; nothing waits for it."""
        if not self._own_loop.is_closed():
            self._own_loop.call_soon_threadsafe(call, *arguments)

    def copy(self, text: str, what: str) -> None:
        """To the clipboard: this machine's own, or through the terminal where the reader sits elsewhere."""
        if text:
            self.begin(self._copy, text, what, group="copy", exclusive=False)

    async def _copy(self, text: str, what: str) -> None:
        """What does not fit a terminal's clipboard is not cut, it is refused."""
        if await asyncio.to_thread(self.surroundings.clipboard.take, text):
            self._clipboard = text
        elif sequence := self.surroundings.clipboard.sequence(text):
            self._clipboard = text
            if self._driver is not None:
                self._driver.write(sequence)
        else:
            self.say(f"{what}: more than a terminal's clipboard takes; save it to a file", "warning")
            return
        self.say(f"copied {what}")

    def copy_to_clipboard(self, text: str) -> None:
        """Textual's own copying of a selection goes the same way."""
        self.copy(text, "the selection")

    def action_help_quit(self) -> None:
        """ctrl+c: twice within two seconds leaves."""
        now = time.monotonic()
        if now - self._quit_asked < QUIT_SECONDS:
            self.exit()
        self._quit_asked = now
        self.say("ctrl+c again leaves")

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """A worker that fails is a defect of the deck; it is told, and the deck goes on."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.log.error(error)
            self.say(f"a defect of the deck: {type(error).__name__}: {error}", "error")
