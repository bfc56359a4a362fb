"""What clients and adapters say to each other, as it flows or as it was recorded. Opens no stream itself."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import ClassVar, Final

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Horizontal, Vertical
from textual.message import Message
from textual.widgets import Static

from gateway.wire.traffic import TrafficMessage
from mcpdeck.logbook import Inbox
from mcpdeck.model import sessions
from mcpdeck.model.commands import View
from mcpdeck.model.formatting import count
from mcpdeck.model.shell import Part, Parts
from mcpdeck.model.state import State
from mcpdeck.model.words import Glyphs, Tone
from mcpdeck.traffic.columns import clock_time
from mcpdeck.traffic.filter import FIELDS, Filter, fixed_values, values_of
from mcpdeck.traffic.ledger import Exchange, Ledger
from mcpdeck.traffic.parts import PartName
from mcpdeck.traffic.rows import Grouping, Row, arranged
from mcpdeck.traffic.wishes import ALL, Coming, From, Gap, Wish
from mcpdeck.tui.bindings import bindings_of
from mcpdeck.tui.traffic_stream import TrafficStream
from mcpdeck.tui.views.exchange import ExchangePane
from mcpdeck.tui.views.place import Place, titled, toggle_words
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
        self._names: dict[str, str] = {}  # of sessions, which outlive them
        self._lost = 0
        self.wish: Wish | None = None
        self.ledger = Ledger()
        self.inbox: Inbox[Coming] = Inbox(self._messages_wait)
        self.standing = ""  # how the stream stands, in words
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
        last = self._rows[-1].begun if self._rows and self.wish is not None and self.wish.recorded else None
        return last.at if last is not None else self._clock()

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
        self.standing, self.stream = "", None
        self._lost = 0
        self.is_paused = False
        self.hide_revealed()
        self._rows, self._drawn, self._shown = [], -1, 0
        self._names.clear()
        self.table.forget()

    @property
    def dropped(self) -> int:
        return self._lost + self.inbox.dropped

    @property
    def is_over(self) -> bool:
        """Nothing more comes, however long one listens."""
        return self.standing.startswith(("ended", "refused", "complete"))

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
        self._rows = arranged(self.ledger, self.grouping, self._session_head)
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

    def show_recorded(self, messages: Sequence[TrafficMessage]) -> None:
        """All that there is, from the beginning."""
        for message in messages:
            self._take(message)
        self.standing = "complete"
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
        row = self.table.current
        return row.begun.at if row is not None and row.begun is not None else None

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
            if self.current is not None and self.current.is_open:
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
        if not self._has_many:
            return ""
        session = self._state.sessions.get(exchange.first.session)
        if session is not None:
            name = " ".join(session.client_name.split()) or sessions.user(session)
            self._names[session.id] = name
        return self._names.get(exchange.first.session) or exchange.first.session[:8]

    def _where(self, exchange: Exchange) -> str:
        """At which adapter it was, where that differs."""
        return exchange.first.adapter if self.is_of_all else ""

    def _session_head(self, exchange: Exchange) -> str:
        first = exchange.first
        session = self._state.sessions.get(first.session)
        who = f"{sessions.client(session)}  {sessions.user(session)}" if session is not None else first.principal
        return " ".join(f"{first.session[:8] or 'no session'}  {who}".split())

    @on(RowTable.Arranged)
    @on(RowTable.Marked)
    @on(TrafficTable.FollowChanged)
    def _tell(self) -> None:
        shown, held = self._shown, len(self.ledger)
        left = [
            *self._heading(),
            Part(f"   {count(shown)}" if shown == held else f"   {count(shown)} of {count(held)}", Tone.ACCENT),
        ]
        left += self._filter_parts()
        if self._filter_error:
            left.append(Part(f"   {self._filter_error}", Tone.BAD))
        self.title_line.show(left, self._standing_parts())
        table = self.table
        toggles: dict[str, object] = {"by": str(self.grouping)}
        if self.wish is not None and not self.wish.recorded:
            toggles = {"follow": table.follow, "paused": self.is_paused, **toggles}
        words = toggle_words(**toggles)
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

    def _heading(self) -> list[Part]:
        wish = self.wish
        if wish is None:
            return titled("Traffic")
        whose = wish.adapter or "all adapters"
        parts = [*titled("Recording" if wish.recorded else "Traffic"), Part(f" of {whose}", Tone.STRONG)]
        if wish.session:
            session = self._state.sessions.get(wish.session)
            who = f"  {sessions.client(session)}" if session is not None else ""
            era = f" {session.era}" if session is not None else ""
            parts.append(Part(f"   {wish.session[:8]}{era}{who}", Tone.PLAIN, "session.describe"))
        return parts

    def _standing_parts(self) -> Parts:
        parts = []
        if self.dropped:
            warn = "!" if self._glyphs.cursor == ">" else "⚠"
            parts.append(Part(f"{warn} {count(self.dropped)} dropped   ", Tone.WARN))
        if self.ledger.fallen:
            parts.append(Part(f"{count(self.ledger.fallen)} older gone   ", Tone.DIM))
        standing = "paused" if self.is_paused else self.standing
        tone = (
            Tone.OK if standing in {"live", "complete"} else Tone.WARN if self.is_over or self.is_paused else Tone.BUSY
        )
        return [*parts, Part(f"{standing} ", tone)]

    def _position(self) -> Parts:
        """From when to when, and where in between the cursor is."""
        timed = [row.begun.at for row in (*self._rows[:1], *self._rows[-1:]) if row.begun is not None]
        here = self.time_here
        if len(timed) < 2 or here is None:
            return ()
        first, last = timed
        wide = 24 if self.size.width >= SPLIT else 10
        share = (here - first) / (last - first) if last > first else 1.0
        at = max(0, min(wide - 1, round(share * (wide - 1))))
        rule = self._glyphs.rule
        dot = "o" if self._glyphs.cursor == ">" else "●"
        told = f" {rule * at}{dot}{rule * (wide - 1 - at)} "
        return [
            Part(clock_time(first, is_fine=False), Tone.DIM),
            Part(told, Tone.ACCENT),
            Part(f"{clock_time(last, is_fine=False)} ", Tone.DIM),
        ]

    def _tell_emptiness(self, held: int) -> None:
        empty = self.query_one(".empty", Static)
        is_empty = not self._rows
        empty.display = is_empty
        self.query_one(".split").set_class(is_empty, "-empty")
        if is_empty:
            empty.update(self._nothing(held))

    def _nothing(self, held: int) -> str:
        wish = self.wish
        if wish is None:
            return "Whose traffic?\n\n4 shows that of all adapters, Enter names one."
        if held:
            return "Nothing matches. Esc clears the filter."
        if self.standing.startswith("refused"):
            return f"{self.standing.removeprefix('refused: ').capitalize()}.\n\nctrl+r asks again."
        if wish.recorded:
            return f"Nothing is recorded of {wish.adapter} yet."
        if self.standing != "live":
            return self.standing.capitalize() or "Connecting…"
        whose = f"session {wish.session[:8]}" if wish.session else wish.adapter or "any adapter"
        more = "Enter names one adapter." if self.is_of_all else "4 shows that of all adapters."
        return f"Nothing has passed at {whose} since you look.\n\nA message shows here as soon as it is sent. {more}"
