"""The keeper of a log as a process, and the log read back: rotated, cut, pruned, followed, and never lost with a gateway."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import aclosing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gateway.backends.process import keeper
from gateway.backends.process.keeper import Segments, keep, segment_name, stamp_of
from gateway.backends.process.logs import KEPT_LIVES, Logs
from gateway.core.ports import LogLine
from gateway.wire.names import AdapterName, InstanceName

NAME = InstanceName("weather-0")
STAMP = b"2026-11-24T12:00:00.000000Z"
NOON = datetime(2026, 11, 24, 12, tzinfo=UTC)


@pytest.fixture
def logs(tmp_path: Path) -> Logs:
    return Logs(tmp_path, tick=0.01)


def life(logs: Logs, *, segment_bytes: int = 1024, kept: int = 4) -> Segments:
    folder, number = logs.new_life(NAME)
    return Segments(str(folder), number, segment_bytes=segment_bytes, kept=kept)


def say(segments: Segments, *lines: str, stamp: bytes = STAMP) -> None:
    for line in lines:
        segments.write([line.encode()], stamp)


async def texts(logs: Logs, *, tail: int | None = None, previous: bool = False) -> list[str]:
    return [line.text for line in await logs.read(NAME, tail=tail, since=None, previous=previous)]


async def test_lines_come_back_as_they_were_said(logs: Logs) -> None:
    say(life(logs), "plain", "", "ümläut \x1b[31m", "carriage\r")
    found = await logs.read(NAME, tail=None, since=None)
    assert [line.text for line in found] == ["plain", "", "ümläut \x1b[31m", "carriage"]
    assert {line.at for line in found} == {NOON}


async def test_what_is_no_text_is_shown_as_such(logs: Logs) -> None:
    life(logs).write([b"\xff\xfe"], STAMP)
    assert await texts(logs) == ["\N{REPLACEMENT CHARACTER}" * 2]


async def test_an_old_log_is_cut_and_positions_stay(logs: Logs) -> None:
    segments = life(logs, segment_bytes=200, kept=2)
    say(segments, *(f"line {number}" for number in range(6)))
    before = await logs.read(NAME, tail=None, since=None)
    say(segments, *(f"line {number}" for number in range(6, 20)))
    after = await logs.read(NAME, tail=None, since=None)
    assert after[-1].text == "line 19"
    assert len(after) < 20
    assert {each.position for each in before}.isdisjoint(each.position for each in after)
    assert [each.position for each in after] == sorted({each.position for each in after})
    assert await logs.end(NAME) == after[-1].position


@pytest.mark.parametrize("tail", [0, 1, 3, 7, 100])
async def test_a_tail_may_span_segments(logs: Logs, tail: int) -> None:
    say(life(logs, segment_bytes=100, kept=99), *(f"line {number}" for number in range(20)))
    assert await texts(logs, tail=tail) == [f"line {number}" for number in range(20)][max(0, 20 - tail) :][: tail or 0]


async def test_since_is_a_time_of_the_lines(logs: Logs) -> None:
    segments = life(logs)
    say(segments, "old", stamp=stamp_of(NOON.timestamp() - 60))
    say(segments, "new")
    assert [line.text for line in await logs.read(NAME, tail=None, since=NOON)] == ["new"]


async def test_previous_is_the_life_before_and_few_lives_are_kept(logs: Logs) -> None:
    for number in range(KEPT_LIVES + 2):
        say(life(logs, segment_bytes=50), f"life {number}", "more")
    assert await texts(logs) == [f"life {KEPT_LIVES + 1}", "more"]
    assert await texts(logs, previous=True) == [f"life {KEPT_LIVES}", "more"]
    assert len({path.name.partition(".")[0] for path in logs._folder.rglob("*.log")}) == KEPT_LIVES


def only_segment(folder: Path) -> Path:
    (file,) = folder.rglob("*.log")
    return file


async def test_a_line_that_is_still_being_written_is_not_shown_yet(logs: Logs, tmp_path: Path) -> None:
    say(life(logs), "whole")
    file = only_segment(tmp_path)
    with file.open("ab") as more:
        more.write(STAMP + b" ha")
        more.flush()
        assert await texts(logs) == ["whole"]
        more.write(b"lf\n")
    assert await texts(logs) == ["whole", "half"]


async def test_a_line_torn_by_a_power_cut_is_shown_with_the_time_before_it(logs: Logs, tmp_path: Path) -> None:
    say(life(logs), "whole")
    file = only_segment(tmp_path)
    with file.open("ab") as more:
        more.write(b"\0\0\0torn\n" + STAMP + b" after\n")
    found = await logs.read(NAME, tail=None, since=None)
    assert [(line.at, line.text) for line in found] == [(NOON, "whole"), (NOON, "\0\0\0torn"), (NOON, "after")]


async def followed(logs: Logs, after: tuple[int, int], count: int) -> list[LogLine]:
    found: list[LogLine] = []
    async with asyncio.timeout(30), aclosing(logs.follow(NAME, after)) as lines:  # type: ignore[type-var]
        async for line in lines:
            found.append(line)
            if len(found) == count:
                break
    return found


async def test_following_sees_each_line_once_over_rotation_and_restart(logs: Logs) -> None:
    first = life(logs, segment_bytes=100, kept=99)
    say(first, *(f"line {number}" for number in range(10)))
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(followed(logs, (0, 0), 30))
        await asyncio.sleep(0)
        say(first, *(f"line {number}" for number in range(10, 20)))
        say(life(logs), *(f"line {number}" for number in range(20, 30)))
    assert [line.text for line in following.result()] == [f"line {number}" for number in range(30)]


async def test_following_from_a_line_goes_on_behind_it(logs: Logs) -> None:
    say(life(logs, segment_bytes=100, kept=99), *(f"line {number}" for number in range(10)))
    whole = await logs.read(NAME, tail=None, since=None)
    for number in range(9):
        assert await followed(logs, whole[number].position, 9 - number) == whole[number + 1 :]


async def test_following_from_a_line_that_is_gone_begins_with_the_oldest_there_is(logs: Logs) -> None:
    segments = life(logs, segment_bytes=100, kept=2)
    say(segments, "first")
    position = await logs.end(NAME)
    say(segments, *(f"line {number}" for number in range(30)))
    whole = await logs.read(NAME, tail=None, since=None)
    assert await followed(logs, position, len(whole)) == whole


async def test_a_log_longer_than_one_read_is_followed_whole(logs: Logs) -> None:
    segments = life(logs, segment_bytes=10**6)
    segments.write([b"x" * 100_000, *(b"line %d" % number for number in range(5000))], STAMP)
    assert len({line.position for line in await followed(logs, (0, 0), 5001)}) == 5001


async def test_following_ends_with_its_adapter(logs: Logs) -> None:
    say(life(logs), "last")
    found = []
    async with asyncio.timeout(30):
        async for line in logs.follow(NAME, (0, 0)):
            found.append(line.text)
            logs.forget(AdapterName("weather"))
    assert found == ["last"]


async def test_following_waits_for_a_log_that_does_not_exist_yet(logs: Logs) -> None:
    async with asyncio.TaskGroup() as tasks:
        following = tasks.create_task(followed(logs, (0, 0), 1))
        await asyncio.sleep(0)
        say(life(logs), "at last")
    assert following.result()[0].text == "at last"


def test_instances_are_the_adapters_own_and_in_order(logs: Logs) -> None:
    for name in ("weather-10", "weather-2", "weather-2-0", "weather", "other-0"):
        logs.new_life(InstanceName(name))
    assert logs.instances(AdapterName("weather")) == ["weather-2", "weather-10"]
    logs.forget(AdapterName("weather"))
    assert logs.instances(AdapterName("weather")) == []
    assert logs.instances(AdapterName("weather-2")) == ["weather-2-0"]
    assert logs.adapters() == {"weather-2", "other"}


def test_last_words_are_the_programs_where_it_said_any(logs: Logs) -> None:
    segments = life(logs)
    say(segments, "sidecar: serving")
    assert logs.last_words(NAME, 1, 3) == ["sidecar: serving"]
    say(segments, "one", "sidecar: exited", "  two ", "", "three", "four")
    assert logs.last_words(NAME, 1, 3) == ["two", "three", "four"]
    say(segments, "five", "four", "five")
    assert logs.last_words(NAME, 1, 3) == ["three", "four", "five"], "what was said again is told once"


# the keeper


@pytest.fixture
def pipe() -> Iterator[tuple[int, int]]:
    reading, writing = os.pipe()
    yield reading, writing
    os.close(reading)


async def test_lines_are_cut_where_they_end_or_grow_too_long(logs: Logs, pipe: tuple[int, int]) -> None:
    reading, writing = pipe
    with os.fdopen(writing, "wb") as file:
        file.write(b"one\ntwo\n\nno end")
    keep(reading, life(logs))
    assert await texts(logs) == ["one", "two", "", "no end"]


async def test_an_endless_line_is_kept_in_pieces(logs: Logs, tmp_path: Path) -> None:
    folder, number = logs.new_life(NAME)
    argv = [sys.executable, "-I", "-S", keeper.__file__, str(folder), str(number)]
    done = await asyncio.to_thread(subprocess.run, argv, input=b"x" * 200_000 + b"\nend\n", check=True)
    assert done.returncode == 0
    found = await texts(logs)
    assert [len(text) for text in found] == [65536, 65536, 65536, 200_000 - 3 * 65536, 3]


async def test_a_keeper_outlives_signals_and_ends_with_its_last_writer(logs: Logs) -> None:
    folder, number = logs.new_life(NAME)
    argv = [sys.executable, "-I", "-S", keeper.__file__, str(folder), str(number)]
    process = await asyncio.create_subprocess_exec(*argv, stdin=subprocess.PIPE)
    assert process.stdin is not None
    process.stdin.write(b"first\n")
    assert [line.text for line in await followed(logs, (0, 0), 1)] == ["first"]
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        process.send_signal(number)
    process.stdin.write(b"last words")
    process.stdin.close()
    async with asyncio.timeout(30):
        assert await process.wait() == 0
    assert await texts(logs) == ["first", "last words"]


def test_what_the_disk_refuses_is_counted_and_said(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = life(logs)
    say(segments, "before")
    with monkeypatch.context() as patch:
        patch.setattr(segments, "_write_whole", _refuse)
        segments.write([b"lost", b"lost"], STAMP)
        segments.write([b"lost"], STAMP)
    say(segments, "after")
    assert logs.last_words(NAME, 1, 9) == [
        "before",
        "mcpdeck: 3 log lines lost, since they could not be written",
        "after",
    ]


def _refuse(block: bytes) -> None:
    raise OSError(28, "No space left on device")


def test_a_line_written_in_part_is_taken_back(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = life(logs)
    say(segments, "before")
    real = os.write

    def half(file: int, block: memoryview) -> int:
        if len(block) < 30:
            raise OSError(28, "No space left on device")
        return real(file, block[:20])

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", half)
        say(segments, "lost in the middle")
    say(segments, "after")
    assert logs.last_words(NAME, 1, 9)[0::2] == ["before", "after"]


def test_a_rotation_that_fails_goes_on_in_the_old_segment(logs: Logs, monkeypatch: pytest.MonkeyPatch) -> None:
    segments = life(logs, segment_bytes=10)
    with monkeypatch.context() as patch:
        patch.setattr(segments, "_open", _refuse)
        say(segments, "one", "two")
    say(segments, "three", "four")
    assert logs.last_words(NAME, 1, 9) == ["one", "two", "three", "four"]


def test_stamps_are_utc_and_of_one_width() -> None:
    assert stamp_of(NOON.timestamp() + 0.25) == b"2026-11-24T12:00:00.250000Z"
    assert {len(stamp_of(seconds)) for seconds in (0.0, time.time(), 0.999999999)} == {27}


def test_names_of_segments_sort_as_their_content() -> None:
    names = [segment_name(life, base) for life in (1, 2, 10, 123456) for base in (0, 9, 10, 10**11)]
    assert names == sorted(names)
