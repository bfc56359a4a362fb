"""Look-ups of names: shared while they are young, bounded when a name server hangs, and nobody's who leaves."""

import asyncio
import threading
from collections import Counter
from collections.abc import Iterator, Sequence

import pytest

from gateway.services import names as module
from gateway.services.names import AT_ONCE, SPARE, Names


class Hanging:
    """A resolver that answers when it is let go, except for names that it has at once."""

    def __init__(self) -> None:
        self.asked = Counter[str]()
        self.let_go = threading.Event()

    def __call__(self, host: str, port: int) -> Sequence[str]:
        self.asked[host] += 1
        if host == "quick":
            return ["10.0.0.1"]
        if host == "nowhere":
            raise OSError("Name or service not known")
        self.let_go.wait(60)
        return ["10.0.0.2"]


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    resolver = Hanging()
    yield resolver
    resolver.let_go.set()


async def test_name_that_is_had_comes_while_others_hang_and_what_went_wrong_is_told(hanging: Hanging) -> None:
    names = Names(hanging)
    async with asyncio.TaskGroup() as tasks:
        waiting = [tasks.create_task(names.addresses(f"h{number}", 80)) for number in range(20)]
        assert await names.addresses("quick", 80) == ["10.0.0.1"]
        with pytest.raises(OSError, match="not known"):
            await names.addresses("nowhere", 80)
        assert not any(each.done() for each in waiting)
        hanging.let_go.set()
    assert all(each.result() == ["10.0.0.2"] for each in waiting)


async def test_look_up_is_shared_and_who_leaves_ends_it_for_nobody_else(hanging: Hanging) -> None:
    names = Names(hanging)
    async with asyncio.TaskGroup() as tasks:
        leaving, staying = (tasks.create_task(names.addresses("h", 80)) for _ in range(2))
        await asyncio.sleep(0)
        leaving.cancel()
        await asyncio.sleep(0)
        hanging.let_go.set()
    assert staying.result() == ["10.0.0.2"]
    assert hanging.asked["h"] == 1


async def test_old_look_up_keeps_no_later_one_from_finding_the_name_server_back(
    hanging: Hanging, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "YOUNG", 0.0)
    names = Names(hanging)
    async with asyncio.TaskGroup() as tasks:
        for _ in range(AT_ONCE):
            tasks.create_task(names.addresses("h", 80))
        await asyncio.sleep(0)
        others = [tasks.create_task(names.addresses(f"h{number}", 80)) for number in range(SPARE)]
        await asyncio.sleep(0)
        with pytest.raises(OSError, match="answers none of them"):
            await names.addresses("quick", 80)
        hanging.let_go.set()
    assert all(each.result() for each in others)
    assert hanging.asked["h"] == AT_ONCE - SPARE
    assert await names.addresses("quick", 80) == ["10.0.0.1"]
