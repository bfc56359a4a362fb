"""Rates and percentiles: near enough, whatever came before."""

import random

import pytest

from gateway.services.pace import WINDOW, Pace


def count(pace: Pace, now: float, seconds: float) -> None:
    """A call has ended, and somebody looks."""
    pace.waiting.append(seconds)
    pace.rate(now)


def test_nothing_has_no_percentile_and_no_rate() -> None:
    assert Pace().p95() is None
    assert Pace().rate(1e9) == 0.0


@pytest.mark.parametrize("seconds", [0.000_01, 0.0042, 0.1, 1.0, 7.5, 600.0])
def test_a_percentile_is_right_to_a_fifth(seconds: float) -> None:
    pace = Pace()
    for number in range(100):
        count(pace, 1e9 + number, seconds if number % 10 == 0 else seconds / 50)
    told = pace.p95()
    assert told is not None
    assert seconds <= told <= 1.25 * seconds


def test_what_is_long_past_counts_little() -> None:
    pace, dice = Pace(), random.Random(7)
    for number in range(5000):
        count(pace, 1e9 + number, dice.uniform(1, 2))
    for number in range(5000):
        count(pace, 2e9 + number, dice.uniform(0.01, 0.02))
    told = pace.p95()
    assert told is not None
    assert told < 0.025


def test_durations_beyond_all_measure_are_the_longest_or_the_shortest() -> None:
    pace = Pace()
    for seconds in (0.0, -5.0, 1e12):
        count(pace, 1e9, seconds)
    told = pace.p95()
    assert told is not None
    assert told > 3600


def test_a_rate_is_of_the_last_minute_and_fades() -> None:
    pace = Pace()
    for number in range(3000):
        count(pace, 1e9 + number / 10, 0.01)
    end = 1e9 + 300
    assert pace.rate(end) == pytest.approx(10, rel=0.05)
    assert pace.rate(end + 10 * WINDOW) < 0.01


def test_calls_that_nobody_looks_at_count_when_somebody_does() -> None:
    pace = Pace()
    pace.waiting.extend([0.01] * 600)
    assert pace.rate(1e9) == pytest.approx(10)
    assert pace.waiting == []
    assert pace.rate(1e9) == pytest.approx(10)


def test_a_clock_that_is_set_back_does_no_harm() -> None:
    pace = Pace()
    count(pace, 2e9, 0.1)
    count(pace, 1e9, 0.1)
    assert 0 < pace.rate(1e9) < 1
