"""One adapter's log, every replica merged. Takes lines from an inbox ten times a second at most; opens no stream."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import ClassVar, Final

import msgspec
from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.message import Message

from mcpdeck.logbook import Inbox, Kind, Logbook, LogLine
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count, plural
from mcpdeck.model.logs import SINCE, Wish
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled, toggle_words
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.log_view import LogView
from mcpdeck.tui.widgets.part_line import TitleLine

FLUSH_SECONDS: Final = 0.1


class LogsView(Place):
    view = View.LOGS
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.LOGS)

    class Wanted(Message):
        """Another log, or another part of it, is to be read."""

        def __init__(self, wish: Wish) -> None:
            super().__init__()
            self.wish = wish

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.LOGS)
        self._glyphs = glyphs
        self._clock = clock
        self.wish: Wish | None = None
        self.book = Logbook()
        self.inbox = Inbox(self._lines_wait)
        self.standing = ""  # how the stream stands, in words; empty before there is one

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first")
        yield TitleLine(classes="-last", id="toggles")
        yield LogView(self.book, glyphs=self._glyphs)

    @property
    def lines(self) -> LogView:
        return self.query_one(LogView)

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self.wish.adapter] if self.wish else []

    def focus_content(self) -> None:
        self.screen.set_focus(self.lines)

    def show_state(self, state: State) -> None:
        """A log is a stream of its own."""

    # Which log

    def open(self, wish: Wish) -> None:
        """Read this log from now on; what another left is gone."""
        if wish == self.wish:
            return
        self.wish = wish
        self.book.clear()
        self.book.instances.clear()
        self.inbox = Inbox(self._lines_wait)
        self.standing = "connecting"
        self.lines.lines_replaced()
        self.lines.set_follow(True)
        self._tell()
        self.post_message(self.Wanted(wish))

    def choose(self, **changes: object) -> None:
        if self.wish is not None:
            self.open(msgspec.structs.replace(self.wish, **changes))

    def stand(self, standing: str) -> None:
        if standing != self.standing:
            self.standing = standing
            self._tell()

    # Lines

    def _lines_wait(self) -> None:
        self.set_timer(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Take in what came since the last time, all at once."""
        if taken := self.inbox.take():
            self._take_in(taken)

    def _take_in(self, lines: Iterable[LogLine]) -> None:
        known = len(self.book.instances)
        fallen = self.book.extend(lines)
        if len(self.book.instances) != known:
            self.lines.lines_replaced()  # another prefix: every line is wider now
        else:
            self.lines.lines_added(fallen=fallen)
        self._tell()

    def mark(self) -> None:
        self._take_in([LogLine(f"{self._clock().astimezone():%H:%M:%S}", kind=Kind.MARK)])

    def clear(self) -> None:
        self.book.clear()
        self.lines.lines_replaced()
        self._tell()

    # Looking

    def apply_filter(self, text: str) -> None:
        self.book.look_for(text, highlight_only=self.book.highlight_only)
        self.lines.lines_replaced()
        self._tell()

    def toggle_highlight(self) -> None:
        top = self.lines.top_line
        self.book.look_for(self.filter_text, highlight_only=not self.book.highlight_only)
        self.lines.lines_replaced()
        if not self.lines.follow:
            self.lines.show_line(top)
        self._tell()

    def toggle_wrap(self) -> None:
        self.lines.set_wrap(not self.lines.wrap)
        self._tell()

    def toggle_timestamps(self) -> None:
        self.lines.show_timestamps(not self.lines.timestamps)
        self._tell()

    def toggle_follow(self) -> None:
        self.lines.set_follow(not self.lines.follow)

    def next_match(self, step: int) -> bool:
        """Go to the nearest line that matches, below or above the top one. False if there is none."""
        needle, book = self.book.needle, self.book
        here = self.lines.top_line
        places = range(here + 1, len(book)) if step > 0 else range(here - 1, -1, -1)
        found = next((place for place in places if needle and needle.found_in(book[place].text)), None)
        if found is None:
            return False
        self.lines.set_follow(False)
        self.lines.show_line(found)
        return True

    # Telling

    @on(LineView.FollowChanged)
    def _tell(self) -> None:
        wish = self.wish
        if wish is None:
            self.title_line.show(titled("Logs"), [Part("choose an adapter first ", Tone.DIM)])
            return
        parts = titled(wish.adapter)
        parts.append(Part(" previous run" if wish.previous else " log", Tone.DIM))
        if replicas := len(self.book.instances):
            parts.append(Part(f"   {plural(replicas, 'replica')}", Tone.PLAIN))
        parts += self._filter_parts()
        shown, total = len(self.book), self.book.total
        lines = plural(total, "line") if shown == total else f"{count(shown)} of {plural(total, 'line')}"
        dropped = [Part(f"   {count(self.inbox.dropped)} dropped", Tone.WARN)] if self.inbox.dropped else []
        standing = Part(f"   {self.standing} ", Tone.OK if self.standing == "live" else Tone.BUSY)
        self.title_line.show(parts, [Part(lines, Tone.DIM), *dropped, standing])
        view = self.lines
        toggles = toggle_words(
            follow=view.follow,
            wrap=view.wrap,
            time=view.timestamps,
            since=SINCE[wish.since][0],
            filter="highlights" if self.book.highlight_only else "hides",
        )
        self.query_one("#toggles", TitleLine).show(
            [Part(toggles[0].text.removeprefix(" "), toggles[0].tone), *toggles[1:]]
        )
