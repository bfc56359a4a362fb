"""The live sessions of every adapter that the caller may read, or of one. Changes nothing."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from gateway.wire.resources import LiveSession
from mcpdeck.model import sessions
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.table import Sort
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.table_place import TablePlace
from mcpdeck.tui.widgets.sheet import SheetLine


class SessionsView(TablePlace[LiveSession]):
    """`adapter` narrows it to one; empty shows all."""

    view = View.SESSIONS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.SESSIONS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.SESSIONS, sessions.table(glyphs), sort=Sort("age"), glyphs=glyphs, clock=clock)
        self.adapter = ""

    @property
    def of_adapter(self) -> str:
        return self.adapter

    @property
    def session_ids(self) -> Sequence[str]:
        return self.targets

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self.table.current.adapter] if self.table.current else []

    @property
    def crumb(self) -> str:
        return self.adapter

    @property
    def spot(self) -> Hashable:
        return self.adapter

    def revisit(self, spot: Hashable, state: State) -> None:  # noqa: ARG002
        if isinstance(spot, str):
            self.open(spot)

    def open(self, adapter: str) -> None:
        """Only this adapter's from now on; all of them if it is empty."""
        if adapter != self.adapter:
            self.adapter = adapter
            self.table.clear_marks()
            self.show_state(self._state)

    def source(self, state: State) -> object:
        return state.sessions, self.adapter

    def rows(self, state: State) -> Sequence[LiveSession]:
        return sessions.rows(state, self.adapter)

    def is_partial(self) -> bool:
        return True

    def trouble(self, state: State) -> str:
        return state.sessions_trouble

    def is_faulty(self, row: LiveSession) -> bool:
        return sessions.is_faulty(row)

    def newest_moment(self, row: LiveSession) -> datetime:
        return row.last_used_at

    def preview(self, row: LiveSession) -> Iterable[SheetLine]:
        return sessions.describe(row, self._clock(), self._glyphs)

    def heading(self) -> list[Part]:
        parts = titled("Sessions")
        return [*parts, Part(f" of {self.adapter}", Tone.STRONG)] if self.adapter else parts

    def nothing_yet(self) -> str:
        if not self._state.are_sessions_listed:
            return "Not listed yet: the gateway does not answer." if self._state.is_stale else "Reading…"
        if self.adapter:
            return f"Nobody talks with {self.adapter} now.\n\n3 shows the sessions of all."
        return "No live sessions.\n\nThey appear as soon as a client talks with an adapter."
