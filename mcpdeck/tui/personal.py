"""The reader's own keys and themes, from files. One that is wrong is told with its line, and the rest still counts."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec
from textual.color import Color, ColorParseError
from textual.theme import Theme

from mcpdeck.config.lines import Section, read_yaml
from mcpdeck.errors import Misconfigured
from mcpdeck.model.keymap import PRESETS, STANDARD, Keymap, keymap_of
from mcpdeck.model.registry import COMMANDS
from mcpdeck.tui.themes import DEFAULTS, THEMES

KEYMAP: Final = "keymap.yaml"
THEMES_FOLDER: Final = "themes"
_OWN_COLOURS: Final = ("primary", "secondary", "accent", "success", "warning", "error", "foreground", "background",
                       "surface", "panel")  # fmt: skip


class Personal(msgspec.Struct, frozen=True, kw_only=True):
    keymap: Keymap
    themes: Mapping[str, Theme]
    complaints: tuple[str, ...]


def personal(folder: Path) -> Personal:
    """What the configuration folder holds. Reads nothing else, and creates nothing."""
    keymap, complaints = _keymap(folder / KEYMAP)
    themes = dict(THEMES)
    for path in sorted((folder / THEMES_FOLDER).glob("*.yaml")):
        try:
            themes[path.stem] = _theme(path)
        except Misconfigured as error:
            complaints.append(str(error))
    return Personal(keymap=keymap, themes=themes, complaints=tuple(complaints))


def _keymap(path: Path) -> tuple[Keymap, list[str]]:
    try:
        file = read_yaml(path)
        if file is None:
            return STANDARD, []
        file.only(("preset", "keys"))
        preset = file.values.get("preset") or "k9s"
        if preset not in PRESETS:
            raise file.wrong("preset", f"must be one of {', '.join(PRESETS)}")
        keys = file.section("keys")
    except Misconfigured as error:
        return STANDARD, [str(error)]
    wanted = {name: "" if value is None else str(value) for name, value in keys.values.items()}
    keymap, wrong = keymap_of(preset, wanted, COMMANDS)
    return keymap, [str(keys.wrong(name, sentence)) for name, sentence in wrong.items()]


def _theme(path: Path) -> Theme:
    """A theme like another one, but for what it says. Raises Misconfigured."""
    file = read_yaml(path) or Section(path, {}, {}, {})
    file.only(("like", "colours"))
    like = file.values.get("like") or "dark"
    if like not in THEMES:
        raise file.wrong("like", f"must be one of {', '.join(THEMES)}")
    colours = file.section("colours")
    colours.only((*_OWN_COLOURS, *DEFAULTS))
    for name, value in colours.values.items():
        if not name.endswith("-style") and not _is_colour(value):
            raise colours.wrong(name, f"{value!r} is no colour, such as '#8ab4ff'")
    return _changed(THEMES[like], path.stem, colours.values)


def _changed(like: Theme, name: str, values: Mapping[str, Any]) -> Theme:
    own = {key: getattr(like, key) for key in _OWN_COLOURS} | {
        key: str(value) for key, value in values.items() if key in _OWN_COLOURS
    }
    variables = dict(like.variables) | {key: str(value) for key, value in values.items() if key not in _OWN_COLOURS}
    return Theme(name=name, dark=like.dark, ansi=like.ansi, variables=variables, **own)


def _is_colour(value: object) -> bool:
    if value == "ansi_default":
        return True
    try:
        Color.parse(str(value).split(" ")[0])
    except ColorParseError:
        return False
    return True
