"""Times and counts in narrow columns."""

from datetime import timedelta

import pytest

from mcpdeck.model import formatting
from tests.support.fake_gateway import NOW


@pytest.mark.parametrize(
    ("ago", "text"),
    [
        (timedelta(seconds=-5), "0s"),  # a clock that is behind
        (timedelta(seconds=42), "42s"),
        (timedelta(seconds=119), "119s"),
        (timedelta(minutes=2), "2m"),
        (timedelta(minutes=119), "119m"),
        (timedelta(hours=2), "2h"),
        (timedelta(hours=47), "47h"),
        (timedelta(days=2), "2d"),
        (timedelta(days=729), "729d"),
        (timedelta(days=1100), "3y"),
    ],
)
def test_age(ago: timedelta, text: str) -> None:
    assert formatting.age(NOW - ago, NOW) == text
    assert len(text) <= 4


def test_no_moment_has_no_age() -> None:
    assert formatting.age(None, NOW) == ""


def test_latency_is_never_shown_as_nothing() -> None:
    assert formatting.milliseconds(0.0001) == "1ms"
    assert formatting.milliseconds(0.0123) == "12ms"
    assert formatting.milliseconds(None) == ""


def test_plural() -> None:
    assert formatting.plural(1, "session") == "1 session"
    assert formatting.plural(1204, "session") == "1,204 sessions"
