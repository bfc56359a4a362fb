"""A specification as YAML, and YAML as lines of toned cells. Reads no file."""

import functools
import re
from collections.abc import Iterator
from typing import Any, Final

import msgspec

from gateway.wire.resources import Adapter, AdapterSpec
from mcpdeck.model.words import Cell, Tone

_KEY: Final = re.compile(r"(\s*(?:- )?)([\w.\-/]+)(:)(.*)")
RETURNED: Final = frozenset({"id", "createdBy", "createdAt", "lastUpdatedAt", "etag"})
_LEAD: Final = ("name", "description")


def to_yaml(value: Adapter | AdapterSpec, *, returned: bool = False) -> str:
    """What differs from the defaults, the name first. `returned`: with what the gateway added besides."""
    import yaml

    plain = _differing(value)
    if returned and isinstance(value, Adapter):
        plain |= {key: it for key, it in msgspec.to_builtins(value).items() if key in RETURNED}
    ordered = {key: plain[key] for key in (*_LEAD, *plain) if key in plain}
    return str(yaml.dump(ordered, Dumper=_dumper(), sort_keys=False, allow_unicode=True, width=100))


@functools.cache
def _dumper() -> Any:
    """A text of several lines, such as a program that is an argument, stands as it was written."""
    import yaml

    class Blocks(yaml.SafeDumper):
        pass

    def text(dumper: Any, value: str) -> Any:
        style = "|" if "\n" in value.rstrip("\n") else None
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)

    Blocks.add_representer(str, text)
    return Blocks


def _differing(value: Adapter | AdapterSpec) -> dict[str, Any]:
    """The specification's fields that are not as by default, by their names on the wire."""
    plain = msgspec.to_builtins(value)
    told: dict[str, Any] = {}
    for field in msgspec.structs.fields(AdapterSpec):
        made = field.default_factory
        default = made() if made is not msgspec.NODEFAULT else field.default
        if getattr(value, field.name) != default:
            told[field.encode_name] = plain[field.encode_name]
    return told


def from_yaml(text: str) -> AdapterSpec:
    """Raises ValueError with what is wrong and where, for its writer."""
    import yaml

    try:
        plain = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f"line {mark.line + 1}: " if mark else ""
        raise ValueError(f"{where}{getattr(error, 'problem', None) or 'not YAML'}") from error
    if not isinstance(plain, dict):
        raise msgspec.ValidationError("a specification is a map that begins with `name:`")
    return msgspec.convert({key: it for key, it in plain.items() if key not in RETURNED}, AdapterSpec)


def toned(text: str) -> Iterator[list[Cell]]:
    """YAML with its keys and values apart."""
    for line in text.splitlines():
        if match := _KEY.fullmatch(line):
            lead, key, colon, rest = match.groups()
            yield [Cell(lead), Cell(key, Tone.ACCENT), Cell(colon, Tone.DIM), Cell(rest)]
        else:
            yield [Cell(line, Tone.DIM if line.lstrip().startswith("#") else Tone.PLAIN)]
