"""What clients and adapters say to each other, as it flows or as it was recorded. Opens no stream itself."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from gateway.wire.traffic import Kind, TrafficMessage
from mcpdeck.logbook import Inbox
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.traffic import telling
from mcpdeck.traffic.filter import FIELDS, Filter, fixed_values, values_of
from mcpdeck.traffic.kept import missing
from mcpdeck.traffic.ledger import Exchange, Ledger
from mcpdeck.traffic.parts import PartName
from mcpdeck.traffic.rows import Grouping, Row, arranged
from mcpdeck.traffic.telling import Whose
from mcpdeck.traffic.wishes import ALL, Coming, From, Gap, Wish
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.traffic_stream import TrafficStream
from mcpdeck.tui.views.exchange import ExchangePane
from mcpdeck.tui.views.place import Place, toggle_words
from mcpdeck.tui.widgets.part_line import TitleLine
from mcpdeck.tui.widgets.row_table import RowTable
from mcpdeck.tui.widgets.traffic_table import TrafficTable

FLUSH_SECONDS: Final = 0.1
SPLIT: Final = 120  # columns from which an exchange has room beside the rows


class TrafficView(Place):
    view = View.TRAFFIC
    BINDINGS: ClassVar[list[BindingType]] = bindings_of(View.TRAFFIC)

    class Wanted(Message):
        """Another's traffic is to be listened to."""

    def __init__(self, *, glyphs: Glyphs, clock: Callable[[], datetime]) -> None:
        super().__init__(id=View.TRAFFIC)
        self._glyphs = glyphs
        self._clock = clock
        self._state = State()
        self._rows: list[Row] = []
        self._filter = Filter("")
        self._filter_error = ""
        self._drawn = -1  # the ledger's generation that the rows are of
        self._has_many = False  # sessions
        self._shown = 0  # exchanges
        self._whose = Whose()
        self._lost = 0
        self.wish: Wish | None = None
        self.ledger = Ledger()
        self.inbox: Inbox[Coming] = Inbox(self._messages_wait)
        self.standing = ""  # how the stream stands, in words
        self.kept = ""  # how much a recording holds, and where
        self.stream: TrafficStream | None = None  # the last that was listened to
        self.grouping = Grouping.CALL
        self.is_paused = False
        self.wants_split = True
        self.revealed: dict[int, TrafficMessage] = {}
        self.reveals_until: datetime | None = None

    def compose(self) -> ComposeResult:
        yield TitleLine(classes="-first")
        yield TitleLine(classes="-last", id="traffic-toggles")
        with Horizontal(classes="split"):
            yield TrafficTable(glyphs=self._glyphs, clock=self._now, naming=self._who, placing=self._where)
            with Vertical(classes="beside"):
                yield ExchangePane(glyphs=self._glyphs, clock=self._now, has_cursor=False)
        yield Static(classes="empty", markup=False)

    def _now(self) -> datetime:
        """In a recording it is when the last of it was said: what waited for an answer then waits no longer."""
        is_recorded = self.wish is not None and self.wish.recorded
        last = self._ends[-1].begun if is_recorded and self._ends else None
        return last.at if last is not None else self._clock()

    @property
    def _ends(self) -> Sequence[Row]:
        """The first and the last row that have a time."""
        first = next((row for row in self._rows if row.begun is not None), None)
        last = next((row for row in reversed(self._rows) if row.begun is not None), None)
        return (first, last) if first is not None and last is not None else ()

    # What it offers

    @property
    def table(self) -> TrafficTable:
        return self.query_one(TrafficTable)

    @property
    def pane(self) -> ExchangePane:
        return self.query_one(ExchangePane)

    @property
    def current(self) -> Exchange | None:
        row = self.table.current
        return row.exchange if row is not None else None

    @property
    def chosen(self) -> list[Exchange]:
        """The marked ones, else the one under the cursor."""
        marked = self.table.marked
        found = {row.exchange.key: row.exchange for row in self.table.shown if row.key in marked and row.exchange}
        return list(found.values()) or ([self.current] if self.current is not None else [])

    @property
    def shown(self) -> list[Exchange]:
        """All that the filter keeps, in the order in which they came."""
        found = {row.exchange.key: row.exchange for row in self._rows if row.exchange is not None}
        return [found[key] for key in sorted(found)]

    @property
    def of_adapter(self) -> str:
        return self.wish.adapter if self.wish is not None else ""

    @property
    def of_session(self) -> str:
        return self.wish.session if self.wish is not None else ""

    @property
    def is_of_all(self) -> bool:
        return self.wish == ALL

    @property
    def adapter_names(self) -> Sequence[str]:
        if self.of_adapter:
            return [self.of_adapter]
        return [self.current.first.adapter] if self.current is not None else []

    @property
    def session_ids(self) -> Sequence[str]:
        wanted = self.wish.session if self.wish is not None else ""
        if not wanted and self.current is not None:
            wanted = self.current.first.session
        return [wanted] if wanted in self._state.sessions else []

    @property
    def crumb(self) -> str:
        if self.wish is None:
            return ""
        return self.wish.session[:8] or self.wish.adapter

    @property
    def spot(self) -> Hashable:
        return self.wish

    def revisit(self, spot: Hashable, state: State) -> None:  # noqa: ARG002
        if isinstance(spot, Wish):
            self.open(spot)

    def focus_content(self) -> None:
        self.screen.set_focus(self.table)

    def show_state(self, state: State) -> None:
        if state.context != self._state.context:
            self.wish = None
            self._forget()
        self._state = state
        self._whose.sessions = state.sessions
        if self.display:
            self._tell()

    # Whose traffic

    def open(self, wish: Wish) -> None:
        """Show this from now on; what another left is gone."""
        if wish == self.wish:
            return
        self.wish = wish
        self._forget()
        self._tell()
        self.post_message(self.Wanted())

    def stand(self, standing: str) -> None:
        if standing != self.standing:
            self.standing = standing
            if self.is_mounted:
                self._tell()

    def _forget(self) -> None:
        self.ledger.clear()
        self.inbox = Inbox(self._messages_wait)
        self.standing, self.kept, self.stream = "", "", None
        self._lost = 0
        self.is_paused = False
        self.hide_revealed()
        self._rows, self._drawn, self._shown = [], -1, 0
        self._whose.forget()
        self.table.forget()

    @property
    def dropped(self) -> int:
        return self._lost + self.inbox.dropped

    @property
    def is_refused(self) -> bool:
        """Whether the gateway did not want to tell it; who comes back to it asks again."""
        return self.standing.startswith("refused")

    @property
    def is_over(self) -> bool:
        """Nothing more comes, however long one listens."""
        return telling.is_over(self.standing)

    # Messages

    def _messages_wait(self) -> None:
        self.set_timer(FLUSH_SECONDS, self.flush)

    def flush(self) -> None:
        """Take in what came since the last time, all at once."""
        for item in self.inbox.take():
            match item:
                case Gap(sentence=sentence, count=lost):
                    self._lost += lost
                    self.ledger.rule(sentence)
                case From(process=process):
                    self.ledger.hear_from(process)
                case message:
                    self._take(message)
        if not self.is_paused:
            self._arrange()
        self._tell()

    def _take(self, message: TrafficMessage) -> None:
        exchange = self.ledger.take(message)
        if exchange is not None:
            exchange.is_kept = self._filter.keeps_any(exchange.messages)

    def _arrange(self) -> None:
        if self._drawn == self.ledger.generation:
            return
        self._drawn = self.ledger.generation
        before = self._rows[0].key if self._rows else ""
        self._rows = arranged(self.ledger, self.grouping, lambda exchange: self._whose.head(exchange.first))
        known = {row.exchange.first.session for row in self._rows[-200:] if row.exchange is not None}
        self._has_many = len(known) > 1 and self.grouping is not Grouping.SESSION
        self._shown = len({row.exchange.key for row in self._rows if row.exchange is not None})
        is_new_front = bool(before) and bool(self._rows) and self._rows[0].key != before
        fallen = 0
        if is_new_front:
            fallen = next((n for n, row in enumerate(self.table.shown) if row.key == self._rows[0].key), 0)
        self.table.show_rows(self._rows, fallen=fallen)
        self._show_beside()

    def _again(self) -> None:
        """Rows are arranged anew, whatever they are made of."""
        self._drawn = -1
        self._arrange()
        self._tell()

    def show_recorded(self, messages: Sequence[TrafficMessage], kept: str) -> None:
        """All that there is, from the beginning: each replica numbers by itself. kept: how much it is, and where."""
        replica = ""
        for message in messages:
            if message.kind is Kind.GAP:
                self.ledger.rule(missing(message))
                continue
            if message.replica != replica:
                replica = message.replica
                self.ledger.hear_from(replica)
            self._take(message)
        self.standing, self.kept = "complete", kept
        self._again()
        self.table.set_follow(False)

    def mark_time(self) -> None:
        self.ledger.rule(f"{self._clock().astimezone():%H:%M:%S}", is_gap=False)
        self._again()

    def clear(self) -> None:
        self.ledger.clear()
        self._again()

    # Looking

    @property
    def filter_fields(self) -> Sequence[str]:
        return FIELDS

    def filter_values(self, field: str) -> Iterable[str]:
        if known := fixed_values(field):
            return known
        return sorted({values_of(field, message) for each in self.ledger.exchanges for message in each.messages})

    def apply_filter(self, text: str) -> None:
        """While a term is still being typed it may mean nothing; then the last one that did stays."""
        try:
            self._filter, self._filter_error = Filter(text), ""
        except ValueError as error:
            self._filter_error = str(error)
            self._tell()
            return
        for exchange in self.ledger.exchanges:
            exchange.is_kept = self._filter.keeps_any(exchange.messages)
        self.table.look_for(self._filter.bare_words)
        self._again()

    def turn_grouping(self) -> None:
        order = list(Grouping)
        self.grouping = order[(order.index(self.grouping) + 1) % len(order)]
        self._again()

    def toggle_pause(self) -> None:
        self.is_paused = not self.is_paused
        if not self.is_paused:
            self._again()
        self._tell()

    def toggle_split(self) -> None:
        self.wants_split = not self.wants_split
        self._fit_split()

    @property
    def is_split(self) -> bool:
        return self.has_class("-split")

    def on_resize(self) -> None:
        self._fit_split()

    def _fit_split(self) -> None:
        self.set_class(self.wants_split and self.size.width >= SPLIT, "-split")
        self._show_beside()

    def show_part(self, part: PartName) -> None:
        self.pane.show_part(part)

    def pair_jump(self, step: int) -> bool:
        """To the row before or after this one that belongs to the same call. False if there is none."""
        here = self.table.current
        if here is None or here.exchange is None:
            return False
        rows, root = self.table.shown, here.exchange.root
        at = next(place for place, row in enumerate(rows) if row.key == here.key)
        places = range(at + 1, len(rows)) if step > 0 else range(at - 1, -1, -1)
        for place in places:
            exchange = rows[place].exchange
            if exchange is not None and exchange.root is root:
                return self.table.go_to(rows[place].key)
        return False

    def go_to_time(self, at: datetime) -> None:
        """To the first row that is not before it."""
        timed = [row for row in self.table.shown if row.begun is not None]
        found = next(
            (row for row in timed if row.begun is not None and row.begun.at >= at), timed[-1] if timed else None
        )
        if found is not None:
            self.table.set_follow(False)
            self.table.go_to(found.key)

    @property
    def time_here(self) -> datetime | None:
        """Of the row under the cursor; a line between rows is where the row before it is, else the one after it."""
        rows, at = self.table.shown, self.table.place
        near = chain(reversed(rows[: at + 1]), rows[at + 1 :])
        return next((row.begun.at for row in near if row.begun is not None), None)

    def step_time(self, step: timedelta) -> None:
        if (here := self.time_here) is not None:
            self.go_to_time(here + step)

    # Revealing

    def reveal(self, message: TrafficMessage) -> None:
        self.revealed[message.number] = message
        self._show_beside()

    def hide_revealed(self) -> None:
        self.revealed.clear()
        self.reveals_until = None

    def forget_revealed_lines(self) -> None:
        self._show_beside()

    # Telling

    def tick(self) -> None:
        if self.display:
            self.table.refresh_ages()
            if self.current is not None and self.current.is_waiting:
                self._show_beside()
            if self.reveals_until is not None:
                self._tell()

    @on(RowTable.CursorMoved)
    def _show_beside(self) -> None:
        if self.is_split:
            self.pane.show(self.current, self.revealed)
        self._tell()

    def _who(self, exchange: Exchange) -> str:
        """Whose exchange it is, where there are several whose it may be."""
        return self._whose.name(exchange.first) if self._has_many else ""

    def _where(self, exchange: Exchange) -> str:
        """At which adapter it was, where that differs."""
        return exchange.first.adapter if self.is_of_all else ""

    @on(RowTable.Arranged)
    @on(RowTable.Marked)
    @on(TrafficTable.FollowChanged)
    def _tell(self) -> None:
        shown, held = self._shown, len(self.ledger)
        wish = self.wish
        session = self._state.sessions.get(wish.session) if wish is not None else None
        left = [
            *telling.heading(wish, session),
            Part(f"   {count(shown)}" if shown == held else f"   {count(shown)} of {count(held)}", Tone.ACCENT),
        ]
        left += self._filter_parts()
        if self._filter_error:
            left.append(Part(f"   {self._filter_error}", Tone.BAD))
        self.title_line.show(
            left,
            telling.standing_parts(
                self.standing,
                dropped=self.dropped,
                fallen=self.ledger.fallen,
                is_paused=self.is_paused,
                glyphs=self._glyphs,
            ),
        )
        table = self.table
        toggles: dict[str, object] = {"by": str(self.grouping)}
        if wish is not None and not wish.recorded:
            toggles = {"follow": table.follow, "paused": self.is_paused, **toggles}
        words = toggle_words(**toggles)
        if self.kept:
            words.append(Part(f"   {self.kept}", Tone.DIM))
        if table.marked:
            words.append(
                Part(f"   {self._glyphs.mark} {count(len(table.marked))} marked", Tone.ACCENT, "traffic.unmark")
            )
        if self.reveals_until is not None:
            left_seconds = max(0, round((self.reveals_until - self._clock()).total_seconds()))
            words.append(Part(f"   secrets shown for {left_seconds}s", Tone.WARN, "traffic.reveal"))
        words[0] = Part(words[0].text.removeprefix(" "), words[0].tone)
        self.query_one("#traffic-toggles", TitleLine).show(words, self._position())
        self._tell_emptiness(held)

    def _position(self) -> Parts:
        timed, here = [row.begun.at for row in self._ends if row.begun is not None], self.time_here
        if len(timed) < 2 or here is None:
            return ()
        wide = 24 if self.size.width >= SPLIT else 10
        return telling.position(timed[0], timed[1], here, wide=wide, glyphs=self._glyphs)

    def _tell_emptiness(self, held: int) -> None:
        empty = self.query_one(".empty", Static)
        empty.display = is_empty = not self._rows
        self.query_one(".split").set_class(is_empty, "-empty")
        if is_empty:
            empty.update(telling.nothing(self.wish, self.standing, held=held))
