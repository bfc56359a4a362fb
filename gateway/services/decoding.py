"""A request's JSON as a specification, or an Invalid that names the field or the place. Pure; checks no rules."""

import difflib
import re
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from gateway.core.errors import Invalid

type Json = Any

# What a resource says besides its specification; and what Microsoft's OpenAPI file has adapters say, of which its own
# gateway knows nothing either.
_NOT_SPECIFIED: Final = frozenset(
    {"id", "createdBy", "createdAt", "lastUpdatedAt", "etag", "cost", "protocol", "connectionType"}
)
_PLACE = re.compile(r"(.*?) - at `(?:key in )?\$\.?(.*)`", re.DOTALL)
_BYTE = re.compile(r"\(byte (\d+)\)")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)


def decode[Spec: msgspec.Struct](body: bytes, kind: type[Spec]) -> Spec:
    """Exactly a specification of that kind. Raises Invalid."""
    try:
        return msgspec.json.decode(body, type=kind)
    except msgspec.ValidationError as error:
        raise invalid_of(error, _names(kind)) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from error


def decode_whole[Spec: msgspec.Struct](body: bytes, kind: type[Spec]) -> Spec:
    """The same of what replaces a resource, which may be the resource as it was returned, changed. Raises Invalid."""
    try:
        return decode(body, kind)
    except Invalid:
        whole = _object(body)
        if not whole.keys() & _NOT_SPECIFIED:
            raise
    kept = {name: value for name, value in whole.items() if name not in _NOT_SPECIFIED}
    return decode(msgspec.json.encode(kept), kind)


def decode_merge(body: bytes) -> dict[str, Json]:
    """A merge patch (RFC 7396) of an object. Raises Invalid."""
    try:
        patch = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from error
    if not isinstance(patch, dict):
        raise Invalid("a merge patch (RFC 7396) is a JSON object with the fields to change; null removes one")
    return patch


def patched[Spec: msgspec.Struct](shown: msgspec.Struct, patch: dict[str, Json], kind: type[Spec]) -> Spec:
    """The specification with a merge patch applied to its wire form, defaults and all. shown: as a writer sees it.

    Raises Invalid.
    """
    whole = msgspec.to_builtins(shown)
    names = _names(kind)
    try:
        return msgspec.convert(merged({name: whole[name] for name in names}, patch), kind)
    except msgspec.ValidationError as error:
        raise invalid_of(error, names) from error
    except RecursionError as error:
        raise Invalid("the JSON nests too deep") from error


def merged(target: Json, patch: Json) -> Json:
    """RFC 7396, section 2: objects merge member by member, null removes, all else replaces."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merged(result.get(name), value)
    return result


def invalid_of(error: msgspec.ValidationError, names: Sequence[str] = ()) -> Invalid:
    """msgspec's sentence as an error of the field that it is about. names: of the outermost fields."""
    sentence, place = str(error), ""
    if found := _PLACE.fullmatch(sentence):
        sentence, place = found[1], found[2].replace("[...]", ".*")
    if found := _UNKNOWN.fullmatch(sentence):
        field, sentence = _joined(place, found[1]), f"is not a known field{_guess(place, found[1], names)}"
    elif found := _MISSING.fullmatch(sentence):
        field, sentence = _joined(place, found[1]), "is required"
    else:
        field, sentence = place, sentence[:1].lower() + sentence[1:]
    return Invalid(f"{field or 'the body'}: {sentence}", errors={field: [sentence]})


def malformed(body: bytes, error: Exception) -> Invalid:
    """No JSON. The sentence names the line and column, where they are known."""
    if isinstance(error, RecursionError):
        return Invalid("the JSON nests too deep")
    if not body.strip():
        return Invalid("the request has no body; send a JSON object")
    if isinstance(error, UnicodeDecodeError):
        return Invalid(f"the body is not UTF-8: {error.reason}")
    sentence = str(error).removeprefix("JSON is malformed: ")
    if (found := _BYTE.search(sentence)) is None:
        return Invalid(f"the body is not JSON: {sentence[:1].lower()}{sentence[1:]}")
    before = body[: int(found[1])]
    line, column = before.count(b"\n") + 1, len(before) - (before.rfind(b"\n") + 1) + 1
    return Invalid(f"the body is not JSON: {_BYTE.sub('', sentence).strip()} at line {line}, column {column}")


def _object(body: bytes) -> dict[str, Json]:
    """Its members; none where it is no object."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _joined(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def _names(kind: type[msgspec.Struct]) -> tuple[str, ...]:
    return tuple(field.encode_name for field in msgspec.structs.fields(kind))


def _guess(place: str, field: str, names: Sequence[str]) -> str:
    """Only of the outermost fields: that is where a newcomer's slips are."""
    alike = {name.lower(): name for name in names}
    found = [] if place else difflib.get_close_matches(field.lower().replace("_", ""), alike, n=1, cutoff=0.75)
    return f"; did you mean {alike[found[0]]}?" if found else ""
