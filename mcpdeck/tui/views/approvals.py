"""Calls that wait for somebody's word, live. Decides none."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from gateway.wire.policies import PendingApproval
from mcpdeck.model import approvals
from mcpdeck.model.commands import View
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.table_place import TablePlace
from mcpdeck.tui.widgets.sheet import SheetLine


class ApprovalsView(TablePlace[PendingApproval]):
    view = View.APPROVALS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.APPROVALS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.APPROVALS, approvals.table(), sort=Sort("left"), glyphs=glyphs, clock=clock)

    @property
    def crumb(self) -> str:
        return "approvals"

    @property
    def approval_ids(self) -> Sequence[str]:
        return self.targets

    def source(self, state: State) -> object:
        return state.approvals

    def rows(self, state: State) -> Sequence[PendingApproval]:
        return state.approvals

    def is_partial(self) -> bool:
        return True

    def trouble(self, state: State) -> str:
        return state.approvals_trouble

    def is_faulty(self, row: PendingApproval) -> bool:  # noqa: ARG002
        return True

    def newest_moment(self, row: PendingApproval) -> datetime:
        return row.created_at

    def preview(self, row: PendingApproval) -> Iterable[SheetLine]:
        return approvals.describe(row, self._clock())

    def nothing_yet(self) -> str:
        return (
            "No call waits for your word.\n\nA policy's rule with `effect: approve` holds calls until somebody decides."
        )
