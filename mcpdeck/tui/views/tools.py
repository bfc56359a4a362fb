"""What /mcp offers, and what it holds back: every tool the caller may read, or a toolset's. Changes nothing."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model import tools
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count, plural
from mcpdeck.model.shell import WIDE, Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.tools import ToolRow
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.table_place import TablePlace
from mcpdeck.tui.widgets.sheet import SheetLine


class ToolsView(TablePlace[ToolRow]):
    """`toolset` narrows it to one; empty shows all."""

    view = View.TOOLS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.TOOLS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.TOOLS, tools.table(glyphs), sort=Sort("name"), glyphs=glyphs, clock=clock)
        self.toolset = ""

    @property
    def tool_rows(self) -> Sequence[ToolRow]:
        wanted = set(self.targets)
        return [row for row in self.table.shown if row.key in wanted] if wanted else []

    @property
    def adapter_names(self) -> Sequence[str]:
        row = self.table.current
        return [row.tool.adapter] if row and row.tool and row.tool.adapter else []

    @property
    def crumb(self) -> str:
        return self.toolset

    @property
    def spot(self) -> Hashable:
        return self.toolset

    def revisit(self, spot: Hashable, state: State) -> None:  # noqa: ARG002
        if isinstance(spot, str):
            self.open(spot)

    def open(self, toolset: str) -> None:
        """Only what this one holds from now on; everything if it is empty."""
        if toolset != self.toolset:
            self.toolset = toolset
            self.table.clear_marks()
            self.show_state(self._state)

    def source(self, state: State) -> object:
        return state.catalogue.at and (state.catalogue.offers, state.catalogue.tools, self.toolset)

    def rows(self, state: State) -> Sequence[ToolRow]:
        return tools.rows(state, self.toolset)

    def is_faulty(self, row: ToolRow) -> bool:
        return tools.is_faulty(row)

    def newest_moment(self, row: ToolRow) -> datetime:
        return tools.last_called(row)

    def is_stale(self, state: State) -> bool:
        return super().is_stale(state) and state.catalogue.at is not None

    def trouble(self, state: State) -> str:
        return state.catalogue.trouble

    def preview(self, row: ToolRow) -> Iterable[SheetLine]:
        return (line.cells for line in tools.describe(row, None, self._clock(), self._glyphs))

    def heading(self) -> list[Part]:
        state = self._state
        found = tools.rows(state, self.toolset)
        parts = titled("Tools")
        if self.toolset:
            parts.append(Part(f" of toolset {self.toolset}", Tone.STRONG, "tool.toolset"))
        cost = tools.cost_of(state, self.toolset)
        tokens, budget = cost.tokens, cost.budget
        is_wide = self.size.width >= WIDE
        if budget and tokens > budget:
            more = ": a toolset with discovery is short" if is_wide else ""
            parts.append(Part(f"  {count(tokens)} tokens, over {count(budget)}{more}", Tone.WARN))
        elif tokens:
            parts.append(Part(f"  {count(tokens)} tokens", Tone.DIM))
        if unused := tools.unused(found):
            parts.append(Part(f"  {count(unused)} never called", Tone.DIM, "tool.unused"))
        if state.approvals:
            parts.append(Part(f"  {plural(len(state.approvals), 'call')} waiting", Tone.WARN, "tool.approvals"))
        parts.append(Part("  "))
        return parts

    def nothing_yet(self) -> str:
        catalogue = self._state.catalogue
        if catalogue.at is None:
            return "Not read yet: the gateway does not answer." if self._state.is_stale else "Reading…"
        if self.toolset:
            return f"Toolset {self.toolset} holds nothing that you may use.\n\n2 shows the tools of all."
        return "Nothing is offered at /mcp yet.\n\nn registers an adapter's tools, or an HTTP tool server."
