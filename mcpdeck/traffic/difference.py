"""Where two JSON values differ, path by path. Pure."""

from collections.abc import Collection, Iterator
from typing import Any, Final

import msgspec

ABSENT: Final = object()
_LONGEST: Final = 120  # characters of a value that are told


class Change(msgspec.Struct, frozen=True):
    """before, after: as JSON, cut; "" where there is none."""

    path: str
    before: str
    after: str


def differences(before: Any, after: Any, *, path: str = "", ignored: Collection[str] = ()) -> Iterator[Change]:
    """ignored: names of members that may differ anywhere."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in [*before, *(name for name in after if name not in before)]:
            if name not in ignored:
                inner = f"{path}.{name}" if path else name
                yield from differences(before.get(name, ABSENT), after.get(name, ABSENT), path=inner, ignored=ignored)
    elif isinstance(before, list) and isinstance(after, list):
        for place in range(max(len(before), len(after))):
            one = before[place] if place < len(before) else ABSENT
            two = after[place] if place < len(after) else ABSENT
            yield from differences(one, two, path=f"{path}[{place}]", ignored=ignored)
    elif (
        before is ABSENT
        or after is ABSENT
        or before != after
        or isinstance(before, bool) is not isinstance(after, bool)
    ):
        yield Change(path, _told(before), _told(after))


def _told(value: Any) -> str:
    if value is ABSENT:
        return ""
    text = msgspec.json.encode(value).decode()
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"
