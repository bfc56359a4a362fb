"""A table that draws only the rows on the screen; ten thousand cost as much as ten. Knows nothing of what a row is."""

from bisect import bisect_left
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.binding import BindingType
from textual.geometry import Region, Size
from textual.message import Message
from textual.strip import Strip

from mcpdeck.model.filters import RowFilter, everything
from mcpdeck.model.plain import in_a_row
from mcpdeck.model.table import GAP, MEASURED_ROWS, Column, Fitted, Sort, TableSpec, arrange, fit, lengths, widest
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.tui.bindings import moves
from mcpdeck.tui.widgets.scrolled import Scrolled
from mcpdeck.tui.widgets.tones import TONE_CLASSES, marked, tone_style

SAID_FOR: Final = timedelta(seconds=5)  # some of what a row says changes by time alone
GUTTER = 3  # a space, the cursor's or the mark's glyph, a space


class _Looks(NamedTuple):
    """Styles of a row: what lies under it, its gutter, each tone upon it, and what was looked for."""

    base: Style
    gutter: Style
    tones: Mapping[Tone, Style]
    match: Style


class _Said(NamedTuple):
    """What rows said at a moment: asked again at every letter of a filter, it would cost more than all else."""

    at: datetime
    texts: list[str]  # of each row, in order; none yet if empty
    lengths: dict[str, list[int]]  # of the cells of rows, by their keys


class RowTable[Item](Scrolled, can_focus=True):
    """Rows by a key that never changes: the cursor and the marks stay with their row wherever it moves."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {
        "row-table--head",
        "row-table--head-sorted",
        "row-table--cursor",
        "row-table--cursor-blurred",
        "row-table--match",
        "row-table--stale",
        *TONE_CLASSES,
    }
    BINDINGS: ClassVar[list[BindingType]] = moves(
        {
            "move.up": "move(-1)",
            "move.down": "move(1)",
            "move.page-up": "page(-1)",
            "move.page-down": "page(1)",
            "move.first": "edge(0)",
            "move.last": "edge(-1)",
        }
    )

    class CursorMoved(Message):
        """Another row is under the cursor, or none."""

    class Opened(Message):
        """The row under the cursor was clicked again."""

    class Arranged(Message):
        """The rows that are shown, or their order, may have changed."""

    class Marked(Message):
        """A mark was set or taken."""

    def __init__(self, spec: TableSpec[Item], *, sort: Sort, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__()
        self.spec = spec
        self.sort = sort
        self.keep = RowFilter("", spec.field_names)
        self.faults: Callable[[Item], bool] | None = None
        self.marked: set[str] = set()
        self.is_stale = False
        self._glyphs = glyphs
        self._clock = clock
        self._items: Sequence[Item] = ()
        self._ordered: list[Item] = []
        self._shown: list[Item] = []
        self._said = _Said(clock(), [], {})
        self._cursor = 0
        self._letters = ""
        self._natural: list[int] = []
        self._fitted: list[Fitted] = []
        self._generation = 0  # of what all rows have in common
        self._known_looks: dict[tuple[int, bool, bool], _Looks] = {}
        self._drawn: dict[int, tuple[tuple[int, int, bool, bool], Strip]] = {}  # visible rows as last drawn
        self._drawn_head: tuple[tuple[int, int], Strip] = (-1, -1), Strip([])

    # What it shows

    def show(self, items: Sequence[Item]) -> None:
        """Replace the rows; the cursor stays with its row, or where it was if that is gone."""
        self._items = sorted(items, key=self.spec.key)  # as it is sorted by it first of all, whatever column is next
        if self.marked:
            self.marked &= {self.spec.key(item) for item in items}
        self._said.lengths.clear()
        self._order()

    def filter_by(self, text: str) -> None:
        self.keep = RowFilter(text, self.spec.field_names)
        self._arrange()

    def filter_error(self) -> str:
        """Which term can hold of no row, and what was wanted."""
        return self.keep.error(self.spec.fields(self._items[0], self._clock())) if self.keep and self._items else ""

    def why_none(self) -> str:
        """What a filter that keeps nothing could have named."""
        now = self._clock()
        return self.keep.why_none([self.spec.fields(item, now) for item in self._items])

    def values_of(self, field: str) -> list[str]:
        """What there is of a field that is text, in order."""
        now = self._clock()
        found = {self.spec.fields(item, now)[field] for item in self._items[:MEASURED_ROWS]}
        return sorted(each for each in found if isinstance(each, str) and each)

    def only(self, faults: Callable[[Item], bool] | None) -> None:
        """Show only the rows of which this holds; None shows all."""
        self.faults = faults
        self._arrange()

    def sort_by(self, sort: Sort) -> None:
        self.sort = sort
        self._order()

    def sort_beside(self, step: int) -> None:
        """Sort by the shown column left or right of the one that is sorted by."""
        shown = [self.spec.columns[fitted.place].id for fitted in self._fitted]
        here = shown.index(self.sort.column) if self.sort.column in shown else 0
        self.sort_by(Sort(shown[(here + step) % len(shown)]))

    def set_stale(self, stale: bool) -> None:
        if stale != self.is_stale:
            self.is_stale = stale
            self._redraw()

    @property
    def shown(self) -> Sequence[Item]:
        return self._shown

    @property
    def in_sight(self) -> Sequence[Item]:
        """Those on the screen."""
        top = int(self.scroll_offset.y)
        return self._shown[top : top + self._page]

    @property
    def total(self) -> int:
        return len(self._items)

    @property
    def current(self) -> Item | None:
        return self._shown[self._cursor] if self._cursor < len(self._shown) else None

    @property
    def place(self) -> int:
        """Of the row under the cursor, among those that are shown."""
        return self._cursor

    @property
    def current_key(self) -> str | None:
        return None if self.current is None else self.spec.key(self.current)

    def go_to(self, key: str) -> bool:
        """Put the cursor on a row. False if it is not shown."""
        keys = [self.spec.key(item) for item in self._shown]
        if key not in keys:
            return False
        self._place(keys.index(key))
        return True

    def label(self, letters: str) -> None:
        """Give the rows in sight a letter each, to be jumped to by; none takes the letters away."""
        self._letters = letters
        self._redraw()

    def jump(self, letter: str) -> None:
        """To the row in sight that has this letter."""
        if letter and letter in self._letters:
            self._place(int(self.scroll_offset.y) + self._letters.index(letter))

    def toggle_mark(self) -> None:
        if (key := self.current_key) is not None:
            self.marked ^= {key}
            self._redraw()
            self.post_message(self.Marked())
            self.action_move(1)

    def clear_marks(self) -> None:
        self.marked.clear()
        self._redraw()
        self.post_message(self.Marked())

    def _order(self) -> None:
        self._ordered = arrange(self.spec, self._items, self.sort)
        self._said.texts.clear()
        self._arrange()

    def _arrange(self) -> None:
        held = self.current_key
        if (now := self._clock()) - self._said.at > SAID_FOR:
            self._said = _Said(now, [], {})
        self._shown = self._kept(now)
        rows = [self._lengths(item, now) for item in self._shown[:MEASURED_ROWS]]
        self._natural = widest(self.spec, rows, sorted_by=self.sort.column)
        self._fit()
        if held is not None:
            places = (place for place, item in enumerate(self._shown) if self.spec.key(item) == held)
            self._cursor = next(places, self._cursor)
        self._cursor = max(0, min(self._cursor, len(self._shown) - 1))
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        self._keep_cursor_in_sight()
        self._redraw()
        self.post_message(self.Arranged())
        if self.current_key != held:
            self.post_message(self.CursorMoved())

    def _kept(self, now: datetime) -> list[Item]:
        items, keep, fields, texts = self._ordered, self.keep, self.spec.fields, self._said.texts
        if keep.names_fields:
            items = [item for item in items if keep.keeps(fields(item, now))]
        elif keep:
            if not texts:
                texts.extend(everything(fields(item, now)) for item in items)
            items = [item for item, text in zip(items, texts, strict=True) if keep.keeps_text(text)]
        return items if self.faults is None else [item for item in items if self.faults(item)]

    def _lengths(self, item: Item, now: datetime) -> list[int]:
        key, known = self.spec.key(item), self._said.lengths
        if key not in known:
            known[key] = lengths(self.spec, item, now)
        return known[key]

    def _fit(self) -> None:
        available = self.scrollable_content_region.width - GUTTER - 1
        self._fitted = fit(self.spec, self._natural, available) if self._natural and available > 0 else []

    # Moving

    def _place(self, row: int) -> None:
        row = max(0, min(row, len(self._shown) - 1))
        if row != self._cursor:
            before, self._cursor = self._cursor, row
            self._keep_cursor_in_sight()
            self.refresh_line(before + 1)
            self.refresh_line(row + 1)
            self.post_message(self.CursorMoved())

    def _keep_cursor_in_sight(self) -> None:
        visible = self._page
        top = self.scroll_offset.y
        if self._cursor < top:
            self.scroll_to(y=self._cursor, animate=False, force=True)
        elif visible and self._cursor >= top + visible:
            self.scroll_to(y=self._cursor - visible + 1, animate=False, force=True)

    @property
    def _page(self) -> int:
        return max(0, self.scrollable_content_region.height - 1)

    def action_move(self, step: int) -> None:
        self._place(self._cursor + step)

    def action_page(self, direction: int) -> None:
        self._place(self._cursor + direction * max(1, self._page - 1))

    def action_edge(self, edge: int) -> None:
        self._place(0 if edge == 0 else len(self._shown) - 1)

    def on_click(self, event: events.Click) -> None:
        place = event.get_content_offset(self)
        if place is None:
            return
        if place.y == 0:
            self._sort_by_column_at(place.x)
            return
        row = place.y - 1 + self.scroll_offset.y
        if row >= len(self._shown):
            return
        if row == self._cursor:
            self.post_message(self.Opened())
        self._place(row)

    def _sort_by_column_at(self, x: int) -> None:
        edges = []
        at = GUTTER
        for fitted in self._fitted:
            at += fitted.width + GAP
            edges.append(at)
        if (index := bisect_left(edges, x + 1)) < len(self._fitted):
            column = self.spec.columns[self._fitted[index].place].id
            self.sort_by(Sort(column, not self.sort.descending if column == self.sort.column else False))

    def on_resize(self) -> None:
        self._fit()
        self._generation += 1
        self.virtual_size = Size(self.size.width, len(self._shown) + 1)
        self._keep_cursor_in_sight()

    # Drawing

    def _redraw(self) -> None:
        """Something of every row may be different."""
        self._generation += 1
        self.refresh()

    def notify_style_update(self) -> None:
        """Another theme, or another state of the widget."""
        super().notify_style_update()
        self._generation += 1

    def refresh_ages(self) -> None:
        """Draw again the visible rows that time alone has changed."""
        width = self.scrollable_content_region.width
        for row, (looks, drawn) in list(self._drawn.items()):
            if row < len(self._shown) and (strip := self._row(row, width)) != drawn:
                self._drawn[row] = looks, strip
                self.refresh_line(row + 1)

    def render_lines(self, crop: Region) -> list[Strip]:
        """As Textual does it, but without copies of its own: it would make one of every row that a scroll moves.

        A strip keeps what was made of it (cut to what others cover, as bytes), so that a row that only moved costs next
        to nothing. A copy is for what this widget has none of: border, padding, outline, opacity.
        """
        width, top, has_focus = self.scrollable_content_region.width, int(self.scroll_offset.y), self.has_focus
        seen = range(top, top + self._page)
        self._drawn = {row: drawn for row, drawn in self._drawn.items() if row in seen}
        strips = [self._line(y, width, top=top, has_focus=has_focus) for y in crop.line_range]
        return strips if crop.column_span == (0, self.size.width) else [it.crop(*crop.column_span) for it in strips]

    def render_line(self, y: int) -> Strip:
        width, top = self.scrollable_content_region.width, int(self.scroll_offset.y)
        return self._line(y, width, top=top, has_focus=self.has_focus)

    def _line(self, y: int, width: int, *, top: int, has_focus: bool) -> Strip:
        if y == 0:
            return self._head(width)
        row = y - 1 + top
        if row >= len(self._shown):
            return Strip.blank(width, self._filtered(self.rich_style))
        looks = (self._generation, width, row == self._cursor, has_focus)
        known = self._drawn.get(row)
        if known is None or known[0] != looks:  # scrolling shows most rows as they were
            known = self._drawn[row] = looks, self._row(row, width)
        return known[1]

    def _head(self, width: int) -> Strip:
        looks = (self._generation, width)
        if self._drawn_head[0] != looks:
            self._drawn_head = looks, self._titles(width)
        return self._drawn_head[1]

    def _titles(self, width: int) -> Strip:
        base = self._filtered(self.get_component_rich_style("row-table--head"))
        sorted_by = self._filtered(self.get_component_rich_style("row-table--head-sorted"))
        segments = [Segment(" " * GUTTER, base)]
        for fitted in self._fitted:
            column = self.spec.columns[fitted.place]
            is_sorted = column.id == self.sort.column
            arrow = (self._glyphs.down if self.sort.descending else self._glyphs.up) if is_sorted else ""
            text = self._fitting(f"{column.title}{arrow}", fitted.width, column)
            segments += [Segment(text, sorted_by if is_sorted else base), Segment(" " * GAP, base)]
        return Strip(segments).adjust_cell_length(width, base)

    def _row(self, row: int, width: int) -> Strip:
        item = self._shown[row]
        key, now = self.spec.key(item), self._clock()
        is_current = row == self._cursor
        looks = self._looks(is_current=is_current)
        base = looks.base
        glyph = self._glyphs.mark if key in self.marked else self._glyphs.cursor if is_current else " "
        if self._letters:
            place = row - int(self.scroll_offset.y)
            glyph = self._letters[place] if place < len(self._letters) else " "
        gap, drawn = Segment(" " * GAP, base), GUTTER
        segments = [Segment(f" {glyph} ", looks.gutter)]
        for fitted in self._fitted:
            column = self.spec.columns[fitted.place]
            segments += self._cell(column, column.cell(item, now), fitted.width, looks)
            segments.append(gap)
            drawn += fitted.width + GAP
        if drawn == width + 1:  # as a rule, since `_fit` leaves a cell: cheaper than to have the strip cut
            segments[-1], drawn = Segment(" " * (GAP - 1), base), width
        return Strip(segments, drawn).adjust_cell_length(width, base)

    def _looks(self, *, is_current: bool) -> _Looks:
        """Put together once for all rows until something of it changes: it costs more than a row's text."""
        key = (self._generation, self.has_focus, is_current)
        if (known := self._known_looks.get(key)) is not None:
            return known
        base = self.rich_style
        if is_current:
            name = "row-table--cursor" if self.has_focus else "row-table--cursor-blurred"
            base = self.get_component_rich_style(name)
        if self.is_stale:
            stale = base + self.get_component_rich_style("row-table--stale", partial=True)
            tones = dict.fromkeys(Tone, stale)
        elif base.reverse:
            tones = dict.fromkeys(Tone, base)
        else:
            tones = {tone: base + tone_style(self, tone) for tone in Tone}
        gutter = base if base.reverse else base + tone_style(self, Tone.ACCENT)
        self._known_looks = {old: looks for old, looks in self._known_looks.items() if old[0] == self._generation}
        looks = self._known_looks[key] = _Looks(
            self._filtered(base),
            self._filtered(gutter),
            {tone: self._filtered(style) for tone, style in tones.items()},
            self._filtered(self.get_component_rich_style("row-table--match")),
        )
        return looks

    def _filtered(self, style: Style) -> Style:
        """As this terminal can show it. Textual filters every segment of every line, where so few styles recur."""
        segments = [Segment("", style)]
        for line_filter in self.get_line_filters():
            segments = line_filter.apply(segments, self.background_colors[1])
        return segments[0].style or style

    def _cell(self, column: Column[Item], cell: Cell, width: int, looks: _Looks) -> Iterable[Segment]:
        style = looks.tones[cell.tone]
        text = self._fitting(in_a_row(cell.text), width, column)
        spans = self.keep.highlights(text) if self.keep else []
        if not spans:
            return [Segment(text, style)]
        return marked(text, spans, style=style, match=looks.match)

    def _fitting(self, text: str, width: int, column: Column[Item]) -> str:
        """The text in so many cells, cut or filled."""
        if (cells := len(text) if text.isascii() else cell_len(text)) > width:
            text, cells = f"{set_cell_size(text, width - 1)}{self._glyphs.ellipsis}", width
        space = " " * (width - cells)
        return f"{space}{text}" if column.right else f"{text}{space}"
