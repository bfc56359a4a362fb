"""What can be done anywhere. Data only."""

from typing import Final

from mcpdeck.model.commands import EVERY_VIEW, TRAFFIC_VIEWS, Command, Takes

# In traffic the brackets go from a request to its response.
_BRACKETS: Final = tuple(view for view in EVERY_VIEW if view not in TRAFFIC_VIEWS)

COMMANDS: Final = (
    Command(
        id="deck.command",
        title="Command",
        area="deck",
        keys=("colon",),
        footer=20,
        help="Tab completes, Enter runs what is typed.",
    ),
    Command(
        id="deck.filter",
        title="Filter",
        area="deck",
        keys=("slash",),
        footer=10,
        help="regex, !inverse, status:failed,pending",
    ),
    Command(
        id="deck.filter-toggle",
        title="Filter on or off",
        area="deck",
        keys=("ctrl+f",),
        help="Lift the filter, and bring it back.",
    ),
    Command(
        id="deck.help",
        title="Help",
        area="deck",
        keys=("question_mark", "f1"),
        words=("help", "keys"),
        footer=21,
        help="Every key of this view.",
    ),
    Command(
        id="deck.palette",
        title="Palette",
        area="deck",
        keys=("ctrl+p",),
        footer=22,
        help="Find any command by its name.",
    ),
    Command(
        id="deck.back",
        title="Back",
        area="deck",
        keys=("escape", "q", "backspace"),
        help="One step back; never leaves.",
    ),
    Command(
        id="deck.earlier",
        title="Earlier view",
        area="deck",
        keys=("left_square_bracket",),
        views=_BRACKETS,
        help="Where you were before.",
    ),
    Command(
        id="deck.later",
        title="Later view",
        area="deck",
        keys=("right_square_bracket",),
        views=_BRACKETS,
        help="And forth again.",
    ),
    Command(
        id="deck.last",
        title="Last view",
        area="deck",
        keys=("minus",),
        help="The one before this, and back.",
    ),
    Command(
        id="deck.retry",
        title="Retry now",
        area="deck",
        keys=("ctrl+r",),
        words=("retry", "refresh"),
        help="Connect again at once, everything fresh.",
    ),
    Command(
        id="deck.theme",
        title="Theme",
        area="deck",
        words=("theme",),
        usage="NAME",
        takes=Takes.THEME,
        help="dark, light, high-contrast, four more.",
    ),
    Command(
        id="deck.quit",
        title="Quit",
        area="deck",
        keys=("ctrl+q",),
        words=("quit", "q", "exit", "q!", "qa"),
        help="Leave the deck.",
    ),
)
