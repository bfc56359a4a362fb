"""Recordings on a disk: sealed, bounded, taken up again, and what is told of all that can be missing of them."""

import asyncio
import errno
import os
import stat
from collections.abc import Buffer
from pathlib import Path
from typing import Any

import pytest

from gateway.core.affinity import new_key
from gateway.core.recordings import Kept, Missing, Which
from gateway.stores.recording_seals import RecordingSeals, frames
from gateway.stores.recording_segments import AWAY, CUT, GONE, LOST, SHUT, STOPPED, Segments
from gateway.stores.recordings import MOST_WAITING, RecordingsAtRest, open_recordings
from gateway.wire.names import AdapterName

WEATHER = Which(AdapterName("weather"), "2026-11-25")
NEWS = Which(AdapterName("news"), "2026-11-25")
KEYS = [new_key()]
SAID = b'{"text":"the rain in Oslo"}'


def kept(number: int, line: bytes = SAID) -> Kept:
    return Kept(number, 1000.0 + number, "s", "ada", line)


class Disk:
    """Of so many bytes; the write that fills it is by halves."""

    def __init__(self, room: int = 1 << 40) -> None:
        self.room = room

    def write(self, file: int, data: Buffer) -> int:
        if self.room <= 0:
            raise OSError(errno.ENOSPC, "No space left on device")
        written = os.write(file, bytes(data)[: self.room])
        self.room -= written
        return written


def segments(folder: Path, *, life: int = 1, keys: list[bytes] = KEYS, **more: Any) -> Segments:
    """life: which one of the gateway's; a million numbers each."""
    base: dict[str, Any] = {"stamp": "a", "most": 1000, "began_at": 1_000_000.0 * life, "first": 1_000_000 * (life - 1)}
    found = Segments(folder / "weather", WEATHER, RecordingSeals(keys), **base | more)
    found.open()
    return found


def told(found: Segments) -> list[int | str]:
    """Numbers, and what is missing in between."""
    return [each.number if isinstance(each, Kept) else each.reason for each in found.past()]


def files(folder: Path) -> list[Path]:
    return sorted((folder / "weather").glob("*.seg"))


def test_what_one_life_kept_the_next_one_has_and_says_that_there_was_none_in_between(tmp_path: Path) -> None:
    first = segments(tmp_path)
    first.append([kept(1), kept(2)])
    first.append([kept(3)])
    second = segments(tmp_path, life=2)
    *messages, gap = second.past()
    assert messages == [kept(1), kept(2), kept(3)]
    assert gap == Missing(1_000_000, 1003.0, 2_000_000.0, AWAY)
    second.append([kept(1_000_001)])
    assert told(segments(tmp_path, life=3)) == [1, 2, 3, AWAY, 1_000_001, AWAY]


def test_a_life_that_ended_in_good_order_says_so(tmp_path: Path) -> None:
    first = segments(tmp_path)
    first.append([kept(1)])
    first.finish(1500.0)
    _, gap = segments(tmp_path, life=2).past()
    assert gap == Missing(1_000_000, 1500.0, 2_000_000.0, STOPPED)


def test_nothing_of_what_was_said_can_be_read_on_the_disk_and_nobody_else_may_read_it(tmp_path: Path) -> None:
    found = segments(tmp_path)
    found.append([kept(1), kept(2, b"Bergen" * 100)])
    for path in files(tmp_path):
        data = path.read_bytes()
        assert all(word not in data for word in (b"Oslo", b"Bergen", b"ada", b"text"))
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "weather").stat().st_mode) == 0o700


def test_a_changed_byte_costs_its_frame_alone_and_is_told(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in (1, 2, 3):
        first.append([kept(number)])
    (path,) = files(tmp_path)
    data = bytearray(path.read_bytes())
    _, second, third = list(frames(bytes(data)))
    data[-third[0].length - 1] ^= 1  # the last byte of the second one
    path.write_bytes(data)
    assert told(segments(tmp_path, life=2)) == [1, SHUT, 3, AWAY]
    (gap, _) = [each for each in segments(tmp_path, life=2).past() if isinstance(each, Missing)]
    assert gap.count == second[0].messages == 1


def test_a_frame_in_anothers_place_does_not_open(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in (1, 2, 3):
        first.append([kept(number)])
    (path,) = files(tmp_path)
    parts = _parts(path)
    path.write_bytes(parts[0] + parts[2] + parts[1])
    assert 2 not in told(segments(tmp_path, life=2)), "its place is behind it"
    assert CUT in told(segments(tmp_path, life=2))[1]  # type: ignore[operator]
    renumbered = parts[0] + parts[2][:4] + parts[1][4:8] + parts[2][8:]  # the third, with the second's index
    path.write_bytes(renumbered)
    assert told(segments(tmp_path, life=2)) == [1, f"{SHUT}; {AWAY}"]


@pytest.mark.parametrize(
    ("which", "stamp"), [(NEWS, "a"), (Which(WEATHER.adapter, "2026-11-26"), "a"), (WEATHER, "another gateway's")]
)
def test_a_recording_opens_for_its_own_adapter_and_gateway_alone(tmp_path: Path, which: Which, stamp: str) -> None:
    segments(tmp_path).append([kept(1), kept(2)])
    (tmp_path / "weather" / "mine.seg").write_text("of somebody else")
    seals = RecordingSeals(KEYS)
    other = Segments(tmp_path / "weather", which, seals, stamp=stamp, most=1000, began_at=2e6, first=1_000_000)
    other.open()
    (gap,) = other.past()
    assert isinstance(gap, Missing)
    assert (gap.reason, gap.count) == (f"{SHUT}; {AWAY}", 2)


def test_what_is_cut_out_of_the_middle_is_missed(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in (1, 2, 3):
        first.append([kept(number)])
    (path,) = files(tmp_path)
    parts = _parts(path)
    path.write_bytes(parts[0] + parts[2])
    assert told(segments(tmp_path, life=2)) == [1, CUT, 3, AWAY]


def test_a_segment_that_is_cut_off_or_gone_is_missed(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in range(1, 7):
        first.append([kept(number)])
        if number % 2 == 0:
            first.finish()
    one, two, _ = files(tmp_path)
    data, parts = two.read_bytes(), _parts(two)
    two.write_bytes(parts[0])
    assert told(segments(tmp_path, life=2)) == [1, 2, 3, CUT, 5, 6, AWAY]
    two.unlink()
    assert told(segments(tmp_path, life=2)) == [1, 2, GONE, 5, 6, AWAY]
    two.write_bytes(data)
    one.write_bytes(data)
    assert told(segments(tmp_path, life=2))[0] == SHUT, "a segment opens in its own place alone"


@pytest.mark.parametrize("left", [1, 30, -1])
def test_a_torn_end_is_left_out_and_nothing_is_appended_to_it(tmp_path: Path, left: int) -> None:
    first = segments(tmp_path)
    first.append([kept(1)])
    first.append([kept(2)])
    (path,) = files(tmp_path)
    whole = _parts(path)
    path.write_bytes(whole[0] + whole[1][:left])
    second = segments(tmp_path, life=2)
    assert told(second) == [1, AWAY]
    second.append([kept(1_000_001)])
    assert told(segments(tmp_path, life=3)) == [1, AWAY, 1_000_001, AWAY]


def test_a_segment_in_which_nothing_is_whole_leaves_no_trace(tmp_path: Path) -> None:
    first = segments(tmp_path)
    first.append([kept(1)])
    (path,) = files(tmp_path)
    path.write_bytes(path.read_bytes()[:-1])
    second = segments(tmp_path, life=2)
    assert told(second) == []
    assert not files(tmp_path)


def test_keys_are_rotated_and_what_no_key_opens_any_more_is_a_gap(tmp_path: Path) -> None:
    old, new, newer = KEYS[0], new_key(), new_key()
    segments(tmp_path, keys=[old]).append([kept(1)])
    second = segments(tmp_path, life=2, keys=[new, old])
    assert told(second) == [1, AWAY]
    second.append([kept(1_000_001)])
    third = segments(tmp_path, life=3, keys=[newer, new])
    gap, *rest = third.past()
    assert isinstance(gap, Missing)
    assert (gap.reason, gap.count) == (SHUT, 1)
    assert [each.number for each in rest if isinstance(each, Kept)] == [1_000_001]


def test_the_oldest_segment_goes_whole_and_that_is_no_gap(tmp_path: Path) -> None:
    first = segments(tmp_path, most=256)
    for number in range(1, 1001):
        first.append([kept(number)])
    assert 256 <= first.messages <= 256 + 64
    numbers = told(segments(tmp_path, life=2, most=256))
    assert numbers == [*range(1001 - first.messages, 1001), AWAY]


def test_it_is_bounded_in_bytes_as_well(tmp_path: Path) -> None:
    first = segments(tmp_path, limit_bytes=80_000, segment_bytes=10_000)
    for number in range(1, 101):
        first.append([kept(number, b"x" * 5000)])
    assert sum(each.plain for each in first.kept) <= 90_000


def test_a_full_disk_costs_what_did_not_fit_and_that_is_told(tmp_path: Path) -> None:
    disk = Disk()
    first = segments(tmp_path, write=disk.write)
    first.append([kept(1)])
    disk.room = 30
    for number in (2, 3):
        with pytest.raises(OSError, match="No space"):
            first.append([kept(number), kept(number)])
    disk.room = 1 << 40
    first.append([kept(4)])
    assert first.lost == 4
    found = list(segments(tmp_path, life=2).past())
    assert [each.number if isinstance(each, Kept) else each.reason for each in found] == [1, LOST, 4, AWAY]
    assert isinstance(found[1], Missing)
    assert found[1].count == 4


def test_a_disk_that_is_full_from_the_start_leaves_no_file(tmp_path: Path) -> None:
    disk = Disk(10)
    first = segments(tmp_path, write=disk.write)
    with pytest.raises(OSError, match="No space"):
        first.append([kept(1)])
    assert not files(tmp_path)
    disk.room = 1 << 40
    first.append([kept(2)])
    assert told(segments(tmp_path, life=2)) == [LOST, 2, AWAY]


def test_wherever_a_file_is_cut_off_what_was_before_is_there(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in range(1, 5):
        first.append([kept(number)])
    (path,) = files(tmp_path)
    data, ends = path.read_bytes(), [0]
    for part in _parts(path):
        ends.append(ends[-1] + len(part))
    for length in range(len(data) + 1):
        path.write_bytes(data[:length])
        whole = sum(end <= length for end in ends[1:])
        assert told(segments(tmp_path, life=2)) == ([*range(1, whole + 1), AWAY] if whole else [])


def test_whatever_byte_is_changed_nothing_breaks_and_no_message_is_another_one(tmp_path: Path) -> None:
    first = segments(tmp_path)
    for number in range(1, 4):
        first.append([kept(number)])
    (path,) = files(tmp_path)
    data = path.read_bytes()
    for at in range(len(data)):
        for bit in (1, 128):
            changed = bytearray(data)
            changed[at] ^= bit
            path.write_bytes(changed)
            found = list(segments(tmp_path, life=2).past())
            assert [each for each in found if isinstance(each, Kept) and each != kept(each.number)] == []
            if found:  # else the first head is none, and the segment was never begun
                assert any(isinstance(each, Missing) for each in found)
                assert all(0 < each.at <= each.until <= 2_000_000.0 for each in found if isinstance(each, Missing))
            path.write_bytes(data)


def _parts(path: Path) -> list[bytes]:
    """A segment's frames, as they lie there."""
    data, parts, at = path.read_bytes(), [], 0
    for head, _ in frames(data):
        parts.append(data[at : at + head.length])
        at += head.length
    return parts


# all of them


async def test_what_is_kept_is_there_when_it_is_opened_again(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        shelf = first.shelf(WEATHER, 1000)
        assert list(await shelf.past()) == []
        stamp = first.stamp
        first.reserve(7)
        for number in (1, 2):
            shelf.keep(kept(number))
    async with open_recordings(tmp_path / "r", KEYS) as second:
        assert second.stamp == stamp
        assert second.first > 7, "no number is given out twice"
        shelf = second.shelf(WEATHER, 1000)
        *messages, gap = await shelf.past()
        assert messages == [kept(1), kept(2)]
        assert isinstance(gap, Missing)
        assert (gap.reason, gap.number) == (STOPPED, second.first)
        held = shelf.held()
        assert (held.is_kept, held.lost, held.trouble) == (True, 0, "")
        assert held.size == sum(path.stat().st_size for path in (tmp_path / "r").rglob("*.seg"))


async def test_nothing_is_made_while_nobody_records(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        first.reserve(1)
        first.keep_only([])
    assert not (tmp_path / "r").exists()
    async with open_recordings(None, KEYS) as none:
        shelf = none.shelf(WEATHER, 1000)
        shelf.keep(kept(1))
        assert list(await shelf.past()) == []


async def test_what_is_turned_off_goes_and_so_does_what_nobody_asks_for_any_more(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        for which in (WEATHER, NEWS):
            first.shelf(which, 1000).keep(kept(1))
        (tmp_path / "r" / "mine").mkdir()
        (tmp_path / "r" / "mine" / "letter").write_text("dear")
    assert len(list((tmp_path / "r").rglob("*.seg"))) == 2
    async with open_recordings(tmp_path / "r", KEYS) as second:
        shelf = second.shelf(WEATHER, 1000)
        second.keep_only([WEATHER])
        assert list(await shelf.past())
        assert len(list((tmp_path / "r").rglob("*.seg"))) == 1, "of news"
        shelf.keep(kept(1_000_001))
        shelf.remove()
    assert not list((tmp_path / "r").rglob("*.seg"))
    assert (tmp_path / "r" / "mine" / "letter").read_text() == "dear"


async def test_an_adapter_made_anew_does_not_get_what_an_earlier_one_of_its_name_said(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        first.shelf(WEATHER, 1000).keep(kept(1))
    async with open_recordings(tmp_path / "r", KEYS) as second:
        later = Which(WEATHER.adapter, "2026-11-26")
        shelf = second.shelf(later, 1000)
        second.keep_only([later])
        assert list(await shelf.past()) == []
    assert not list((tmp_path / "r").rglob("*.seg"))


async def test_all_together_are_bounded_and_the_oldest_of_all_goes(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS, most_bytes=64 * 1024) as first:
        assert isinstance(first, RecordingsAtRest)
        old, busy = first.shelf(NEWS, 10_000), first.shelf(WEATHER, 10_000)
        old.keep(kept(1))
        first.flush()
        for number in range(2, 200):
            busy.keep(kept(number, os.urandom(1024)))
            first.flush()
        await busy.past()
        assert old.held().size == 0
        assert 0 < busy.held().size <= 64 * 1024


async def test_a_second_gateway_on_one_folder_keeps_its_own_in_memory_and_says_so(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        first.shelf(WEATHER, 1000).keep(kept(1))
        async with open_recordings(tmp_path / "r", KEYS) as second:
            shelf = second.shelf(WEATHER, 1000)
            shelf.keep(kept(1))
            assert list(await shelf.past()) == []
            assert "another gateway" in shelf.held().trouble
            assert not shelf.held().is_kept
            assert second.stamp != first.stamp
            second.keep_only([])
            shelf.remove()
    assert len(list((tmp_path / "r").rglob("*.seg"))) == 1


async def test_a_full_disk_stops_nothing_and_is_told_until_there_is_room(tmp_path: Path) -> None:
    disk = Disk(0)
    first = RecordingsAtRest(tmp_path / "r", KEYS, write=disk.write)
    shelf = first.shelf(WEATHER, 1000)
    shelf.keep(kept(1))
    first.flush()
    await shelf.past()
    assert "No space left" in shelf.held().trouble
    assert shelf.held().lost == 1
    disk.room = 1 << 40
    shelf.keep(kept(2))
    first.flush()
    await shelf.past()
    assert (shelf.held().trouble, shelf.held().lost) == ("", 1)
    assert shelf.held().size > 0
    await first.close()


async def test_a_folder_that_can_not_be_made_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with open_recordings(tmp_path / "file" / "r", KEYS) as first:
        shelf = first.shelf(WEATHER, 1000)
        shelf.keep(kept(1))
        assert "can't be kept" in shelf.held().trouble


async def test_a_slow_disk_costs_what_it_can_not_take_and_no_memory(tmp_path: Path) -> None:
    first = RecordingsAtRest(tmp_path / "r", KEYS)
    shelf = first.shelf(WEATHER, 10_000)
    for number in range(1, 101):  # the loop never gets to hear that something was written
        shelf.keep(kept(number, b"x" * 100_000))
    assert first.waiting <= MOST_WAITING
    lost = shelf.held().lost
    assert lost == 100 - MOST_WAITING // 100_000
    await shelf.past()
    await asyncio.sleep(0)
    shelf.keep(kept(101))
    await first.close()
    async with open_recordings(tmp_path / "r", KEYS) as second:
        missing = [each for each in await second.shelf(WEATHER, 10_000).past() if isinstance(each, Missing)]
        assert (missing[0].reason, missing[0].count) == (LOST, lost)


async def test_where_numbers_stand_is_not_lost_with_its_file(tmp_path: Path) -> None:
    async with open_recordings(tmp_path / "r", KEYS) as first:
        first.shelf(WEATHER, 1000).keep(kept(1))
        stamp = first.stamp
    (tmp_path / "r" / "place").write_bytes(b"{")
    async with open_recordings(tmp_path / "r", KEYS) as second:
        assert second.stamp != stamp
        assert second.first > 1
        second.reserve(second.first + 1)
        second.shelf(WEATHER, 1000).keep(kept(second.first + 1))
    async with open_recordings(tmp_path / "r", KEYS) as third:
        assert third.stamp == second.stamp
        assert third.first > second.first + 1
