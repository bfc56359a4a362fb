"""The book of log lines: bounded, filtered, honest about what it lost."""

import pytest

from mcpdeck.logbook import Inbox, Kind, Logbook, LogLine, parse_line


def lines(*texts: str) -> list[LogLine]:
    return [LogLine(text) for text in texts]


def texts(book: Logbook) -> list[str]:
    return [line.text for line in book]


@pytest.mark.parametrize(
    ("raw", "line"),
    [
        ("plain", LogLine("plain")),
        ("[weather-0] text", LogLine("text", "weather-0")),
        ("2026-01-02T03:04:05Z text", LogLine("text", "", "2026-01-02T03:04:05Z")),
        ("[w-1] 2026-01-02T03:04:05.123+00:00 [x] y", LogLine("[x] y", "w-1", "2026-01-02T03:04:05.123+00:00")),
        ("[ERROR] no instance is called so", LogLine("[ERROR] no instance is called so")),
        ("", LogLine("")),
    ],
)
def test_line_is_taken_apart(raw: str, line: LogLine) -> None:
    assert parse_line(raw) == line


def test_book_keeps_the_newest_and_says_how_many_fell() -> None:
    book = Logbook(capacity=100)
    fallen = sum(book.extend(lines(f"line {n}")) for n in range(250))
    assert 100 <= book.total <= 110
    assert fallen == 250 - book.total
    assert texts(book)[-1] == "line 249"
    assert texts(book)[0] == f"line {fallen}"


def test_filter_shows_what_matches_then_and_later() -> None:
    book = Logbook()
    book.extend(lines("GET /a 200", "GET /b 500"))
    book.look_for("5\\d\\d", highlight_only=False)
    assert texts(book) == ["GET /b 500"]
    book.extend(lines("GET /c 503", "GET /d 200"))
    assert texts(book) == ["GET /b 500", "GET /c 503"]
    book.look_for("", highlight_only=False)
    assert len(book) == 4


def test_inverse_filter_hides_what_it_names() -> None:
    book = Logbook()
    book.extend(lines("GET /healthz", "GET /adapters"))
    book.look_for("!healthz", highlight_only=False)
    assert texts(book) == ["GET /adapters"]


def test_highlight_only_shows_everything() -> None:
    book = Logbook()
    book.extend(lines("a", "b"))
    book.look_for("b", highlight_only=True)
    assert texts(book) == ["a", "b"]
    assert book.needle.spans("b") == [(0, 1)]


def test_filtered_lines_fall_off_with_the_ring() -> None:
    book = Logbook(capacity=10)
    book.look_for("even", highlight_only=False)
    fallen = sum(book.extend(lines(f"{'even' if n % 2 == 0 else 'odd'} {n}")) for n in range(40))
    assert fallen == 20 - len(book)
    assert all(line.text.startswith("even") for line in book)
    assert texts(book)[-1] == "even 38"


def test_marks_and_gaps_survive_a_filter() -> None:
    book = Logbook()
    book.extend([LogLine("x"), LogLine("12:00:00", kind=Kind.MARK), LogLine("reconnected", kind=Kind.GAP)])
    book.look_for("nothing", highlight_only=False)
    assert [line.kind for line in book] == [Kind.MARK, Kind.GAP]


def test_instances_are_known_in_order_of_appearance() -> None:
    book = Logbook()
    book.extend([LogLine("a", "w-1"), LogLine("b", "w-0"), LogLine("c", "w-1")])
    assert book.instances == {"w-1": 0, "w-0": 1}


def test_an_instance_can_be_filtered_by_name() -> None:
    book = Logbook()
    book.extend([LogLine("a", "w-1"), LogLine("b", "w-0")])
    book.look_for("w-0", highlight_only=False)
    assert texts(book) == ["b"]


def test_clearing_leaves_numbers_that_still_fit() -> None:
    book = Logbook()
    book.look_for("a", highlight_only=False)
    book.extend(lines("a 1", "b"))
    book.clear()
    assert len(book) == 0
    book.extend(lines("b", "a 2"))
    assert texts(book) == ["a 2"]


def test_inbox_drops_the_oldest_and_counts() -> None:
    inbox = Inbox(capacity=3)
    for n in range(5):
        inbox.put(LogLine(str(n)))
    assert [line.text for line in inbox.take()] == ["2", "3", "4"]
    assert inbox.dropped == 2
    assert inbox.take() == []


def test_inbox_wakes_its_reader_once_per_filling() -> None:
    woken: list[int] = []
    inbox = Inbox(lambda: woken.append(1))
    for _ in range(3):
        inbox.put(LogLine("x"))
    assert len(woken) == 1
    inbox.take()
    inbox.put(LogLine("y"))
    assert len(woken) == 2


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("instance:w-0,w-2", ["a", "c", "d"]),
        ("!instance:w-0,w-2", ["b"]),
        ("-instance:w-0", ["b", "c", "d"]),
        ("instance:w-2 d", ["d"]),
        ("instance:w-2 !d", ["c"]),
        ("a|b", ["a", "b"]),
    ],
)
def test_lines_of_some_instances_alone_are_shown(text: str, kept: list[str]) -> None:
    book = Logbook()
    book.look_for(text, highlight_only=False)
    book.extend([LogLine("a", "w-0"), LogLine("b", "w-1"), LogLine("c", "w-2"), LogLine("d", "w-2")])
    assert texts(book) == kept
    book.look_for(text, highlight_only=False)
    assert texts(book) == kept
