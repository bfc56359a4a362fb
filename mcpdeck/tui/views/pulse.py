"""How busy the gateway is. Changes nothing, and asks nothing by itself."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.model.commands import View
from mcpdeck.model.pulse_lines import pulse_lines
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.sheet import Sheet


class PulseView(Place):
    view = View.PULSE
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.PULSE)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.PULSE)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield Sheet()

    @property
    def sheet(self) -> Sheet:
        return self.query_one(Sheet)

    def focus_content(self) -> None:
        self.screen.set_focus(self.sheet)

    def apply_filter(self, text: str) -> None:
        self.sheet.mark(text)
        self._draw()

    def show_state(self, state: State) -> None:
        self._state = state
        if self.display:
            self._draw()

    def on_resize(self) -> None:
        if self.display:
            self._draw()

    def _draw(self) -> None:
        state = self._state
        since = Part("rates of the last minutes, every 2 s ", Tone.DIM)
        self.title_line.show([*titled("Pulse"), Part(f" of {state.context}", Tone.DIM), *self._filter_parts()], [since])
        width = max(20, self.size.width - 2)
        now = self._clock()
        self.sheet.show(pulse_lines(state, state.pulse, now=now, width=width, glyphs=self._glyphs))
