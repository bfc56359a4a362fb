"""What was done from this deck, and from those before it. Changes nothing."""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from mcpdeck.model import deeds
from mcpdeck.model.commands import View
from mcpdeck.model.deeds import DeedRow
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.table_place import TablePlace


class AuditView(TablePlace[DeedRow]):
    view = View.AUDIT
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.AUDIT)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.AUDIT, deeds.table(glyphs), sort=Sort("when"), glyphs=glyphs, clock=clock)

    @property
    def crumb(self) -> str:
        return "audit"

    def is_stale(self, state: State) -> bool:  # noqa: ARG002
        return False  # what was done stays done

    def source(self, state: State) -> object:
        return state.deeds

    def rows(self, state: State) -> Sequence[DeedRow]:
        return deeds.rows(state.deeds)

    def is_faulty(self, row: DeedRow) -> bool:
        return bool(row.deed.error)

    def newest_moment(self, row: DeedRow) -> datetime:
        return row.deed.at

    def nothing_yet(self) -> str:
        return "Nothing has been changed from here yet.\n\nWhat you do will stand here, with the command that does it."
