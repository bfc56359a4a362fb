"""When a failing backend is left alone, and when it is tried again."""

from gateway.toolrouter.breaker import Breaker


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def broken(clock: Clock) -> Breaker:
    breaker = Breaker(failures=3, rest=10.0, clock=clock)
    for _ in range(3):
        breaker.failed()
    return breaker


def test_a_success_in_between_starts_the_count_anew() -> None:
    breaker = Breaker(failures=2, clock=Clock())
    breaker.failed()
    breaker.succeeded()
    breaker.failed()
    assert breaker.admits()
    assert breaker.seconds_left == 0.0


def test_failures_in_a_row_close_the_way_for_a_while() -> None:
    clock = Clock()
    breaker = broken(clock)
    assert not breaker.admits()
    assert breaker.seconds_left == 10.0


def test_one_call_tries_after_the_rest_and_its_success_opens_the_way() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 10
    assert [breaker.admits(), breaker.admits()] == [True, False]
    breaker.succeeded()
    assert breaker.admits()


def test_a_trial_that_fails_makes_it_rest_again() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 10
    assert breaker.admits()
    breaker.failed()
    assert not breaker.admits()
    clock.now += 10
    assert breaker.admits()


def test_a_trial_that_never_ends_does_not_hold_up_the_next_for_ever() -> None:
    clock = Clock()
    breaker = broken(clock)
    clock.now += 10
    assert breaker.admits()
    clock.now += 60
    assert breaker.admits()
