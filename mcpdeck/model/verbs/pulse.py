"""Where the pulse leads. Data only."""

from typing import Final

from mcpdeck.model.commands import Command, View

_HERE: Final = (View.PULSE,)

COMMANDS: Final = (
    Command(
        id="pulse.faults",
        title="Faults",
        area="view",
        keys=("f",),
        views=_HERE,
        footer=1,
        help="The adapters that are degraded or failed.",
    ),
    Command(
        id="pulse.busy",
        title="Busy sessions",
        area="view",
        keys=("b",),
        views=_HERE,
        footer=2,
        help="The sessions with calls under way.",
    ),
    Command(
        id="pulse.events",
        title="Events",
        area="view",
        keys=("e",),
        views=_HERE,
        footer=3,
        help="Every change, as it is told.",
    ),
    Command(
        id="pulse.audit",
        title="Audit",
        area="view",
        keys=("a",),
        views=_HERE,
        footer=4,
        help="What was done from here, as commands.",
    ),
)
