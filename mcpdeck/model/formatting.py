"""Times, counts and lengths as people read them in a narrow column. Pure."""

from collections.abc import Sequence
from datetime import UTC, datetime

from gateway.wire.resources import Adapter
from mcpdeck.model.plain import one_line

_STEPS = ((120, 1, "s"), (120 * 60, 60, "m"), (48 * 3600, 3600, "h"), (730 * 86400, 86400, "d"))


def age(then: datetime | None, now: datetime) -> str:
    """`42s`, `90m`, `31h`, `12d`, `3y`: at most four characters up to two years, as kubectl writes ages."""
    return "" if then is None else duration((now - then).total_seconds())


def duration(seconds: float) -> str:
    seconds = max(0.0, seconds)
    for limit, unit, letter in _STEPS:
        if seconds < limit:
            return f"{int(seconds // unit)}{letter}"
    return f"{int(seconds // (365 * 86400))}y"


def milliseconds(seconds: float | None) -> str:
    return "" if seconds is None else f"{max(1, round(seconds * 1000))}ms"


def latency(seconds: float) -> str:
    """`3ms`, `820ms`, `4.2s`, `31s`, `5m`: at most five characters."""
    if seconds < 0.9995:
        return milliseconds(seconds)
    return f"{seconds:.1f}s" if seconds < 9.95 else duration(seconds)


def count(number: int) -> str:
    return f"{number:,}"


def size(number: int) -> str:
    """Bytes in at most five characters: `312`, `1.2K`, `34K`, `5.6M`."""
    if number < 1000:
        return str(number)
    value, unit = number / 1000, "K"
    for larger in "MGTP":
        if value < 999.5:
            break
        value, unit = value / 1000, larger
    return f"{value:.1f}{unit}" if value < 9.95 else f"{value:.0f}{unit}"


def moment(then: datetime, now: datetime) -> str:
    """`2026-01-02 03:04:05 UTC  (5m ago)`."""
    return f"{then.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC  ({age(then, now)} ago)"


def plural(number: int, noun: str) -> str:
    """`1 session`, `1,204 sessions`."""
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def listed(words: Sequence[str]) -> str:
    """`one`, `one and two`, `one, two and three`."""
    return " and ".join(filter(None, [", ".join(words[:-1]), *words[-1:]]))


def source(adapter: Adapter) -> str:
    """Where an adapter's server comes from, as one line."""
    if adapter.stdio is not None:
        return one_line(" ".join([adapter.stdio.command, *adapter.stdio.args]))
    if adapter.url:
        return adapter.url
    separator = "@" if adapter.image_version.startswith("sha256:") else ":"
    return f"{adapter.image_name}{separator}{adapter.image_version}"


def clip(text: str, width: int, ellipsis: str = "…") -> str:
    """At most `width` characters, the cut marked."""
    return text if len(text) <= width else text[: max(0, width - 1)] + ellipsis[: max(0, width)]
