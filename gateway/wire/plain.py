"""Whether JSON says the same to whoever reads it: what one reader takes for a call, another may take for another one.

Of a key that comes twice most readers take the last, some the first; some don't tell `Name` from `name`. Judges no
message otherwise.
"""

import json
from typing import Any, Final

import msgspec

_MESSAGE: Final = frozenset({"jsonrpc", "id", "method", "params"})
_PARAMS: Final = frozenset({"name", "arguments", "_meta", "inputResponses", "requestState", "task"})
_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder().decode


class Ambiguous(ValueError):
    """The sentence says which key."""


def decode(body: bytes) -> Any:
    """A message as it is for every reader. Raises Ambiguous, and msgspec.DecodeError of what is no JSON."""
    try:
        found = _decode(body)
        if _encode(found) != body:  # else each key is there once: what was made of an object has it once
            _pairs(body.decode())
    except RecursionError as error:
        raise msgspec.DecodeError("JSON nests too deep") from error
    except UnicodeError as error:
        raise msgspec.DecodeError(f"text is not UTF-8: {error}") from error
    if isinstance(found, dict):
        _check(found, _MESSAGE)
        params = found.get("params")
        if isinstance(params, dict):
            _check(params, _PARAMS)
    return found


def is_plain(body: bytes) -> bool:
    """Whether `decode` has it. Numbers beyond all measure are for other readers to take or not."""
    try:
        decode(body)
    except (Ambiguous, msgspec.DecodeError):
        return False
    return True


def _check(found: dict[str, Any], words: frozenset[str]) -> None:
    if found.keys() <= words:
        return
    for key in found:
        if key not in words and key.casefold() in words:
            raise Ambiguous(f"the key {key!r} is {key.casefold()!r} to some readers: send it as that, or leave it out")


def _once(pairs: list[tuple[str, Any]]) -> None:
    if len(pairs) == len({key for key, _ in pairs}):
        return
    keys = [key for key, _ in pairs]
    twice = next(key for key in keys if keys.count(key) > 1)
    raise Ambiguous(f"the key {twice!r} comes more than once in an object, and readers differ on which holds")


_pairs = json.JSONDecoder(object_pairs_hook=_once, parse_int=len, parse_float=len).decode
