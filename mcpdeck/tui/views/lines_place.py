"""A place that is a book of lines: followed, wrapped, filtered, marked. Knows not where they come from."""

from abc import abstractmethod
from collections.abc import Callable, Iterable, Sequence
from datetime import datetime
from typing import Final

from textual import on
from textual.app import ComposeResult

from mcpdeck.logbook import Inbox, Kind, Logbook, LogLine
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count, plural
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.views.place import Place, toggle_words
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.log_view import LogView
from mcpdeck.tui.widgets.part_line import TitleLine

FLUSH_SECONDS: Final = 0.1


class LinesPlace(Place):
    """A subclass says what the title is, and how the lines come to its inbox."""

    def __init__(self, view: View, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=view)
        self._glyphs = glyphs
        self._clock = clock
        self.book = Logbook()
        self.inbox = Inbox(self._lines_wait)

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first")
        yield TitleLine(classes="-last", id=f"toggles-{self.id}")
        yield LogView(self.book, glyphs=self._glyphs)

    @property
    def lines(self) -> LogView:
        return self.query_one(LogView)

    @property
    @abstractmethod
    def file_name(self) -> str:
        """What a file with these lines is called, without date and ending; empty while there is nothing to save."""

    @abstractmethod
    def heading(self) -> list[Part]: ...

    @abstractmethod
    def standing_parts(self) -> Parts:
        """Whether lines come, for the right end of the title."""

    @abstractmethod
    def nothing_yet(self) -> str:
        """What to say to a reader where there is no line."""

    def more_toggles(self) -> dict[str, object]:
        return {}

    def focus_content(self) -> None:
        self.screen.set_focus(self.lines)

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

    @property
    def filter_fields(self) -> Sequence[str]:
        return ("instance",) if self.book.instances else ()

    def filter_values(self, field: str) -> Iterable[str]:  # noqa: ARG002
        return self.book.instances

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
        shown, total = len(self.book), self.book.total
        lines = plural(total, "line") if shown == total else f"{count(shown)} of {plural(total, 'line')}"
        dropped = [Part(f"   {count(self.inbox.dropped)} dropped", Tone.WARN)] if self.inbox.dropped else []
        left = [*self.heading(), *self._filter_parts()]
        self.title_line.show(left, [Part(lines, Tone.DIM), *dropped, *self.standing_parts()])
        view = self.lines
        view.tell_nothing("Nothing matches. Esc clears the filter." if total else self.nothing_yet())
        toggles = toggle_words(
            follow=view.follow,
            wrap=view.wrap,
            time=view.timestamps,
            **self.more_toggles(),
            filter="highlights" if self.book.highlight_only else "hides",
        )
        first = Part(toggles[0].text.removeprefix(" "), toggles[0].tone)
        self.query_one("TitleLine.-last", TitleLine).show([first, *toggles[1:]])
