"""The filter language of traffic: `method:tools/* status:error >500ms !session:7f3a`. All terms must hold. Pure.

Words, signs and alternatives (`status:404,5xx`) are as in `model.filters`; what is different is that a term which means
nothing is an error.
"""

import fnmatch
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from gateway.wire.traffic import Kind, Sender, TrafficMessage
from mcpdeck.model.filters import Needle, alternatives, parted, words

_AMOUNT = re.compile(r"(>=|<=|>|<)(\d+(?:\.\d+)?)(us|ms|s|m|B|k|M)?")
_SECONDS: Final = {"us": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0}
_BYTES: Final = {"B": 1.0, "k": 1024.0, "M": 1024.0 * 1024.0}
_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    ">": lambda a, b: a > b,
    "<": lambda a, b: a < b,
    ">=": lambda a, b: a >= b,
    "<=": lambda a, b: a <= b,
}
_TEXTS: Final[Mapping[str, Callable[[TrafficMessage], str]]] = {
    "method": lambda each: each.method,
    "target": lambda each: each.target,
    "tool": lambda each: each.target,
    "session": lambda each: each.session,
    "adapter": lambda each: each.adapter,
    "instance": lambda each: each.instance,
    "user": lambda each: each.principal,
    "era": lambda each: each.era,
    "id": lambda each: "" if each.id is None else str(each.id),
    "kind": lambda each: each.kind,
    "from": lambda each: each.sender,
    "error": lambda each: each.error,
    "request": lambda each: each.request_id,
}

_CLOSED: Final[Mapping[str, Sequence[str]]] = {
    "era": ("legacy", "modern"),
    "kind": tuple(Kind),
    "from": tuple(Sender),
}
_AMOUNTS: Final = ("duration", "size")
FIELDS: Final = tuple(sorted((*_TEXTS, *_AMOUNTS, "status")))
STATUSES: Final = ("error", "ok", "404", "5xx")

type Test = Callable[[TrafficMessage], bool]


class Filter:
    """Which messages are wanted. Raises ValueError, with what there is, for a term that means nothing."""

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._terms = [_term(word) for word in _words(self.text)]

    def __bool__(self) -> bool:
        return bool(self._terms)

    def keeps(self, message: TrafficMessage) -> bool:
        return all(test(message) is not inverse for test, inverse in self._terms)

    def keeps_any(self, messages: Sequence[TrafficMessage]) -> bool:
        """Whether they together are what is wanted, as a call and its response: each may hold what the other lacks."""
        return all(any(map(test, messages)) is not inverse for test, inverse in self._terms)

    @property
    def bare_words(self) -> list[str]:
        """What is looked for anywhere, for marking it."""
        found = (parted(word) for word in _words(self.text))
        return [value for is_inverse, field, value in found if not is_inverse and not field and value[:1] not in "<>"]


def is_error(message: TrafficMessage) -> bool:
    return bool(message.error) or message.status >= 400


def values_of(field: str, message: TrafficMessage) -> str:
    """What a text field is of a message; empty where it has none."""
    return _TEXTS[field](message) if field in _TEXTS else ""


def fixed_values(field: str) -> Sequence[str]:
    """What a field can be, where that is known beforehand."""
    return STATUSES if field == "status" else _CLOSED.get(field, ())


def _words(text: str) -> list[str]:
    try:
        return words(text)
    except ValueError as error:
        raise ValueError(f"{text!r}: {str(error).lower()}") from error


def _term(word: str) -> tuple[Test, bool]:
    is_inverse, field, value = parted(word)
    if not field:
        test = _longer(value) if value[:1] in ("<", ">") else _contains(value)
        return test, is_inverse
    if field not in FIELDS:
        raise ValueError(f"{word!r}: there is no {field!r}; there are {', '.join(FIELDS)}")
    told = alternatives(value) or ([""] if field in _TEXTS else [])
    if not told:
        raise ValueError(f"{word!r}: wanted {_wanted(field)}")
    tests = [_test(field, each) for each in told]
    return (tests[0] if len(tests) == 1 else lambda message: any(test(message) for test in tests)), is_inverse


def _wanted(field: str) -> str:
    if known := fixed_values(field):
        return f"{', '.join(known)}, or several with commas between"
    return "an amount, such as >500ms or >10k" if field in _AMOUNTS else "a value, or several with commas between"


def _test(field: str, value: str) -> Test:
    match field:
        case "status":
            return _status(value)
        case "duration":
            return _longer(value)
        case "size":
            return _larger(value)
    known = _CLOSED.get(field, ())
    pattern = _pattern(value)
    if known and not any(pattern.match(each) for each in known):
        raise ValueError(f"'{field}:{value}': wanted {_wanted(field)}")
    text_of = _TEXTS[field]
    return lambda message: pattern.match(text_of(message)) is not None


def _pattern(value: str) -> re.Pattern[str]:
    """`*` and `?` stand for others; without them the beginning is enough."""
    return re.compile(fnmatch.translate(value if re.search(r"[*?\[]", value) else f"{value}*"), re.IGNORECASE)


def _status(value: str) -> Test:
    if value == "error":
        return is_error
    if value == "ok":
        return lambda message: message.answers > 0 and not is_error(message)
    if not re.fullmatch(r"[0-9][0-9x]{2}", value):
        raise ValueError(f"'status:{value}': wanted error, ok, a status such as 404, or 5xx")
    pattern = re.compile(value.replace("x", "[0-9]"))
    return lambda message: pattern.fullmatch(str(message.status)) is not None


def _longer(value: str) -> Test:
    compare, bound = _amount(value, _SECONDS, "ms", "500ms")
    return lambda message: message.duration is not None and compare(message.duration, bound)


def _larger(value: str) -> Test:
    compare, bound = _amount(value, _BYTES, "B", "10k")
    return lambda message: compare(message.size, bound)


def _amount(
    value: str, units: Mapping[str, float], usual: str, example: str
) -> tuple[Callable[[float, float], bool], float]:
    found = _AMOUNT.fullmatch(value)
    unit = (found[3] or usual) if found is not None else ""
    if found is None or unit not in units:
        raise ValueError(f"{value!r}: wanted >, <, >= or <= and an amount, such as >{example}")
    return _COMPARE[found[1]], float(found[2]) * units[unit]


def _contains(word: str) -> Test:
    needle = Needle(word, may_invert=False)

    def test(message: TrafficMessage) -> bool:
        told = (message.method, message.target, message.error, message.excerpt)
        if any(map(needle.found_in, told)):
            return True
        return message.payload is not None and needle.found_in(msgspec.json.encode(message.payload).decode())

    return test
