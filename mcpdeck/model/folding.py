"""A JSON value as lines that fold: keys, values and structure toned apart. Pure.

A text of several lines is shown as lines, since most results are such texts.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec

from mcpdeck.model import wrapping
from mcpdeck.model.formatting import count
from mcpdeck.model.words import Cell, Glyphs, Tone

LONGEST: Final = 2_000  # characters of one line
DEEPEST: Final = 60
_TAB: Final = "    "


class FoldLine(NamedTuple):
    """`path` names what folds on this line; empty where nothing does."""

    cells: tuple[Cell, ...]
    path: str = ""


def lines_of(
    value: Any, *, folded: Collection[str], glyphs: Glyphs, name: str = "", path: str = "$", depth: int = 0
) -> Iterator[FoldLine]:
    """folded: paths that show no inside."""
    indent = "  " * depth
    key = (Cell(name, Tone.ACCENT), Cell(": ", Tone.DIM)) if name else ()
    match value:
        case Mapping() | list() if value and depth < DEEPEST:
            is_folded = path in folded
            sign = _sign(glyphs, is_folded=is_folded)
            told = _told(value)
            head = Cell(name, Tone.ACCENT) if name else Cell(told, Tone.DIM)
            rest = (Cell(f" {told}", Tone.DIM),) if name and (is_folded or isinstance(value, list)) else ()
            yield FoldLine((Cell(f"{indent}{sign} ", Tone.DIM), head, *rest), path)
            if not is_folded:
                for inner_name, inner in _members(value):
                    inner_path = f"{path}.{inner_name}"
                    yield from lines_of(
                        inner, folded=folded, glyphs=glyphs, name=inner_name, path=inner_path, depth=depth + 1
                    )
        case str() if "\n" in value.strip():
            yield FoldLine((Cell(f"{indent}  "), *key, Cell(glyphs.bar, Tone.DIM)))
            for line in value.strip("\n").split("\n"):
                yield FoldLine((Cell(f"{indent}    "), Cell(_short(line.expandtabs(4)))))
        case _:
            yield FoldLine((Cell(f"{indent}  "), *key, _scalar(value)))


def wrapped(line: FoldLine, width: int) -> Iterator[FoldLine]:
    """A line as several that fit. What folds is left as it is."""
    if line.path:
        yield line
    else:
        yield from (FoldLine(tuple(piece)) for piece in wrapping.wrapped(line.cells, width))


def foldable(value: Any, path: str = "$", depth: int = 0) -> Iterator[tuple[str, int]]:
    """Every path that folds, with how deep it is."""
    if isinstance(value, Mapping | list) and value and depth < DEEPEST:
        yield path, depth
        for name, inner in _members(value):
            yield from foldable(inner, f"{path}.{name}", depth + 1)


def _sign(glyphs: Glyphs, *, is_folded: bool) -> str:
    closed, opened = (">", "v") if glyphs.cursor == ">" else ("▸", "▾")
    return closed if is_folded else opened


def _members(value: Mapping[str, Any] | Sequence[Any]) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        return ((str(name).expandtabs(4).replace("\n", " "), inner) for name, inner in value.items())
    return ((f"[{place}]", inner) for place, inner in enumerate(value))


def _told(value: Mapping[str, Any] | Sequence[Any]) -> str:
    return f"{{{count(len(value))}}}" if isinstance(value, Mapping) else f"[{count(len(value))}]"


def _scalar(value: Any) -> Cell:
    match value:
        case str():
            return Cell(_short(f'"{value.replace("\t", _TAB).strip("\n")}"'))
        case bool() | None:
            return Cell(msgspec.json.encode(value).decode(), Tone.WARN)
        case Mapping() | list():
            return Cell(_told(value), Tone.DIM)
        case _:
            return Cell(str(value), Tone.BUSY)


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}… ({count(len(text))} characters)"
