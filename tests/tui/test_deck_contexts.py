"""Gateways by name: switched between while one hangs, added and forgotten, and those one is careful with."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from mcpdeck.client import GatewayClient
from mcpdeck.config.contexts import Context, Contexts
from mcpdeck.config.running import Running
from mcpdeck.model.commands import View
from tests.support import scenes
from tests.support.deck import deck_on
from tests.support.fake_gateway import FakeGateway, Fault, Scene
from tests.support.identity import FakeIdentity


@pytest.fixture
def scene() -> Scene:
    return scenes.team()


@pytest.fixture
async def other() -> AsyncIterator[FakeGateway]:
    """Another gateway, with one adapter of its own."""
    scene = scenes.empty()
    scenes.add(scene, scenes.stdio("elsewhere", "uvx", "x"), "ada", scenes.DAY)
    async with FakeGateway(scene).running() as gateway:
        yield gateway


@pytest.fixture
def book(tmp_path: Path) -> Contexts:
    return Contexts(tmp_path / "contexts.yaml", Running(tmp_path / "running"))


def world(book: Contexts, **more: Any) -> dict[str, Any]:
    return {"contexts": book, **more}


def to_any(book: Contexts) -> Any:
    return lambda name: GatewayClient(book.find(name).url)


async def test_contexts_are_shown_with_what_they_are_and_whether_they_answer(
    scene: Scene, other: FakeGateway, book: Contexts
) -> None:
    book.add(Context(name="prod", url=other.url, protected=True), use=True)
    book.add(Context(name="lost", url="http://127.0.0.1:9", read_only=True), use=False)
    async with deck_on(scene, size=(120, 30), surroundings=world(book)) as deck:
        await deck.type("8")
        await deck.sees("Contexts 3", "protected", "read-only", "usual", "here")
        await deck.until(lambda: "Answers" in deck.line("prod"))
        await deck.until(lambda: "Silent" in deck.line("lost"))
        await deck.sees("can not be reached")


async def test_switching_works_while_the_present_gateway_hangs(
    scene: Scene, other: FakeGateway, book: Contexts
) -> None:
    async with deck_on(scene, ready=False, surroundings=world(book)) as deck:
        book.add(Context(name="other", url=other.url), use=False)
        book.add(Context(name="test", url=deck.gateway.url), use=False)
        deck.app.surroundings.connect = to_any(book)
        deck.gateway.hold("GET", "/whoami")
        await deck.type("<ctrl+r>8")
        await deck.sees("other")
        await deck.type("g<enter>")
        await deck.sees("elsewhere", "● live", "Adapters 1")
        assert deck.app.state.context == "other"
        assert deck.app.state.url == other.url


async def test_switching_by_name_and_by_at_sign(scene: Scene, other: FakeGateway, book: Contexts) -> None:
    async with deck_on(scene, surroundings=world(book)) as deck:
        book.add(Context(name="other", url=other.url), use=False)
        book.add(Context(name="test", url=deck.gateway.url), use=False)
        deck.app.surroundings.connect = to_any(book)
        await deck.type("8")
        await deck.sees("other")
        await deck.type(":context nowhere<enter>")
        await deck.sees("there is no context 'nowhere'")
        await deck.type(":@other<enter>")
        await deck.sees("elsewhere", "● live")
        await deck.type(":context test<enter>")
        await deck.sees("weather", "● live", "Adapters 14")


async def test_context_is_added_by_a_form_that_says_what_is_wrong(scene: Scene, book: Contexts) -> None:
    async with deck_on(scene, surroundings=world(book)) as deck:
        await deck.type("8n")
        await deck.sees("Name a gateway")
        await deck.type("new one<tab>ftp://x<enter>")
        await deck.sees("is no name for a context")
        await deck.type("<esc>nnew<tab>ftp://x<enter>")
        await deck.sees("is no gateway's URL")
        assert book.all() == []


async def test_context_that_is_kept_is_asked_at_once(scene: Scene, other: FakeGateway, book: Contexts) -> None:
    async with deck_on(scene, size=(120, 30), surroundings=world(book)) as deck:
        await deck.type(f"8nnewer<tab>{other.url}<tab><tab><space><ctrl+s>")
        await deck.sees("newer is known now")
        await deck.until(lambda: "Answers" in deck.line(other.url))
        assert book.find("newer") == Context(name="newer", url=other.url, protected=True)


async def test_known_context_is_changed_under_its_name(scene: Scene, other: FakeGateway, book: Contexts) -> None:
    book.add(Context(name="alpha", url=other.url), use=False)
    async with deck_on(scene, size=(120, 30), surroundings=world(book)) as deck:
        await deck.type("8")
        await deck.sees("alpha")
        await deck.type("e")
        await deck.sees("Change alpha")
        await deck.type("<tab><tab><tab><space><ctrl+s>")
        await deck.sees("alpha is changed", "read-only")
        assert book.find("alpha").read_only


async def test_context_is_made_the_usual_one_and_forgotten(scene: Scene, other: FakeGateway, book: Contexts) -> None:
    book.add(Context(name="alpha", url=other.url), use=False)
    book.add(Context(name="beta", url=other.url), use=True)
    async with deck_on(scene, surroundings=world(book)) as deck:
        await deck.type("8")
        await deck.sees("alpha")
        await deck.type("u")
        await deck.sees("alpha is the usual one now")
        await deck.until(lambda: book.current() == "alpha")
        await deck.type(":forget beta<enter>")
        await deck.sees("Forget beta?", "Its gateway stays as it is")
        await deck.type("<tab><enter>")
        await deck.sees("beta is forgotten")
        await deck.until(lambda: [it.name for it in book.all()] == ["alpha"])


async def test_user_of_a_context_is_shown(scene: Scene, other: FakeGateway, book: Contexts) -> None:
    identity = FakeIdentity(is_agreed=True)
    book.add(Context(name="alpha", url=other.url), use=False)
    async with deck_on(scene, size=(120, 30), surroundings=world(book, identity=identity)) as deck:
        await deck.type("L")
        await deck.sees("signed in as")
        await deck.type("8")
        await deck.sees("ada@example.com")


async def test_file_that_can_not_be_read_is_told_with_its_line(scene: Scene, tmp_path: Path, book: Contexts) -> None:
    (tmp_path / "contexts.yaml").write_text("contexts:\n  a:\n    uri: x\n")
    async with deck_on(scene, surroundings=world(book)) as deck:
        await deck.type("8")
        await deck.sees("contexts.yaml:3", "uri")


async def test_protected_context_asks_for_the_name_before_anything_is_lost(scene: Scene) -> None:
    async with deck_on(scene, protected=True) as deck:
        await deck.sees("protected")
        await deck.type("/weather<enter><ctrl+d>")
        await deck.sees("Delete weather?", "test, protected", "Type weather to go on.")
        await deck.type("wea<enter>")
        assert deck.gateway.seen("DELETE", ".*") == []
        await deck.type("ther<enter>")
        await deck.gateway.request("DELETE", "/adapters/weather")


async def test_protected_context_asks_before_restarts_too(scene: Scene) -> None:
    async with deck_on(scene, protected=True) as deck:
        await deck.type(":restart sentry<enter>")
        await deck.sees("Restart sentry?", "Type sentry to go on.")
        await deck.type("q<esc>")
        await deck.sees_no("Restart sentry?")
        await deck.type(":scale sentry 5<enter>")
        await deck.sees("Scale sentry to 5?")
        await deck.type("sentry<tab><tab><enter>")
        await deck.gateway.request("PATCH", "/adapters/sentry")
        assert deck.gateway.seen("POST", ".*") == []


async def test_read_only_context_changes_nothing(scene: Scene, book: Contexts) -> None:
    async with deck_on(scene, surroundings=world(book)) as deck:
        book.add(Context(name="test", url=deck.gateway.url, read_only=True), use=False)
        await deck.type("8")
        await deck.sees("read-only")
        await deck.type("1<ctrl+d>")
        await deck.sees("context 'test' is read-only")
        assert deck.gateway.seen("DELETE", ".*") == []


async def test_connection_that_can_not_even_be_opened_is_told_and_tried_again(scene: Scene) -> None:
    from mcpdeck.auth.errors import AuthError

    def refused(_name: str) -> Any:
        raise AuthError("http://far.example is not https: a token sent there could be read on the way")

    async with deck_on(scene, ready=False, surroundings={"connect": refused}) as deck:
        await deck.sees("offline", "is not https")
        deck.app.surroundings.connect = lambda _name: GatewayClient(deck.gateway.url)
        await deck.type("<ctrl+r>")
        await deck.sees("● live")


async def test_gateway_that_is_no_gateway_is_silent_with_a_reason(
    scene: Scene, other: FakeGateway, book: Contexts
) -> None:
    other.fail("GET", "/ping", Fault(404, "nothing here"))
    book.add(Context(name="alpha", url=other.url), use=False)
    async with deck_on(scene, size=(120, 30), surroundings=world(book)) as deck:
        await deck.type("8")
        await deck.sees("/ping gave 404")
        assert deck.app.place.view is View.CONTEXTS
