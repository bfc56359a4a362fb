"""What may be wrong between here and an adapter, as it is found. Changes nothing, and asks nothing by itself."""

from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model import findings
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.words import Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.sheet_place import SheetPlace


class DoctorView(SheetPlace):
    view = View.DOCTOR
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.DOCTOR)

    @property
    def crumb(self) -> str:
        return "doctor"

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
