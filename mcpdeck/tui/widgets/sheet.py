"""A page of lines that were written once: a description, YAML. Knows nothing of what they say."""

from collections.abc import Iterable, Sequence

from rich.segment import Segment

from mcpdeck.model.filters import Needle
from mcpdeck.model.plain import in_a_row
from mcpdeck.model.words import Cell
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.tones import marked, tone_style

type SheetLine = Sequence[Cell]


class Sheet(LineView):
    """Lines of toned cells; `/` marks what is looked for."""

    def __init__(self) -> None:
        super().__init__()
        self._lines: Sequence[SheetLine] = ()
        self.needle = Needle("")

    def show(self, lines: Iterable[SheetLine]) -> None:
        """Replace the page, if it is another one; the reader stays at the row they were at."""
        written = tuple(lines)
        if written != self._lines:
            self._lines = written
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
