"""Which part of which log a reader wants. Pure."""

from typing import Final

import msgspec

TAIL: Final = 1_000

# What the digits choose: a title, and seconds back; None is the tail, 0 everything.
SINCE: Final[dict[str, tuple[str, float | None]]] = {
    "tail": (f"last {TAIL:,}", None),
    "start": ("start", 0.0),
    "1m": ("1m", 60.0),
    "5m": ("5m", 300.0),
    "15m": ("15m", 900.0),
    "30m": ("30m", 1800.0),
    "1h": ("1h", 3600.0),
}


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """`since` is a key of SINCE; `previous` asks for the run before the last restart."""

    adapter: str
    since: str = "tail"
    previous: bool = False
