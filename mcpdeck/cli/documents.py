"""Files that a command was given: read, taken apart, and made what is wanted. Sends nothing.

A failure names the file, what was wanted and what was found.
"""

import re
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from mcpdeck.cli.exits import USAGE, Failure
from mcpdeck.meant import meant

_PLACE: Final = re.compile(r"(.*?) - at `(?:key in )?\$\.?(.*)`", re.DOTALL)
_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_EXPECTED: Final = re.compile(r"Expected `(.*)`, got `(.*)`")
_KINDS: Final = {
    "object": "a map",
    "array": "a list",
    "str": "a text",
    "int": "a whole number",
    "float": "a number",
    "bool": "true or false",
    "null": "nothing",
}
_OF: Final = {dict: "object", list: "array", str: "str", int: "int", float: "float", bool: "bool", type(None): "null"}


def text_of(name: str) -> str:
    """name: `-` is stdin. Raises Failure."""
    try:
        return sys.stdin.read() if name == "-" else Path(name).read_text(encoding="utf-8")
    except OSError as error:
        raise Failure(USAGE, f"{name}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise Failure(USAGE, f"{name} is no text: it is not UTF-8 at byte {error.start}") from error


def documents_of(name: str) -> list[Any]:
    """What a file of YAML or JSON holds, empty documents left out. Raises Failure."""
    import yaml

    text = text_of(name)
    try:
        return [each for each in yaml.safe_load_all(text) if each is not None]
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f":{mark.line + 1}" if mark else ""
        raise Failure(USAGE, f"{name}{line}: {getattr(error, 'problem', None) or 'neither YAML nor JSON'}") from error


def made[Kind](document: Any, kind: type[Kind], *, where: str, wanted: str) -> Kind:
    """wanted: what it shall be, such as `a policy`. Raises Failure."""
    if not isinstance(document, dict):
        raise Failure(USAGE, f"{where}: {wanted} is a map that begins with `name:`, and this is {kind_of(document)}")
    try:
        return msgspec.convert(document, kind)
    except msgspec.ValidationError as error:
        raise Failure(USAGE, f"{where}: {fault_of(error, kind)}") from error


def fault_of(error: msgspec.ValidationError, kind: Any = None) -> str:
    """msgspec's sentence for who wrote the file: where, what was wanted, what was found."""
    sentence, place = str(error), ""
    if found := _PLACE.fullmatch(sentence):
        sentence, place = found[1], found[2]
    if found := _UNKNOWN.fullmatch(sentence):
        near = meant(found[1], [] if place or kind is None else _names(kind))
        return f"{_joined(place, found[1])} is not a known field" + (f"; {near}" if near else "")
    if found := _MISSING.fullmatch(sentence):
        return f"{_joined(place, found[1])} is required"
    if found := _EXPECTED.fullmatch(sentence):
        sentence = f"{_named(found[1])} is wanted, and this is {_named(found[2])}"
    return f"{place}: {sentence}" if place else sentence


def kind_of(value: Any) -> str:
    return _named(_OF.get(type(value), type(value).__name__))


def _named(kinds: str) -> str:
    return " or ".join(_KINDS.get(kind, kind) for kind in kinds.split(" | "))


def _joined(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def _names(kind: type) -> list[str]:
    return [field.encode_name for field in msgspec.structs.fields(kind)]
