"""Rows that come by themselves, in their own order: follows them, until the reader goes up. Reads no stream."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.geometry import Size
from textual.message import Message
from textual.strip import Strip

from mcpdeck.model.filters import RowFilter
from mcpdeck.model.formatting import count
from mcpdeck.model.table import Sort, natural_widths
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.traffic.columns import WIDE, traffic_table
from mcpdeck.traffic.ledger import Exchange
from mcpdeck.traffic.rows import Row
from mcpdeck.tui.widgets.row_table import GUTTER, RowTable
from mcpdeck.tui.widgets.tones import tone_style


class TrafficTable(RowTable[Row]):
    """`follow`: the cursor stays on the last row; any move up lifts it, and a pill then counts what came meanwhile."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {"row-table--pill"}

    class FollowChanged(Message):
        """Following began or ended."""

    def __init__(
        self,
        *,
        glyphs: Glyphs,
        clock: Callable[[], datetime],
        naming: Callable[[Exchange], str],
        placing: Callable[[Exchange], str],
    ) -> None:
        """naming, placing: whose an exchange is and at which adapter, where that differs from row to row."""
        self._fine = traffic_table(glyphs, is_fine=True, session=naming, adapter=placing)
        self._coarse = traffic_table(glyphs, is_fine=False, session=naming, adapter=placing)
        super().__init__(self._fine, sort=Sort(""), glyphs=glyphs, clock=clock)
        self.follow = True
        self.unseen = 0  # rows that came since following ended
        self._known = 0  # rows that there were then
        self._settling = False

    # Rows

    def show_rows(self, rows: Sequence[Row], *, fallen: int = 0) -> None:
        """Replace them. fallen: so many went at the front, and the viewport stays with what it shows."""
        top = int(self.scroll_offset.y)
        self._settling = True
        self._items = rows
        self._arrange()
        if not self.follow:
            self.unseen += max(0, len(rows) - self._known + fallen)
            if fallen:
                self.scroll_to(y=max(0, top - fallen), animate=False, force=True)
        self._known = len(rows)
        self._settling = False

    def look_for(self, words: Iterable[str]) -> None:
        """Mark these where they stand."""
        self.keep = RowFilter(" ".join(f'"{word}"' for word in words), ())
        self._redraw()

    def set_follow(self, follow: bool) -> None:
        if follow:
            self.unseen = 0
            self._settling = True
            self._place(len(self._shown) - 1)
            self._settling = False
        if follow != self.follow:
            self.follow = follow
            self.post_message(self.FollowChanged())
        self.refresh()

    def forget(self) -> None:
        """What comes is of something else."""
        self.marked.clear()
        self._cursor = self._known = self.unseen = 0
        self.show_rows([])
        self.set_follow(True)

    def _arrange(self) -> None:
        """They come arranged."""
        held, held_at = self.current_key, self._cursor
        self._shown = list(self._items)
        self._natural = natural_widths(self.spec, [row for row in self._shown[-300:] if row.exchange], self._clock())
        self._fit()
        if self.follow:
            self._cursor = len(self._shown) - 1
        elif held is not None and not (held_at < len(self._shown) and self._shown[held_at].key == held):
            self._cursor = next((place for place, row in enumerate(self._shown) if row.key == held), held_at)
        self._cursor = max(0, min(self._cursor, len(self._shown) - 1))
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        if self.follow:
            self._keep_cursor_in_sight()
        self._redraw()
        self.post_message(self.Arranged())
        if self.current_key != held:
            self.post_message(self.CursorMoved())

    def _fit(self) -> None:
        wide = self.scrollable_content_region.width - GUTTER - 1 >= WIDE
        self.spec = self._fine if wide else self._coarse
        super()._fit()

    def toggle_mark(self) -> None:
        """Who marks has found something: what comes does not take the cursor away from it."""
        self.set_follow(False)
        super().toggle_mark()

    # Moving

    def _place(self, row: int) -> None:
        if not self._settling and self.follow and row < len(self._shown) - 1:
            self.follow = False
            self.unseen, self._known = 0, len(self._shown)
            self.post_message(self.FollowChanged())
        super()._place(row)

    def action_edge(self, edge: int) -> None:
        """The end is where following begins again."""
        if edge:
            self.set_follow(True)
        else:
            super().action_edge(edge)

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        super().watch_scroll_y(old_value, new_value)
        if not self._settling and self.follow and new_value < old_value and new_value < self.max_scroll_y:
            self.follow = False
            self.unseen, self._known = 0, len(self._shown)
            self.post_message(self.FollowChanged())

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None or place.y == 0:
            return  # no column sorts: rows stand as they came
        if self._pill() and place.y == self.scrollable_content_region.height - 1:
            self.set_follow(True)
            return
        super().on_click(event)

    def on_resize(self) -> None:
        self._settling = True
        super().on_resize()
        self._arrange()
        self._settling = False

    # Drawing

    def _pill(self) -> str:
        return f" +{count(self.unseen)} {'row' if self.unseen == 1 else 'rows'} (G) " if self.unseen else ""

    def _line(self, y: int, width: int, *, top: int, has_focus: bool) -> Strip:
        strip = super()._line(y, width, top=top, has_focus=has_focus)
        if y == self.scrollable_content_region.height - 1 and (pill := self._pill()):
            style, base = (
                self._filtered(self.get_component_rich_style("row-table--pill")),
                self._filtered(self.rich_style),
            )
            front = strip.crop(0, max(0, width - len(pill) - 1))
            return Strip.join([front, Strip([Segment(pill, style), Segment(" ", base)])])
        return strip

    def _row(self, row: int, width: int) -> Strip:
        item = self._shown[row]
        if item.exchange is not None:
            return super()._row(row, width)
        looks = self._looks(is_current=row == self._cursor)
        tone = Tone.WARN if item.is_gap else Tone.ACCENT
        style = looks.base if looks.base.reverse else self._filtered(looks.base + tone_style(self, tone))
        rule = self._glyphs.rule
        text = f"{rule * 2} {item.text} {rule * max(0, width - len(item.text) - GUTTER - 5)}"
        glyph = self._glyphs.cursor if row == self._cursor else " "
        return Strip([Segment(f" {glyph} ", looks.gutter), Segment(text, style)]).adjust_cell_length(width, looks.base)
