"""One tool: what a model reads of it, its schema, what it costs, who may use it. Changes nothing."""

from collections.abc import Callable, Hashable, Mapping, Sequence
from datetime import datetime
from typing import Any, ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.model import tools
from mcpdeck.model.commands import View
from mcpdeck.model.folding import FoldLine
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.tools import ToolRow
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.fold_view import FoldView
from mcpdeck.tui.widgets.part_line import TitleLine


class ToolView(Place):
    """Its definition comes later than the rest: `told` hands it over, or says why there is none. Its schemas fold."""

    view = View.TOOL
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.TOOL)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=self.view)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._folded: set[str] = set()
        self._is_new = True  # another one than is drawn
        self._last: ToolRow | None = None  # as it was when it was last read
        self._definition: Mapping[str, Any] | None = None
        self._trouble = ""

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield FoldView(self._fold)

    @property
    def lines(self) -> FoldView:
        return self.query_one(FoldView)

    def focus_content(self) -> None:
        self.screen.set_focus(self.lines)

    def apply_filter(self, text: str) -> None:
        self.lines.mark(text)
        if text:
            self.lines.find()
        self._draw()

    def turn_folds(self) -> None:
        """All open, or all that is deep folded."""
        if self._folded:
            self._folded.clear()
        elif self._definition is not None:
            self._folded = tools.deep(self._definition)
        self._draw()

    def _fold(self, path: str) -> None:
        self._folded ^= {path}
        self._draw()

    @property
    def of_adapter(self) -> str:
        """Where it comes from, as far as that is an adapter."""
        return self._last.source if self._last is not None and self._last.source in self._state.adapters else ""

    @property
    def tool_rows(self) -> Sequence[ToolRow]:
        return [self._last] if self._last else []

    @property
    def definition(self) -> Mapping[str, Any] | None:
        return self._definition

    @property
    def crumb(self) -> str:
        return self._last.name if self._last else ""

    @property
    def spot(self) -> Hashable:
        return self._last.key if self._last else ""

    def revisit(self, spot: Hashable, state: State) -> None:
        found = next((row for row in tools.rows(state) if row.key == spot), None)
        if found is not None:
            self.open(found)

    def open(self, row: ToolRow) -> None:
        is_same = self._last is not None and self._last.key == row.key
        self._last = row
        if not is_same:
            self._definition, self._trouble = None, "Reading what its server says…"
            self._folded.clear()
            self._is_new = True
        self._draw()

    def told(self, key: str, definition: Mapping[str, Any] | None, trouble: str = "") -> None:
        if self._last is not None and self._last.key == key:
            self._definition, self._trouble = definition, trouble
            self._draw()

    def show_state(self, state: State) -> None:
        self._state = state
        if self.display and self._last is not None:
            key = self._last.key
            self._last = next((row for row in tools.rows(state) if row.key == key), self._last)
            self._draw()

    def _draw(self) -> None:
        if self._last is None or not self.display:
            return
        title = [*titled(self._last.name), Part(f" of {self._last.source}", Tone.DIM), *self._filter_parts()]
        self.title_line.show(title)
        lines = [*tools.describe(self._last, self._definition, self._clock(), self._glyphs, folded=self._folded)]
        lines += [FoldLine(()), FoldLine((Cell(self._trouble, Tone.DIM),))] if self._trouble else []
        self.lines.show(lines, is_new=self._is_new)
        self._is_new = False
