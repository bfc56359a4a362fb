"""The log of one adapter, every replica merged. Says which log is wanted; opens no stream."""

from collections.abc import Callable, Hashable, Sequence
from datetime import datetime
from typing import ClassVar

import msgspec
from textual.binding import BindingType
from textual.message import Message

from mcpdeck.logbook import Inbox
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import plural
from mcpdeck.model.logs import SINCE, Wish
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.lines_place import LinesPlace
from mcpdeck.tui.views.place import titled


class LogsView(LinesPlace):
    view = View.LOGS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.LOGS)

    class Wanted(Message):
        """Another log, or another part of it, is to be read."""

        def __init__(self, wish: Wish) -> None:
            super().__init__()
            self.wish = wish

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(View.LOGS, glyphs=glyphs, clock=clock)
        self._of = ""
        self._is_away = False  # the gateway; a log's stream itself says nothing where nothing is written
        self.wish: Wish | None = None
        self.standing = ""  # how the stream stands, in words; empty before there is one

    @property
    def of_adapter(self) -> str:
        return self.wish.adapter if self.wish else ""

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self.wish.adapter] if self.wish else []

    @property
    def file_name(self) -> str:
        return self.wish.adapter if self.wish else ""

    @property
    def spot(self) -> Hashable:
        return self.wish

    def revisit(self, spot: Hashable, state: State) -> None:  # noqa: ARG002
        if isinstance(spot, Wish):
            self.open(spot)

    def show_state(self, state: State) -> None:
        """A log is a stream of its own, and of one gateway."""
        if state.is_stale != self._is_away:
            self._is_away = state.is_stale
            self._tell()
        if state.context != self._of:
            self._of = state.context
            self.wish, self.standing = None, ""
            self._empty()
            self._tell()

    # Which log

    def open(self, wish: Wish) -> None:
        """Read this log from now on; what another left is gone."""
        if wish == self.wish:
            return
        self.wish = wish
        self._empty()
        self.standing = "connecting"
        self.lines.set_follow(True)
        self._tell()
        self.post_message(self.Wanted(wish))

    def _empty(self) -> None:
        self.book.clear()
        self.book.instances.clear()
        self.inbox = Inbox(self._lines_wait)
        self.lines.lines_replaced()

    def choose(self, **changes: object) -> None:
        if self.wish is not None:
            self.open(msgspec.structs.replace(self.wish, **changes))

    def stand(self, standing: str) -> None:
        if standing != self.standing:
            self.standing = standing
            self._tell()

    # Telling

    def heading(self) -> list[Part]:
        if self.wish is None:
            return [*titled("Logs"), Part("   whose? Enter names an adapter", Tone.ACCENT, "log.choose")]
        parts = [*titled(self.wish.adapter), Part(" previous run" if self.wish.previous else " log", Tone.DIM)]
        if replicas := len(self.book.instances):
            parts.append(Part(f"   {plural(replicas, 'replica')}", Tone.PLAIN))
        return parts

    def nothing_yet(self) -> str:
        if self.wish is None:
            return "Whose log? Enter names an adapter."
        match self.standing:
            case "live":
                return f"{self.wish.adapter} has written nothing yet. A line shows here as soon as it does."
            case "complete":
                return f"{self.wish.adapter} had no run before this one, or nothing of it is kept."
        return f"{self.standing[:1].upper()}{self.standing[1:]}…"

    def standing_parts(self) -> Parts:
        standing = "no word of the gateway" if self.standing == "live" and self._is_away else self.standing
        return [Part(f"   {standing} ", Tone.OK if standing == "live" else Tone.BUSY)]

    def more_toggles(self) -> dict[str, object]:
        return {"since": SINCE[self.wish.since][0]} if self.wish else {}
