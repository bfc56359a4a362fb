"""One adapter, in words or as YAML. Changes nothing."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.model import adapters
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.model.yaml_lines import to_yaml, toned
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.sheet import Sheet


class DetailView(Place):
    view = View.DETAIL
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.DETAIL)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.DETAIL)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._adapter = ""
        self.as_yaml = False

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield Sheet()

    @property
    def sheet(self) -> Sheet:
        return self.query_one(Sheet)

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self._adapter] if self._adapter else []

    @property
    def crumb(self) -> str:
        return self._adapter

    @property
    def spot(self) -> Hashable:
        return self._adapter, self.as_yaml

    def revisit(self, spot: Hashable, state: State) -> None:  # noqa: ARG002
        match spot:
            case (str(name), bool(as_yaml)):
                self.open(name, as_yaml=as_yaml)

    def open(self, name: str, *, as_yaml: bool) -> None:
        self._adapter, self.as_yaml = name, as_yaml
        self._draw()
        self.sheet.scroll_home(animate=False)

    def toggle_yaml(self) -> None:
        self.open(self._adapter, as_yaml=not self.as_yaml)

    def focus_content(self) -> None:
        self.screen.set_focus(self.sheet)

    def apply_filter(self, text: str) -> None:
        self.sheet.mark(text)
        self._draw()

    def show_state(self, state: State) -> None:
        self._state = state
        if self.display:
            self._draw()

    def _draw(self) -> None:
        row = adapters.row(self._state, self._adapter)
        word, other = ("YAML", "in words") if self.as_yaml else ("description", "as YAML")
        title = [*titled(self._adapter), Part(f"   {word}", Tone.DIM, "adapter.yaml"), *self._filter_parts()]
        hint = [Part("y ", Tone.ACCENT, "adapter.yaml"), Part(f"{other} ", Tone.DIM, "adapter.yaml")]
        self.title_line.show(title, hint)
        if row is None:
            self.sheet.show([[Cell(f"{self._adapter} is gone", Tone.WARN)]])
        elif self.as_yaml:
            self.sheet.show(toned(to_yaml(row.adapter, returned=True)))
        else:
            self.sheet.show(adapters.describe(row, self._clock(), self._glyphs))
