"""A replica's decisions, with lives that are only told of: which follows which, and when."""

from typing import Any, cast

import pytest

from gateway.backends.process.crew import Crew
from gateway.backends.process.life import Life
from gateway.backends.process.plan import Plan
from gateway.backends.process.slot import Slot
from gateway.backends.reach.patience import Backoff, Patience
from gateway.core.observed import Instance
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import AdapterSpec, Phase

NAME = InstanceName("weather-0")
PATIENCE = Patience(first_restart=1, longest_restart=60, settled=60)


class ToldLife:
    """What a slot sees of a life; the test says what becomes of it."""

    def __init__(self, plan: Plan, restarts: int = 0, phase: Phase = Phase.STARTING) -> None:
        self.digest, self.restarts, self.phase = plan.digest, restarts, phase
        self.is_over = self.is_retired = self.has_run = False
        self.lived = 0.0
        self.is_gentle: bool | None = None

    def retire(self, *, is_gentle: bool) -> None:
        self.is_retired, self.phase = True, Phase.STOPPING
        self.is_gentle = is_gentle if self.is_gentle is None else self.is_gentle and is_gentle

    def ends(self, lived: float = 0.0) -> None:
        self.is_over, self.has_run, self.lived = True, True, lived
        self.phase = self.phase if self.is_retired else Phase.FAILED

    def instance(self, *, is_updated: bool) -> Instance:
        return Instance(name=NAME, uid=str(id(self)), phase=self.phase, is_updated=is_updated)


class Stage:
    """begun: every life there was, in order."""

    def __init__(self, *found: ToldLife) -> None:
        self.begun: list[ToldLife] = list(found)
        backoff = Backoff(PATIENCE, chance=lambda: 0.0)
        self.slot = Slot(NAME, begin=self._begin, backoff=backoff, found=cast("list[Life]", list(found)))

    def _begin(self, plan: Plan, restarts: int) -> Life:
        self.begun.append(ToldLife(plan, restarts))
        return cast("Life", self.begun[-1])

    def step(self, now: float = 0.0, *, may_roll: bool = True) -> float | None:
        return self.slot.step(now, may_roll=may_roll)

    @property
    def phases(self) -> list[Phase]:
        return [each.phase for each in self.slot.instances()]


def plan(digest: str = "one") -> Plan:
    return Plan(AdapterSpec(name="weather"), digest)


@pytest.fixture
def ready() -> Stage:
    """A slot with one life, which is ready."""
    stage = Stage()
    stage.slot.want(plan())
    stage.step()
    stage.begun[0].phase = Phase.READY
    return stage


def test_what_is_wanted_is_begun_once() -> None:
    stage = Stage()
    stage.slot.want(plan())
    stage.step()
    stage.step()
    assert len(stage.begun) == 1


def test_a_life_that_ends_is_followed_by_one_that_knows_the_count_after_a_wait(ready: Stage) -> None:
    ready.begun[0].ends()
    assert ready.step(10) == 11
    assert ready.phases == [Phase.FAILED]
    assert ready.step(10.9) == 11
    assert len(ready.begun) == 1
    assert ready.step(11) is None
    assert [each.restarts for each in ready.begun] == [0, 1]


def test_each_failure_waits_longer_until_a_life_was_long(ready: Stage) -> None:
    dues = []
    for lived in (1, 1, 100, 1):
        ready.begun[-1].ends(lived)
        due = ready.step(0)
        assert due is not None
        dues.append(due)
        ready.step(due)
    assert dues == [1, 2, 1, 2]


def test_a_start_that_never_came_to_be_is_no_restart() -> None:
    stage = Stage()
    stage.slot.want(plan())
    stage.step()
    stage.begun[0].is_over = True
    assert stage.step() == 1
    assert stage.slot.restarts == 0


def test_a_ready_life_serves_until_its_successor_is_ready_and_leaves_gently(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    old, new = ready.begun
    assert (old.is_retired, ready.phases) == (False, [Phase.STARTING, Phase.READY])
    new.phase = Phase.READY
    ready.step()
    assert (old.is_gentle, ready.phases) == (True, [Phase.READY, Phase.STOPPING])
    old.ends()
    ready.step()
    assert (ready.phases, ready.slot.restarts) == ([Phase.READY], 0)


def test_a_ready_life_waits_for_its_turn_to_be_replaced(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step(may_roll=False)
    assert len(ready.begun) == 1


def test_a_life_that_is_not_ready_is_replaced_at_once_and_out_of_turn() -> None:
    stage = Stage()
    stage.slot.want(plan())
    stage.step()
    stage.slot.want(plan("two"))
    stage.step(may_roll=False)
    old, _new = stage.begun
    assert old.is_gentle is False


def test_a_successor_that_fails_is_tried_again_later_while_the_old_one_serves(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    ready.begun[1].ends()
    assert ready.step(10) == 11
    assert ready.slot.is_rolling
    assert ready.phases == [Phase.FAILED, Phase.READY]
    ready.step(11)
    assert ready.phases == [Phase.STARTING, Phase.READY]


def test_a_plan_that_mends_a_failed_one_is_tried_at_once(ready: Stage) -> None:
    ready.begun[0].ends()
    ready.step()
    ready.slot.want(plan("two"))
    assert ready.step() is None
    assert [each.digest for each in ready.begun] == ["one", "two"]


def test_going_back_to_what_still_runs_begins_nothing(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    ready.slot.want(plan())
    ready.step()
    old, new = ready.begun
    assert (old.is_retired, new.is_gentle) == (False, False)
    assert not ready.slot.is_rolling


def test_a_newer_plan_replaces_the_successor_not_the_life_that_serves(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    ready.slot.want(plan("three"))
    ready.step()
    assert [each.is_retired for each in ready.begun] == [False, True, False]


def test_a_successor_takes_over_at_once_when_the_old_life_ends(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    ready.begun[0].ends()
    ready.step()
    assert ready.phases == [Phase.STARTING]
    assert len(ready.begun) == 2


def test_nothing_wanted_leaves_gently_and_is_empty_once_all_is_over(ready: Stage) -> None:
    ready.slot.want(None)
    ready.step()
    assert ready.begun[0].is_gentle
    assert not ready.slot.is_empty
    ready.begun[0].ends()
    ready.step()
    assert ready.slot.is_empty


def test_wanted_again_while_the_old_life_leaves_begins_another(ready: Stage) -> None:
    ready.slot.want(None)
    ready.step()
    ready.slot.want(plan())
    ready.step()
    assert ready.phases == [Phase.STARTING, Phase.STOPPING]


def test_a_hurry_reaches_the_lives_that_were_leaving_gently(ready: Stage) -> None:
    ready.slot.want(plan("two"))
    ready.step()
    ready.begun[1].phase = Phase.READY
    ready.step()
    ready.slot.want(None, is_gentle=False)
    assert [each.is_gentle for each in ready.begun] == [False, False]


def test_a_found_life_that_is_wanted_goes_on() -> None:
    stage = Stage(ToldLife(plan(), restarts=3, phase=Phase.READY))
    stage.slot.want(plan())
    stage.step()
    assert len(stage.begun) == 1
    assert stage.slot.instances()[0].restarts == 3


def test_a_found_life_and_its_successor_go_on_rolling() -> None:
    stage = Stage(ToldLife(plan(), phase=Phase.READY), ToldLife(plan("two")))
    stage.slot.want(plan("two"))
    stage.step()
    assert stage.slot.is_rolling
    stage.begun[1].phase = Phase.READY
    stage.step()
    assert [each.is_retired for each in stage.begun] == [True, False]
    assert len(stage.begun) == 2


def test_replicas_are_replaced_one_after_the_other() -> None:
    begun: list[ToldLife] = []

    def begin(plan: Plan, ordinal: int, restarts: int) -> Any:
        begun.append(ToldLife(plan, restarts))
        return begun[-1]

    crew = Crew(AdapterName("weather"), begin=begin, patience=PATIENCE)
    crew.want(plan(), 3)
    crew.step(0)
    for each in begun:
        each.phase = Phase.READY
    crew.want(plan("two"), 3)
    for turn in range(3):
        crew.step(0)
        crew.step(0)
        assert len(begun) == 4 + turn
        begun[-1].phase = Phase.READY
        crew.step(0)
    crew.step(0)
    assert [each.is_retired for each in begun] == [True] * 3 + [False] * 3


def test_a_crew_waits_for_the_one_before_it_to_leave() -> None:
    begun: list[ToldLife] = []

    def begin(plan: Plan, ordinal: int, restarts: int) -> Any:
        begun.append(ToldLife(plan, restarts))
        return begun[-1]

    old = Crew(AdapterName("weather"), begin=begin, patience=PATIENCE)
    old.want(plan(), 1)
    old.step(0)
    old.dismiss()
    new = Crew(AdapterName("weather"), begin=begin, patience=PATIENCE, before=old)
    new.want(plan(), 1)
    old.step(0)
    new.step(0)
    assert len(begun) == 1
    begun[0].ends()
    old.step(0)
    new.step(0)
    assert len(begun) == 2
