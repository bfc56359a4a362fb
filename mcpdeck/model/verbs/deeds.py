"""What can be done with what was done. Data only."""

from typing import Final

from mcpdeck.model.commands import Command, View

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
)
