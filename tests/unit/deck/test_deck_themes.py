"""Every theme can be read: each text against each background that it stands on, by WCAG 2's measure of contrast."""

from collections.abc import Iterator, Mapping
from typing import Final

import pytest
from textual.color import Color
from textual.theme import Theme

from mcpdeck.model.words import Tone
from mcpdeck.tui.themes import ANSI, HIGH_CONTRAST, MONO, THEMES
from tests.support.contrast import contrast

COLOURED: Final = [theme for theme in THEMES.values() if not theme.ansi]
ON_THE_PAGE: Final = ("background", "surface", "panel", "bar-background")  # every tone may stand there
PAIRS: Final = (
    ("cursor-foreground", "cursor-background"),
    ("cursor-foreground", "bar-background"),
    ("bar-foreground", "bar-background"),
    ("head-foreground", "background"),
    ("key-foreground", "bar-background"),
    ("match-foreground", "match-background"),
    ("pill-foreground", "pill-background"),
    ("focus-foreground", "focus-background"),
    ("focus-dim", "focus-background"),
    ("destroy-foreground", "destroy-background"),
    *((f"tone-{tone}", "banner-background") for tone in Tone),
)


def values(theme: Theme) -> Mapping[str, str]:
    own = {name: getattr(theme, name) for name in ("background", "surface", "panel", "error", "foreground")}
    return own | theme.variables


def pairs(theme: Theme) -> Iterator[tuple[str, str]]:
    yield from PAIRS
    for tone in Tone:
        yield from ((f"tone-{tone}", behind) for behind in ON_THE_PAGE)
        if "reverse" not in theme.variables["cursor-style"]:  # else no tone is laid over it
            yield f"tone-{tone}", "cursor-background"


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_every_text_can_be_read_on_what_it_stands_on(theme: Theme) -> None:
    told, least = values(theme), 7.0 if theme is HIGH_CONTRAST else 4.5
    measured = {pair: contrast(Color.parse(told[pair[0]]).rgb, Color.parse(told[pair[1]]).rgb) for pair in pairs(theme)}
    assert {pair: round(ratio, 2) for pair, ratio in measured.items() if ratio < least} == {}


@pytest.mark.parametrize("theme", COLOURED, ids=lambda theme: theme.name)
def test_bar_that_shows_where_one_is_can_be_seen(theme: Theme) -> None:
    told = values(theme)
    assert contrast(Color.parse(told["scrollbar"]).rgb, Color.parse(told["background"]).rgb) >= 3


@pytest.mark.parametrize("theme", [ANSI, MONO], ids=lambda theme: theme.name)
def test_terminals_own_colours_tell_what_has_the_focus_by_style(theme: Theme) -> None:
    told = theme.variables
    assert "reverse" in told["cursor-style"]
    assert "reverse" in told["choice-style"]
    assert "reverse" in told["match-style"]
    assert "underline" in told["focus-style"]
    assert all(value.startswith(("ansi_", "transparent")) for name, value in told.items()
               if not name.endswith("-style"))  # fmt: skip


def test_without_colour_trouble_still_stands_out() -> None:
    told = MONO.variables
    assert len({told["tone-plain-style"], told["tone-dim-style"], told["tone-warn-style"], told["tone-bad-style"]}) == 4
