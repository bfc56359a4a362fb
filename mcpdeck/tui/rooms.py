"""The places of the deck and the ways between them. Knows what is shown, and nothing of why."""

from abc import abstractmethod
from typing import TYPE_CHECKING, cast

from textual.dom import DOMNode
from textual.widgets import ContentSwitcher

from mcpdeck.model.commands import View
from mcpdeck.model.state import State
from mcpdeck.model.trail import Trail, Visit
from mcpdeck.tui.surroundings import Opening, Surroundings
from mcpdeck.tui.telling import TellingApp
from mcpdeck.tui.views.adapters import AdaptersView
from mcpdeck.tui.views.place import Place
from mcpdeck.tui.widgets.prompt import Prompt

if TYPE_CHECKING:  # the first frame needs none of them
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


class RoomsApp(TellingApp):
    """Everything stands in the lowest screen; what is opened above it is a dialog."""

    state: State

    def __init__(self, surroundings: Surroundings, opening: Opening, *, ansi_color: bool | None) -> None:
        super().__init__(surroundings, opening, ansi_color=ansi_color)
        self._trail = Trail(View.ADAPTERS)

    @abstractmethod
    def show_shell(self) -> None:
        """Draw what stands around the place."""

    @abstractmethod
    def arrived(self) -> None:
        """Another place is shown, or the gateway is there again: what the place alone needs is to be read."""

    # Places

    @property
    def root(self) -> DOMNode:
        """What lies under every dialog."""
        return self.screen_stack[0]

    @property
    def place(self) -> Place:
        """Where the reader is."""
        current = self.root.query_one(ContentSwitcher).visible_content
        assert isinstance(current, Place)  # noqa: S101  (the switcher holds nothing else)
        return current

    def _place_of(self, view: View) -> Place:
        return self.root.query_one(f"#{view}", Place)  # type: ignore[type-abstract]

    @property
    def events_view(self) -> "EventsView":
        return cast("EventsView", self._place_of(View.EVENTS))

    @property
    def adapters_view(self) -> AdaptersView:
        return self.root.query_one(AdaptersView)

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
        return self.root.query_one(Prompt)

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

    # Going

    def go(self, view: View) -> None:
        """Show a place, and remember where one was."""
        if view is not self.place.view:
            self._trail.leave(self.place.spot)
            self._trail.arrive(view)
            self._show_place(view)
        self.place.focus_content()
        self.show_shell()

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
        self.show_shell()
        return True

    def _show_place(self, view: View) -> None:
        self.root.query_one(ContentSwitcher).current = view
        self.place.show_state(self.state)
        self.arrived()
