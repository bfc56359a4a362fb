"""The adapters: every one the caller may read, live. Changes nothing."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model import adapters
from mcpdeck.model.adapters import AdapterRow
from mcpdeck.model.commands import View
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.table_place import TablePlace
from mcpdeck.tui.widgets.sheet import SheetLine


class AdaptersView(TablePlace[AdapterRow]):
    view = View.ADAPTERS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.ADAPTERS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.ADAPTERS, adapters.table(glyphs), sort=Sort("name"), glyphs=glyphs, clock=clock)

    @property
    def adapter_names(self) -> Sequence[str]:
        return self.targets

    def source(self, state: State) -> object:
        return state.adapters, state.statuses, state.session_counts(), state.are_sessions_listed

    def rows(self, state: State) -> Sequence[AdapterRow]:
        return adapters.rows(state)

    def is_faulty(self, row: AdapterRow) -> bool:
        return row.is_faulty

    def newest_moment(self, row: AdapterRow) -> datetime:
        return row.adapter.created_at

    def preview(self, row: AdapterRow) -> Iterable[SheetLine]:
        return adapters.describe(row, self._clock(), self._glyphs)

    def nothing_yet(self) -> str:
        return "No adapters yet.\n\nn deploys the first one."
