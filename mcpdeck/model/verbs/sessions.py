"""What can be done with live sessions. Data only."""

from typing import Final

from mcpdeck.model.commands import SESSION_VIEWS, TRAFFIC_VIEWS, Command, Need, Takes, View

_ONE: Final = frozenset({Need.SESSION})
_WHERE: Final = (*SESSION_VIEWS, *TRAFFIC_VIEWS)

COMMANDS: Final = (
    Command(
        id="session.describe",
        title="Describe",
        area="session",
        keys=("d",),
        views=(View.SESSIONS, *TRAFFIC_VIEWS),
        words=("session",),
        usage="ID",
        takes=Takes.SESSION,
        footer=14,
        needs=_ONE,
        help="Client, user, era, instance, traffic.",
    ),
    Command(
        id="session.end",
        title="End",
        area="session",
        keys=("ctrl+d",),
        views=_WHERE,
        words=("end",),
        usage="ID",
        takes=Takes.SESSION,
        footer=11,
        needs=frozenset({Need.SESSION, Need.END, Need.GATEWAY}),
        help="Its client must begin anew; asks first.",
    ),
    Command(
        id="session.drain",
        title="Drain",
        area="session",
        keys=("D",),
        views=_WHERE,
        words=("drain",),
        usage="ID",
        takes=Takes.SESSION,
        needs=frozenset({Need.SESSION, Need.END, Need.GATEWAY}),
        help="End it once its calls are answered.",
    ),
    Command(
        id="session.adapter",
        title="Adapter",
        area="session",
        keys=("o",),
        views=_WHERE,
        footer=12,
        needs=_ONE,
        help="Open the adapter it talks with.",
    ),
    Command(
        id="session.logs",
        title="Logs",
        area="session",
        keys=("l",),
        views=_WHERE,
        footer=13,
        needs=_ONE,
        help="Follow its adapter's log.",
    ),
    Command(
        id="session.copy-id",
        title="Copy id",
        area="session",
        keys=("c",),
        views=_WHERE,
        needs=_ONE,
        help="The id to the clipboard.",
    ),
)
