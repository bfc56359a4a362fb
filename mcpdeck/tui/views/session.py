"""One live session in words. Changes nothing."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import ClassVar

from textual.binding import BindingType

from gateway.wire.resources import LiveSession
from mcpdeck.model import sessions
from mcpdeck.model.commands import View
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Cell, Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import titled
from mcpdeck.tui.views.sheet_place import SheetPlace


class SessionView(SheetPlace):
    view = View.SESSION
    fits = True
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.SESSION)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(glyphs=glyphs, clock=clock)
        self._last: LiveSession | None = None  # as it was when it was last heard of

    @property
    def of_adapter(self) -> str:
        return next(iter(self.adapter_names), "")

    @property
    def of_session(self) -> str:
        return next(iter(self.session_ids), "")

    @property
    def session_ids(self) -> Sequence[str]:
        return [self._last.id] if self._last and self._last.id in self._state.sessions else []

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self._last.adapter] if self._last else []

    @property
    def crumb(self) -> str:
        return self._last.id[:8] if self._last else ""

    @property
    def spot(self) -> Hashable:
        return self._last

    def revisit(self, spot: Hashable, state: State) -> None:
        if isinstance(spot, LiveSession):
            self._last = state.sessions.get(spot.id, spot)
            self.show_state(state)

    def open(self, session_id: str, state: State) -> None:
        self._last = state.sessions[session_id]
        self.show_state(state)
        self.sheet.scroll_home(animate=False)

    def tick(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self._last is None or not self.display:
            return
        current = self._state.sessions.get(self._last.id)
        self._last = current or self._last
        title = [*titled(sessions.client(self._last) or "Session"), Part(f" at {self._last.adapter}", Tone.DIM)]
        self.title_line.show([*title, *self._filter_parts()])
        gone = [] if current else [[Cell("It has ended. This is how it was last heard of.", Tone.WARN)], []]
        self.sheet.show([*gone, *sessions.describe(self._last, self._clock(), self._glyphs)])
