"""A page of lines that were written once: a description, YAML. Knows nothing of what they say."""

from collections.abc import Iterable, Sequence

from rich.segment import Segment

from mcpdeck.model.filters import Needle
from mcpdeck.model.plain import in_a_row
from mcpdeck.model.words import Cell
from mcpdeck.model.wrapping import wrapped
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.tones import marked, tone_style

type SheetLine = Sequence[Cell]


class Sheet(LineView):
    """Lines of toned cells; `/` marks what is looked for. fits: long ones go on below, and nothing scrolls sideways."""

    def __init__(self, *, fits: bool = False) -> None:
        super().__init__()
        self.fits = fits
        self._written: Sequence[SheetLine] = ()
        self._lines: Sequence[SheetLine] = ()
        self.needle = Needle("")

    def show(self, lines: Iterable[SheetLine]) -> None:
        """Replace the page, if it is another one; the reader stays at the row they were at."""
        written = tuple(lines)
        if written != self._written:
            self._written = written
            self._lay()

    def on_resize(self) -> None:
        if self.fits:
            self._lay()

    def _lay(self) -> None:
        bar = 0 if self.show_vertical_scrollbar else self.styles.scrollbar_size_vertical  # it may be needed
        width = self.scrollable_content_region.width - bar
        self._lines = self._written
        if self.fits and width > 0:
            self._lines = [row for line in self._written for row in wrapped(line, width)]
        self.lines_replaced()

    def mark(self, text: str) -> None:
        self.needle = Needle(text)
        self.refresh()

    def line_count(self) -> int:
        return len(self._lines)

    def line_text(self, index: int) -> str:
        return "".join(in_a_row(cell.text) for cell in self._lines[index])

    def line(self, index: int) -> Iterable[Segment]:
        for cell in self._lines[index]:
            style = tone_style(self, cell.tone)
            text = in_a_row(cell.text)
            yield from marked(text, self.needle.spans(text), style=style, match=self.match_style)
