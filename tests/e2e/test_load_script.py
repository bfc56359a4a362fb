"""The load script at a real gateway: sessions of both eras live there, and nothing of it stays."""

import asyncio
from pathlib import Path

import pytest

from tests.support.gateways import Gateway, gateway
from tests.support.load import Plan, run


async def sessions_of(running: Gateway) -> list[dict[str, object]]:
    found: list[dict[str, object]] = (await running.client.get("/sessions/live")).json()
    return found


async def until_both_eras(running: Gateway, ended: asyncio.Event, wanted: int) -> set[object]:
    eras: set[object] = set()
    try:
        async with asyncio.timeout(60):
            while len(found := await sessions_of(running)) < wanted or len(eras) < 2:
                eras = {each["era"] for each in found}
                await asyncio.sleep(0.05)
    finally:
        ended.set()
    return eras


async def test_load_brings_as_many_live_sessions_as_it_was_asked_for_of_both_eras_and_leaves_nothing(
    tmp_path: Path,
) -> None:
    async with gateway(tmp_path) as running:
        ended = asyncio.Event()
        plan = Plan(gateway=running.url, adapters=5, sessions=40, seconds=90, rate=10.0)
        async with asyncio.TaskGroup() as tasks:
            load = tasks.create_task(run(plan, ended=ended))
            eras = await until_both_eras(running, ended, plan.sessions)
        assert eras == {"legacy", "modern"}
        assert load.result().outcomes["ok"] > 0
        assert load.result().live == 0
        assert (await running.client.get("/adapters")).json() == []


def test_a_load_without_end_is_refused() -> None:
    with pytest.raises(ValueError, match="at most 3600"):
        Plan(gateway="http://127.0.0.1:1", seconds=1e9)
