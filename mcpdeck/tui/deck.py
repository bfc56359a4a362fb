"""The deck: its shell, the places in it, and the way from an event or a key to the screen.

What a key does is in `actions`, what the deck knows in `model.state`, how it hears of changes in `feed`.
"""

import asyncio
import os
import time
from abc import abstractmethod
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Final, cast

from msgspec.structs import replace
from textual import events, on
from textual.app import App, ComposeResult
from textual.binding import BindingType
from textual.dom import DOMNode
from textual.notifications import SeverityLevel
from textual.screen import ModalScreen, Screen
from textual.widget import AwaitMount, Widget
from textual.widgets import ContentSwitcher, Input, Static
from textual.worker import Worker, WorkerState

from gateway.wire.resources import Adapter
from mcpdeck.model.commands import PARENTS, Command, Situation, Takes, View, obstacle
from mcpdeck.model.contexts import ContextEntry
from mcpdeck.model.deeds import Deed
from mcpdeck.model.filters import go_on
from mcpdeck.model.form import Entries
from mcpdeck.model.prompt import Misunderstood, Order, complete, parse, resolve
from mcpdeck.model.registry import BY_ID
from mcpdeck.model.shell import banner, foot, masthead, strip
from mcpdeck.model.state import DeckEvent, State, reduce_all
from mcpdeck.model.trail import Trail, Visit
from mcpdeck.model.words import ASCII, UNICODE
from mcpdeck.tui.bindings import global_bindings
from mcpdeck.tui.connection import Connection
from mcpdeck.tui.patience import Patience
from mcpdeck.tui.surroundings import Opening, Surroundings
from mcpdeck.tui.themes import DEFAULTS
from mcpdeck.tui.views.adapters import AdaptersView
from mcpdeck.tui.views.place import Place
from mcpdeck.tui.widgets.part_line import PartLine
from mcpdeck.tui.widgets.prompt import Mode, Prompt
from mcpdeck.tui.widgets.row_table import RowTable

if TYPE_CHECKING:  # the first frame needs none of them
    from mcpdeck.client import GatewayClient
    from mcpdeck.tui.views.audit import AuditView
    from mcpdeck.tui.views.detail import DetailView
    from mcpdeck.tui.views.doctor import DoctorView
    from mcpdeck.tui.views.events import EventsView
    from mcpdeck.tui.views.exchange import ExchangeView
    from mcpdeck.tui.views.lines_place import LinesPlace
    from mcpdeck.tui.views.logs import LogsView
    from mcpdeck.tui.views.playground import PlaygroundView
    from mcpdeck.tui.views.session import SessionView
    from mcpdeck.tui.views.sessions import SessionsView
    from mcpdeck.tui.views.table_place import TablePlace
    from mcpdeck.tui.views.tool import ToolView
    from mcpdeck.tui.views.tools import ToolsView
    from mcpdeck.tui.views.traffic import TrafficView
    from mcpdeck.tui.views.xray import XrayView

FLUSH_SECONDS: Final = 0.1  # what comes within it is drawn at once
BREATH_SECONDS: Final = 0.05  # for the frame to get out: imports beside the thread that writes it hold it up
SMALLEST: Final = (60, 15)
QUIT_SECONDS: Final = 2.0
OPENS: Final = {  # by a second click on a row
    View.ADAPTERS: "adapter.describe",
    View.SESSIONS: "session.traffic",
    View.TRAFFIC: "traffic.open",
    View.TOOLS: "tool.describe",
    View.APPROVALS: "approval.describe",
    View.CONTEXTS: "context.switch",
    View.AUDIT: "deed.describe",
    View.XRAY: "xray.open",
}


class Deck(App[None]):
    """One gateway at a time. State changes in one place, `apply`, and is shown in one, `_show`."""

    TITLE = "mcpdeck"
    CSS_PATH = "styles.tcss"
    BINDINGS: ClassVar[list[BindingType]] = global_bindings()
    VERTICAL_BREAKPOINTS = [(0, "-short"), (30, "-tall")]  # noqa: RUF012  (as Textual types it)
    HORIZONTAL_BREAKPOINTS = [(0, "-narrow"), (100, "-normal"), (160, "-wide")]  # noqa: RUF012  (as Textual types it)

    def __init__(self, surroundings: Surroundings, opening: Opening) -> None:
        no_color = "NO_COLOR" in os.environ
        super().__init__(ansi_color=True if no_color else None)
        if no_color:
            os.environ["NO_COLOR"] = "1"  # Textual takes it out, and an editor should see it too
        self.surroundings = surroundings
        self.opening = opening
        self.glyphs = ASCII if opening.ascii else UNICODE
        here = opening.context
        self.state = State(context=here.name, url=here.url, contexts={here.name: ContextEntry(context=here)})
        self.draft = Entries()
        self._connection = Connection(surroundings, self.apply)
        self._log_patience = Patience(surroundings.random)
        self._pending: list[DeckEvent] = []
        self._flush_due = False
        self._refused: dict[tuple[str, str], str] = {}
        self._trail = Trail(View.ADAPTERS)
        self._wanted_row = ""
        self._awaited: Order | None = None  # where the command line wants to, until what it names has arrived
        self._opening: tuple[Screen[Any], AwaitMount] | None = None
        self._quit_asked = 0.0
        self._said_once: set[str] = set()
        self.keymap, self.themes = surroundings.keymap, surroundings.themes
        for theme in self.themes.values():
            self.register_theme(theme)
        self.set_keymap({name: ",".join(keys) for name, keys in self.keymap.changed.items()})
        self.animation_level = "none"
        wanted = "mono" if no_color else opening.theme
        self.theme = wanted if wanted in self.themes else "dark"

    def get_theme_variable_defaults(self) -> dict[str, str]:
        return dict(DEFAULTS)

    def compose(self) -> ComposeResult:
        yield PartLine(id="masthead")
        yield PartLine(id="strip")
        yield PartLine(id="banner")
        with ContentSwitcher(initial=View.ADAPTERS):
            yield AdaptersView(glyphs=self.glyphs, clock=self.surroundings.clock)
        yield Prompt(self._complete)
        yield PartLine(id="foot")
        yield Static("This terminal is too small.\n60 columns and 15 rows show something.", id="too-small")

    # Beginning

    def on_mount(self) -> None:
        self._own_loop = asyncio.get_running_loop()
        self._is_whole = asyncio.Event()  # every place stands; a command that came before waits for it
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

        switcher = self._root.query_one(ContentSwitcher)
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

    def begin[*Arguments](
        self,
        work: Callable[[*Arguments], Coroutine[None, None, None]],
        *arguments: *Arguments,
        group: str,
        exclusive: bool = True,
    ) -> Worker[None]:
        """Run it in a worker. exclusive: instead of what of its group is still under way."""
        # As a function: a coroutine that is cancelled before its first step would never have been awaited.
        bound: Callable[[], Coroutine[None, None, None]] = partial(work, *arguments)
        return self.run_worker(bound, group=group, exclusive=exclusive, exit_on_error=False)

    @property
    def is_connected(self) -> bool:
        return self._connection.client is not None

    @property
    def client(self) -> "GatewayClient":
        """Of the present context. Commands that need it are barred while there is none."""
        assert self._connection.client is not None  # noqa: S101
        return self._connection.client

    def switch(self, context: str) -> None:
        """Look at another gateway; nothing of this one stays on the screen."""
        self._remember()
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
        self._log_patience.hurry()
        self._connect()

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
        self.state = reduce_all(self.state, pending)
        self.events_view.hear(self.state.news)
        self.show_state()
        self._arrive()
        if self._wanted_row and self.adapters_view.table.go_to(self._wanted_row):
            self._wanted_row = ""

    def _tick(self) -> None:
        if self.is_running:
            self._show_shell()
            self.place.tick()

    # Showing

    def show_state(self) -> None:
        for place in self.query(Place):  # type: ignore[type-abstract]
            place.show_state(self.state)
        self._show_shell()

    def _show_shell(self) -> None:
        if not self.is_running:
            return  # on the way out
        root = self._root
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

    @property
    def _root(self) -> DOMNode:
        return self.screen_stack[0]

    @property
    def place(self) -> Place:
        """Where the reader is."""
        current = self._root.query_one(ContentSwitcher).visible_content
        assert isinstance(current, Place)  # noqa: S101  (the switcher holds nothing else)
        return current

    def _place_of(self, view: View) -> Place:
        return self._root.query_one(f"#{view}", Place)  # type: ignore[type-abstract]

    @property
    def events_view(self) -> "EventsView":
        return cast("EventsView", self._place_of(View.EVENTS))

    @property
    def adapters_view(self) -> AdaptersView:
        return self._root.query_one(AdaptersView)

    @property
    def sessions_view(self) -> "SessionsView":
        return cast("SessionsView", self._place_of(View.SESSIONS))

    @property
    def session_view(self) -> "SessionView":
        return cast("SessionView", self._place_of(View.SESSION))

    @property
    def traffic_view(self) -> "TrafficView":
        return cast("TrafficView", self._place_of(View.TRAFFIC))

    @property
    def exchange_view(self) -> "ExchangeView":
        return cast("ExchangeView", self._place_of(View.EXCHANGE))

    @property
    def logs_view(self) -> "LogsView":
        return cast("LogsView", self._place_of(View.LOGS))

    @property
    def tools_view(self) -> "ToolsView":
        return cast("ToolsView", self._place_of(View.TOOLS))

    @property
    def playground_view(self) -> "PlaygroundView":
        return cast("PlaygroundView", self._place_of(View.PLAYGROUND))

    @property
    def tool_view(self) -> "ToolView":
        return cast("ToolView", self._place_of(View.TOOL))

    @property
    def detail_view(self) -> "DetailView":
        return cast("DetailView", self._place_of(View.DETAIL))

    @property
    def prompt(self) -> Prompt:
        return self._root.query_one(Prompt)

    @property
    def xray_view(self) -> "XrayView":
        return cast("XrayView", self._place_of(View.XRAY))

    @property
    def audit_view(self) -> "AuditView":
        return cast("AuditView", self._place_of(View.AUDIT))

    @property
    def doctor_view(self) -> "DoctorView":
        return cast("DoctorView", self._place_of(View.DOCTOR))

    @property
    def lines_place(self) -> "LinesPlace":
        """The place that is shown. Commands that need it are barred where it shows no lines."""
        from mcpdeck.tui.views.lines_place import LinesPlace

        assert isinstance(self.place, LinesPlace)  # noqa: S101
        return self.place

    @property
    def table_place(self) -> "TablePlace[object]":
        """The place that is shown. Commands that need it are barred where it is no table."""
        from mcpdeck.tui.views.table_place import TablePlace

        assert isinstance(self.place, TablePlace)  # noqa: S101
        return self.place

    def look_at(self, name: str) -> None:
        """Put the cursor on an adapter as soon as it is there."""
        self._wanted_row = name

    def sessions_of(self, adapters: Iterable[Adapter]) -> int:
        return sum(self.state.sessions_of(adapter.name) for adapter in adapters)

    # Going

    def go(self, view: View) -> None:
        """Show a place, and remember where one was."""
        if view is not self.place.view:
            self._trail.leave(self.place.spot)
            self._trail.arrive(view)
            self._show_place(view)
        self.place.focus_content()
        self._show_shell()

    def back(self) -> None:
        """The filter first, then the way one came. Never out."""
        if self.place.filter_text:
            self.place.set_filter("")
        elif not self.travel(-1) and self.place.view is not View.ADAPTERS:
            self.go(View.ADAPTERS)

    def travel(self, step: int) -> bool:
        """To where one was before, or after that. False if there is no such place."""
        self._trail.leave(self.place.spot)
        return self._revisit(self._trail.step(step))

    def travel_last(self) -> None:
        """To the place before this one, and with the same key back again."""
        self._trail.leave(self.place.spot)
        self._revisit(self._trail.turn())

    def _revisit(self, visit: Visit | None) -> bool:
        if visit is None:
            return False
        self._show_place(visit.view)
        self.place.revisit(visit.spot, self.state)
        self.place.focus_content()
        self._show_shell()
        return True

    def _show_place(self, view: View) -> None:
        self._root.query_one(ContentSwitcher).current = view
        self.place.show_state(self.state)
        self.arrived()

    # Commands

    def obstacle(self, command: Command, target: str = "") -> str:
        """Why it can not run now, in words; empty when it can. target: what it was told to act on."""
        place = self.place
        adapter, session = next(iter(place.adapter_names), ""), next(iter(place.session_ids), "")
        if target and command.takes is Takes.ADAPTER:
            adapter = target
        if target and command.takes is Takes.SESSION:
            session = target
        from mcpdeck.model.tools import find as find_tools

        rows = find_tools(self.state, target) if target and command.takes is Takes.TOOL else place.tool_rows
        row, held = next(iter(rows), None), next(iter(place.approval_ids), "")
        context = target if target and command.takes is Takes.CONTEXT else next(iter(place.context_names), "")
        situation = Situation(
            state=self.state,
            view=place.view,
            adapter=self.state.adapters.get(adapter),
            session=self.state.sessions.get(session),
            tool=row.tool if row else None,
            tool_name=row.registered if row else target if command.takes is Takes.TOOL else "",
            approval=next((each for each in self.state.approvals if each.id == held), None),
            context=context,
            refused=self._refused,
            read_only=self.opening.read_only,
        )
        return obstacle(command, situation)

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """A key is a command only where it is not typed into something, and nothing stands above the deck."""
        if action == "run":
            is_typed_into = _is_typed_into(self.focused)
            while_typing = bool(parameters) and BY_ID[str(parameters[0])].while_typing
            return len(self.screen_stack) == 1 and (while_typing or not is_typed_into)
        return super().check_action(action, parameters)

    async def action_run(self, command_id: str) -> None:
        """What every key, click and palette entry comes down to."""
        await self._is_whole.wait()
        self.obey(Order(command=BY_ID[command_id]))
        await self._settled()

    async def _settled(self) -> None:
        """What a command opened is there, so that the next key finds it."""
        opening, self._opening = self._opening, None
        if opening is not None and opening[0] in self.screen_stack:  # one that is closed by now would never be there
            await opening[1]

    def open_above[Answer](self, screen: ModalScreen[Answer], answered: Callable[[Answer | None], None]) -> None:
        """Open a dialog above the deck."""
        self._opening = screen, self.push_screen(screen, answered)

    def obey_text(self, text: str) -> None:
        """What was typed after `:`."""
        match parse(text):
            case Misunderstood(sentence):
                self.say(sentence, "warning")
            case Order() as order:
                self.obey(order)

    def obey(self, order: Order) -> None:
        self._awaited = None  # whoever goes elsewhere meanwhile is not called back
        if order.context:
            self.switch(order.context)
        match resolve(order, self.state):
            case Misunderstood(sentence):
                self.say(sentence, "warning")
            case Order() as sure:
                if why := self.obstacle(sure.command, next(iter(sure.arguments), "")):
                    self.say(f"{sure.command.title}: {why}", "warning")
                else:
                    self.perform(sure)

    @abstractmethod
    def load(self) -> None:
        """Import what the first frame does without. In a thread: a key that is pressed meanwhile need not wait."""

    @abstractmethod
    def begun(self) -> None:
        """The first frame stands; whatever else is to be read may be."""

    @abstractmethod
    def arrived(self) -> None:
        """Another place is shown: what it alone needs is to be read."""

    @abstractmethod
    def record(self, deed: Deed) -> None:
        """Something was done from here, or failed."""

    @abstractmethod
    def perform(self, order: Order) -> None:
        """Do it. Nothing stands in its way."""

    def refuse(self, command: Command, target: str, sentence: str) -> None:
        """The gateway does not allow it: the verb stays dim for this target, and says why."""
        self._refused[command.id, target] = sentence
        self._show_shell()

    def _complete(self, mode: Mode, text: str) -> str | None:
        if mode == "/":
            place = self.place
            return go_on(text, place.filter_fields, place.filter_values)
        return complete(text, values=self._values, history=self.prompt.history)

    def _values(self, kind: Takes) -> Iterable[str]:
        match kind:
            case Takes.ADAPTER:
                return self.state.adapters
            case Takes.SESSION:
                return self.state.sessions
            case Takes.THEME:
                return self.themes
            case Takes.CONTEXT:
                return self.state.contexts
            case Takes.ENDPOINT:
                own = (f"/mcp/{toolset.name}" for toolset in self.state.catalogue.toolsets)
                return ["/mcp", *own, *self.state.adapters]
            case Takes.TOOL:
                return [offer.name for offer in self.state.catalogue.offers]
            case Takes.REACHED:
                return [*self.state.adapters, *(offer.name for offer in self.state.catalogue.offers)]
            case Takes.TOOLSET:
                return [toolset.name for toolset in self.state.catalogue.toolsets]

    @on(Prompt.Submitted)
    async def _typed(self, event: Prompt.Submitted) -> None:
        self.place.focus_content()
        if event.mode == "/":
            self.place.set_filter(event.text)
            self.place.lifted_filter = ""
        elif event.text:
            await self._is_whole.wait()
            self.obey_text(event.text)
            await self._settled()

    @on(Prompt.Typed)
    def _filtering(self, event: Prompt.Typed) -> None:
        self.place.set_filter(event.text)

    @on(Prompt.Cancelled)
    def _cancelled(self, event: Prompt.Cancelled) -> None:
        self.place.focus_content()
        if event.mode == "/":
            self.place.set_filter(event.original)

    @on(RowTable.CursorMoved)
    def _cursor_moved(self) -> None:
        self._show_shell()

    @on(RowTable.Opened)
    async def _row_opened(self) -> None:
        await self._is_whole.wait()
        self.obey(Order(command=BY_ID[OPENS[self.place.view]]))

    def on_logs_view_wanted(self, event: "LogsView.Wanted") -> None:
        from mcpdeck.tui.tail import Tail

        view = self.logs_view
        tail = Tail(event.wish, view.inbox, view.stand, clock=self.surroundings.clock, patience=self._log_patience)
        self.begin(tail.follow, lambda: self._connection.client, group="log")

    # Telling

    def say(self, sentence: str, severity: SeverityLevel = "information") -> None:
        """A toast. What it says may come from a server, so it is never markup."""
        self.notify(sentence, severity=severity, timeout=8 if severity == "error" else 5, markup=False)

    def say_once(self, sentence: str) -> None:
        """A toast that comes a single time while this deck is open."""
        if sentence not in self._said_once:
            self._said_once.add(sentence)
            self.say(sentence, "warning")

    def call_from_anywhere(self, call: Callable[..., None], *arguments: object) -> None:
        """Run it on the deck's loop, soon. Safe from every thread; nothing waits for it."""
        if not self._own_loop.is_closed():
            self._own_loop.call_soon_threadsafe(call, *arguments)

    def copy(self, text: str, what: str) -> None:
        """To the clipboard: this machine's own, or through the terminal where the reader sits elsewhere."""
        if text:
            self.begin(self._copy, text, what, group="copy", exclusive=False)

    async def _copy(self, text: str, what: str) -> None:
        """What does not fit a terminal's clipboard is not cut, it is refused."""
        if await asyncio.to_thread(self.surroundings.clipboard.take, text):
            self._clipboard = text
        elif sequence := self.surroundings.clipboard.sequence(text):
            self._clipboard = text
            if self._driver is not None:
                self._driver.write(sequence)
        else:
            self.say(f"{what}: more than a terminal's clipboard takes; save it to a file", "warning")
            return
        self.say(f"copied {what}")

    def copy_to_clipboard(self, text: str) -> None:
        """Textual's own copying of a selection goes the same way."""
        self.copy(text, "the selection")

    def action_help_quit(self) -> None:
        """ctrl+c: twice within two seconds leaves."""
        now = time.monotonic()
        if now - self._quit_asked < QUIT_SECONDS:
            self.exit()
        self._quit_asked = now
        self.say("ctrl+c again leaves")

    def on_resize(self, event: events.Resize) -> None:
        too_small = event.size.width < SMALLEST[0] or event.size.height < SMALLEST[1]
        self.screen_stack[0].set_class(too_small, "-too-small")
        self._show_shell()

    @on(Worker.StateChanged)
    def _worker_changed(self, event: Worker.StateChanged) -> None:
        """A worker that fails is a defect of the deck; it is told, and the deck goes on."""
        if event.state is WorkerState.ERROR:
            error = event.worker.error
            self.log.error(error)
            self.say(f"a defect of the deck: {type(error).__name__}: {error}", "error")


def _is_typed_into(widget: Widget | None) -> bool:
    """Text areas by their name: what they load would be loaded before the first frame, and there is none yet."""
    return isinstance(widget, Input) or any(kind.__name__ == "TextArea" for kind in type(widget).__mro__)
