"""A logbook on the screen: replicas by colour and prefix, matches marked, levels toned. Reads no stream."""

import re
from collections.abc import Iterable
from typing import Final

from rich.cells import set_cell_size
from rich.segment import Segment
from rich.style import Style
from textual.strip import Strip

from mcpdeck.logbook import Kind, Logbook, LogLine
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.tui.widgets.line_view import LineView
from mcpdeck.tui.widgets.tones import marked, tone_style

# In a fixed order, so that a replica keeps its colour while the view is open.
REPLICA_TONES: Final = (Tone.ACCENT, Tone.OK, Tone.WARN, Tone.BUSY, Tone.STRONG, Tone.DIM)
_LEVEL: Final = re.compile(r"\b(?:(ERROR|FATAL|CRITICAL|PANIC|Traceback)|(WARN(?:ING)?)|(DEBUG|TRACE))\b")
_LEVEL_TONES: Final = (Tone.BAD, Tone.WARN, Tone.DIM)
_LEVEL_REACH: Final = 80  # a level stands near the front of a line, or it is not one
_PREFIX_GAP: Final = "  "
_LIGHT: Final = Style(bold=False)


class LogView(LineView):
    """The shown lines of a logbook."""

    def __init__(self, book: Logbook, *, glyphs: Glyphs) -> None:
        super().__init__(follow=True)
        self.book = book
        self.timestamps = False
        self.nothing = ""  # what is said where there is no line
        self._glyphs = glyphs

    def line_count(self) -> int:
        return len(self.book)

    def line_text(self, index: int) -> str:
        line = self.book[index]
        return f"{self._front(line)}{line.text}"

    def tell_nothing(self, sentence: str) -> None:
        if sentence != self.nothing:
            self.nothing = sentence
            self.refresh()

    def render_line(self, y: int) -> Strip:
        region = self.scrollable_content_region
        if len(self.book) or y != region.height // 2:
            return super().render_line(y)
        text = set_cell_size(self.nothing.center(region.width), region.width)
        return Strip([Segment(text, self.rich_style + tone_style(self, Tone.DIM))])

    def line(self, index: int) -> Iterable[Segment]:
        line = self.book[index]
        if line.kind is not Kind.LINE:
            return self._rule(line)
        return [*self._front_segments(line), *self._text_segments(line.text)]

    def _text_segments(self, text: str) -> Iterable[Segment]:
        """The level stands out; what is only for debugging recedes as a whole."""
        level = _LEVEL.search(text, 0, _LEVEL_REACH)
        spans = self.book.needle.spans(text)
        tone = Tone.PLAIN if level is None else _LEVEL_TONES[(level.lastindex or 1) - 1]
        if level is None or tone is Tone.DIM or spans:
            return marked(text, spans, style=tone_style(self, tone), match=self.match_style)
        plain = tone_style(self, Tone.PLAIN)
        return marked(text, [level.span()], style=plain, match=plain + tone_style(self, tone))

    def plain_text(self) -> str:
        """Everything that is shown, as it is shown."""
        return "".join(f"{self.line_text(index)}\n" for index in range(len(self.book)))

    def show_timestamps(self, timestamps: bool) -> None:
        self.timestamps = timestamps
        self.lines_replaced()

    def _front(self, line: LogLine) -> str:
        return "".join(text for text, _ in self._front_parts(line))

    def _front_segments(self, line: LogLine) -> Iterable[Segment]:
        return [Segment(text, tone_style(self, tone) + _LIGHT) for text, tone in self._front_parts(line)]

    def _front_parts(self, line: LogLine) -> list[tuple[str, Tone]]:
        parts = []
        if line.instance and len(self.book.instances) > 1:
            wide = max(map(len, self.book.instances))
            tone = REPLICA_TONES[self.book.instances[line.instance] % len(REPLICA_TONES)]
            parts.append((f"{line.instance:<{wide}} {self._glyphs.bar} ", tone))
        if self.timestamps and line.stamp:
            parts.append((f"{_clock_time(line.stamp)}{_PREFIX_GAP}", Tone.DIM))
        return parts

    def _rule(self, line: LogLine) -> Iterable[Segment]:
        width = max(0, self.scrollable_content_region.width - len(line.text) - 6)
        tone = Tone.WARN if line.kind is Kind.GAP else Tone.ACCENT
        rule = self._glyphs.rule
        return [Segment(f"{rule * 4} {line.text} {rule * width}", tone_style(self, tone))]


def _clock_time(stamp: str) -> str:
    """`2026-01-02T03:04:05.123456Z` as `03:04:05.123`."""
    return stamp[11:].split("+", maxsplit=1)[0].removesuffix("Z")[:12]
