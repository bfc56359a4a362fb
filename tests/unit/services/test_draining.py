"""A drained session: served while calls are in flight, ended once none is, or once its time is over."""

from collections.abc import Iterator

import pytest
from msgspec.structs import replace

from gateway.core.access import Principal
from gateway.core.errors import NotFound
from gateway.services.draining import end_drained
from gateway.wire.resources import LiveSession
from tests.support import scenes
from tests.support.gateway_fakes import BEA

SESSION = scenes.session(1, "weather", "weather-0", id="s-1", era="legacy")


class Ending:
    """Each time it is looked at, as many calls are in flight as the next number says; None: it is gone."""

    def __init__(self, *in_flight: int | None) -> None:
        self._in_flight: Iterator[int | None] = iter(in_flight)
        self.last: int | None = None
        self.ended_with: list[int | None] = []

    def one(self, principal: Principal, session_id: str) -> LiveSession:
        assert (principal, session_id) == (BEA, "s-1")
        self.last = next(self._in_flight, self.last)
        if self.last is None:
            raise NotFound("gone")
        return replace(SESSION, in_flight=self.last)

    async def end(self, principal: Principal, session_id: str) -> None:
        assert (principal, session_id) == (BEA, "s-1")
        self.ended_with.append(self.last)


async def test_it_ends_once_no_call_is_in_flight() -> None:
    sessions = Ending(2, 3, 1, 0, 9)
    await end_drained(sessions, BEA, "s-1", seconds=60)
    assert sessions.ended_with == [0]


async def test_one_that_never_rests_ends_when_its_time_is_over() -> None:
    sessions = Ending(1)
    await end_drained(sessions, BEA, "s-1", seconds=0.01)
    assert sessions.ended_with == [1]


async def test_one_that_ends_by_itself_meanwhile_is_no_failure() -> None:
    sessions = Ending(1, None)
    await end_drained(sessions, BEA, "s-1", seconds=60)
    assert sessions.ended_with == []


async def test_one_that_is_not_there_is_told() -> None:
    with pytest.raises(NotFound):
        await end_drained(Ending(None), BEA, "s-1", seconds=60)
