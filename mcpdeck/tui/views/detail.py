"""One adapter, in words or as YAML. Changes nothing."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model import adapters
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.model.yaml_lines import to_yaml, toned
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.sheet_place import SheetPlace


class DetailView(SheetPlace):
    view = View.DETAIL
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.DETAIL)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(glyphs=glyphs, clock=clock)
        self._adapter = ""
        self.as_yaml = False

    @property
    def of_adapter(self) -> str:
        return self._adapter

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
