"""The main views by number. Data only."""

from typing import Final

from mcpdeck.model.commands import EVERY_VIEW, Command, Takes, View

_NUMBERED: Final = tuple(view for view in EVERY_VIEW if view is not View.LOGS)  # where the digits choose a time

COMMANDS: Final = (
    Command(
        id="view.adapters",
        title="Adapters",
        area="view",
        keys=("1",),
        views=_NUMBERED,
        words=("adapters", "ad"),
        usage="/FILTER",
        help="Every adapter you may read, live.",
    ),
    Command(
        id="view.sessions",
        title="Sessions",
        area="view",
        keys=("3",),
        views=_NUMBERED,
        words=("sessions", "se"),
        usage="NAME /FILTER",
        takes=Takes.ADAPTER,
        help="Who talks with which adapter, live.",
    ),
    Command(
        id="view.logs",
        title="Logs",
        area="view",
        keys=("5",),
        views=_NUMBERED,
        words=("logs", "lo"),
        usage="NAME /FILTER",
        takes=Takes.ADAPTER,
        help="A log, every replica merged.",
    ),
    Command(
        id="view.contexts",
        title="Contexts",
        area="view",
        keys=("8",),
        views=_NUMBERED,
        words=("contexts",),
        usage="/FILTER",
        help="The gateways you know; which answers.",
    ),
    Command(
        id="view.pulse",
        title="Pulse",
        area="view",
        keys=("9",),
        views=_NUMBERED,
        words=("pulse",),
        help="How busy, how well, who talks most.",
    ),
    Command(
        id="view.events",
        title="Events",
        area="view",
        views=_NUMBERED,
        words=("events",),
        usage="/FILTER",
        help="Every change, as it is told.",
    ),
    Command(
        id="view.audit",
        title="Audit",
        area="view",
        views=_NUMBERED,
        words=("audit",),
        usage="/FILTER",
        help="What was done from here, as commands.",
    ),
)
