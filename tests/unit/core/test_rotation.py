"""Keys through a rotation: known at once, signing once every replica has read them."""

import pytest

from gateway.core.rotation import RIPENS, Rotating
from tests.support.oidc.tokens import Clock


@pytest.fixture
def clock() -> Clock:
    return Clock(1000.0)


def rotating(clock: Clock, *shared: bytes) -> Rotating[str]:
    return Rotating(shared, bytes.decode, clock=clock)


def test_gateway_that_starts_signs_with_the_first_key(clock: Clock) -> None:
    subject = rotating(clock, b"b", b"a")
    assert (subject.current, list(subject.known)) == ("b", ["b", "a"])


def test_new_key_is_known_at_once_and_signs_when_every_replica_has_it(clock: Clock) -> None:
    subject = rotating(clock, b"a")
    subject.renew([b"b", b"a"])
    assert (subject.current, list(subject.known)) == ("a", ["b", "a"])
    clock.now += RIPENS - 1
    subject.renew([b"b", b"a"])
    assert subject.current == "a"
    clock.now += 1
    assert subject.current == "b"


def test_key_that_is_withdrawn_signs_no_more(clock: Clock) -> None:
    subject = rotating(clock, b"b", b"a")
    subject.renew([b"a"])
    assert (subject.current, list(subject.known)) == ("a", ["a"])
    subject.renew([b"c"])
    assert (subject.current, list(subject.known)) == ("c", ["c"])


def test_second_rotation_before_the_first_is_ripe_signs_with_what_was_there(clock: Clock) -> None:
    subject = rotating(clock, b"a")
    subject.renew([b"b", b"a"])
    subject.renew([b"c", b"b"])
    assert subject.current == "b"
    clock.now += RIPENS
    assert subject.current == "c"
