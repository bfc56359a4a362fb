"""The deck: how it begins, which gateway it looks at, and the way from an event to the screen.

The places and the ways between them are in `rooms`, the way from a key to a command in `orders`, what a command does in
`actions`; what the deck knows is in `model.state`, how it hears of changes in `feed`, what it tells in `telling`.
"""

import asyncio
import os
from abc import abstractmethod
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, ClassVar, Final

from msgspec.structs import replace
from textual import events, on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.filter import LineFilter
from textual.widgets import ContentSwitcher, Static

from gateway.wire.resources import Adapter
from mcpdeck.errors import Unreachable
from mcpdeck.model.commands import PARENTS, View
from mcpdeck.model.contexts import ContextEntry
from mcpdeck.model.deeds import Deed
from mcpdeck.model.form import Entries
from mcpdeck.model.formatting import duration
from mcpdeck.model.prompt import Misunderstood, Order, parse, resolve
from mcpdeck.model.shell import banner, foot, masthead, strip
from mcpdeck.model.state import DeckEvent, State, reduce_all
from mcpdeck.model.trail import Trail
from mcpdeck.tui.bindings import global_bindings
from mcpdeck.tui.connection import Connection
from mcpdeck.tui.keystrokes import part_from_escape
from mcpdeck.tui.orders import OrdersApp
from mcpdeck.tui.patience import Patience
from mcpdeck.tui.surroundings import Opening, Surroundings
from mcpdeck.tui.themes import DEFAULTS
from mcpdeck.tui.views.adapters import AdaptersView
from mcpdeck.tui.views.place import Place
from mcpdeck.tui.widgets.ascii_lines import AsciiLines
from mcpdeck.tui.widgets.part_line import PartLine
from mcpdeck.tui.widgets.prompt import Prompt
from mcpdeck.tui.widgets.row_table import RowTable

if TYPE_CHECKING:  # the first frame needs none of them
    from mcpdeck.client import GatewayClient
    from mcpdeck.tui.tail import Tail
    from mcpdeck.tui.views.logs import LogsView

FLUSH_SECONDS: Final = 0.1  # what comes within it is drawn at once
BREATH_SECONDS: Final = 0.05  # for the frame to get out: imports beside the thread that writes it hold it up
OF_ONE_GATEWAY: Final = ("log", "bench", "call", "definition")  # what would go on with another's answers
ASLEEP_SECONDS: Final = 20.0  # without a tick, of which there is one a second
SMALLEST: Final = (60, 15)


class Deck(OrdersApp):
    """One gateway at a time. State changes in one place, `apply`, and is shown in one, `show_state`."""

    TITLE = "mcpdeck"
    CSS_PATH = "styles.tcss"
    BINDINGS: ClassVar[list[BindingType]] = global_bindings()
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  (as Textual types it)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012  (as Textual types it)

    def __init__(self, surroundings: Surroundings, opening: Opening) -> None:
        no_color = "NO_COLOR" in os.environ
        super().__init__(surroundings, opening, ansi_color=True if no_color else None)
        if no_color:
            os.environ["NO_COLOR"] = "1"  # Textual takes it out, and an editor should see it too
        self._ascii = AsciiLines()
        here = opening.context
        self.state = State(context=here.name, url=here.url, contexts={here.name: ContextEntry(context=here)})
        self.draft = Entries()
        self._connection = Connection(surroundings, self.apply)
        self._log_patience = Patience(surroundings.random)
        self._tail: Tail | None = None
        self._pending: list[DeckEvent] = []
        self._flush_due = False
        self._wanted_row = ""
        self._ticked_at: datetime | None = None
        self.keymap = surroundings.keymap
        for theme in self.themes.values():
            self.register_theme(theme)
        self.set_keymap({name: ",".join(keys) for name, keys in self.keymap.changed.items()})
        part_from_escape(self.keymap)
        self.animation_level = "none"
        wanted = "mono" if no_color else opening.theme
        self.theme = wanted if wanted in self.themes else "dark"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULTS)

    def get_line_filters(self) -> Sequence[LineFilter]:
        """What Textual draws with is for terminals with Unicode too."""
        filters = super().get_line_filters()
        return [*filters, self._ascii] if self.opening.ascii else filters

    def compose(self) -> ComposeResult:
        yield PartLine(id="masthead")
        yield PartLine(id="strip")
        yield PartLine(id="banner")
        with ContentSwitcher(initial=View.ADAPTERS):
            yield AdaptersView(glyphs=self.glyphs, clock=self.surroundings.clock)
        yield Prompt(self._ways, self._hint)
        yield PartLine(id="foot")
        yield Static("This terminal is too small.\n60 columns and 15 rows show something.", id="too-small")

    # Beginning

    def on_mount(self) -> None:
        cache, opening = self.surroundings.cache, self.opening
        if cache and (restored := cache.restore(opening.context.name)):
            self.state = reduce_all(self.state, [restored])
        self.show_state()
        self.place.focus_content()
        drawn = asyncio.Event()
        # Not in the deck's own queue: a command that is typed this early waits there until every place stands.
        self.screen.call_after_refresh(drawn.set)
        self.begin(self._begin, drawn, group="begin")

    async def _begin(self, drawn: asyncio.Event) -> None:
        """After the first frame: only now do the other places stand up, and does anything of the client's load."""
        await drawn.wait()
        await asyncio.sleep(BREATH_SECONDS)
        await asyncio.to_thread(self.load)
        if not self.is_running:
            return  # on the way out
        from mcpdeck.tui.places import OTHER_PLACES

        switcher = self.root.query_one(ContentSwitcher)
        for kind in OTHER_PLACES:
            await switcher.add_content(kind(glyphs=self.glyphs, clock=self.surroundings.clock))
        self._is_whole.set()
        opening = self.opening
        self._connect()
        self.begun()
        self.set_interval(1.0, self._tick)
        for complaint in self.surroundings.complaints:
            self.say(complaint, "error")
        if opening.view is not View.ADAPTERS:
            self._set_out(opening)
        elif opening.filter:
            self.adapters_view.set_filter(opening.filter)

    def _set_out(self, opening: Opening) -> None:
        word = "describe" if opening.view is View.DETAIL else opening.view
        match parse(f"{word} {opening.adapter}"):
            case Misunderstood(sentence):
                self.say(sentence, "warning")
            case Order() as order:
                self._awaited = replace(order, filter=opening.filter or None)
                self._arrive()

    def _arrive(self) -> None:
        """Go where the command line wants to, once what it names is there, or is known not to be."""
        order = self._awaited
        if order is not None and (self.state.is_whole or isinstance(resolve(order, self.state), Order)):
            self.obey(order)

    def _connect(self) -> None:
        self.begin(self._connection.stay, self.state.context, group="feed")

    @property
    def is_connected(self) -> bool:
        return self._connection.client is not None

    @property
    def client(self) -> "GatewayClient":
        """Of the present context. Raises Unreachable while there is none: it is being opened, or can not be."""
        if self._connection.client is None:
            raise Unreachable(f"there is no connection to {self.state.context} yet")
        return self._connection.client

    def is_with(self, client: "GatewayClient") -> bool:
        """Whether its answers still are those of the gateway that is looked at."""
        return self._connection.client is client

    def switch(self, context: str) -> None:
        """Look at another gateway; nothing of this one stays on the screen."""
        self._remember()
        self._tail = None
        for group in OF_ONE_GATEWAY:
            self.workers.cancel_group(self, group)
        self.state = self.state.elsewhere(context)
        self._pending.clear()
        self._refused.clear()
        self._awaited = None
        self._connection.hurry()
        if (cache := self.surroundings.cache) and (restored := cache.restore(context)):
            self.state = reduce_all(self.state, [restored])
        self.go(View.ADAPTERS)
        self._trail = Trail(View.ADAPTERS)
        self.show_state()
        self._connect()

    def retry(self) -> None:
        """Everything anew: a stream that looks alive may be dead."""
        self._connection.hurry()
        self._connect()
        self._follow_log()

    def on_unmount(self) -> None:
        self._remember()

    def _remember(self) -> None:
        if cache := self.surroundings.cache:
            try:
                cache.save(self.state)
            except OSError as error:
                self.say(f"what is shown could not be kept for the next start: {error}", "warning")

    # Events

    def apply(self, event: DeckEvent) -> None:
        """Take in what happened; what comes within a tenth of a second is drawn at once."""
        self._pending.append(event)
        self._flush_soon()

    def _flush_soon(self) -> None:
        if not self._flush_due:
            self._flush_due = True
            self.set_timer(FLUSH_SECONDS, self._take_in)

    def _take_in(self) -> None:
        self._flush_due = False
        if not self.is_running:
            return  # on the way out
        if not self._is_whole.is_set():
            self._flush_soon()
            return
        pending, self._pending = self._pending, []
        before, self.state = self.state, reduce_all(self.state, pending)
        if before.is_stale and not self.state.is_stale:
            self._log_patience.hurry()
            if self._tail is not None and before.fresh_at and self._tail.is_silent_since(before.fresh_at):
                self._follow_log()  # it may have died with the other, and can not know
            self.arrived()
        self.events_view.hear(self.state.news)
        if self.state.unreadable:
            self.say_once(f"{self.state.unreadable}; what is shown of it is older")
        self.show_state()
        self._arrive()
        if self._wanted_row and self.adapters_view.table.go_to(self._wanted_row):
            self._wanted_row = ""

    def _tick(self) -> None:
        if self.is_running:
            self._wake_up()
            self.show_shell()
            self.place.tick()

    def _wake_up(self) -> None:
        """Where this machine slept, streams that look alive are most often dead, and nobody has noticed."""
        before, self._ticked_at = self._ticked_at, self.surroundings.clock()
        if before is not None and (still := (self._ticked_at - before).total_seconds()) > ASLEEP_SECONDS:
            self.say(f"the deck stood still for {duration(still)}, and asks the gateway anew")
            self.retry()

    def look_at(self, name: str) -> None:
        """Put the cursor on an adapter as soon as it is there."""
        self._wanted_row = name

    def sessions_of(self, adapters: Iterable[Adapter]) -> int:
        return sum(self.state.sessions_of(adapter.name) for adapter in adapters)

    def on_logs_view_wanted(self, event: "LogsView.Wanted") -> None:
        from mcpdeck.tui.tail import Tail

        view = self.logs_view
        patience, clock = self._log_patience, self.surroundings.clock
        self._tail = Tail(event.wish, view.inbox, view.stand, clock=clock, patience=patience)
        self._follow_log()

    def _follow_log(self) -> None:
        """In place of whoever follows it now."""
        if self._tail is not None and not self._tail.is_over:
            self._log_patience.hurry()
            self.begin(self._tail.follow, lambda: self._connection.client, group="log")

    # Showing

    def show_state(self) -> None:
        for place in self.query(Place):  # type: ignore[type-abstract]
            place.show_state(self.state)
        self.show_shell()

    def show_shell(self) -> None:
        if not self.is_running:
            return  # on the way out
        root = self.root
        width, view = self.size.width, self.place.view
        now = self.surroundings.clock()
        head = masthead(self.state, now=now, glyphs=self.glyphs, width=width, read_only=self.opening.read_only)
        root.query_one("#masthead", PartLine).show(*head)
        main, crumb = PARENTS.get(view, view), self.place.crumb
        tabs = strip(main, crumb=crumb, width=width, glyphs=self.glyphs, keymap=self.keymap)
        root.query_one("#strip", PartLine).show(tabs)
        told = banner(self.state)
        root.query_one("#banner", PartLine).display = told is not None
        root.query_one("#banner", PartLine).show(*(told or ((), ())))
        root.query_one("#foot", PartLine).show(foot(view, width=width, obstacle=self.obstacle, keymap=self.keymap))

    @on(RowTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self.show_shell()

    def on_resize(self, event: events.Resize) -> None:
        too_small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.screen_stack[0].set_class(too_small, "-too-small")
        self.show_shell()

    # What the app adds

    @abstractmethod
    def load(self) -> None:
        """Import what the first frame does without. In a thread: a key that is pressed meanwhile need not wait."""

    @abstractmethod
    def begun(self) -> None:
        """The first frame stands; whatever else is to be read may be."""

    @abstractmethod
    def record(self, deed: Deed) -> None:
        """Something was done from here, or failed."""
