"""Limits, approvals, counts and ended tool sessions of two replicas in one process."""

from collections.abc import AsyncIterator, Sequence
from typing import Any

import pytest

from gateway.core.access import Principal
from gateway.core.affinity import Sealer, new_key
from gateway.core.errors import Forbidden, NotFound, PreconditionFailed
from gateway.core.sharing import Apart, Quota, Spent
from gateway.stores.shared_memory import Common, MemoryShared
from gateway.toolrouter.approvals import Approvals
from gateway.toolrouter.limits import Admitted, Exceeded, Limits, SharedLimits, Uncounted
from gateway.toolrouter.sessions import Sessions
from gateway.toolrouter.usage import Usage
from gateway.wire.names import PrincipalId
from gateway.wire.policies import ApprovalDecision, ApprovalTerms, Limit

FEW = [("p", Limit(name="few", per_minute=2))]
ONE = [("p", Limit(name="one", concurrent=1))]
ANN = Principal(PrincipalId("ann"))
OPS = Principal(PrincipalId("olga"), name="Olga", roles=frozenset({"ops"}))
EVE = Principal(PrincipalId("eve"))


class Away(MemoryShared):
    """The others can't be reached."""

    async def take(self, lease: str, quotas: Sequence[Quota]) -> Spent | None:
        raise Apart("Redis is away")


@pytest.fixture
async def shared() -> AsyncIterator[tuple[MemoryShared, MemoryShared]]:
    common = Common(lambda: 0.0)
    async with common.replica() as one, common.replica() as two:
        yield one, two


async def test_a_rate_is_shared(shared: tuple[MemoryShared, MemoryShared]) -> None:
    one, two = (SharedLimits(each, Limits(lambda: 0.0)) for each in shared)
    assert isinstance(await one.admit(FEW, "ann", "echo"), Admitted)
    assert isinstance(await two.admit(FEW, "ann", "echo"), Admitted)
    spent = await one.admit(FEW, "ann", "echo")
    assert isinstance(spent, Exceeded)
    assert (spent.policy, spent.limit, spent.seconds) == ("p", "few", 30.0)
    assert isinstance(await one.admit(FEW, "bob", "echo"), Admitted)
    assert isinstance(await one.admit(FEW, "ann", "other"), Admitted)


async def test_what_is_released_is_free_for_the_other(shared: tuple[MemoryShared, MemoryShared]) -> None:
    one, two = (SharedLimits(each, Limits(lambda: 0.0)) for each in shared)
    first = await one.admit(ONE, "ann", "echo")
    assert isinstance(first, Admitted)
    assert isinstance(await two.admit(ONE, "ann", "echo"), Exceeded)
    first.release()
    assert isinstance(await two.admit(ONE, "ann", "echo"), Admitted)


async def test_a_call_that_the_others_refuse_does_not_count_here(shared: tuple[MemoryShared, MemoryShared]) -> None:
    here = Limits(lambda: 0.0)
    one, two = SharedLimits(shared[0], here), SharedLimits(shared[1], Limits(lambda: 0.0))
    taken = await two.admit(ONE, "ann", "echo")
    assert isinstance(await one.admit(ONE, "ann", "echo"), Exceeded)
    assert isinstance(taken, Admitted)
    taken.release()
    assert isinstance(here.admit(ONE, "ann", "echo"), Admitted)


async def test_without_the_others_each_counts_its_own_or_refuses() -> None:
    away = Away(Common())
    alone = SharedLimits(away, Limits(lambda: 0.0))
    found = [type(await alone.admit(FEW, "ann", "echo")) for _ in range(3)]
    assert found == [Admitted, Admitted, Exceeded]
    strict = SharedLimits(away, Limits(lambda: 0.0), is_strict=True)
    refused = [await strict.admit(ONE, "ann", "echo") for _ in range(2)]
    assert refused == [Uncounted("Redis is away")] * 2


def hold(approvals: Approvals, told: list[str]) -> Any:
    return approvals.hold(
        ANN, "pay", {"sum": 5}, rule=("p", "ask", ""), terms=ApprovalTerms(roles=["Ops"]), decided=told.append
    )


async def test_a_held_call_is_decided_at_the_other_by_who_may(shared: tuple[MemoryShared, MemoryShared]) -> None:
    one, two = Approvals(), Approvals()
    one.share(shared[0])
    two.share(shared[1])
    told: list[str] = []
    pending = hold(one, told)
    assert two.pending(OPS) == [pending]
    assert two.pending(ANN) == [pending]
    assert two.pending(EVE) == []
    right = ApprovalDecision(approve=True, digest=pending.digest)
    with pytest.raises(NotFound):
        await two.decide_anywhere(EVE, pending.id, right)
    with pytest.raises(Forbidden):
        await two.decide_anywhere(ANN, pending.id, right)
    with pytest.raises(PreconditionFailed):
        await two.decide_anywhere(OPS, pending.id, ApprovalDecision(approve=True, digest="sha256:0"))
    assert told == []
    assert await two.decide_anywhere(OPS, pending.id, right) == pending
    assert told == [""]
    assert one.pending(OPS) == two.pending(OPS) == []
    with pytest.raises(NotFound):
        await two.decide_anywhere(OPS, pending.id, right)


async def test_counts_are_summed_and_those_of_who_is_gone_go(shared: tuple[MemoryShared, MemoryShared]) -> None:
    now = [10.0]
    one, two = Usage(lambda: now[0]), Usage(lambda: now[0])
    one.share(shared[0])
    two.share(shared[1])
    one.count("echo", is_error=False)
    now[0] = 20.0
    two.count("echo", is_error=True)
    for usage in (one, two):
        count = usage.of("echo")
        assert (count.calls, count.errors, count.last) == (2, 1, 20.0)
    two.lost(shared[0].name)
    assert two.of("echo").calls == 1


async def test_a_session_at_mcp_that_is_ended_at_one_is_over_at_the_other(
    shared: tuple[MemoryShared, MemoryShared],
) -> None:
    sealer = Sealer([new_key()])
    one, two = Sessions(sealer), Sessions(sealer)
    for each, told in zip((one, two), shared, strict=True):
        each.share(told)
    sealed, other = (one.open("2025-11-25", b"{}", b"{}", ANN, "") for _ in range(2))
    known = two.find(sealed, ANN, "")
    found = one.find(sealed, ANN, "")
    assert known is not None
    assert found is not None
    one.end(found)
    assert not two.is_live(known)
    assert two.find(sealed, ANN, "") is None
    assert two.find(other, ANN, "") is not None
    later = Sessions(sealer)
    async with shared[0]._common.replica() as third:
        later.share(third)
        assert later.find(sealed, ANN, "") is None, "who starts later is told as well"
    assert list(two.rows()) == [], "it is for who ended it to tell"
