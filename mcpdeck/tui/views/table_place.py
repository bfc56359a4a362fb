"""A place that is a table under a line saying how much of it is shown. Knows no kind of row."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from textual import on
from textual.app import ComposeResult
from textual.containers import Horizontal
from textual.widgets import Static

from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort, TableSpec
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.row_table import RowTable
from mcpdeck.tui.widgets.sheet import Sheet, SheetLine

YOUNG: Final = 120  # seconds in which an age changes every second


class TablePlace[Item](Place):
    """A subclass says what the rows are, and which part of the state they are made of."""

    def __init__(
        self, view: View, spec: TableSpec[Item], *, sort: Sort, glyphs: Glyphs, clock: Callable[[], datetime]
    ) -> None:
        super().__init__(id=view)
        self._spec = spec
        self._sort = sort
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._drawn: object = None  # what the rows that stand there were made of

    # What a subclass tells

    @abstractmethod
    def source(self, state: State) -> object:
        """What the rows are made of: while it stays equal, they do."""

    @abstractmethod
    def rows(self, state: State) -> Sequence[Item]: ...

    @abstractmethod
    def is_faulty(self, row: Item) -> bool:
        """Whether it stays when only faults are shown."""

    @abstractmethod
    def newest_moment(self, row: Item) -> datetime:
        """The youngest moment whose age the row shows."""

    @abstractmethod
    def nothing_yet(self) -> str:
        """What to say to a reader of an empty table."""

    def is_stale(self, state: State) -> bool:
        """Whether the rows may no longer be true."""
        return (state.is_stale and state.fresh_at is not None) or bool(self.trouble(state))

    def trouble(self, state: State) -> str:  # noqa: ARG002
        """Why the rows in particular can not be read just now."""
        return ""

    def preview(self, row: Item) -> Iterable[SheetLine]:  # noqa: ARG002
        """More of a row than its cells, for beside the table."""
        return ()

    def is_partial(self) -> bool:
        """Whether what other gateways have may be missing."""
        return False

    def heading(self) -> list[Part]:
        return titled(self.view.capitalize())

    # What every table does

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        with Horizontal(classes="split"):
            yield RowTable(self._spec, sort=self._sort, glyphs=self._glyphs, clock=self._clock)
            yield Sheet(fits=True)
        yield Static(classes="empty", markup=False)

    @property
    def table(self) -> RowTable[Item]:
        return self.query_one(RowTable)

    @property
    def is_split(self) -> bool:
        return self.has_class("-split")

    def toggle_split(self) -> None:
        """Beside the table, more of the row under the cursor."""
        self.toggle_class("-split")
        self.query_one(Sheet).can_focus = False
        self._show_preview()

    @on(RowTable.CursorMoved)
    def _show_preview(self) -> None:
        if self.is_split:
            row = self.table.current
            self.query_one(Sheet).show([] if row is None else self.preview(row))

    @property
    def targets(self) -> list[str]:
        """The marked rows, else the one under the cursor."""
        table = self.table
        if table.marked:  # most often nothing is, and then ten thousand rows need not be looked through
            marked = [key for key in map(table.spec.key, table.shown) if key in table.marked]
            if marked:
                return marked
        return [] if table.current_key is None else [table.current_key]

    def focus_content(self) -> None:
        self.screen.set_focus(self.table)

    def show_state(self, state: State) -> None:
        self._state = state
        if not self.display:
            return
        self.table.set_stale(self.is_stale(state))
        if (source := self.source(state)) != self._drawn:
            self._drawn = source
            self.table.show(self.rows(state))
        self._tell()
        self._show_preview()

    @property
    def filter_fields(self) -> Sequence[str]:
        return self._spec.field_names

    def filter_values(self, field: str) -> Iterable[str]:
        return self.table.values_of(field)

    def apply_filter(self, text: str) -> None:
        self.table.filter_by(text)

    def toggle_faults(self) -> None:
        self.table.only(None if self.table.faults else self.is_faulty)

    def tick(self) -> None:
        """Ages go on: every ten seconds, and every second while something is young."""
        if not self.display:
            return
        now = self._clock()
        young = any((now - self.newest_moment(row)).total_seconds() < YOUNG for row in self.table.in_sight)
        if young or now.second % 10 == 0:
            self.table.refresh_ages()

    @on(RowTable.Arranged)
    @on(RowTable.Marked)
    def _tell(self) -> None:
        table = self.table
        shown, total = len(table.shown), table.total
        parts = self.heading()
        parts.append(Part(f" {count(shown)}" if shown == total else f" {count(shown)} of {count(total)}", Tone.ACCENT))
        parts += self._filter_parts()
        if shown and (error := table.filter_error()):
            parts.append(Part(f"   {error}", Tone.BAD))
        if reason := self._missing():
            parts.append(Part(f"   partial: {reason}", Tone.WARN))
        if shown and (trouble := self.trouble(self._state)):
            parts.append(Part(f"   can not be read now, tried again: {trouble}", Tone.WARN))
        if table.faults:
            parts.append(Part("   faults only", Tone.WARN, "table.faults"))
        if table.marked:
            parts.append(Part(f"   {self._glyphs.mark} {count(len(table.marked))} marked", Tone.ACCENT, "table.unmark"))
        arrow = self._glyphs.down if table.sort.descending else self._glyphs.up
        self.title_line.show(parts, [Part(f"by {table.sort.column} {arrow} ", Tone.DIM, "table.sort-turn")])
        self._tell_emptiness(shown, total)

    def _tell_emptiness(self, shown: int, total: int) -> None:
        empty = self.query_one(".empty", Static)
        empty.display = shown == 0
        self.query_one(".split").set_class(shown == 0, "-empty")
        if total:
            why = f"\n\n{told}" if not shown and (told := self.table.why_none()) else ""
            why += "\n\nOnly faults are shown; :faults shows the rest." if self.table.faults else ""
            empty.update(f"Nothing matches. Esc clears the filter.{why}")
        elif trouble := self.trouble(self._state):
            empty.update(f"They can not be read now, which is tried again: {trouble}")
        elif self._state.fresh_at is None:
            empty.update(self._state.link.reason or "Connecting…")
        else:
            missing = f"\n\nOther gateways may have some: {reason}" if (reason := self._missing()) else ""
            empty.update(f"{self.nothing_yet()}{missing}")

    def _missing(self) -> str:
        return self._state.partial if self.is_partial() else ""
