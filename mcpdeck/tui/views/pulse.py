"""How busy the gateway is. Changes nothing, and asks nothing by itself."""

from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model.commands import View
from mcpdeck.model.pulse_lines import pulse_lines
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.sheet_place import SheetPlace


class PulseView(SheetPlace):
    view = View.PULSE
    fits = True
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.PULSE)

    def on_resize(self) -> None:
        if self.display:
            self._draw()

    def _draw(self) -> None:
        state = self._state
        since = Part("rates of the last minutes, every 2 s ", Tone.DIM)
        self.title_line.show([*titled("Pulse"), Part(f" of {state.context}", Tone.DIM), *self._filter_parts()], [since])
        width = max(20, self.size.width - 3)
        now = self._clock()
        self.sheet.show(pulse_lines(state, state.pulse, now=now, width=width, glyphs=self._glyphs))
