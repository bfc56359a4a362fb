"""The gateway as a tree that folds. Changes nothing."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.widgets import Static

from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.model.xray import FIELD_NAMES, Look, Node, all_turned, table, tree
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.row_table import RowTable


class TreeTable(RowTable[Node]):
    def sort_by(self, sort: Sort) -> None:
        """A tree has one order."""


class XrayView(Place):
    view = View.XRAY
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.XRAY)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.XRAY)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._look = Look()
        self._drawn: object = None

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield TreeTable(table(self._glyphs), sort=Sort("name"), glyphs=self._glyphs, clock=self._clock)
        yield Static(classes="empty", markup=False)

    @property
    def table(self) -> RowTable[Node]:
        return self.query_one(TreeTable)

    @property
    def current(self) -> Node | None:
        return self.table.current

    @property
    def of_adapter(self) -> str:
        return self._look.root if self._look.root in self._state.adapters else ""

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self.current.adapter] if self.current and self.current.adapter else []

    @property
    def session_ids(self) -> Sequence[str]:
        return [self.current.session] if self.current and self.current.session else []

    @property
    def crumb(self) -> str:
        return self._look.root

    @property
    def spot(self) -> Hashable:
        return self._look.root

    def revisit(self, spot: Hashable, state: State) -> None:
        self._state = state
        if isinstance(spot, str):
            self.look_at(spot)

    def focus_content(self) -> None:
        self.screen.set_focus(self.table)

    def look_at(self, root: str) -> None:
        """Only this adapter's or tool's part from now on; the whole if it is empty."""
        if root != self._look.root:
            self._change(Look(root=root, filter=self._look.filter))

    def turn(self) -> None:
        """Fold or unfold what is under the cursor."""
        if self.current is not None:
            self._change(self._look.turn(self.current.key))

    def turn_all(self) -> None:
        """Fold everything but the roots if all is unfolded; else unfold it, whatever comes to light with it."""
        look = self._look
        before = tree(self._state, look, self._clock())
        if wanted := all_turned(before, is_open=True):
            while wanted:
                look = Look(root=look.root, filter=look.filter, turned=look.turned ^ wanted)
                wanted = all_turned(tree(self._state, look, self._clock()), is_open=True)
        else:
            inner = [node for node in before if node.depth > 0]
            look = Look(root=look.root, filter=look.filter, turned=look.turned ^ all_turned(inner, is_open=False))
        self._change(look)

    @property
    def filter_fields(self) -> Sequence[str]:
        return FIELD_NAMES

    def filter_values(self, field: str) -> Iterable[str]:
        return self.table.values_of(field)

    def apply_filter(self, text: str) -> None:
        self._change(Look(root=self._look.root, turned=self._look.turned, filter=text))

    def _change(self, look: Look) -> None:
        self._look = look
        self.show_state(self._state)

    def show_state(self, state: State) -> None:
        self._state = state
        if not self.display:
            return
        self.table.set_stale(state.is_stale and state.fresh_at is not None)
        source = (
            state.adapters,
            state.statuses,
            state.sessions,
            state.catalogue,
            state.link,
            state.context,
            self._look,
        )
        if source != self._drawn:
            self._drawn = source
            self.table.show(tree(state, self._look, self._clock()))
        self._tell()

    def tick(self) -> None:
        if self.display:
            self.table.refresh_ages()

    @on(RowTable.Arranged)
    def _tell(self) -> None:
        parts = titled("X-ray")
        parts.append(Part(f" of {self._look.root or self._state.context}", Tone.STRONG))
        parts += self._filter_parts()
        lines = Part(f"{len(self.table.shown)} lines ", Tone.DIM)
        self.title_line.show(parts, [lines])
        empty = self.query_one(".empty", Static)
        empty.display = not self.table.shown
        gone = f"{self._look.root} is no longer there.\n\nw shows the whole gateway."
        empty.update("Nothing matches. Esc clears the filter." if self.filter_text else gone)
