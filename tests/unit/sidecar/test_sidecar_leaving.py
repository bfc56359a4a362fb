"""When a sidecar says that it may go: not while anybody uses it, and not before all gateways know; but at its time's end."""

import pytest

from sidecar.leaving import Leaving
from tests.support.sidecar_exchange import Asked


class Place:
    """A sidecar that is in use or not, and one that asks whether it may go."""

    def __init__(self, query: bytes = b"") -> None:
        self.is_idle = True
        self.leaving = Leaving(lambda: self.is_idle)
        self.asked = self.ask(query)

    def ask(self, query: bytes = b"") -> Asked:
        asked = Asked()
        asked.exchange.request.query = query
        self.leaving.ask(asked.exchange)
        return asked

    def tick(self, times: int = 1) -> None:
        for _ in range(times):
            self.leaving.tick()


def test_who_is_idle_goes_once_every_gateway_has_heard() -> None:
    place = Place()
    place.tick()
    assert not place.asked.is_answered
    place.tick()
    assert (place.asked.status, place.asked.body) == (200, b"nobody uses it\n")


def test_who_is_in_use_stays_until_that_ends() -> None:
    place = Place()
    place.is_idle = False
    place.tick(3)
    assert not place.asked.is_answered
    place.is_idle = True
    place.tick()
    assert place.asked.is_answered


def test_whoever_asks_says_how_long_at_most() -> None:
    place = Place(b"seconds=10")
    place.is_idle = False
    place.tick(2)
    assert not place.asked.is_answered
    place.tick()
    assert place.asked.body == b"its time is over\n"


@pytest.mark.parametrize("said", [b"-1", b"soon", b"9" * 5000])
def test_nonsense_for_a_time_is_the_usual_time(said: bytes) -> None:
    place = Place(b"seconds=" + said)
    place.is_idle = False
    place.tick(6)
    assert not place.asked.is_answered
    place.tick()
    assert place.asked.is_answered


def test_who_has_left_is_answered_no_more() -> None:
    place = Place()
    place.asked.leave()
    place.tick(3)
    assert place.asked.body == b""
