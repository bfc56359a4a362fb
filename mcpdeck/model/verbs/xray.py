"""The tree of what is behind what. Data only."""

from typing import Final

from mcpdeck.model.commands import ADAPTER_VIEWS, SESSION_VIEWS, TOOL_VIEWS, Command, Takes, View

_HERE: Final = (View.XRAY,)

COMMANDS: Final = (
    Command(
        id="view.xray",
        title="X-ray",
        area="view",
        words=("xray",),
        usage="NAME /FILTER",
        takes=Takes.REACHED,
        help="What is behind what, down to sessions.",
    ),
    Command(
        id="xray.here",
        title="X-ray",
        area="view",
        keys=("x",),
        views=(*ADAPTER_VIEWS, *SESSION_VIEWS, *TOOL_VIEWS, View.PULSE),
        help="What is behind this one, as a tree.",
    ),
    Command(
        id="xray.open",
        title="Unfold",
        area="view",
        keys=("enter",),
        views=_HERE,
        footer=1,
        help="Unfold it, or fold it; open a leaf.",
    ),
    Command(
        id="xray.describe",
        title="Describe",
        area="view",
        keys=("d",),
        views=_HERE,
        footer=2,
        help="The adapter, session or tool in words.",
    ),
    Command(
        id="xray.logs",
        title="Logs",
        area="view",
        keys=("l",),
        views=_HERE,
        footer=3,
        help="Follow the log of its adapter.",
    ),
    Command(
        id="xray.end",
        title="End",
        area="view",
        keys=("ctrl+d",),
        views=_HERE,
        footer=4,
        help="End the session, delete the adapter.",
    ),
    Command(
        id="xray.all",
        title="All",
        area="view",
        keys=("a",),
        views=_HERE,
        footer=5,
        help="Unfold everything, or fold it.",
    ),
    Command(
        id="xray.whole",
        title="Whole",
        area="view",
        keys=("w",),
        views=_HERE,
        footer=6,
        help="The whole gateway, not one part of it.",
    ),
)
