"""Lines out of chunks: the same whatever the cuts, bounded, and with work in proportion to the bytes."""

import itertools
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sidecar.framing import LineSplitter, TooLong

LINES = st.lists(st.binary(min_size=1, max_size=40).filter(lambda line: not {10, 13} & set(line)), max_size=12)


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in itertools.pairwise(edges)]


@given(LINES, st.lists(st.integers(0, 10_000)), st.sampled_from([b"\n", b"\r\n", b"\n\n"]))
def test_chunks_cut_anywhere_give_the_same_lines(lines: list[bytes], places: list[int], newline: bytes) -> None:
    splitter = LineSplitter()
    stream = b"".join(line + newline for line in lines)
    found = [line for chunk in cut(stream, places) for line in splitter.feed(chunk)]
    assert found == lines
    assert splitter.end() == []


@given(LINES, st.lists(st.integers(0, 10_000)), st.integers(1, 30))
def test_long_lines_are_named_by_their_length_and_the_others_are_kept(
    lines: list[bytes], places: list[int], limit: int
) -> None:
    splitter = LineSplitter(limit)
    stream = b"".join(line + b"\n" for line in lines)
    found = [line for chunk in cut(stream, places) for line in splitter.feed(chunk)]
    assert found == [line if len(line) <= limit else TooLong(len(line)) for line in lines]


def test_last_line_without_newline_comes_at_the_end() -> None:
    splitter = LineSplitter()
    assert splitter.feed(b"one\ntwo") == [b"one"]
    assert splitter.end() == [b"two"]


def test_line_that_never_ends_holds_no_more_than_the_limit() -> None:
    splitter = LineSplitter(limit=1000)
    for _ in range(100):
        assert splitter.feed(b"x" * 100) == []
    assert sum(len(part) for part in splitter._parts) <= 1000
    assert splitter.feed(b"\nnext\n") == [TooLong(10_000), b"next"]


class Watched(bytes):
    """Counts the bytes that are looked through for a newline."""

    searched = 0

    def split(self, *args: Any, **kwargs: Any) -> Any:
        Watched.searched += len(self)
        return super().split(*args, **kwargs)


def work_for(size: int) -> tuple[int, int]:
    """Bytes searched and most pieces held, for a line of this size in chunks of 64 KiB."""
    Watched.searched = 0
    splitter, most = LineSplitter(), 0
    chunk = Watched(b"x" * 65536)
    for _ in range(size // 65536):
        assert splitter.feed(chunk) == []
        most = max(most, len(splitter._parts))
    (line,) = splitter.feed(Watched(b"\n"))
    assert isinstance(line, bytes)
    assert len(line) == size
    return Watched.searched, most


def test_line_of_40_mib_is_searched_once_however_many_chunks_it_comes_in() -> None:
    size = 40 * 1024 * 1024
    searched, pieces = work_for(size)
    assert searched == size + 1
    assert pieces == size // 65536
