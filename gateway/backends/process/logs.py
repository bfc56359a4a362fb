"""The logs of instances as their keepers wrote them: read, followed, pruned. Writes no line itself.

A position is a life of the instance and a byte of that life's log, counted over all its segments, gone ones included.
"""

import asyncio
import re
import shutil
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import msgspec

from gateway.core.ports import LogLine, Position
from gateway.wire.names import AdapterName, InstanceName, split_instance_name

KEPT_LIVES: Final = 5
_STAMP: Final = len("2026-11-24T22:53:08.123456Z")
_NEVER: Final = datetime.fromtimestamp(0, UTC)
_SEGMENT = re.compile(r"([0-9]{6,})\.([0-9]{12,})\.log")
_AT_ONCE: Final = 64 * 1024  # bytes that a follower reads at a time, on the loop: about a millisecond


class _Segment(msgspec.Struct, frozen=True, order=True):
    life: int
    base: int
    path: Path

    @property
    def end(self) -> int:
        try:
            return self.base + self.path.stat().st_size
        except FileNotFoundError:  # rotated away meanwhile
            return self.base


class Logs:
    """ports.LogSource, over the files below a folder. tick: seconds between two looks at a log that is followed."""

    def __init__(self, folder: Path, *, tick: float = 0.2) -> None:
        self._folder, self._tick = folder, tick

    def instances(self, adapter: AdapterName) -> Sequence[InstanceName]:
        return [InstanceName(name) for _, name in sorted(self._ordinals(adapter))]

    async def read(
        self, instance: InstanceName, *, tail: int | None, since: datetime | None, previous: bool = False
    ) -> Sequence[LogLine]:
        return await asyncio.to_thread(self._read, instance, tail=tail, since=since, previous=previous)

    async def end(self, instance: InstanceName) -> Position:
        segments = self._segments(instance)
        return (segments[-1].life, segments[-1].end) if segments else (0, 0)

    async def follow(self, instance: InstanceName, after: Position) -> AsyncIterator[LogLine]:
        """From life to life, and to its end when the log is removed with its adapter."""
        position, was_there = after, False
        while True:
            segments = self._segments(instance)
            if was_there and not segments:
                return
            was_there = was_there or bool(segments)
            lines, position = _behind(segments, position)
            for line in lines:
                yield line
            await asyncio.sleep(0 if lines else self._tick)

    # For the backend

    def new_life(self, instance: InstanceName) -> tuple[Path, int]:
        """The folder and number of the log that is about to begin; the oldest lives go. Raises OSError."""
        folder = self._folder / instance
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        segments = self._segments(instance)
        lives = sorted({each.life for each in segments})
        for segment in segments:
            if segment.life in lives[: -KEPT_LIVES + 1]:
                segment.path.unlink(missing_ok=True)
        return folder, (lives[-1] + 1 if lives else 1)

    def last_words(self, instance: InstanceName, life: int, count: int) -> list[str]:
        """The last lines of a life that its program said itself, each but once; the sidecar's own only where there are
        no others."""
        segments = [each for each in self._segments(instance) if each.life == life]
        texts = [line.text.strip() for line in _last(segments, 10 * count) if line.text.strip()]
        own = [text for text in texts if not text.startswith("sidecar: ")]
        said = dict.fromkeys(reversed(own or texts))  # a server that is tried again says the same again
        return list(said)[:count][::-1]

    def forget(self, adapter: AdapterName) -> None:
        """All its logs: the next adapter of that name may be another owner's."""
        for _, name in self._ordinals(adapter):
            shutil.rmtree(self._folder / name, ignore_errors=True)

    def adapters(self) -> set[AdapterName]:
        """Those that have logs."""
        return {AdapterName(found[0]) for each in self._names() if (found := _split(each)) is not None}

    def _names(self) -> Iterator[str]:
        try:
            yield from (each.name for each in self._folder.iterdir())
        except FileNotFoundError:
            return

    def _ordinals(self, adapter: AdapterName) -> Iterator[tuple[int, str]]:
        for name in self._names():
            found = _split(name)
            if found is not None and found[0] == adapter:
                yield found[1], name

    def _segments(self, instance: InstanceName) -> list[_Segment]:
        """In their order."""
        folder = self._folder / instance
        try:
            found = [(_SEGMENT.fullmatch(path.name), path) for path in folder.iterdir()]
        except (FileNotFoundError, NotADirectoryError):
            return []
        return sorted(_Segment(int(name[1]), int(name[2]), path) for name, path in found if name is not None)

    def _read(
        self, instance: InstanceName, *, tail: int | None, since: datetime | None, previous: bool
    ) -> Sequence[LogLine]:
        segments = self._segments(instance)
        lives = sorted({each.life for each in segments})
        if len(lives) < 1 + previous:
            return []
        wanted = lives[-1 - previous]
        of_life = [each for each in segments if each.life == wanted]
        lines = _last(of_life, tail) if tail is not None else [line for each in of_life for line in _lines(each)]
        return lines if since is None else [line for line in lines if line.at >= since]


def _split(name: str) -> tuple[str, int] | None:
    try:
        return split_instance_name(name)
    except ValueError:
        return None


def _last(segments: Sequence[_Segment], count: int) -> list[LogLine]:
    """The last so many lines, from no more segments than it takes."""
    lines: list[LogLine] = []
    for segment in reversed(segments):
        if len(lines) >= count:
            break
        lines = [*_lines(segment), *lines]
    return lines[-count:] if count > 0 else []


def _lines(segment: _Segment, offset: int = 0, limit: int = -1) -> list[LogLine]:
    """The whole lines of a segment from a byte of it on. A line that is longer than the limit is still read."""
    try:
        with segment.path.open("rb") as file:
            file.seek(offset)
            block = file.read(limit)
            if limit >= 0 and len(block) == limit and not block.endswith(b"\n"):
                block += file.readline()
    except FileNotFoundError:
        return []
    whole = block[: block.rfind(b"\n") + 1]
    return list(_parsed(whole.split(b"\n")[:-1], segment.life, segment.base + offset))


def _parsed(lines: Iterable[bytes], life: int, position: int) -> Iterator[LogLine]:
    """position: where the first one begins. A line's own is where it ends: what is read `after` it is the next."""
    at = _NEVER
    for line in lines:
        position += len(line) + 1
        try:
            at = datetime.fromisoformat(line[:_STAMP].decode("ascii"))
        except ValueError:  # torn by a power cut
            yield LogLine((life, position), at, line.decode(errors="replace"))
        else:
            yield LogLine((life, position), at, line[_STAMP + 1 :].removesuffix(b"\r").decode(errors="replace"))


def _behind(segments: Sequence[_Segment], position: Position) -> tuple[list[LogLine], Position]:
    """Lines behind a position, not too many at once, and the position behind them."""
    for number, segment in enumerate(segments):
        is_last = number == len(segments) - 1 or segments[number + 1].life != segment.life
        life, place = max(position, (segment.life, segment.base))
        if segment.life < life or (not is_last and segments[number + 1].base <= place):
            continue
        lines = _lines(segment, place - segment.base, _AT_ONCE)
        if lines:
            return lines, lines[-1].position
    return [], position
