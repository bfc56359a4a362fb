"""A bounded book of log lines, what of it is shown, and what was lost. Knows neither the stream nor the screen."""

import re
from bisect import bisect_left
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from enum import StrEnum
from typing import Final, NamedTuple

from mcpdeck.model.filters import Needle, alternatives

CAPACITY: Final = 50_000
_TRIM_SHARE: Final = 10  # a tenth more than the capacity may stand before the front is cut, so that a cut is rare
_INSTANCE = re.compile(r"\[([a-z0-9][a-z0-9.-]*)\] ")
_WHERE = re.compile(r"([!-]?)instance:(\S+)(?:\s+(.*))?", re.DOTALL)
_STAMP = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?(?:Z|[+-]\d{2}:\d{2})) ")


class Kind(StrEnum):
    LINE = "line"
    MARK = "mark"  # the reader's own
    GAP = "gap"  # the stream broke here


class LogLine(NamedTuple):
    """One line. `instance` and `stamp` are empty where the stream does not tell them."""

    text: str
    instance: str = ""
    stamp: str = ""
    kind: Kind = Kind.LINE


def parse_line(raw: str) -> LogLine:
    """A line as the gateway writes it: `[weather-0] 2026-01-02T03:04:05Z text`, either part of the front optional."""
    instance = stamp = ""
    if match := _INSTANCE.match(raw):
        instance, raw = match[1], raw[match.end() :]
    if match := _STAMP.match(raw):
        stamp, raw = match[1], raw[match.end() :]
    return LogLine(raw, instance, stamp)


class Inbox[Item = LogLine]:
    """What is between a stream and the screen: at most `capacity` wait, the oldest go first and are counted.

    `wake` is called when the first one comes into an empty inbox, so that nobody has to look.
    """

    def __init__(self, wake: Callable[[], object] = lambda: None, capacity: int = 10_000) -> None:
        self._wake = wake
        self._waiting: deque[Item] = deque(maxlen=capacity)
        self.dropped = 0

    def put(self, item: Item) -> None:
        if len(self._waiting) == self._waiting.maxlen:
            self.dropped += 1
        self._waiting.append(item)
        if len(self._waiting) == 1:
            self._wake()

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self) -> list[Item]:
        taken = list(self._waiting)
        self._waiting.clear()
        return taken


class Logbook:
    """The last lines by a number that never changes, and which of them a filter shows.

    `highlight_only`: everything is shown, and the needle only marked.
    """

    def __init__(self, capacity: int = CAPACITY) -> None:
        self._capacity = capacity
        self._lines: list[LogLine] = []
        self._first = 0  # number of the oldest line
        self._shown: list[int] = []  # numbers, ascending; unused while everything is shown
        self.needle = Needle("")
        self._where: Sequence[Needle] = ()  # the instances that alone are shown
        self._where_not = False  # or alone are not
        self.highlight_only = False
        self.instances: dict[str, int] = {}  # in order of appearance; the place chooses a colour

    def __len__(self) -> int:
        """How many lines are shown."""
        return len(self._shown) if self._filters else len(self._lines)

    def __getitem__(self, index: int) -> LogLine:
        """The shown line at a place."""
        return self._lines[self._shown[index] - self._first] if self._filters else self._lines[index]

    def __iter__(self) -> Iterator[LogLine]:
        return (self[index] for index in range(len(self)))

    @property
    def total(self) -> int:
        """How many lines are held, shown or not."""
        return len(self._lines)

    @property
    def _filters(self) -> bool:
        return bool(self.needle or self._where) and not self.highlight_only

    def extend(self, lines: Iterable[LogLine]) -> int:
        """Take in lines. Returns how many shown ones fell off the front, so that a viewport can stay where it is."""
        for line in lines:
            if line.instance and line.instance not in self.instances:
                self.instances[line.instance] = len(self.instances)
            self._lines.append(line)
            if self._filters and self._keeps(line):
                self._shown.append(self._first + len(self._lines) - 1)
        return self._trim()

    def _keeps(self, line: LogLine) -> bool:
        if line.kind is not Kind.LINE:
            return True
        if self._where and any(each.found_in(line.instance) for each in self._where) is self._where_not:
            return False
        if not self.needle:
            return True
        found = self.needle.found_in(line.text) or self.needle.found_in(line.instance)
        return found is not self.needle.inverse

    def _trim(self) -> int:
        surplus = len(self._lines) - self._capacity
        if surplus <= self._capacity // _TRIM_SHARE:
            return 0
        del self._lines[:surplus]
        self._first += surplus
        if not self._filters:
            return surplus
        fallen = bisect_left(self._shown, self._first)
        del self._shown[:fallen]
        return fallen

    def look_for(self, text: str, *, highlight_only: bool) -> None:
        """Show what the needle keeps, or mark it only. `instance:weather-0,weather-2` before it keeps those alone."""
        self._where, self._where_not = (), False
        if where := _WHERE.fullmatch(text):
            self._where = [Needle(each, may_invert=False) for each in alternatives(where[2])]
            self._where_not, text = bool(where[1]), where[3] or ""
        self.needle, self.highlight_only = Needle(text), highlight_only
        self._shown = []
        if self._filters:
            numbered = enumerate(self._lines, self._first)
            self._shown = [number for number, line in numbered if self._keeps(line)]

    def clear(self) -> None:
        self._first += len(self._lines)
        self._lines.clear()
        self._shown.clear()
