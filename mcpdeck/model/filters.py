"""The filter language of `/`: one text, or terms over fields. Pure.

For lines: `timeout`, `5\\d\\d`, `!healthz`. For rows, all terms must hold: `weath status:ready sessions:>3 !owner:bob`.
A text without capitals ignores case. A pattern that is no regular expression is taken as it stands.
"""

import re
import shlex
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")
_COMPARISON = re.compile(r"(>=|<=|>|<)(\d+(?:\.\d+)?)([smhd]?)")
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}

type Field = str | float
type Fields = Mapping[str, Field]


class Needle:
    """One text to look for: a plain substring where possible (that is 40 times faster), else a regular expression."""

    __slots__ = ("_fold", "_lowered", "_pattern", "inverse", "text")

    def __init__(self, text: str) -> None:
        self.inverse = text.startswith("!") and len(text) > 1
        self.text = text[1:] if self.inverse else text
        self._fold = self.text.islower() or (not self.text.isalpha() and self.text == self.text.lower())
        self._lowered = self.text.lower() if self._fold else self.text
        self._pattern = self._compiled()

    def _compiled(self) -> re.Pattern[str] | None:
        if not _SPECIAL.search(self.text):
            return None
        try:
            return re.compile(self.text, re.IGNORECASE if self._fold else 0)
        except re.error:
            return None

    def __bool__(self) -> bool:
        return bool(self.text)

    def found_in(self, text: str) -> bool:
        """Whether the text is there, the inversion not regarded."""
        if self._pattern is not None:
            return self._pattern.search(text) is not None
        return self._lowered in (text.lower() if self._fold else text)

    def keeps(self, text: str) -> bool:
        """Whether a line stays on the screen."""
        return self.found_in(text) is not self.inverse

    def spans(self, text: str) -> list[tuple[int, int]]:
        """Where it stands in the text, for highlighting. None for an inverse needle: what it names is not shown."""
        if not self.text or self.inverse:
            return []
        if self._pattern is not None:
            return [match.span() for match in self._pattern.finditer(text) if match.end() > match.start()]
        hay = text.lower() if self._fold else text
        if len(hay) != len(text):
            return []  # lower-casing changed the length (as with 'İ'): positions would lie
        found, start = [], hay.find(self._lowered)
        while start >= 0:
            found.append((start, start + len(self._lowered)))
            start = hay.find(self._lowered, start + len(self._lowered))
        return found


class _Term(msgspec.Struct, frozen=True):
    needle: Needle
    field: str = ""
    comparison: tuple[str, float] | None = None

    def holds(self, fields: Fields, everything: str) -> bool:
        if self.comparison is not None:
            operator, bound = self.comparison
            value = fields[self.field]
            holds = isinstance(value, int | float) and _COMPARE[operator](value, bound)
            return holds is not self.needle.inverse
        return self.needle.keeps(str(fields[self.field]) if self.field else everything)


class RowFilter:
    """Which rows stay. `fields` names what `field:` may name; another `x:y` is looked for as it stands."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.text = text.strip()
        self._terms = [_term(word, fields) for word in _words(self.text)]

    def __bool__(self) -> bool:
        return bool(self._terms)

    def keeps(self, fields: Fields) -> bool:
        if not self._terms:
            return True
        everything = " ".join(value for value in fields.values() if isinstance(value, str))
        return all(term.holds(fields, everything) for term in self._terms)

    def highlights(self, text: str) -> list[tuple[int, int]]:
        """Where the bare terms stand in a text."""
        return sorted(span for term in self._terms if not term.field for span in term.needle.spans(text))


def _words(text: str) -> list[str]:
    try:
        lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
        lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
        return list(lexer)
    except ValueError:  # an open quote, while it is being typed
        return text.split()


def _term(word: str, fields: Sequence[str]) -> _Term:
    inverse = "!" if word.startswith("!") and len(word) > 1 else ""
    field, colon, value = word.removeprefix("!").partition(":")
    if not colon or field not in fields or not value:
        return _Term(Needle(word))
    if match := _COMPARISON.fullmatch(value):
        operator, number, unit = match.groups()
        return _Term(Needle(f"{inverse}{value}"), field, (operator, float(number) * _UNITS[unit]))
    return _Term(Needle(f"{inverse}{value}"), field)
