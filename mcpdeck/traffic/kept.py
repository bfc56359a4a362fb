"""How much a flight recorder holds, where, and what is missing of it, in words. Pure."""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final

from gateway.wire.traffic import RecordingPart, TrafficMessage
from mcpdeck.model.formatting import count, duration, plural, size

AT_REST: Final = "encrypted on the gateway's disk"
IN_MEMORY: Final = "in the gateway's memory alone, with which they end"


def in_short(parts: Sequence[RecordingPart]) -> str:
    """Of all replicas together, on a line: `encrypted at rest since 25 Nov 12:01:09, 1,204 messages, 2 gaps`."""
    known = [part.at_rest for part in parts if not _is_unknown(part)]
    where = "encrypted at rest" if all(known) else "some of it in memory alone" if any(known) else "in memory alone"
    since = min((part.since for part in parts if part.since is not None), default=None)
    words = [where + _since(since), plural(sum(part.messages for part in parts), "message")]
    if len(parts) > 1:
        words.append(f"of {len(parts)} replicas")
    if gaps := sum(part.gaps for part in parts):
        words.append(plural(gaps, "gap"))
    if lost := sum(part.lost for part in parts):
        words.append(f"{count(lost)} not kept")
    return ", ".join([*words, *dict.fromkeys(part.trouble for part in parts if part.trouble)])


def in_words(parts: Sequence[RecordingPart]) -> Iterator[str]:
    """A line for each replica."""
    for part in parts:
        known = f"{plural(part.messages, 'message')}{_since(part.since)} ({size(part.bytes)})"
        told = [] if _is_unknown(part) else [known]
        if part.at_rest:
            told.append(f"{AT_REST} ({size(part.bytes_at_rest)})")
        elif told:
            told.append(IN_MEMORY)
        if part.gaps:
            told.append(plural(part.gaps, "gap"))
        if part.lost:
            told.append(f"{plural(part.lost, 'message')} not kept on the disk")
        if part.trouble:
            told.append(part.trouble)
        yield (f"{part.replica}: " if part.replica else "") + ", ".join(told)


def missing(gap: TrafficMessage) -> str:
    """A gap, as a reader is told of it."""
    told = gap.error
    if gap.lost:
        told += f": {plural(gap.lost, 'message')}"
    if gap.duration is not None and gap.duration >= 1:
        told += f" ({duration(gap.duration)})"
    return f"{gap.replica}: {told}" if gap.replica else told


def _since(at: datetime | None) -> str:
    return f" since {at.astimezone():%d %b %H:%M:%S}" if at is not None else ""


def _is_unknown(part: RecordingPart) -> bool:
    """It could not be asked."""
    return bool(part.trouble) and not part.at_rest and part.since is None
