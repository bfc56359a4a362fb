"""Lines of text, any number, of which only those on the screen are drawn: follows, wraps, stays where the reader is.

Knows nothing of where lines come from: a subclass says how many there are, how wide one is and how it looks.
"""

from abc import abstractmethod
from bisect import bisect_right
from collections.abc import Iterable
from typing import ClassVar

from rich.cells import cell_len
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.selection import Selection
from textual.strip import Strip

from mcpdeck.model.formatting import count
from mcpdeck.model.words import Tone
from mcpdeck.tui.bindings import moves
from mcpdeck.tui.widgets.tones import TONE_CLASSES, tone_style


class LineView(ScrollView, can_focus=True):
    """`follow`: stay at the end as lines come; any scroll up lifts it, and a pill then counts what came meanwhile."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"line-view--pill", "line-view--match", *TONE_CLASSES}
    BINDINGS: ClassVar[list[BindingType]] = moves(
        {
            "move.up": "scroll_up",
            "move.down": "scroll_down",
            "move.left": "scroll_left",
            "move.right": "scroll_right",
            "move.page-up": "page_up",
            "move.page-down": "page_down",
            "move.first": "scroll_home",
            "move.last": "to_end",
        }
    )

    class FollowChanged(Message):
        """Following began or ended."""

    def __init__(self, *, follow: bool = False) -> None:
        super().__init__()
        self.follow = follow
        self.wrap = False
        self.unseen = 0  # lines that came since following ended
        self._widest = 0
        self._measured = 0  # lines whose width is known
        self._rows: list[int] = [0]  # the row each line starts at, when wrapping; one more than there are lines
        self._settling = False

    # What a subclass tells

    @abstractmethod
    def line_count(self) -> int: ...

    @abstractmethod
    def line_text(self, index: int) -> str:
        """As `line`, without looks. Called once for every line, so it must be cheap."""

    @abstractmethod
    def line(self, index: int) -> Iterable[Segment]:
        """Called for visible lines only."""

    # Growing

    def lines_added(self, *, fallen: int = 0) -> None:
        """Lines came at the end; `fallen` ones went at the front, and the viewport stays with what it shows."""
        self._settling = True
        fallen_rows = self._forget(fallen)
        before = self._measured
        self._measure()
        self._resize_content()
        if self.follow:
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
        else:
            self.unseen += max(0, self._measured - before)
            if fallen_rows:
                self.scroll_to(y=max(0, self.scroll_offset.y - fallen_rows), animate=False, force=True)
        self._settling = False
        self.refresh()

    def lines_replaced(self) -> None:
        """Everything may be different: measure again, and go to the end if following."""
        self._widest = self._measured = self.unseen = 0
        self._rows = [0]
        self.lines_added()
        self.unseen = 0

    def set_wrap(self, wrap: bool) -> None:
        """Wrap long lines or not; the line at the top stays there."""
        top = self._line_at(self.scroll_offset.y)[0]
        self.wrap = wrap
        self.lines_replaced()
        if not self.follow:
            self.show_line(top)

    def set_follow(self, follow: bool) -> None:
        if follow:
            self.unseen = 0
            self._settling = True
            self.scroll_end(animate=False, immediate=True, x_axis=False, force=True)
            self._settling = False
        if follow != self.follow:
            self.follow = follow
            self.post_message(self.FollowChanged())
        self.refresh()

    def show_line(self, index: int) -> None:
        """Bring a line to the top of the viewport, or as near as there are lines after it."""
        self.scroll_to(
            y=self._rows[index] if self.wrap and index < len(self._rows) else index, animate=False, force=True
        )

    @property
    def top_line(self) -> int:
        return self._line_at(self.scroll_offset.y)[0]

    def action_to_end(self) -> None:
        self.set_follow(True)

    def _forget(self, lines: int) -> int:
        """Lines went at the front. Returns how many rows that were."""
        lines = min(lines, self._measured)
        self._measured -= lines
        if not self.wrap or not lines:
            return lines
        rows = self._rows[lines]
        self._rows = [start - rows for start in self._rows[lines:]]
        return rows

    def _measure(self) -> None:
        width = max(1, self.scrollable_content_region.width)
        for index in range(self._measured, self.line_count()):
            text = self.line_text(index)
            cells = len(text) if text.isascii() else cell_len(text)
            self._widest = max(self._widest, cells)
            if self.wrap:
                self._rows.append(self._rows[-1] + max(1, -(-cells // width)))
        self._measured = self.line_count()

    def _resize_content(self) -> None:
        self.virtual_size = (
            Size(self.scrollable_content_region.width, self._rows[-1])
            if self.wrap
            else Size(self._widest, self._measured)
        )

    # Scrolling

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if self._settling:
            return
        at_end = new_value >= self.max_scroll_y
        if self.follow and not at_end:
            self.follow = False
            self.unseen = 0
            self.post_message(self.FollowChanged())
        elif not self.follow and at_end and self.unseen:
            self.call_later(self.set_follow, True)  # not from within a scroll that is under way
        self.refresh()

    def on_resize(self) -> None:
        if self.wrap:
            self.set_wrap(True)
        elif self.follow:
            self.lines_added()

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is not None and self._pill() and place.y == self.scrollable_content_region.height - 1:
            self.set_follow(True)

    # Drawing

    def _line_at(self, row: int) -> tuple[int, int]:
        """Which line a row belongs to, and which of its rows that is."""
        if not self.wrap:
            return row, 0
        index = bisect_right(self._rows, row) - 1
        return index, row - self._rows[index]

    def _pill(self) -> str:
        return f" +{count(self.unseen)} {'line' if self.unseen == 1 else 'lines'} (G) " if self.unseen else ""

    def render_line(self, y: int) -> Strip:
        width = self.scrollable_content_region.width
        strip = self._row(y + self.scroll_offset.y, width)
        if y == self.scrollable_content_region.height - 1 and (pill := self._pill()):
            style = self.get_component_rich_style("line-view--pill")
            front = strip.crop(0, max(0, width - len(pill) - 1))
            return Strip.join([front, Strip([Segment(pill, style), Segment(" ", self.rich_style)])])
        return strip

    def _row(self, row: int, width: int) -> Strip:
        index, part = self._line_at(row)
        if index >= self.line_count():
            return Strip.blank(width, self.rich_style)
        start = part * width if self.wrap else self.scroll_offset.x
        strip = Strip(self.line(index)).apply_style(self.rich_style)
        if not self.wrap:
            strip = self._selected(strip, index).apply_offsets(0, index)
            if strip.cell_length > start + width:
                return Strip.join([strip.crop_extend(start, start + width - 1, self.rich_style), self._more()])
        return strip.crop_extend(start, start + width, self.rich_style)

    def _more(self) -> Strip:
        """Where a line goes on to the right."""
        return Strip([Segment("…", self.rich_style + tone_style(self, Tone.DIM))])

    # Selecting with the mouse, while lines are not wrapped

    def _selected(self, strip: Strip, index: int) -> Strip:
        span = self.text_selection.get_span(index) if self.text_selection else None
        if span is None:
            return strip
        start, end = span[0], strip.cell_length if span[1] < 0 else min(span[1], strip.cell_length)
        if start >= end:
            return strip
        style = self.screen.get_component_rich_style("screen--selection")
        before, marked, after = strip.crop(0, start), strip.crop(start, end), strip.crop(end, strip.cell_length)
        return Strip.join([before, Strip(Segment(it.text, style) for it in marked), after])

    def get_selection(self, selection: Selection) -> tuple[str, str] | None:
        if self.wrap:
            return None
        return selection.extract("\n".join(map(self.line_text, range(self.line_count())))), "\n"

    def selection_updated(self, selection: Selection | None) -> None:  # noqa: ARG002
        self.refresh()

    @property
    def match_style(self) -> Style:
        return self.get_component_rich_style("line-view--match")
