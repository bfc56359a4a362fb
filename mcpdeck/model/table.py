"""Tables as data: columns, which of them fit a width, and rows in order. Draws nothing."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, NamedTuple

from mcpdeck.model.filters import Fields
from mcpdeck.model.words import Cell

GAP: Final = 2  # cells between columns
SLACK: Final = 12  # cells that a column takes beyond what it says: more would be a hole in every row
MEASURED_ROWS: Final = 1_000  # a column's natural width is taken over at most so many rows


@dataclass(frozen=True, slots=True, kw_only=True)
class Column[Item]:
    """`priority` 0 stays longest when space is short. A column whose cells are all empty is not shown."""

    id: str
    title: str
    cell: Callable[[Item, datetime], Cell]
    order: Callable[[Item], Any]
    minimum: int
    maximum: int
    priority: int = 0
    right: bool = False
    flexible: bool = False  # wider than `maximum`, where space is left


@dataclass(frozen=True, slots=True)
class TableSpec[Item]:
    """A kind of table. `fields` gives what a filter may look at; `key` names a row for good."""

    columns: Sequence[Column[Item]]
    key: Callable[[Item], str]
    fields: Callable[[Item, datetime], Fields]
    field_names: Sequence[str]


class Sort(NamedTuple):
    column: str
    descending: bool = False


class Fitted(NamedTuple):
    """A column that is shown, by its place in the spec, with its width in cells."""

    place: int
    width: int


def arrange[Item](spec: TableSpec[Item], items: Iterable[Item], sort: Sort) -> list[Item]:
    """The items in order; those that are equal by the sort stay in order of their key."""
    found = sorted(items, key=spec.key)
    order = next(column.order for column in spec.columns if column.id == sort.column)
    found.sort(key=order, reverse=sort.descending)
    return found


def natural_widths[Item](
    spec: TableSpec[Item], items: Sequence[Item], now: datetime, *, sorted_by: str = ""
) -> list[int]:
    """How wide each column would like to be, with the arrow of the sort; 0 for one that has nothing to say."""
    return widest(spec, [lengths(spec, item, now) for item in items[:MEASURED_ROWS]], sorted_by=sorted_by)


def lengths[Item](spec: TableSpec[Item], item: Item, now: datetime) -> list[int]:
    """Of each of a row's texts."""
    return [len(column.cell(item, now).text) for column in spec.columns]


def widest[Item](spec: TableSpec[Item], rows: Sequence[Sequence[int]], *, sorted_by: str) -> list[int]:
    """Of rows' lengths, as `natural_widths`."""
    longest = [max(column) for column in zip(*rows, strict=True)] or [0] * len(spec.columns)
    titles = [len(column.title) + (column.id == sorted_by) for column in spec.columns]
    return [max(pair) if pair[0] or not rows else 0 for pair in zip(longest, titles, strict=True)]


def fit[Item](spec: TableSpec[Item], natural: Sequence[int], available: int) -> list[Fitted]:
    """The columns that fit, left to right: the least important go first, then each grows towards what it would like."""
    shown = [index for index, width in enumerate(natural) if width]
    columns = spec.columns

    def least(index: int) -> int:
        column = columns[index]
        return min(max(column.minimum, len(column.title) + 1), natural[index])

    while len(shown) > 1 and sum(map(least, shown)) + GAP * (len(shown) - 1) > available:
        shown.remove(max(shown, key=lambda index: (columns[index].priority, index)))
    widths = {index: least(index) for index in shown}
    spare = available - sum(widths.values()) - GAP * (len(shown) - 1)
    for index in sorted(shown, key=lambda index: columns[index].priority):
        wish = min(natural[index], columns[index].maximum) - widths[index]
        grown = max(0, min(wish, spare))
        widths[index] += grown
        spare -= grown
    flexible = [index for index in shown if columns[index].flexible]
    for index in flexible:
        grown = max(0, min(natural[index] - widths[index], spare))
        widths[index] += grown
        spare -= grown
    if shown:
        widths[(flexible or shown[:1])[-1]] += max(0, min(spare, SLACK))
    return [Fitted(index, max(1, widths[index])) for index in shown]
