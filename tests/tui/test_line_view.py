"""Lines that follow, wrap, and stay where the reader is."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

from rich.segment import Segment
from textual.app import App, ComposeResult
from textual.pilot import Pilot

from mcpdeck.logbook import Kind, Logbook, LogLine
from mcpdeck.model.words import UNICODE
from mcpdeck.tui.themes import DEFAULTS
from mcpdeck.tui.widgets.log_view import LogView


class Host(App[None]):
    CSS_PATH = "../../mcpdeck/tui/styles.tcss"
    CSS = "LogView { padding: 0; }"

    def __init__(self, capacity: int) -> None:
        super().__init__()
        self.book = Logbook(capacity)

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULTS)

    def compose(self) -> ComposeResult:
        yield LogView(self.book, glyphs=UNICODE)


class Log:
    """A log view and what is put into it."""

    def __init__(self, pilot: Pilot[None], host: Host) -> None:
        self.pilot = pilot
        self.view = host.query_one(LogView)
        self.book = host.book

    async def add(self, *texts: str | LogLine) -> None:
        lines = [text if isinstance(text, LogLine) else LogLine(text) for text in texts]
        self.view.lines_added(fallen=self.book.extend(lines))
        await self.pilot.pause()

    def seen(self) -> list[str]:
        return [self.view.render_line(y).text.rstrip() for y in range(self.view.size.height)]


@asynccontextmanager
async def log(*, size: tuple[int, int] = (30, 5), capacity: int = 1000) -> AsyncIterator[Log]:
    host = Host(capacity)
    async with host.run_test(size=size) as pilot:
        host.query_one(LogView).focus()
        yield Log(pilot, host)


def numbered(first: int, last: int) -> list[str]:
    return [f"line {n}" for n in range(first, last)]


async def test_view_follows_the_end() -> None:
    async with log() as it:
        await it.add(*numbered(0, 100))
        assert it.seen() == [f"line {n}" for n in range(95, 100)]
        await it.add("one more")
        assert it.seen()[-1] == "one more"


async def test_scrolling_up_ends_following_and_a_pill_counts_what_comes() -> None:
    async with log() as it:
        await it.add(*numbered(0, 100))
        await it.pilot.press("up")
        await it.pilot.pause()
        assert not it.view.follow
        before = it.seen()
        await it.add(*numbered(100, 412))
        assert it.seen()[:-1] == before[:-1]
        assert "+312 lines (G)" in it.seen()[-1]


async def test_capital_g_follows_again() -> None:
    async with log() as it:
        await it.add(*numbered(0, 100))
        await it.pilot.press("up")
        await it.add("new")
        await it.pilot.press("G")
        await it.pilot.pause()
        assert it.view.follow
        assert it.seen()[-1] == "new"
        assert it.view.unseen == 0


async def test_click_on_the_pill_follows_again() -> None:
    async with log() as it:
        await it.add(*numbered(0, 100))
        await it.pilot.press("up")
        await it.add("new")
        await it.pilot.click(it.view, offset=(25, 4))
        await it.pilot.pause()
        assert it.view.follow


async def test_scrolling_back_down_to_the_end_follows_again() -> None:
    async with log() as it:
        await it.add(*numbered(0, 100))
        await it.pilot.press("up")
        await it.add("new")
        await it.pilot.press("down", "down")
        await it.pilot.pause()
        assert it.view.follow


async def test_reader_stays_at_their_line_while_the_ring_turns() -> None:
    async with log(capacity=100) as it:
        await it.add(*numbered(0, 100))
        await it.pilot.press("up")
        await it.pilot.pause()
        before = it.seen()
        await it.add(*numbered(100, 150))
        assert it.book.total == 100
        assert it.seen()[:-1] == before[:-1]


async def test_wrapped_lines_are_whole_and_keep_the_top_line() -> None:
    async with log(size=(10, 6)) as it:
        await it.add("abcdefghijKLMNOPQRSTuv", "short")
        it.view.set_wrap(True)
        await it.pilot.pause()
        assert it.seen()[:4] == ["abcdefghij", "KLMNOPQRST", "uv", "short"]
        it.view.set_wrap(False)
        await it.pilot.pause()
        assert it.seen()[0] == "abcdefghi…"


async def test_wrapping_follows_too() -> None:
    async with log(size=(10, 4)) as it:
        it.view.set_wrap(True)
        await it.add(*["x" * 25] * 20)
        await it.add("the end")
        width = it.view.scrollable_content_region.width
        assert it.seen()[-2:] == ["x" * (25 % width), "the end"]


async def test_resizing_wraps_anew() -> None:
    async with log(size=(20, 6)) as it:
        it.view.set_wrap(True)
        await it.add("abcdefghijklmnopqrst")
        await it.pilot.resize_terminal(10, 6)
        await it.pilot.pause()
        assert it.seen()[:2] == ["abcdefghij", "klmnopqrst"]


async def test_long_lines_scroll_sideways_and_following_keeps_the_column() -> None:
    async with log(size=(10, 4)) as it:
        await it.add("0123456789abcdefghij", *numbered(0, 10))
        await it.pilot.press("right", "right", "right")
        await it.pilot.pause()
        column = it.view.scroll_offset.x
        assert column > 0
        await it.add("0123456789ABCDEFGHIJ")
        assert it.view.scroll_offset.x == column
        width = it.view.scrollable_content_region.width
        assert it.seen()[-1] == "0123456789ABCDEFGHIJ"[column : column + width - 1] + "…"  # and goes on


async def test_replicas_stand_before_their_lines_once_there_are_several() -> None:
    async with log() as it:
        await it.add(LogLine("a", "w-0"))
        assert it.seen()[0] == "a"
        it.book.extend([LogLine("b", "w-10")])
        it.view.lines_replaced()
        await it.pilot.pause()
        assert it.seen()[:2] == ["w-0  │ a", "w-10 │ b"]


async def test_timestamps_are_shown_when_asked() -> None:
    async with log(size=(40, 3)) as it:
        await it.add(LogLine("x", "", "2026-01-02T03:04:05.678901Z"))
        assert it.seen()[0] == "x"
        it.view.show_timestamps(True)
        assert it.seen()[0] == "03:04:05.678  x"


async def test_gap_is_a_line_across() -> None:
    async with log(size=(30, 3)) as it:
        await it.add(LogLine("reconnected after 12s", kind=Kind.GAP))
        assert it.seen()[0].startswith("──── reconnected after 12s ──")


async def test_level_stands_out_and_the_line_stays_plain() -> None:
    async with log(size=(60, 3)) as it:
        await it.add("ERROR it broke")
        texts = [(segment.text, segment.style) for segment in it.view.render_line(0)]
        assert texts[0][0] == "ERROR"
        assert texts[0][1] is not None
        assert texts[0][1].bold
        assert not (texts[1][1] and texts[1][1].bold)


async def test_fifty_thousand_lines_draw_only_what_is_seen() -> None:
    async with log(capacity=50_000, size=(30, 10)) as it:
        drawn: list[int] = []
        line = it.view.line

        def counted(index: int) -> Iterable[Segment]:
            drawn.append(index)
            return line(index)

        it.view.line = counted  # type: ignore[method-assign]
        await it.add(*numbered(0, 50_000))
        assert it.seen()[-1] == "line 49999"
        assert min(drawn) >= 49_980


async def test_text_selected_with_the_mouse_is_what_was_under_it() -> None:
    async with log(size=(30, 5)) as it:
        await it.add("first line", "second line", "third line")
        await it.pilot.mouse_down(it.view, offset=(6, 0))
        await it.pilot.hover(it.view, offset=(5, 1))
        await it.pilot.mouse_up(it.view, offset=(5, 1))
        assert it.pilot.app.screen.get_selected_text() == "line\nsecond"


async def test_selection_reaches_beyond_what_is_scrolled_away() -> None:
    async with log(size=(30, 5)) as it:
        await it.add(*numbered(0, 100))
        it.view.text_select_all()
        text = it.pilot.app.screen.get_selected_text()
        assert text is not None
        assert text.splitlines() == numbered(0, 100)
