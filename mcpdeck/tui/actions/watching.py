"""Where one watches: the pulse, the events, what was done from here."""

from mcpdeck.model.commands import View
from mcpdeck.model.deeds import sign_of
from mcpdeck.model.formatting import moment, plural
from mcpdeck.model.prompt import Order
from mcpdeck.model.words import Cell, Tone
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.changes import Target, attempt
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.telling import SOON

MOST_RECORDS = 500


@does("view.pulse")
@does("view.events")
@does("view.audit")
def show(deck: Deck, order: Order) -> None:
    deck.go(View(order.command.id.removeprefix("view.")))
    if order.filter is not None:
        deck.place.set_filter(order.filter)


def _describe(deck: Deck) -> None:
    from mcpdeck.tui.screens.page import PageScreen

    row = deck.audit_view.table.current
    if row is None:
        return
    deed, sign = row.deed, sign_of(row.deed)
    facts = [
        ("When", Cell(moment(deed.at, deck.surroundings.clock()))),
        ("Context", Cell(deed.context)),
        ("Outcome", Cell(deck.glyphs.sign(sign), sign.tone)),
        ("Why", Cell(deed.error, Tone.BAD)),
        ("Command", Cell(deed.line, Tone.STRONG)),
    ]
    lines = [[Cell(f"{label:<10}", Tone.DIM), cell] for label, cell in facts if cell.text]
    deck.push_screen(PageScreen(f"{deed.title} {deed.target}", lines))


def _copy(deck: Deck) -> None:
    view = deck.audit_view
    wanted = set(view.targets)
    lines = [row.deed.line for row in view.table.shown if view.table.spec.key(row) in wanted]
    deck.copy("\n".join(lines), plural(len(lines), "command"))


@does("deed.everybody")
def show_everybodys(deck: Deck, order: Order) -> None:
    """The newest of the gateway's own log, in a page of its own."""
    from mcpdeck import control
    from mcpdeck.model import audit_page
    from mcpdeck.tui.screens.page import PageScreen

    async def fetch() -> None:
        records = await deck.client.do(control.audit(limit=MOST_RECORDS))
        page = audit_page.lines(records, deck.surroundings.clock())
        deck.push_screen(PageScreen(f"Audit log of {deck.state.context}", page))

    async def show() -> None:
        await attempt(deck, order.command, Target("", "audit log"), fetch)

    deck.begin(show, group="audit log", opens_within=SOON)


def _faults(deck: Deck) -> None:
    deck.go(View.ADAPTERS)
    if not deck.adapters_view.table.faults:
        deck.adapters_view.toggle_faults()


def _busy(deck: Deck) -> None:
    deck.go(View.SESSIONS)
    deck.sessions_view.open("")
    deck.sessions_view.set_filter("state:busy")


do_plainly(
    {
        "pulse.faults": _faults,
        "pulse.busy": _busy,
        "pulse.events": lambda deck: deck.go(View.EVENTS),
        "pulse.audit": lambda deck: deck.go(View.AUDIT),
    }
)
do_plainly({"deed.describe": _describe, "deed.copy": _copy})
