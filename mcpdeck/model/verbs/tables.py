"""What every table can do. Data only."""

from typing import Final

from mcpdeck.model.commands import TABLES, Command, View

COMMANDS: Final = (
    Command(
        id="table.preview",
        title="Preview",
        area="table",
        keys=("p",),
        views=(View.ADAPTERS, View.TOOLS, View.SESSIONS, View.APPROVALS),
        help="More of the row, beside the table.",
    ),
    Command(
        id="table.jump",
        title="Jump",
        area="table",
        keys=("ctrl+o",),
        views=TABLES,
        help="To a row by its letter.",
    ),
    Command(
        id="table.mark",
        title="Mark",
        area="table",
        keys=("space",),
        views=TABLES,
        help="Verbs then act on all that are marked.",
    ),
    Command(
        id="table.unmark",
        title="Clear marks",
        area="table",
        keys=("ctrl+backslash",),
        views=TABLES,
        help="Unmark every row.",
    ),
    Command(
        id="table.faults",
        title="Faults only",
        area="table",
        keys=("ctrl+z",),
        views=TABLES,
        words=("faults",),
        help="Only what is degraded or failed.",
    ),
    Command(
        id="table.sort-next",
        title="Sort next",
        area="table",
        keys=("shift+right",),
        views=TABLES,
        help="Sort by the column to the right.",
    ),
    Command(
        id="table.sort-previous",
        title="Sort previous",
        area="table",
        keys=("shift+left",),
        views=TABLES,
        help="Sort by the column to the left.",
    ),
    Command(
        id="table.sort-turn",
        title="Turn the order",
        area="table",
        keys=("O",),
        views=TABLES,
        help="Ascending or descending.",
    ),
    Command(id="table.sort-name", title="Sort by name", area="table", keys=("N",), views=TABLES, help="Sort by name."),
    Command(
        id="table.sort-age",
        title="Sort by age",
        area="table",
        keys=("A",),
        views=(View.ADAPTERS, View.SESSIONS),
        help="Youngest first.",
    ),
)
