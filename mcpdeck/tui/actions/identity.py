"""Who the reader is: signing in and out, what their roles allow. The work itself is `signing`'s."""

from mcpdeck.auth.account import Method
from mcpdeck.model.commands import CHANGES
from mcpdeck.model.prompt import Order
from mcpdeck.model.registry import commands_of
from mcpdeck.model.shell import DEVICE_CODE
from mcpdeck.model.whoami import whoami_lines
from mcpdeck.tui.actions.handlers import do_plainly, does
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.signing import sign_in, sign_out

_PERSONS = {str(method): method for method in Method if method.asks_a_person}


@does("identity.login")
def login(deck: Deck, order: Order) -> None:
    wanted = order.arguments[0] if order.arguments else ""
    if wanted and wanted not in _PERSONS:
        deck.say(f"{wanted!r} is no way to sign in here; {' or '.join(_PERSONS)}", "warning")
        return
    sign_in(deck, _PERSONS.get(wanted))


def _whoami(deck: Deck) -> None:
    from mcpdeck.tui.screens.page import PageScreen

    identity, place = deck.surroundings.identity, deck.place
    account = identity.account(deck.state.context, deck.state.url) if identity else None
    how = f"{account.method} at {account.issuer or account.authority}" if account else "no sign-in of this context"
    verbs = [(command, deck.obstacle(command)) for command in commands_of(place.view) if command.needs & CHANGES]
    about = next(iter(place.adapter_names), "") if any(command.area == "adapter" for command, _ in verbs) else ""
    lines = whoami_lines(deck.state, how=how, about=about, verbs=verbs, glyphs=deck.glyphs, keymap=deck.keymap)
    deck.push_screen(PageScreen("Who you are here", lines))


def _copy_code(deck: Deck) -> None:
    told = deck.state.signing.told if deck.state.signing else ""
    if match := DEVICE_CODE.search(told):
        deck.copy(match[1], "the code")
    else:
        deck.say("there is no code to copy; :login device-code gets one", "warning")


do_plainly(
    {
        "identity.logout": sign_out,
        "identity.whoami": _whoami,
        "identity.copy-code": _copy_code,
    }
)
