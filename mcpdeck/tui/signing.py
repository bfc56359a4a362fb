"""Signing in and out without leaving the view: in workers, told by a banner, given up with the key that began it."""

from functools import partial
from typing import Final

from mcpdeck.auth.account import Method
from mcpdeck.auth.errors import AuthError
from mcpdeck.model.state import SigningBegan, SigningEnded, SigningTold
from mcpdeck.tui.daemon import in_daemon
from mcpdeck.tui.deck import Deck
from mcpdeck.tui.identity import Identity, Plan
from mcpdeck.tui.screens.sign_in import SignInScreen
from mcpdeck.tui.tab import NO_KEYRING

GROUP: Final = "signing in"
_NO_KEYRING: Final = "there is no OS keyring here: this sign-in lasts as long as the deck, and is written nowhere"


def sign_in(deck: Deck, method: Method | None) -> None:
    """Begin, or give up what was begun. Asks first where the reader has not signed in before."""
    identity = deck.surroundings.identity
    if any(worker.group == GROUP and not worker.is_finished for worker in deck.workers):
        deck.workers.cancel_group(deck, GROUP)
    elif identity is None:
        deck.say("this deck was opened without a way to sign in", "warning")
    elif identity.is_given:
        deck.say("MCPDECK_TOKEN is set, and goes before any sign-in; leave, unset it, and come back", "warning")
    else:
        deck.begin(_plan, deck, identity, method, group=GROUP)


async def _plan(deck: Deck, identity: Identity, method: Method | None) -> None:
    context, url = deck.state.context, deck.state.url
    deck.apply(SigningBegan())
    try:
        plan = await in_daemon(partial(identity.plan, context, url, method), GROUP)
    except AuthError as error:
        deck.say(str(error), "error")
        return
    finally:
        deck.apply(SigningEnded())
    if plan.is_agreed or method is not None:
        await _sign_in(deck, identity, plan)
        return

    def answered(chosen: Plan | None) -> None:
        if chosen is not None and deck.state.context == context:
            deck.begin(_sign_in, deck, identity, chosen, group=GROUP)

    deck.push_screen(SignInScreen(plan), answered)


async def _sign_in(deck: Deck, identity: Identity, plan: Plan) -> None:
    deck.apply(SigningBegan(_first_line(plan)))
    try:
        done = await in_daemon(
            partial(identity.sign_in, plan.account, partial(deck.call_from_anywhere, _tell, deck)), GROUP
        )
        await in_daemon(partial(identity.keep, done), GROUP)
    except AuthError as error:
        anew = (
            "\n:logout forgets where you signed in before, and L then asks the gateway anew" if plan.is_agreed else ""
        )
        deck.say(f"{error}{anew}", "error")
        return
    finally:
        deck.apply(SigningEnded())
    deck.say(f"signed in as {done.user}" if done.user else f"signed in by {plan.account.method}")
    if not plan.is_lasting:
        deck.say_once(NO_KEYRING if deck.is_web else _NO_KEYRING)
    deck.retry()


def _first_line(plan: Plan) -> str:
    if plan.account.method is Method.BROWSER:
        return f"Finish in the browser, at {plan.place}"
    return f"Asking {plan.place}"


def _tell(deck: Deck, line: str) -> None:
    deck.apply(SigningTold(line))


def sign_out(deck: Deck) -> None:
    identity = deck.surroundings.identity
    if identity is None:
        deck.say("this deck was opened without a way to sign in", "warning")
    else:
        deck.begin(_sign_out, deck, identity, group=GROUP)


async def _sign_out(deck: Deck, identity: Identity) -> None:
    place = deck.state.url or deck.state.context
    try:
        was_in = await in_daemon(partial(identity.sign_out, deck.state.context, deck.state.url), GROUP)
    except AuthError as error:
        deck.say(str(error), "error")
        return
    if was_in:
        deck.say(f"signed out of {place}; the browser may still be signed in at the issuer")
        deck.retry()
    else:
        deck.say(f"nobody is signed in to {place}")
