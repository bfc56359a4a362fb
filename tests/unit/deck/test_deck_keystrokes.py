"""Escape and another key, read from what a terminal sends for both."""

from collections.abc import Iterator

import pytest
from textual import events
from textual._xterm_parser import XTermParser

from mcpdeck.model.keymap import STANDARD, Keymap
from mcpdeck.tui.keystrokes import part_from_escape


@pytest.fixture(autouse=True)
def _as_it_was() -> Iterator[None]:
    yield
    part_from_escape(STANDARD)


def typed(data: str) -> list[str]:
    parser = XTermParser()
    read = [*parser.feed(data), *parser.feed("")]
    return [event.key for event in read if isinstance(event, events.Key)]


@pytest.mark.parametrize(
    ("data", "keys"),
    [
        ("\x1b\x1b2", ["escape", "escape", "2"]),
        ("\x1b2", ["escape", "2"]),
        ("\x1b:q", ["escape", "colon", "q"]),
        ("\x1bj\x1b", ["escape", "j", "escape"]),
        ("\x1bjk", ["escape", "j", "k"]),
        ("\x1bG4", ["escape", "G", "4"]),
        ("\x1b-", ["escape", "minus"]),
        ("\x1b[A\x1bOP\x1b[1;3D", ["up", "f1", "alt+left"]),  # sequences stay what they are
        ("\x1bb", ["ctrl+left"]),  # option with an arrow
        ("™", ["trade_mark_sign"]),
    ],
)
def test_a_key_right_after_escape_is_no_other_key(data: str, keys: list[str]) -> None:
    part_from_escape(STANDARD)
    assert typed(data) == keys


def test_alt_is_a_key_where_a_keymap_binds_it() -> None:
    part_from_escape(Keymap({"deck.palette": ("alt+x",), "move.first": ("alt+less_than_sign",), "move.up": ("alt+f",)}))
    assert typed("\x1bx\x1b<\x1bf\x1by") == ["alt+x", "alt+less_than_sign", "alt+f", "escape", "y"]
