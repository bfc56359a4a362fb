"""Every screen can be read in every theme, and without Unicode: measured on what is drawn, not on what is meant."""

from collections.abc import Iterator

import pytest
from rich.segment import Segment
from textual.widgets import Input

from tests.support import scenes
from tests.support.contrast import contrast
from tests.support.deck import Driver, deck_on
from tests.support.fake_gateway import Fault
from tests.support.tool_scenes import tooling

COLOURED = ("dark", "light", "high-contrast", "deuteranopia", "tritanopia")
SCREENS = (  # what is typed, and how one leaves it
    ("jjjj", ""),
    ("G", ""),
    ("<ctrl+o>", "<esc>"),
    ("<space>j<space>", "<ctrl+backslash>"),
    ("?", "q"),
    ("<ctrl+p>re", "<esc>"),
    ("n", "<esc>"),
    ("nx<tab><tab>", "<esc>"),
    ("/weather<enter><ctrl+d>", "<esc><esc>"),
    (":ses", "<esc>"),
    ("3", "1"),
    ("5", "1"),
    ("9", "1"),
    (":xray<enter>j", "1"),
    (":contexts<enter>n", "<esc>1"),
    ("6", "1"),
)


def hard_to_read(deck: Driver, least: float) -> Iterator[tuple[str, float]]:
    """Texts of the uppermost screen with less contrast than that; what only frames is not a text."""
    screen = deck.app.screen
    above = next(iter(screen.query(".dialog, CommandPalette > Vertical")), None)
    shown = screen.region if above is None else above.region
    for strip in screen._compositor.render_strips()[shown.y : shown.bottom]:
        for segment in strip.crop(shown.x, shown.right):
            ratio = _contrast(segment)
            if ratio is not None and ratio < least:
                yield segment.text.strip(), round(ratio, 2)


def _contrast(segment: Segment) -> float | None:
    text, style = segment.text.strip(), segment.style
    if not text or all(0x2500 <= ord(sign) < 0x25A0 for sign in text):  # lines, and the ends of scroll bars
        return None
    if style is None or style.color is None or style.bgcolor is None:
        return None
    before, behind = style.color.triplet, style.bgcolor.triplet
    return contrast(before, behind) if before and behind else None


@pytest.mark.parametrize("scene", [scenes.team, tooling], ids=["team", "tools"])
async def test_every_screen_can_be_read_in_every_coloured_theme(scene: type) -> None:
    async with deck_on(scene(), size=(100, 30)) as deck:
        faint = {}
        for keys, leave in SCREENS:
            await deck.type(keys)
            for theme in COLOURED:
                deck.app.theme = theme
                await deck.pilot.pause()
                found = set(hard_to_read(deck, 7.0 if theme == "high-contrast" else 4.5))
                if found:
                    faint[keys, theme] = found
            await deck.type(leave)
        assert faint == {}


async def test_toasts_can_be_read_and_say_by_a_glyph_how_bad_it_is() -> None:
    async with deck_on(scenes.team()) as deck:
        deck.app.say("restarting weather")
        deck.app.say("only ada may", "warning")
        deck.app.say("it is gone", "error")
        await deck.sees("▲ only ada may", "✖ it is gone")
        for theme in COLOURED:
            deck.app.theme = theme
            await deck.pilot.pause()
            assert list(hard_to_read(deck, 7.0 if theme == "high-contrast" else 4.5)) == []


@pytest.mark.parametrize("width", [60, 80, 120])
async def test_long_toasts_are_whole(width: int) -> None:
    async with deck_on(scenes.team(), size=(width, 24)) as deck:
        deck.app.say(
            "registry.example.com/crm-mcp:latest can not be pulled: unauthorized; look at the name first", "error"
        )
        deck.app.say("Scale: only ada or an administrator may change the number of weather's replicas last", "warning")
        await deck.sees(" first ", " last ")


async def test_without_unicode_nothing_is_drawn_with_it() -> None:
    async with deck_on(scenes.team(), ascii=True) as deck:
        for keys, leave in SCREENS:
            await deck.type(keys)
            assert {sign for sign in deck.text if 0x2000 <= ord(sign) < 0x2C00} == set(), keys
            await deck.type(leave)
        deck.gateway.fail("GET", ".*", Fault(503, "down"))
        deck.gateway.cut_streams()
        await deck.sees("offline")
        assert deck.text.isascii()


@pytest.mark.parametrize("theme", ["ansi", "mono"])
async def test_terminals_own_colours_show_where_one_types_and_what_enter_presses(theme: str) -> None:
    async with deck_on(scenes.team(), theme=theme) as deck:
        await deck.type("nforecasts")
        assert isinstance(deck.app.focused, Input)
        assert _styles(deck, "forecasts") == {"underline"}
        assert "reverse" in _styles(deck, "Name ")
        await deck.type("<esc>/weather<enter><ctrl+d>")
        assert "reverse" in _styles(deck, "Cancel")
        assert "reverse" not in _styles(deck, "Delete ")
        await deck.type("<esc><esc><ctrl+p>restart")
        await deck.sees("Asks first if")
        assert "underline" in _styles(deck, "Asks first if live sessions would drop.")


async def test_label_of_one_field_at_a_time_says_where_one_types() -> None:
    async with deck_on(scenes.team(), theme="mono") as deck:
        await deck.type("nforecasts<tab><tab>uvx")
        assert "reverse" in _styles(deck, "Command")
        assert "reverse" not in _styles(deck, "Name")
        await deck.type("<shift+tab>")
        assert "reverse" not in _styles(deck, "Command")


def _styles(deck: Driver, text: str) -> set[str]:
    """How the first text that is just this looks."""
    for strip in deck.app.screen._compositor.render_strips():
        for segment in strip:
            if segment.text.strip() == text.strip() and segment.style is not None:
                style = segment.style
                looks = {"underline": style.underline, "reverse": style.reverse}
                return {name for name, is_so in looks.items() if is_so}
    raise AssertionError(f"no {text!r} on\n{deck.text}")
