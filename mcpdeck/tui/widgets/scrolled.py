"""What scrolls line by line, with a bar that costs little to draw again. Knows nothing of what the lines are."""

from rich.segment import Segment
from rich.style import Style
from textual.geometry import Region
from textual.scroll_view import ScrollView
from textual.scrollbar import ScrollBar
from textual.strip import Strip


class Scrolled(ScrollView):
    """Textual's ScrollView with such a bar."""

    @property
    def vertical_scrollbar(self) -> ScrollBar:
        if self._vertical_scrollbar is None:
            self._vertical_scrollbar = _Bar(vertical=True, name="vertical", thickness=self.scrollbar_size_vertical)
            self._vertical_scrollbar.display = False
            self.app._start_widget(self, self._vertical_scrollbar)  # noqa: SLF001  (as Textual starts its own)
        return self._vertical_scrollbar


class _Bar(ScrollBar):
    """Its cells look five ways at most: a strip of each is enough, and keeps what was made of it.

    Textual makes one of every cell, again at each move: more work than all rows of a table that moves by one.
    """

    def __init__(self, *, vertical: bool, name: str, thickness: int) -> None:
        super().__init__(vertical, name, thickness=thickness)
        self._strips: dict[tuple[Segment, Style], Strip] = {}

    def render_lines(self, crop: Region) -> list[Strip]:
        options = self.app.console_options.update(width=self.size.width, height=self.size.height)
        cells = [cell for cell in self.app.console.render(self.render(), options) if cell.text != "\n"]
        base, background = self.visual_style.rich_style, self.background_colors[1]
        strips = [self._strip(cell, base) for cell in cells[crop.y : crop.bottom]]
        for line_filter in self.get_line_filters():
            strips = [strip.apply_filter(line_filter, background) for strip in strips]
        return strips

    def _strip(self, cell: Segment, base: Style) -> Strip:
        if (known := self._strips.get((cell, base))) is not None:
            return known
        if len(self._strips) > 50:  # other themes
            self._strips.clear()
        strip = self._strips[cell, base] = Strip([Segment(cell.text, base + cell.style if cell.style else base)])
        return strip
