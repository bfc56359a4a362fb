"""Text from elsewhere without what a terminal would obey: escape sequences, control and direction characters. Pure.

Everything that a server sends comes through here once, where it is read; nothing behind has to think of it.
"""

import re
from typing import Any, Final

import msgspec

REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"

_SEQUENCE = re.compile(  # whole ones go without a trace: colours of a log, mostly
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]"  # control sequences
    r"|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)"  # operating system commands: titles, the clipboard
    r"|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)"  # device control strings and their like
)
_OBEYED = re.compile(  # C0 without tab and line feed, DEL, C1, and what turns the direction of writing
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]"
)
_BREAKS: Final = dict.fromkeys(map(ord, "\t\n\r\v\f\x1c\x1d\x1e\x85\u2028\u2029"), " ")
_JOINED = re.compile("(?<=[\u2600-\u27bf\ufe0f\U0001f000-\U0001faff])\u200d")  # of several pictures, one
_SUSPICIOUS = re.compile(  # the same in JSON's bytes, or an escape that may stand for it
    rb"\\[ubfr]|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]|\xc2[\x80-\x9f]|\xd8\x9c|\xe2\x80[\x8e\x8f\xaa-\xae]|\xe2\x81[\xa6-\xa9]"
)


def plain(text: str) -> str:
    """The text as it may be shown: sequences gone, any control character left over replaced, tabs and lines kept."""
    if text.isprintable():
        return text
    return _OBEYED.sub(REPLACEMENT, _SEQUENCE.sub("", text.replace("\r\n", "\n")))


def one_line(text: str) -> str:
    """The same for a cell of a table: line breaks and tabs become spaces."""
    return " ".join(plain(text).split())


def in_a_row(text: str) -> str:
    """One row of a terminal: a space for each line break and tab, and pictures side by side that few terminals join."""
    return text if text.isprintable() else _JOINED.sub("", text.translate(_BREAKS))


def decode[Value](body: bytes | bytearray, kind: type[Value]) -> Value:
    """JSON as a value with plain texts only. Raises msgspec.DecodeError, its ValidationError for a wrong shape."""
    if not _SUSPICIOUS.search(body):
        return msgspec.json.decode(body, type=kind)
    return msgspec.convert(plain_json(msgspec.json.decode(body)), kind)


def plain_json(value: Any) -> Any:
    """A decoded JSON value with every text in it, keys included, made plain."""
    match value:
        case str():
            return plain(value)
        case dict():
            return {plain(key): plain_json(inner) for key, inner in value.items()}
        case list():
            return [plain_json(inner) for inner in value]
        case _:
            return value
