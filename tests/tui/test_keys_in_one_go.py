"""Keys that come in one go: each goes where the one before it has led, be that a dialog, a field, or what lies below."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from textual.widgets import Input, TextArea

from mcpdeck.calls import CallBook
from mcpdeck.config.contexts import Context
from mcpdeck.model.commands import View
from mcpdeck.model.playground import Call, Request
from mcpdeck.tui.screens.calls import CallsScreen
from mcpdeck.tui.screens.confirm import ConfirmScreen
from mcpdeck.tui.screens.context import ContextScreen
from mcpdeck.tui.screens.deploy import DeployScreen
from mcpdeck.tui.screens.difference import DifferenceScreen
from mcpdeck.tui.screens.page import PageScreen
from mcpdeck.tui.screens.register import RegisterScreen
from tests.support.deck import Driver, deck_on
from tests.support.tool_scenes import tooling

type Held = Callable[[Driver], object]


class Book:
    def __init__(self, contexts: list[Context]) -> None:
        self.contexts = contexts

    def all(self) -> list[Context]:
        return self.contexts

    def current(self) -> str:
        return self.contexts[0].name

    def add(self, context: Context, *, use: bool) -> bool:
        return True

    def use(self, name: str) -> None: ...

    def remove(self, name: str) -> None: ...


def text_in(field: str) -> Callable[[Driver], str]:
    def read(deck: Driver) -> str:
        widget = deck.app.screen.query_one(f"#{field}")
        assert isinstance(widget, Input | TextArea)
        return widget.value if isinstance(widget, Input) else widget.text

    return read


def at(view: View, *, row: int | None = None) -> Held:
    def holds(deck: Driver) -> bool:
        table = getattr(deck.app.place, "table", None)
        here = len(deck.app.screen_stack) == 1 and deck.view is view and deck.app.screen.focused is not None
        return here and (row is None or (table is not None and table._cursor == row))

    return holds


def above(kind: type, **fields: str) -> Held:
    return lambda deck: (
        isinstance(deck.app.screen, kind)
        and all(text_in(field.replace("_", "-"))(deck) == text for field, text in fields.items())
    )


CLOSERS = [  # where it is opened, what opens it, what closes it
    ("1", "?", "q"),
    ("1", "?", "<esc>"),
    ("1", "?", "<enter>"),
    ("1", "?", "?"),
    ("1", "n", "<esc>"),
    ("1", "<ctrl+d>", "<esc>"),
    ("1", "<ctrl+d>", "q"),
    ("1", "<ctrl+d>", "<enter>"),
    ("1", "<ctrl+d>", "h<enter><esc>"),
    ("1", "<ctrl+o>", "<esc>"),
    ("1", "<ctrl+p>", "<esc>"),
    ("1", ":", "<esc>"),
    ("1", "/", "<esc>"),
    ("1", ":whoami<enter>", "q"),
    ("2", "n", "<esc>"),
    ("2", "P", "<esc>"),
    ("2", "y", "q"),
    ("8", "n", "<esc>"),
    ("6", "S", "<esc>"),
    ("6", "H", "q"),
    ("6", "<ctrl+s>", "<esc>"),
]


def surroundings(folder: Path) -> dict[str, object]:
    calls = CallBook(folder)
    request = Request(endpoint="/mcp", method="tools/call", params={"name": "summary", "arguments": {}})
    calls.save(Call(request=request, at=datetime(2026, 11, 24, tzinfo=UTC), name="first"))
    calls.remember(Call(request=request, at=datetime(2026, 11, 24, tzinfo=UTC), outcome="done"))
    return {"calls": calls, "contexts": Book([Context(name="test", url="http://127.0.0.1:9")]), "locks": folder}


async def gone_to(deck: Driver, place: str) -> None:
    """And what it reads is there."""
    await deck.type(place)
    if place == "2":
        await deck.until(lambda: deck.app.place.tool_rows)
    if place == "6":
        await deck.until(lambda: deck.app.playground_view.peer is not None)


async def test_key_behind_the_one_that_closes_a_dialog_is_for_what_lies_below(tmp_path: Path) -> None:
    async with deck_on(tooling(), size=(120, 40), surroundings=surroundings(tmp_path)) as deck:
        for place, opener, closer in CLOSERS:
            await gone_to(deck, place)
            await deck.burst(f"{opener}{closer}3jj")
            assert at(View.SESSIONS, row=2)(deck), f"{place} and then {opener}{closer}3jj:\n{deck.text}"
            await deck.type("g")


OPENERS: list[tuple[str, str, Held]] = [
    ("1", "nxdRq3", above(DeployScreen, name="xdRq3")),
    ("1", "nab<tab><tab>uvx x", above(DeployScreen, name="ab", location="uvx x")),
    ("1", "n<ctrl+e>q", above(DeployScreen, yaml="qname: name\n")),
    ("1", ":sessions<enter>j", at(View.SESSIONS, row=1)),
    ("1", ":deploy<enter>name3", above(DeployScreen, name="name3")),
    ("1", ":des<tab> git<tab><enter>", at(View.DETAIL)),
    ("1", "<enter>y", lambda deck: deck.view is View.DETAIL and deck.app.detail_view.as_yaml),
    ("1", "3j", at(View.SESSIONS, row=1)),
    ("1", "3/alice<enter>j", lambda deck: deck.view is View.SESSIONS and deck.app.place.filter_text == "alice"),
    ("1", "/r3x<enter>", lambda deck: deck.view is View.ADAPTERS and deck.app.place.filter_text == "r3x"),
    ("1", "/r<esc>j", lambda deck: deck.app.place.filter_text == "" and at(View.ADAPTERS, row=1)(deck)),
    ("1", "<ctrl+d>y", above(ConfirmScreen)),
    ("1", "<ctrl+d>l<enter>3", lambda deck: at(View.SESSIONS)(deck) and len(deck.gateway.scene.adapters) == 13),
    ("1", "<ctrl+p>theme: light<enter>3", lambda deck: at(View.SESSIONS)(deck) and deck.app.theme == "light"),
    ("1", "<ctrl+p>deploy<enter>q3", above(DeployScreen, name="q3")),
    ("1", "<ctrl+o>sj", lambda deck: len(deck.app.screen_stack) == 1),
    ("8", "nq3<tab>http://h", above(ContextScreen, name="q3", url="http://h")),
    ("2", "nq<tab><bksp>d", above(RegisterScreen, register_tool="d")),
    ("2", "Pq3", at(View.SESSIONS)),
    ("2", "P", above(DifferenceScreen)),
    ("2", "<enter>3", at(View.SESSIONS)),
    ("6", "S<enter>3", at(View.SESSIONS)),
    ("6", "Sj", above(CallsScreen)),
    ("6", "F<bksp>", lambda deck: isinstance(deck.app.screen.focused, TextArea)),
    ("1", "9aj", at(View.AUDIT)),
    ("1", "??3", at(View.SESSIONS)),
    ("1", "?jj", above(PageScreen)),
]


@pytest.mark.parametrize(("place", "keys", "holds"), OPENERS, ids=[keys for _, keys, _ in OPENERS])
async def test_key_behind_the_one_that_opens_something_is_for_that(
    place: str, keys: str, holds: Held, tmp_path: Path
) -> None:
    async with deck_on(tooling(), size=(120, 40), surroundings=surroundings(tmp_path)) as deck:
        await gone_to(deck, place)
        await deck.burst(keys)
        assert holds(deck), deck.text
