"""One line of toned parts, left and right; a click on a part runs its command. Decides nothing about what it says."""

from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip
from textual.widget import Widget

from mcpdeck.model.shell import Part, Parts
from mcpdeck.tui.widgets.tones import TONE_CLASSES, tone_style


class PartLine(Widget):
    """What does not fit is cut from the left side's end, and seen to be cut; the right side is always whole."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {*TONE_CLASSES}
    DEFAULT_CSS = "PartLine { height: 1; width: 100%; }"

    def __init__(self, *, id: str | None = None, classes: str | None = None) -> None:  # noqa: A002  (Textual's names)
        super().__init__(id=id, classes=classes)
        self._left: Parts = ()
        self._right: Parts = ()

    def show(self, left: Parts, right: Parts = ()) -> None:
        if (left, right) != (self._left, self._right):
            self._left, self._right = left, right
            self.refresh()

    @property
    def text(self) -> str:
        """What it says, for a test and for a screen reader."""
        return "".join(part.text for part in (*self._left, *self._right))

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        if y:
            return Strip.blank(width, self.rich_style)
        right = Strip(self._segments(self._right))
        left, room = Strip(self._segments(self._left)), max(0, width - right.cell_length)
        if cell_len(left.text.rstrip()) > room:
            left = Strip.join([left.crop(0, max(0, room - 1)), Strip([Segment("…", self.rich_style)])])
        return Strip.join([left.crop_extend(0, room, self.rich_style), right]).crop(0, width)

    def _segments(self, parts: Parts) -> list[Segment]:
        return [Segment(part.text, self._style(part)) for part in parts]

    def _style(self, part: Part) -> Style:
        style = self.rich_style + tone_style(self, part.tone)
        return style + Style(meta={"@click": f"app.run({part.command!r})"}) if part.command else style


class TitleLine(PartLine):
    """The line that names a view and says what of it is shown."""
