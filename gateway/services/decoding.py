"""A request's JSON as a specification, or an Invalid that names the field or the place. Pure; checks no rules."""

import difflib
import re
from typing import Any, Final

import msgspec

from gateway.core.desired import Desired
from gateway.core.errors import Invalid
from gateway.wire.resources import AdapterSpec

type Json = Any

FIELDS: Final = tuple(msgspec.structs.fields(AdapterSpec))
_NAMES: Final = tuple(field.encode_name for field in FIELDS)
_PLACE = re.compile(r"(.*?) - at `(?:key in )?\$\.?(.*)`", re.DOTALL)
_BYTE = re.compile(r"\(byte (\d+)\)")
_UNKNOWN = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING = re.compile(r"Object missing required field `(.*)`", re.DOTALL)
_specs = msgspec.json.Decoder(AdapterSpec)


def decode_spec(body: bytes) -> AdapterSpec:
    """Exactly an AdapterSpec. Raises Invalid."""
    try:
        return _specs.decode(body)
    except msgspec.ValidationError as error:
        raise invalid_of(error) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from error


def decode_merge(body: bytes) -> dict[str, Json]:
    """A merge patch (RFC 7396) of an object. Raises Invalid."""
    try:
        patch = msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise malformed(body, error) from error
    if not isinstance(patch, dict):
        raise Invalid("a merge patch (RFC 7396) is a JSON object with the fields to change; null removes one")
    return patch


def patched(desired: Desired, patch: dict[str, Json]) -> AdapterSpec:
    """The specification with a merge patch applied to its wire form, defaults and all. Raises Invalid."""
    whole = msgspec.to_builtins(desired.shown(to_writer=True))
    target = {name: whole[name] for name in _NAMES}
    try:
        return msgspec.convert(merged(target, patch), AdapterSpec)
    except msgspec.ValidationError as error:
        raise invalid_of(error) from error
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


def invalid_of(error: msgspec.ValidationError) -> Invalid:
    """msgspec's sentence as an error of the field that it is about."""
    sentence, place = str(error), ""
    if found := _PLACE.fullmatch(sentence):
        sentence, place = found[1], found[2].replace("[...]", ".*")
    if found := _UNKNOWN.fullmatch(sentence):
        field, sentence = _joined(place, found[1]), f"is not a known field{_guess(place, found[1])}"
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


def _joined(place: str, field: str) -> str:
    return f"{place}.{field}" if place else field


def _guess(place: str, field: str) -> str:
    """Only of the outermost fields: that is where a newcomer's slips are."""
    alike = {name.lower(): name for name in _NAMES}
    found = [] if place else difflib.get_close_matches(field.lower().replace("_", ""), alike, n=1, cutoff=0.75)
    return f"; did you mean {alike[found[0]]}?" if found else ""
