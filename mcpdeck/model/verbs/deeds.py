"""What can be done with what was done. Data only."""

from typing import Final

from mcpdeck.model.commands import Command, Need, View

_HERE: Final = (View.AUDIT,)

COMMANDS: Final = (
    Command(
        id="deed.describe",
        title="Open",
        area="deed",
        keys=("enter",),
        views=_HERE,
        footer=1,
        help="All that is known of it.",
    ),
    Command(
        id="deed.copy",
        title="Copy command",
        area="deed",
        keys=("c",),
        views=_HERE,
        footer=2,
        help="The command that does the same.",
    ),
    Command(
        id="deed.everybody",
        title="Everybody's",
        area="deed",
        keys=("o",),
        views=_HERE,
        words=("audit-log",),
        footer=3,
        needs=frozenset({Need.GATEWAY}),
        help="The gateway's log, for administrators.",
    ),
)
