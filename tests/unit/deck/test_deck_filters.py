"""The filter language: what stays, and what is highlighted."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mcpdeck.model.filters import Fields, Needle, RowFilter, hint, ways

FIELDS = ("name", "status", "owner", "sessions", "age")
ROW: Fields = {"name": "weather-eu", "status": "Ready", "owner": "ada", "sessions": 12.0, "age": 7200.0}


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        ("weath", True),
        ("WEATH", False),  # a capital asks for exactly that
        ("Ready", True),
        ("ready", True),
        ("!jira", True),
        ("!weather", False),
        ("weath ada", True),
        ("weath bob", False),
        ("status:ready", True),
        ("status:failed", False),
        ("!status:failed", True),
        ("owner:ada sessions:>3", True),
        ("sessions:>12", False),
        ("sessions:>=12", True),
        ("!sessions:>3", False),
        ("age:<3h", True),
        ("age:>1d", False),
        ("^weather.*eu", True),
        ("w[ea", False),  # no regular expression: taken as it stands
        ('"weather-eu Ready"', True),
        ('"weath', False),  # an open quote, while it is typed, looks for itself
        ("unknown:ready", False),
        ("", True),
        ("name:", False),
        ("status:failed,ready", True),
        ("status:failed,pending", False),
        ("!status:failed,pending", True),
        ("-status:failed,ready", False),
        ("-status:failed", True),
        ("-weather", False),  # of a text, `-` is a part
        ("sessions:<1,>10", True),
        ("sessions:<1,>20", False),
        ("sessions:12", True),
        ("sessions:1", False),  # a number is the whole of it
        ("sessions:many", False),
        ("name:^we{1,2}ather", True),  # a comma of a pattern
        ("name:eu$,us$", True),
        ("status:ready,", True),  # while it is typed
        ("owner:bob,ada status:ready", True),
        ("jira|weather", True),
    ],
)
def test_row_filter_keeps(text: str, keeps: bool) -> None:
    assert RowFilter(text, FIELDS).keeps(ROW) is keeps


def test_row_filter_highlights_bare_terms_only() -> None:
    assert RowFilter("eu status:ready", FIELDS).highlights("weather-eu") == [(8, 10)]
    assert RowFilter("!weather", FIELDS).highlights("weather-eu") == []


def test_needle_takes_a_broken_regex_as_text() -> None:
    assert Needle("a(b").found_in("xa(by")
    assert Needle("a(b").spans("xa(by") == [(1, 4)]


def test_needle_finds_every_place() -> None:
    assert Needle("5\\d\\d").spans("500 then 503") == [(0, 3), (9, 12)]
    assert Needle("on").spans("On and on") == [(0, 2), (7, 9)]


def test_needle_of_an_empty_match_highlights_nothing() -> None:
    assert Needle("x*").spans("abc") == []


def test_needle_does_not_lie_about_positions_where_lower_case_is_longer() -> None:
    assert Needle("i").spans("İi") == []


def test_inverse_needle_keeps_what_does_not_have_it() -> None:
    assert not Needle("!health").keeps("GET /healthz")
    assert Needle("!health").keeps("GET /adapters")
    assert Needle("!").keeps("wow!")  # a lone exclamation mark is itself


@given(st.text(), st.text())
def test_any_needle_answers_for_any_text(needle: str, text: str) -> None:
    found = Needle(needle)
    for start, end in found.spans(text):
        assert 0 <= start < end <= len(text)
    assert found.keeps(text) in {True, False}


@given(st.text())
def test_any_filter_can_be_typed(text: str) -> None:
    assert RowFilter(text, FIELDS).keeps(ROW) in {True, False}


def test_a_comma_behind_a_backslash_parts_nothing() -> None:
    assert RowFilter(r'name:"a\, b",c', ("name",)).keeps({"name": "x a, b"})
    assert not RowFilter(r'name:"a\, b"', ("name",)).keeps({"name": "a"})


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("status:faild", "'status:faild': status is Failed, Ready"),
        ("weather status:pending,gone", "'status:pending,gone': status is Failed, Ready"),
        ("state:ready", "there is no field 'state'; there are age, name, owner, sessions, status"),
        ("sessions:many", "'sessions:many': wanted an amount after sessions:, such as >3, 0 or <1h"),
        ("nowhere", ""),
        ("status:ready owner:bob", ""),  # each alone is there
        ("!status:failed,ready", ""),
    ],
)
def test_who_sees_nothing_hears_what_a_term_could_have_named(text: str, why: str) -> None:
    rows: list[Fields] = [ROW, {**ROW, "status": "Failed", "owner": "bob", "name": "jira"}]
    assert RowFilter(text, FIELDS).why_none(rows) == why


@pytest.mark.parametrize(
    ("text", "more"),
    [
        ("st", "status:"),
        ("weather !st", "weather !status:"),
        ("status:f", "status:failed"),
        ("status:F", "status:Failed"),
        ("-status:failed,re", "-status:failed,ready"),
        ("status:ready", None),
        ("nosuch:r", None),
        ("", None),
    ],
)
def test_a_filter_goes_on_with_fields_and_with_what_is_there(text: str, more: str | None) -> None:
    assert next(ways(text, FIELDS, lambda field: ["Failed", "Ready"] if field == "status" else []), None) == more


def test_who_begins_a_filter_is_told_what_it_may_name() -> None:
    assert hint("", ("name", "status")) == "text  !not  name:  status:"
    assert hint("n", ("name", "status")) == ""
