"""The filter language of `/`: one text, or terms over fields. Pure.

For lines: `timeout`, `5\\d\\d`, `!healthz`. For rows, all terms must hold: `weath status:ready sessions:>3 !owner:bob`.
Commas part alternatives of a field, one of which must hold: `status:failed,pending`; `\\,` is a comma. Those of a text
are a pattern's: `eu|us`. A text without capitals ignores case. A pattern that is no regular expression is taken as it
stands.
"""

import re
import shlex
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final

import msgspec

_SPECIAL = re.compile(r"[\\^$.|?*+()\[\]{}]")
_AMOUNT = re.compile(r"(>=|<=|>|<|)(\d+(?:\.\d+)?)([smhd]?)")
_COMMA = re.compile(r"(?<!\\),(?![^{]*\})")  # that of `a{1,3}` parts nothing
_MOST_TOLD: Final = 12
_UNITS: Final = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
    "": lambda a, b: a == b,
}

type Field = str | float
type Fields = Mapping[str, Field]


class Needle:
    """One text to look for: a plain substring where possible (that is 40 times faster), else a regular expression."""

    __slots__ = ("_fold", "_lowered", "_pattern", "inverse", "text")

    def __init__(self, text: str, *, may_invert: bool = True) -> None:
        self.inverse = may_invert and text.startswith("!") and len(text) > 1
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


class _Alternative(msgspec.Struct, frozen=True):
    """A text to be found in a field, or for one that is a number what it is to be compared with."""

    needle: Needle
    compare: Callable[[float, float], bool] | None = None
    bound: float = 0.0

    def holds(self, value: Field) -> bool:
        if isinstance(value, str):
            return self.needle.found_in(value)
        return self.compare is not None and self.compare(value, self.bound)


class _Term(msgspec.Struct, frozen=True):
    """field: "" for a text anywhere, which has but one alternative."""

    word: str
    field: str
    alternatives: Sequence[_Alternative]
    is_inverse: bool = False

    def holds(self, fields: Fields, text: str) -> bool:
        """text: everything of the row."""
        value = fields[self.field] if self.field else text
        for each in self.alternatives:
            if each.holds(value):
                return not self.is_inverse
        return self.is_inverse


def everything(fields: Fields) -> str:
    """What a term that names no field looks into."""
    return " ".join([value for value in fields.values() if isinstance(value, str)])


class RowFilter:
    """Which rows stay. `fields` names what `field:` may name; another `x:y` is looked for as it stands."""

    def __init__(self, text: str, fields: Sequence[str]) -> None:
        self.text = text.strip()
        self._fields = fields
        self._terms = [_term(word, fields) for word in _words(self.text)]

    def __bool__(self) -> bool:
        return bool(self._terms)

    @property
    def names_fields(self) -> bool:
        return any(term.field for term in self._terms)

    def keeps(self, fields: Fields) -> bool:
        return not self._terms or self._holds(fields, everything(fields))

    def keeps_text(self, text: str) -> bool:
        """Whether a row stays of which this is everything, if the filter names no field."""
        return self._holds({}, text)

    def _holds(self, fields: Fields, text: str) -> bool:
        for term in self._terms:  # noqa: SIM110  (ten thousand rows come through here at a key)
            if not term.holds(fields, text):
                return False
        return True

    def highlights(self, text: str) -> list[tuple[int, int]]:
        """Where the bare terms stand in a text."""
        bare = (term for term in self._terms if not term.field and not term.is_inverse)
        return sorted(span for term in bare for each in term.alternatives for span in each.needle.spans(text))

    def error(self, row: Fields) -> str:
        """Which term can hold of no row that is like this one, and what was wanted; empty where there is none."""
        return next(filter(None, (_misfit(term, row) for term in self._terms)), "")

    def why_none(self, rows: Sequence[Fields]) -> str:
        """Why none of these rows stays, as far as one term alone is to blame: what it could have named instead."""
        if not rows:
            return ""
        found = (self.error(rows[0]) or self._blamed(term, rows) for term in self._terms)
        return next(filter(None, found), "")

    def _blamed(self, term: _Term, rows: Sequence[Fields]) -> str:
        name, colon, value = term.word.lstrip("!-").partition(":")
        if not term.field:
            is_like_one = bool(colon and value) and name.isalpha()
            return f"there is no field {name!r}; there are {', '.join(sorted(self._fields))}" if is_like_one else ""
        if term.is_inverse or any(term.holds(row, "") for row in rows):
            return ""
        known = sorted({told for row in rows if isinstance(told := row[term.field], str) and told})
        more = ", …" if len(known) > _MOST_TOLD else ""
        return f"{term.word!r}: {term.field} is {', '.join(known[:_MOST_TOLD])}{more}" if known else ""


def words(text: str) -> list[str]:
    """Parted by spaces outside quotes. Raises ValueError where a quote stays open."""
    lexer = shlex.shlex(text, posix=True, punctuation_chars=False)
    lexer.whitespace_split, lexer.commenters, lexer.escape = True, "", ""
    return list(lexer)


def alternatives(value: str) -> list[str]:
    """`a,b` is either; `\\,` a comma. None of an empty one: it may still be typed."""
    return [each.replace("\\,", ",") for each in _COMMA.split(value) if each]


def parted(word: str) -> tuple[bool, str, str]:
    """Whether a term is inverse, its field or "", its value: `!status:ok`, `-status:ok`, `>500ms`, `oslo`."""
    is_inverse = word[:1] == "!" and len(word) > 1
    field, colon, value = word[is_inverse:].partition(":")
    if word[:1] == "-" and field[1:].isalpha() and colon:
        return True, field[1:], value
    return (is_inverse, field, value) if colon else (is_inverse, "", word[is_inverse:])


def ways(text: str, fields: Iterable[str], values: Callable[[str], Iterable[str]]) -> Iterator[str]:
    """The whole filter in every way that it may go on: fields that begin so, or what there is of the named one."""
    head, space, last = text.rpartition(" ")
    sign = last[:1] if last[:1] in ("!", "-") else ""
    field, colon, value = last[len(sign) :].partition(":")
    front = f"{head}{space}{sign}"
    if not colon:
        yield from (f"{front}{name}:" for name in fields if field and name.startswith(field))
        return
    before, comma, begun = value.rpartition(",")
    for each in values(field) if field in fields else ():
        if each.lower().startswith(begun.lower()) and len(each) > len(begun) and " " not in each:
            yield f"{front}{field}:{before}{comma}{begun}{each[len(begun) :]}"


def hint(text: str, fields: Iterable[str]) -> str:
    """What one may begin with, before anything is typed."""
    return "" if text else "  ".join(("text", "!not", *(f"{name}:" for name in fields)))


def _words(text: str) -> list[str]:
    try:
        return words(text)
    except ValueError:  # an open quote, while it is being typed
        return text.split()


def _term(word: str, fields: Sequence[str]) -> _Term:
    is_inverse, field, value = parted(word)
    told = alternatives(value)
    if field in fields and told:
        return _Term(word, field, [_alternative(each) for each in told], is_inverse)
    needle = Needle(word)
    return _Term(word, "", [_Alternative(needle)], needle.inverse)


def _alternative(text: str) -> _Alternative:
    if (amount := _AMOUNT.fullmatch(text)) is None:
        return _Alternative(Needle(text, may_invert=False))
    comparison, number, unit = amount.groups()
    return _Alternative(Needle(text, may_invert=False), _COMPARE[comparison], float(number) * _UNITS[unit])


def _misfit(term: _Term, row: Fields) -> str:
    value = row[term.field] if term.field else ""
    for each in term.alternatives:
        if not isinstance(value, str) and each.compare is None:
            return f"{term.word!r}: wanted an amount after {term.field}:, such as >3, 0 or <1h"
    return ""
