"""Lines that fold, under a cursor of their own: a JSON value, read as one reads a tree. Knows nothing of JSON."""

from collections.abc import Callable, Iterable, Sequence
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.binding import BindingType

from mcpdeck.model.filters import Needle
from mcpdeck.model.folding import FoldLine
from mcpdeck.tui.bindings import moves
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.tones import marked, tone_style


class FoldView(LineView):
    """`has_cursor`: a line is under it, and moving moves it; without, moving scrolls."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"fold-view--cursor"}
    BINDINGS: ClassVar[list[BindingType]] = moves({"move.up": "step(-1)", "move.down": "step(1)"})

    def __init__(self, fold: Callable[[str], None] = lambda _path: None, *, has_cursor: bool = True) -> None:
        super().__init__()
        self.wrap = not has_cursor
        self._fold = fold
        self._has_cursor = has_cursor
        self._lines: Sequence[FoldLine] = ()
        self._at = 0
        self.needle = Needle("")

    def show(self, lines: Iterable[FoldLine], *, is_new: bool) -> None:
        """Replace them. is_new: they are of something else, to be read from the beginning."""
        written = tuple(lines)
        if is_new:
            self._at = 0
        if written != self._lines:
            self._lines = written
            self._at = min(self._at, max(0, len(written) - 1))
            self.lines_replaced()
        if is_new:
            self.scroll_home(animate=False)
        self.refresh()

    def mark(self, text: str) -> None:
        self.needle = Needle(text)
        self.refresh()

    def fold_here(self) -> bool:
        """Fold or unfold what is under the cursor. False where nothing folds."""
        path = self._lines[self._at].path if self._at < len(self._lines) else ""
        if path:
            self._fold(path)
        return bool(path)

    def find(self) -> bool:
        """The cursor on the next line that holds what is looked for."""
        here = self._at + 1
        for place in (*range(here, len(self._lines)), *range(min(here, len(self._lines)))):
            if self.needle and self.needle.found_in(self.line_text(place)):
                self._go(place)
                return True
        return False

    def line_count(self) -> int:
        return len(self._lines)

    def line_text(self, index: int) -> str:
        return "".join(cell.text for cell in self._lines[index].cells)

    def line(self, index: int) -> Iterable[Segment]:
        is_here = self._has_cursor and index == self._at and self.has_focus
        base = self.get_component_rich_style("fold-view--cursor") if is_here else None
        wide = 0
        for cell in self._lines[index].cells:
            style = tone_style(self, cell.tone)
            if base is not None:
                style = base if base.reverse else base + style
            wide += len(cell.text)
            yield from marked(cell.text, self.needle.spans(cell.text), style=style, match=self.match_style)
        if base is not None:
            yield Segment(" " * max(0, self.scrollable_content_region.width + self.scroll_offset.x - wide), base)

    def action_step(self, step: int) -> None:
        if self._has_cursor:
            self._go(self._at + step)
        else:
            self.scroll_relative(y=step, animate=False)

    def _go(self, place: int) -> None:
        self._at = max(0, min(place, len(self._lines) - 1))
        height = self.scrollable_content_region.height
        top = int(self.scroll_offset.y)
        if self._at < top:
            self.show_line(self._at)
        elif self._at >= top + height:
            self.show_line(self._at - height + 1)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """The cursor stays in sight, as paging moves it along."""
        super().watch_scroll_y(old_value, new_value)
        height = self.scrollable_content_region.height
        if height:
            self._at = max(int(new_value), min(self._at, int(new_value) + height - 1))
            self._at = max(0, min(self._at, len(self._lines) - 1))

    def on_click(self, event: events.Click) -> None:
        super().on_click(event)
        place = event.get_content_offset(self)
        if place is not None:
            row = self._line_at(place.y + int(self.scroll_offset.y))[0]
            if row < len(self._lines):
                self._at = row
                self.refresh()
                self.fold_here()
