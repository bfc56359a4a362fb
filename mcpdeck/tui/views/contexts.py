"""The gateways that the reader knows: which answer, as whom one is there. Changes nothing."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import ClassVar, Final

from textual.binding import BindingType

from mcpdeck.model import contexts
from mcpdeck.model.commands import View
from mcpdeck.model.contexts import ContextRow
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.table_place import TablePlace

_LONG_AGO: Final = datetime.min.replace(tzinfo=UTC)


class ContextsView(TablePlace[ContextRow]):
    view = View.CONTEXTS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.CONTEXTS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.CONTEXTS, contexts.table(glyphs), sort=Sort("name"), glyphs=glyphs, clock=clock)

    @property
    def context_names(self) -> Sequence[str]:
        return self.targets

    def is_stale(self, state: State) -> bool:  # noqa: ARG002
        return False  # what the reader knows does not grow old

    def source(self, state: State) -> object:
        return state.contexts, state.context

    def rows(self, state: State) -> Sequence[ContextRow]:
        return contexts.rows(state.contexts, state.context)

    def is_faulty(self, row: ContextRow) -> bool:
        return contexts.sign_of(row.entry.reach) is contexts.SILENT

    def newest_moment(self, row: ContextRow) -> datetime:  # noqa: ARG002
        return _LONG_AGO  # no age is shown

    def nothing_yet(self) -> str:
        return "No gateways are known by name yet.\n\nn adds the first one."
