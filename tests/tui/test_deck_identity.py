"""Signing in without leaving the view, given up when one likes; what roles allow, in words."""

import pytest

from gateway.wire.resources import WhoAmI
from mcpdeck.auth.account import Account, Method
from tests.support import scenes
from tests.support.deck import Driver, deck_on
from tests.support.fake_gateway import Fault, Scene
from tests.support.identity import FakeIdentity


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


def lock(deck: Driver, identity: FakeIdentity) -> None:
    """From now on the gateway wants a sign-in, and a sign-in is what opens it."""
    for method, path in (("GET", "/whoami"), ("GET", "/events"), ("POST", ".*")):
        deck.gateway.fail(method, path, Fault(401, "the token has expired"))

    def opened(_account: Account) -> None:
        deck.gateway.faults.clear()

    identity.on_sign_in = opened


async def signed_out(deck: Driver, identity: FakeIdentity) -> None:
    lock(deck, identity)
    deck.gateway.cut_streams()
    await deck.type("<ctrl+r>")
    await deck.sees("The gateway does not know you", "the token has expired", "L Sign in", "signed out")


async def test_banner_says_what_to_do_and_the_view_stays(scene: Scene) -> None:
    identity = FakeIdentity()
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await deck.type("/status:ready<enter>jjj")
        held = deck.app.adapters_view.table.current_key
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("Sign in?", "https://login.example.com", "mcpdeck-terminal", "the keyring of this machine")
        await deck.type("<enter>")
        await deck.sees("signed in as ada@example.com", "● live")
        assert "does not know you" not in deck.text
        assert deck.app.adapters_view.table.current_key == held
        assert deck.app.place.filter_text == "status:ready"
        assert [it.account.method for it in identity.kept] == [Method.BROWSER]


async def test_without_a_window_for_a_browser_only_the_code_is_offered(scene: Scene) -> None:
    identity = FakeIdentity(opens_window=False)
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("Sign in?", "No browser opens in a window here", "Device code")
        assert "Browser" not in deck.text
        await deck.type("<enter>")
        await deck.sees("signed in as ada@example.com", "● live")
        assert [it.account.method for it in identity.kept] == [Method.DEVICE_CODE]


async def test_place_that_was_agreed_to_before_is_not_asked_about_again(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True)
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("signed in as ada@example.com", "● live")


async def test_issuer_that_is_gone_can_be_forgotten(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True, refusal="https://login.example.com can't be reached")
    async with deck_on(scene, size=(100, 30), surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("can't be reached", ":logout forgets where you signed in before")


async def test_device_code_is_shown_and_can_be_copied(scene: Scene) -> None:
    identity = FakeIdentity(told="Open https://example.com/device and enter the code ABCD-1234")
    identity.gate.clear()
    async with deck_on(scene, size=(80, 24), surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type(":login device-code<enter>")
        await deck.sees("Enter ABCD-1234  at example.com/device", ":code Copy it", "L Give up")
        await deck.type(":code<enter>")
        await deck.until(lambda: deck.app.clipboard == "ABCD-1234")
        identity.gate.set()
        await deck.sees("● live")
        assert identity.kept[0].account.method is Method.DEVICE_CODE


async def test_keys_work_while_somebody_signs_in_and_it_can_be_given_up(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True)
    identity.gate.clear()
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("Finish in the browser")
        await deck.type("jj")
        assert deck.app.adapters_view.table.current_key == "fetch"
        await deck.type("L")
        await deck.sees("The gateway does not know you")
        identity.gate.set()
        assert identity.kept == []


async def test_what_is_finished_after_it_was_given_up_is_not_kept(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True)
    identity.gate.clear()
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.until(identity.is_waiting.is_set)
        await deck.type("L")
        await deck.sees("The gateway does not know you")
        identity.gate.set()
        identity.told = "again"
        await deck.type("L")
        await deck.until(lambda: len(identity.kept) == 1)
        assert len(identity.asked) == 2


async def test_refusal_of_the_issuer_is_told_and_the_banner_stays(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True, refusal="the issuer refused: not one of us")
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("not one of us", "The gateway does not know you")


async def test_gateway_that_says_nothing_about_signing_in_is_told(scene: Scene) -> None:
    identity = FakeIdentity(refusal="no offer")
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await deck.type("L")
        await deck.sees("publishes nothing about")


async def test_no_is_taken_for_an_answer(scene: Scene) -> None:
    identity = FakeIdentity()
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await signed_out(deck, identity)
        await deck.type("L")
        await deck.sees("Sign in?")
        await deck.type("<esc>")
        await deck.sees_no("Sign in?")
        assert identity.asked == []


async def test_without_a_keyring_it_is_said_once_that_the_sign_in_is_short(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True, is_lasting=False)
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await deck.type("L")
        await deck.sees("there is no OS keyring here")
        deck.app.clear_notifications()
        await deck.sees_no("there is no OS keyring here")
        await deck.type("L")
        await deck.until(lambda: len(identity.kept) == 2)
        await deck.sees("signed in as")
        assert "keyring" not in deck.text


async def test_token_of_the_environment_goes_before_a_sign_in_and_says_so(scene: Scene) -> None:
    identity = FakeIdentity(is_given=True)
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await deck.type("L")
        await deck.sees("MCPDECK_TOKEN is set")
        assert identity.asked == []


async def test_verb_that_meets_a_401_brings_the_banner(scene: Scene) -> None:
    identity = FakeIdentity()
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        lock(deck, identity)
        await deck.type(":restart sentry<enter>")
        await deck.sees("L signs in", "The gateway does not know you")
        await deck.type(":restart sentry<enter>")
        await deck.sees("sign in first: L")


async def test_signing_out_removes_what_was_kept(scene: Scene) -> None:
    identity = FakeIdentity(is_agreed=True)
    async with deck_on(scene, surroundings={"identity": identity}) as deck:
        await deck.type(":logout<enter>")
        await deck.sees("nobody is signed in")
        await deck.type("L")
        await deck.sees("signed in as")
        await deck.type(":logout<enter>")
        await deck.sees("signed out of http://127.0.0.1")
        assert identity.kept == []


async def test_unknown_way_of_signing_in_is_told(scene: Scene) -> None:
    async with deck_on(scene, surroundings={"identity": FakeIdentity()}) as deck:
        await deck.type(":login by-pigeon<enter>")
        await deck.sees("is no way to sign in")


async def test_deck_without_identity_says_so(scene: Scene) -> None:
    async with deck_on(scene) as deck:
        await deck.type("L")
        await deck.sees("opened without a way to sign in")


async def test_whoami_says_why_a_verb_is_grey(scene: Scene) -> None:
    scene.whoami = WhoAmI(id="tom", name="Tom", roles=["developers"], permissions=[], authentication="oidc")
    async with deck_on(scene, size=(120, 40), surroundings={"identity": FakeIdentity()}) as deck:
        await deck.type("/github<enter>:whoami<enter>")
        await deck.sees(
            "Who you are here",
            "Tom  (tom)",
            "developers",
            "deploy adapters  needs mcp.admin, mcp.engineer",
            "Here, for github",
            "github belongs to bea; only they or mcp.admin may change it",
        )
        await deck.type("q")
        await deck.sees_no("Who you are here")


async def test_whoami_before_the_gateway_has_spoken(scene: Scene) -> None:
    async with deck_on(scene, ready=False) as deck:
        deck.gateway.fail("GET", "/whoami", Fault(0))
        await deck.type(":whoami<enter>")
        await deck.sees("Who you are here")
