"""Several changes at once: what the reader hears of them. No gateway, no screen."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

from gateway.wire.problems import Problem
from mcpdeck.errors import ProblemError
from mcpdeck.model.deeds import Deed
from mcpdeck.model.registry import BY_ID
from mcpdeck.tui.changes import Said, named, start_each
from mcpdeck.tui.deck import Deck
from tests.support.fake_gateway import NOW

DELETED = Said("is deleted", "are deleted", "adapter")


class Desk:
    """As much of a deck as a change touches."""

    def __init__(self) -> None:
        self.said: list[str] = []
        self.deeds: list[Deed] = []
        self.begun: list[Callable[[], Awaitable[None]]] = []
        self.state = SimpleNamespace(context="prod")
        self.surroundings = SimpleNamespace(clock=lambda: NOW)

    def begin(self, work: Callable[[], Awaitable[None]], *, group: str) -> None:
        assert group
        self.begun.append(work)

    def say(self, sentence: str, severity: str = "information") -> None:
        self.said.append(sentence)

    def record(self, deed: Deed) -> None:
        self.deeds.append(deed)


async def said_of(names: str, held: str) -> Desk:
    async def change(name: str) -> None:
        if name in held:
            raise ProblemError(Problem(title="Conflict", status=422, detail=f"{name} is held"))

    def of(name: str) -> Callable[[], Awaitable[Any]]:
        return lambda: change(name)

    desk = Desk()
    start_each(cast("Deck", desk), BY_ID["adapter.delete"], {named(name): of(name) for name in names}, said=DELETED)
    for work in desk.begun:
        await work()
    return desk


async def test_one_is_told_by_its_name() -> None:
    assert (await said_of("a", "")).said == ["a is deleted"]


async def test_several_are_told_in_one_sentence() -> None:
    desk = await said_of("abcde", "")
    assert desk.said == ["5 adapters are deleted"]
    assert [deed.target for deed in desk.deeds] == list("abcde")


async def test_one_that_fails_holds_up_none_and_is_told_by_its_name() -> None:
    assert (await said_of("ab", "a")).said == ["1 adapter is deleted", "Delete a: a is held"]


async def test_of_many_failures_a_few_are_told_and_all_are_kept() -> None:
    desk = await said_of("abcdefg", "bcdefg")
    assert desk.said[1:] == [*(f"Delete {it}: {it} is held" for it in "bcd"), "Delete: 3 more failed; :audit says why"]
    assert sum(bool(deed.error) for deed in desk.deeds) == 6
