"""What can be done with live sessions. Data only."""

from typing import Final

from mcpdeck.model.commands import SESSION_VIEWS, Command, Need, Takes, View

_ONE: Final = frozenset({Need.SESSION})

COMMANDS: Final = (
    Command(
        id="session.describe",
        title="Open",
        area="session",
        keys=("enter", "d"),
        views=(View.SESSIONS,),
        words=("session",),
        usage="ID",
        takes=Takes.SESSION,
        footer=1,
        needs=_ONE,
        help="Client, user, era, instance, traffic.",
    ),
    Command(
        id="session.end",
        title="End",
        area="session",
        keys=("ctrl+d",),
        views=SESSION_VIEWS,
        words=("end",),
        usage="ID",
        takes=Takes.SESSION,
        footer=2,
        needs=frozenset({Need.SESSION, Need.END, Need.GATEWAY}),
        dangerous=True,
        help="Its client must begin anew; asks first.",
    ),
    Command(
        id="session.adapter",
        title="Adapter",
        area="session",
        keys=("o",),
        views=SESSION_VIEWS,
        footer=3,
        needs=_ONE,
        help="Open the adapter it talks with.",
    ),
    Command(
        id="session.logs",
        title="Logs",
        area="session",
        keys=("l",),
        views=SESSION_VIEWS,
        footer=4,
        needs=_ONE,
        help="Follow its adapter's log.",
    ),
    Command(
        id="session.copy-id",
        title="Copy id",
        area="session",
        keys=("c",),
        views=SESSION_VIEWS,
        needs=_ONE,
        help="The id to the clipboard.",
    ),
)
