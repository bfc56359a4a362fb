"""Every key of a view as lines, from the registry. Pure."""

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from mcpdeck.model.commands import LINES, TRAFFIC_VIEWS, Command, View, key_name
from mcpdeck.model.keymap import STANDARD, Keymap
from mcpdeck.model.registry import commands_of
from mcpdeck.model.words import Cell, Tone

MOVING: Final = (
    (("move.up", "move.down"), "move"),
    (("move.page-up", "move.page-down"), "page"),
    (("move.first", "move.last"), "first, last"),
)
_MOUSE: Final = "click moves, a second click opens; column heads sort"


_TEXTS: Final = (
    ("timeout", "that text, or pattern"),
    ("eu|us", "either"),
    ("!health", "without it"),
)
_FIELDS: Final = (
    ("status:failed,pending", "one of these"),
    ("!status:failed  -status:failed", "none of these"),
)
_AMOUNTS: Final = (("age:<1h  errors:>0", "amounts; s m h d are times"),)
_OF_TRAFFIC: Final = (
    ("status:404,5xx  method:tools/*", "one of these; * stands for anything"),
    ("!status:ok  -status:ok", "none of these"),
    (">500ms  size:>10k", "amounts"),
    ("oslo|bergen  !oslo", "a text, or pattern, anywhere in it"),
)


def help_lines(
    view: View, *, wide: bool, keymap: Keymap = STANDARD, fields: Sequence[str] = ()
) -> Iterator[list[Cell]]:
    """The view's commands by area: key, title, what to type if there is room for it, what it does.

    fields: what its filter can name.
    """
    commands = commands_of(view)
    rows = {it.id: ("  ".join(map(key_name, keymap.keys(it))), it.title, _typed(it)) for it in commands}
    widths = [max(len(row[column]) for row in rows.values()) + 2 for column in range(3)]
    for area, group in groupby(commands, key=lambda command: command.area):
        yield [Cell(area.capitalize(), Tone.ACCENT)]
        for command in group:
            key, title, typed = (f"{text:<{width}}" for text, width in zip(rows[command.id], widths, strict=True))
            what_to_type = [Cell(typed, Tone.DIM)] if wide else []
            yield [Cell(f"  {key}", Tone.STRONG), Cell(title), *what_to_type, Cell(command.help, Tone.DIM)]
        yield []
    yield from _filter_lines(view, fields)
    yield [Cell("Moving", Tone.ACCENT)]
    for moves, meaning in MOVING:
        keys = "  ".join(key_name(key) for move in moves for key in keymap.moves(move))
        yield [Cell(f"  {keys:<{widths[0]}}  ", Tone.STRONG), Cell(meaning, Tone.DIM)]
    yield [Cell(f"  {'mouse':<{widths[0]}}  ", Tone.STRONG), Cell(_MOUSE, Tone.DIM)]


def _typed(command: Command) -> str:
    return f":{command.words[0]} {command.usage}".rstrip() if command.words else ""


def _filter_lines(view: View, fields: Sequence[str]) -> Iterator[list[Cell]]:
    """What may stand after `/`: all terms must hold."""
    told: Sequence[tuple[str, str]]
    if view in TRAFFIC_VIEWS:
        told = _OF_TRAFFIC
    elif view in LINES:
        told = (*_TEXTS, *((("instance:0,2 timeout", "of these alone"),) if fields else ()))
    elif fields:
        told = (*_TEXTS, *_FIELDS, *_AMOUNTS)
    else:
        return
    yield [Cell("Filter", Tone.ACCENT)]
    width = max(len(typed) for typed, _ in told) + 2
    for typed, meaning in told:
        yield [Cell(f"  {typed:<{width}}", Tone.STRONG), Cell(meaning, Tone.DIM)]
    if view not in LINES:
        yield [Cell("  fields: ", Tone.DIM), Cell(" ".join(fields))]
    yield []
