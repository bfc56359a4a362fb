"""Every change that the gateway tells of, as lines. Changes nothing."""

from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType

from mcpdeck.logbook import Kind, LogLine
from mcpdeck.model.commands import View
from mcpdeck.model.happenings import News
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.lines_place import LinesPlace
from mcpdeck.tui.views.place import titled


class EventsView(LinesPlace):
    view = View.EVENTS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.EVENTS)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.EVENTS, glyphs=glyphs, clock=clock)
        self._state = State()

    def compose(self) -> ComposeResult:
        yield from super().compose()
        self.call_after_refresh(self._begin)

    def _begin(self) -> None:
        self.lines.show_timestamps(True)
        self._tell()

    @property
    def file_name(self) -> str:
        return f"events-{self._state.context}"

    @property
    def crumb(self) -> str:
        return "events"

    def hear(self, news: Iterable[News]) -> None:
        for it in news:
            stamp = it.at.astimezone(UTC).isoformat(timespec="milliseconds")
            self.inbox.put(LogLine(it.text, it.kind, stamp, Kind.LINE if it.kind else Kind.GAP))

    def show_state(self, state: State) -> None:
        if state.context != self._state.context:
            self.book.clear()
            self.lines.lines_replaced()
        self._state = state
        if self.display:
            self._tell()

    def nothing_yet(self) -> str:
        return "Nothing has happened since this deck looks. What changes is told here."

    def heading(self) -> list[Part]:
        return [*titled("Events"), Part(f" of {self._state.context}", Tone.DIM)]

    def standing_parts(self) -> Parts:
        live = not self._state.is_stale
        return [Part("   live " if live else f"   {self._state.link.standing} ", Tone.OK if live else Tone.BUSY)]
