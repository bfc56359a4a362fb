"""A line of cells as several that fit, broken between words and set in under the first. Pure.

Width is counted as a terminal does: some characters are two cells wide, some none.
"""

from collections.abc import Iterator, Sequence
from typing import Final

from rich.cells import cell_len, set_cell_size

from mcpdeck.model.words import Cell

NARROWEST: Final = 16  # below that nothing is gained


def wrapped(line: Sequence[Cell], width: int) -> Iterator[list[Cell]]:
    """What follows the first stands under its value, where labels are before that."""
    text = "".join(cell.text for cell in line)
    if cell_len(text) <= width or width < NARROWEST:
        yield list(line)
        return
    label = _labels(line, width)
    hang = cell_len(label) or min(len(text) - len(text.lstrip(" ")) + 2, width // 3)
    start = 0
    while start < len(text):
        indent = hang if start else 0
        end = _end(text, start, width - indent, at_least=len(label))
        yield [*([Cell(" " * indent)] if indent else []), *_cut(line, start, end)]
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))


def _labels(line: Sequence[Cell], width: int) -> str:
    """What stands in columns before the value: a first cell that ends in a space, others that end in two."""
    label, *others = [cell.text for cell in line[:-1]] or [""]
    if not (label.endswith(" ") and label.strip()) or cell_len(label) > width // 3:
        return ""
    for text in others:
        if not text.endswith("  ") or cell_len(label + text) > width * 3 // 5:
            break
        label += text
    return label


def _end(text: str, start: int, width: int, *, at_least: int) -> int:
    """Where the row that begins at `start` ends: at the last space in it, if it must end before the text does."""
    rest = text[start:]
    if cell_len(rest) <= width:
        return len(text)
    fitting = start + _fitting(rest, width)
    begin = max(at_least, start + len(rest) - len(rest.lstrip(" ")))
    space = text.rfind(" ", begin, fitting + 1)
    return space if space > begin else fitting


def _fitting(text: str, width: int) -> int:
    """How many of its characters so many cells hold; one at least, or there would be no end to it."""
    if text.isascii():
        return width
    cut = set_cell_size(text, width)  # with a space where the last cell would hold half a character
    return max(1, len(cut) if text.startswith(cut) else len(cut) - 1)


def _cut(line: Sequence[Cell], start: int, end: int) -> Iterator[Cell]:
    at = 0
    for cell in line:
        part = cell.text[max(0, start - at) : max(0, end - at)]
        at += len(cell.text)
        if part:
            yield Cell(part, cell.tone)
