"""A line of cells as several that fit, broken between words and set in under the first. Pure."""

from collections.abc import Iterator, Sequence
from typing import Final

from mcpdeck.model.words import Cell

NARROWEST: Final = 16  # below that nothing is gained


def wrapped(line: Sequence[Cell], width: int) -> Iterator[list[Cell]]:
    """What follows the first stands under its value, where a label is before that."""
    text = "".join(cell.text for cell in line)
    if len(text) <= width or width < NARROWEST:
        yield list(line)
        return
    hang, start = _hang(line, width), 0
    while start < len(text):
        indent = hang if start else 0
        end = _end(text, start, width - indent)
        yield [*([Cell(" " * indent)] if indent else []), *_cut(line, start, end)]
        start = end + len(text[end:]) - len(text[end:].lstrip(" "))


def _hang(line: Sequence[Cell], width: int) -> int:
    label = line[0].text
    if len(line) > 1 and label.endswith(" ") and label.strip() and len(label) <= width // 3:
        return len(label)
    text = "".join(cell.text for cell in line)
    return min(len(text) - len(text.lstrip(" ")) + 2, width // 3)


def _end(text: str, start: int, width: int) -> int:
    """Where the row that begins at `start` ends: at the last space in it, if it must end before the text does."""
    if len(text) - start <= width:
        return len(text)
    begin = start + len(text[start:]) - len(text[start:].lstrip(" "))
    space = text.rfind(" ", begin, start + width + 1)
    return space if space > begin else start + width


def _cut(line: Sequence[Cell], start: int, end: int) -> Iterator[Cell]:
    at = 0
    for cell in line:
        part = cell.text[max(0, start - at) : max(0, end - at)]
        at += len(cell.text)
        if part:
            yield Cell(part, cell.tone)
