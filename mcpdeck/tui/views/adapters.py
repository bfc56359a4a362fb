"""The adapters: every one the caller may read, live. Changes nothing."""

from collections.abc import Callable
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from mcpdeck.model import adapters
from mcpdeck.model.adapters import AdapterRow
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.row_table import RowTable

YOUNG = 120  # seconds in which an age changes every second


class AdaptersView(Place):
    view = View.ADAPTERS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.ADAPTERS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.ADAPTERS)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        spec = adapters.table(self._glyphs)
        yield RowTable(spec, sort=Sort("name"), glyphs=self._glyphs, clock=self._clock)
        yield Static(classes="empty", markup=False)

    @property
    def table(self) -> RowTable[AdapterRow]:
        return self.query_one(RowTable)

    @property
    def adapter_name(self) -> str | None:
        return self.table.current_key

    @property
    def targets(self) -> list[str]:
        """The marked adapters, else the one under the cursor."""
        marked = [self.table.spec.key(row) for row in self.table.shown if self.table.spec.key(row) in self.table.marked]
        return marked or ([self.adapter_name] if self.adapter_name else [])

    def focus_content(self) -> None:
        self.screen.set_focus(self.table)

    def show_state(self, state: State) -> None:
        changed = (state.adapters, state.statuses, state.sessions) != (
            self._state.adapters,
            self._state.statuses,
            self._state.sessions,
        )
        self._state = state
        self.table.set_stale(state.is_stale and state.fresh_at is not None)
        if changed:
            self.table.show(adapters.rows(state))
        self._tell()

    def apply_filter(self, text: str) -> None:
        self.table.filter_by(text)

    def toggle_faults(self) -> None:
        self.table.only(None if self.table.faults else lambda row: row.is_faulty)

    def tick(self) -> None:
        """Ages go on: every ten seconds, and every second while something is young."""
        now = self._clock()
        young = any((now - row.adapter.created_at).total_seconds() < YOUNG for row in self.table.shown)
        if young or now.second % 10 == 0:
            self.table.refresh_ages()

    @on(RowTable.Arranged)
    @on(RowTable.Marked)
    def _tell(self) -> None:
        table = self.table
        shown, total = len(table.shown), table.total
        parts = titled("Adapters")
        parts.append(Part(f" {count(shown)}" if shown == total else f" {count(shown)} of {count(total)}", Tone.ACCENT))
        parts += self._filter_parts()
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
        self.table.set_class(shown == 0, "-empty")
        if total:
            empty.update("Nothing matches. Esc clears the filter.")
        elif self._state.fresh_at is None:
            empty.update(self._state.link.reason or "Connecting…")
        else:
            empty.update("No adapters yet.\n\nn deploys the first one.")
