"""The names under which tools are offered at /mcp: what every known client takes. Knows no tool and no registry.

Clients differ (protocol.md, section 7): Gemini wants a letter first, Cursor letters, digits and underscores only, and
where a client writes `mcp__server__tool` the 64 characters of the model's API hold its prefix too.
"""

import hashlib
import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from typing import Final

import msgspec

LONGEST: Final = 48
_HASH: Final = 8
EXPORTED = re.compile(rf"[A-Za-z][A-Za-z0-9_]{{0,{LONGEST - 1}}}")
_UNFIT = re.compile(r"[^A-Za-z0-9_]")


class Naming(StrEnum):
    """How a tool came to its exported name."""

    OWN = "own"  # as its server calls it
    RENAMED = "renamed"  # as whoever registered it wanted
    FITTED = "fitted"  # its own has characters or a length that some clients refuse
    PREFIXED = "prefixed"  # another tool has the same; each of them bears its adapter's name
    HASHED = "hashed"  # even so another has the same


class Origin(msgspec.Struct, frozen=True):
    """Where a name comes from: an adapter (or tool server) and its own word. wanted: a rename, "" for none."""

    source: str
    original: str
    wanted: str = ""


class Exported(msgspec.Struct, frozen=True):
    name: str
    naming: Naming


def fit(text: str) -> str:
    """A name that every known client takes. The same text gives the same name, whatever else there is."""
    fitted = _UNFIT.sub("_", text)
    if not fitted[:1].isalpha():
        fitted = f"t_{fitted}"
    return fitted if len(fitted) <= LONGEST else _hashed(fitted, text)


def export(origins: Iterable[Origin]) -> dict[Origin, Exported]:
    """Each origin's name. Unprefixed while nobody else has it; of those that share one, all are prefixed.

    Names depend on the set of origins alone, never on their order, and no tool takes another's name by coming first.
    """
    wanted = {origin: fit(origin.wanted or origin.original) for origin in origins}
    holders = Counter(wanted.values())
    named = {origin: _unprefixed(origin, name) for origin, name in wanted.items() if holders[name] == 1}
    prefixed = {origin: fit(f"{origin.source}_{name}") for origin, name in wanted.items() if holders[name] > 1}
    taken = Counter([*prefixed.values(), *(each.name for each in named.values())])
    for origin, name in prefixed.items():
        if taken[name] == 1:
            named[origin] = Exported(name, Naming.PREFIXED)
        else:
            named[origin] = Exported(_hashed(name, f"{origin.source}\0{origin.original}"), Naming.HASHED)
    return named


def _unprefixed(origin: Origin, name: str) -> Exported:
    if origin.wanted:
        return Exported(name, Naming.RENAMED)
    return Exported(name, Naming.OWN if name == origin.original else Naming.FITTED)


def _hashed(name: str, text: str) -> str:
    return f"{name[: LONGEST - _HASH - 1]}_{hashlib.sha256(text.encode()).hexdigest()[:_HASH]}"
