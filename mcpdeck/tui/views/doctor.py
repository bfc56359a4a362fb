"""What may be wrong between here and an adapter, as it is found. Changes nothing, and asks nothing by itself."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.model import findings
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.sheet import Sheet


class DoctorView(Place):
    view = View.DOCTOR
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.DOCTOR)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.DOCTOR)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield Sheet()

    @property
    def sheet(self) -> Sheet:
        return self.query_one(Sheet)

    @property
    def crumb(self) -> str:
        return "doctor"

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

    @property
    def text(self) -> str:
        """All that was found, as it stands."""
        return "".join(f"{self.sheet.line_text(row)}\n" for row in range(self.sheet.line_count()))

    def _draw(self) -> None:
        doctor = self._state.doctor
        told = "examining" if doctor.is_running else findings.summary(doctor.findings) if doctor.findings else ""
        tone = Tone.BUSY if doctor.is_running else Tone.BAD if "wrong" in told else Tone.OK
        title = [*titled("Doctor"), Part(f" of {doctor.context}", Tone.DIM), *self._filter_parts()]
        self.title_line.show(title, [Part(f"{told} ", tone)])
        width = max(40, self.size.width - 3)
        self.sheet.show(findings.lines(doctor.findings, is_running=doctor.is_running, width=width, glyphs=self._glyphs))
