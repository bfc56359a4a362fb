"""Lines that fit: broken between words, set in under what they belong to, nothing lost."""

import pytest
from hypothesis import given
from hypothesis import strategies as some
from rich.cells import cell_len

from mcpdeck.model import folding
from mcpdeck.model.folding import FoldLine
from mcpdeck.model.words import Cell, Tone
from mcpdeck.model.wrapping import wrapped


def rows(*cells: str, width: int) -> list[str]:
    return ["".join(cell.text for cell in row) for row in wrapped([Cell(text) for text in cells], width)]


def test_what_fits_is_left_alone() -> None:
    assert rows("State      ", "Live", width=20) == ["State      Live"]


def test_value_goes_on_under_its_beginning() -> None:
    told = rows("Era   ", "legacy: one session id, held by its client", width=24)
    assert told == ["Era   legacy: one", "      session id, held", "      by its client"]


def test_value_goes_on_under_its_beginning_behind_several_columns() -> None:
    told = rows("  n   ", "Deploy  ", "A new adapter, from a form", width=30)
    assert told == ["  n   Deploy  A new adapter,", "              from a form"]


def test_words_in_several_tones_are_no_columns() -> None:
    told = rows("  48 calls, ", "3 errors, ", "the oldest is a minute old", width=40)
    assert told == ["  48 calls, 3 errors, the oldest is a", "            minute old"]


def test_line_without_a_label_is_set_in_by_two_more_than_it_was() -> None:
    assert rows("  see and use the adapters you made", width=20) == [
        "  see and use the",
        "    adapters you",
        "    made",
    ]


def test_tones_stay_with_their_words() -> None:
    *_, last = wrapped([Cell("last error, long ago: "), Cell("unknown argument", Tone.BAD)], 30)
    assert [(cell.text.strip(), cell.tone) for cell in last if cell.text.strip()] == [("argument", Tone.BAD)]


@pytest.mark.parametrize("width", [16, 20, 31, 80])
@given(cells=some.lists(some.text(alphabet=" abcdefgh", max_size=60), min_size=1, max_size=4))
def test_no_word_is_lost_and_no_row_is_too_wide(width: int, cells: list[str]) -> None:
    told = rows(*cells, width=width)
    assert "".join("".join(told).split()) == "".join("".join(cells).split())
    assert all(len(row.rstrip()) <= width for row in told)


def test_characters_that_are_two_cells_wide_count_as_two() -> None:
    told = rows("Why   ", "コンテナが見つかりません", width=18)
    assert told == ["Why   コンテナが見", "      つかりません"]


@given(text=some.text(alphabet=" ab長い🚀éא", max_size=80))
def test_no_row_is_wider_than_the_terminal_in_any_script(text: str) -> None:
    told = rows(text, width=20)
    assert "".join("".join(told).split()) == "".join(text.split())
    assert all(cell_len(row.rstrip()) <= 20 for row in told)


def test_result_in_a_wide_script_is_broken_where_the_terminal_ends_and_what_folds_is_not() -> None:
    words = "コンテナが見つかりませんでした"
    told = list(folding.wrapped(FoldLine((Cell(words),)), 20))
    assert len(told) == 2
    assert all(cell_len("".join(cell.text for cell in line.cells)) <= 20 for line in told)
    folds = FoldLine((Cell(words),), "$")
    assert list(folding.wrapped(folds, 20)) == [folds]
