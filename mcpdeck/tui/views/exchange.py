"""One exchange: request, response, headers, as written, when. Changes nothing."""

from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from datetime import datetime
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Vertical

from gateway.wire.traffic import TrafficMessage
from mcpdeck.model.commands import View
from mcpdeck.model.folding import FoldLine, foldable, wrapped
from mcpdeck.model.shell import Part
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.traffic.columns import standing, status_text, took
from mcpdeck.traffic.ledger import Exchange, name_of
from mcpdeck.traffic.parts import PartName, part_lines, value_of
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.views.place import Place, titled
from mcpdeck.tui.widgets.fold_view import FoldView
from mcpdeck.tui.widgets.part_line import PartLine, TitleLine

SHALLOW = 2  # what is deeper folds at once when all is folded


class ExchangePane(Vertical):
    """The parts of an exchange under their names."""

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime], has_cursor: bool) -> None:
        super().__init__()
        self._glyphs = glyphs
        self._clock = clock
        self._has_cursor = has_cursor
        self._exchange: Exchange | None = None
        self._shown: tuple[int, PartName] | None = None
        self._folded: set[str] = set()
        self._revealed: Mapping[int, TrafficMessage] = {}
        self.part = PartName.REQUEST

    def compose(self) -> ComposeResult:
        yield PartLine(classes="parts")
        yield FoldView(self._fold, has_cursor=self._has_cursor)

    def on_mount(self) -> None:
        self.lines.can_focus = self._has_cursor

    @property
    def lines(self) -> FoldView:
        return self.query_one(FoldView)

    def show(self, exchange: Exchange | None, revealed: Mapping[int, TrafficMessage]) -> None:
        self._exchange, self._revealed = exchange, revealed
        self.draw()

    def show_part(self, part: PartName) -> None:
        self.part = part
        self.draw()

    def turn(self, step: int) -> None:
        order = list(PartName)
        self.show_part(order[(order.index(self.part) + step) % len(order)])

    def turn_folds(self) -> None:
        """All open, or all that is deeper folded."""
        if self._folded:
            self._folded.clear()
        elif self._exchange is not None:
            value = value_of(self._seen(self._exchange), self.part)
            self._folded = {path for path, depth in foldable(value) if depth >= SHALLOW}
        self.draw()

    def draw(self) -> None:
        self._show_names()
        exchange = self._exchange
        key = (exchange.key, self.part) if exchange is not None else None
        is_new = key != self._shown
        if is_new:
            self._folded.clear()
            self._shown = key
        lines: Iterable[FoldLine] = (
            part_lines(self._seen(exchange), self.part, folded=self._folded, now=self._clock(), glyphs=self._glyphs)
            if exchange is not None
            else ()
        )
        if self._has_cursor:  # without one they wrap by themselves
            width = self.lines.scrollable_content_region.width
            lines = (piece for line in lines for piece in wrapped(line, width))
        self.lines.show(lines, is_new=is_new)

    def _seen(self, exchange: Exchange) -> Exchange:
        """With what is revealed now in place of what is hidden."""
        if not any(message.number in self._revealed for message in exchange.messages):
            return exchange
        seen = Exchange(exchange.key, self._open(exchange.first), exchange.parent)
        seen.children = exchange.children
        if exchange.response is not None:
            seen.response = self._open(exchange.response)
        return seen

    def _open(self, message: TrafficMessage) -> TrafficMessage:
        """What another process of the gateway gave the same number is another message."""
        found = self._revealed.get(message.number, message)
        return found if found.at == message.at else message

    def _fold(self, path: str) -> None:
        self._folded ^= {path}
        self.draw()

    def _show_names(self) -> None:
        parts = []
        for name in PartName:
            is_here = name is self.part
            parts.append(Part(f" {name} ", Tone.ACCENT if is_here else Tone.DIM, f"traffic.{name.lower()}"))
        self.query_one(PartLine).show(parts)


class ExchangeView(Place):
    view = View.EXCHANGE
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.EXCHANGE)

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.EXCHANGE)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._exchange: Exchange | None = None
        self._revealed: Mapping[int, TrafficMessage] = {}

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first -last")
        yield ExchangePane(glyphs=self._glyphs, clock=self._clock, has_cursor=True)

    @property
    def pane(self) -> ExchangePane:
        return self.query_one(ExchangePane)

    @property
    def exchange(self) -> Exchange | None:
        return self._exchange

    @property
    def of_adapter(self) -> str:
        return next(iter(self.adapter_names), "")

    @property
    def adapter_names(self) -> Sequence[str]:
        return [self._exchange.first.adapter] if self._exchange is not None else []

    @property
    def session_ids(self) -> Sequence[str]:
        known = self._exchange is not None and self._exchange.first.session in self._state.sessions
        return [self._exchange.first.session] if self._exchange is not None and known else []

    @property
    def crumb(self) -> str:
        return name_of(self._exchange.first) if self._exchange is not None else ""

    @property
    def spot(self) -> Hashable:
        return self._exchange

    def revisit(self, spot: Hashable, state: State) -> None:
        if isinstance(spot, Exchange):
            self._state = state
            self.open(spot, self._revealed)

    def open(self, exchange: Exchange, revealed: Mapping[int, TrafficMessage]) -> None:
        self._exchange, self._revealed = exchange, revealed
        self._draw()

    def focus_content(self) -> None:
        self.screen.set_focus(self.pane.lines)

    def apply_filter(self, text: str) -> None:
        self.pane.lines.mark(text)
        if text:
            self.pane.lines.find()
        self._tell()

    def show_state(self, state: State) -> None:
        self._state = state

    def tick(self) -> None:
        self._draw()

    def _draw(self) -> None:
        if self.display and self._exchange is not None:
            self.pane.show(self._exchange, self._revealed)
            self._tell()

    def _tell(self) -> None:
        exchange = self._exchange
        if exchange is None:
            return
        first = exchange.first
        title = [*titled(name_of(first)), Part(f" at {first.adapter}", Tone.DIM), *self._filter_parts()]
        told = [Part(f"{status_text(exchange, self._glyphs)} ", standing(exchange).tone)]
        if lasts := took(exchange, self._clock()):
            told.append(Part(f" {lasts} ", Tone.PLAIN))
        self.title_line.show(title, told)
