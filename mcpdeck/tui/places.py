"""Every place of the deck but the first, which alone is needed for the first frame. Draws nothing."""

from typing import Final

from mcpdeck.tui.views.approvals import ApprovalsView
from mcpdeck.tui.views.audit import AuditView
from mcpdeck.tui.views.contexts import ContextsView
from mcpdeck.tui.views.detail import DetailView
from mcpdeck.tui.views.doctor import DoctorView
from mcpdeck.tui.views.events import EventsView
from mcpdeck.tui.views.exchange import ExchangeView
from mcpdeck.tui.views.logs import LogsView
from mcpdeck.tui.views.playground import PlaygroundView
from mcpdeck.tui.views.pulse import PulseView
from mcpdeck.tui.views.session import SessionView
from mcpdeck.tui.views.sessions import SessionsView
from mcpdeck.tui.views.tool import ToolView
from mcpdeck.tui.views.tools import ToolsView
from mcpdeck.tui.views.traffic import TrafficView
from mcpdeck.tui.views.xray import XrayView

OTHER_PLACES: Final = (
    ToolsView,
    SessionsView,
    TrafficView,
    LogsView,
    PlaygroundView,
    ContextsView,
    PulseView,
    EventsView,
    AuditView,
    DoctorView,
    SessionView,
    ExchangeView,
    DetailView,
    ToolView,
    ApprovalsView,
    XrayView,
)
