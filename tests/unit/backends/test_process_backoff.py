"""How long the next start of an instance waits."""

import pytest

from gateway.backends.reach.patience import Backoff, Patience

PATIENCE = Patience(first_restart=1, longest_restart=60, settled=60)


def test_waits_double_up_to_the_longest() -> None:
    backoff = Backoff(PATIENCE, chance=lambda: 0.0)
    assert [backoff.after(0.1) for _ in range(9)] == [1, 2, 4, 8, 16, 32, 60, 60, 60]


def test_a_life_that_was_long_enough_forgives_the_failures_before_it() -> None:
    backoff = Backoff(PATIENCE, chance=lambda: 0.0)
    for _ in range(5):
        backoff.after(59)
    assert backoff.after(60) == 1
    assert backoff.after(0) == 2


def test_a_tenth_is_left_to_chance() -> None:
    assert Backoff(PATIENCE, chance=lambda: 0.5).after(0) == pytest.approx(1.05)


def test_a_million_failures_still_wait_for_the_longest() -> None:
    backoff = Backoff(PATIENCE, chance=lambda: 0.0)
    assert {backoff.after(0) for _ in range(2000)} >= {60}
