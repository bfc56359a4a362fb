"""Lists and watches: what is kept, what is told of, and how it goes on after whatever an API server may do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import msgspec
import pytest
from aiohttp.http_exceptions import LineTooLong

from gateway.cluster import mirror as mirrors
from gateway.cluster.api import STREAM_SILENCE
from gateway.cluster.errors import ClusterUnreachable, Expired, transport_errors
from gateway.cluster.mirror import Mirror
from gateway.cluster.objects import SERVICE, Bare
from gateway.core.errors import TooManyRequests
from tests.support.scripted_cluster import ScriptedApi, Step, event, thing


@pytest.fixture(autouse=True)
def _fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mirrors, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(mirrors, "LONGEST_DELAY", 0.001)
    monkeypatch.setattr(TooManyRequests, "retry", 0.001)


def listed(version: int, *items: dict[str, Any], more: str = "") -> dict[str, Any]:
    return {"metadata": {"resourceVersion": str(version), "continue": more}, "items": list(items)}


class Told:
    def __init__(self) -> None:
        self.changes: list[tuple[str, str, str]] = []

    def __call__(self, name: str, now: Bare | None, before: Bare | None) -> None:
        versions = [each.metadata.resource_version if each else "" for each in (before, now)]
        self.changes.append((name, *versions))  # type: ignore[arg-type]


@asynccontextmanager
async def kept(api: ScriptedApi, told: Callable[..., None] = lambda *_: None) -> AsyncIterator[Mirror[Bare]]:
    found: Mirror[Bare] = Mirror(api, SERVICE, Bare, on_change=told)  # type: ignore[arg-type]
    async with asyncio.TaskGroup() as tasks:
        keeping = tasks.create_task(found.keep())
        async with asyncio.timeout(10):
            await found.synced.wait()
        try:
            yield found
        finally:
            keeping.cancel()


async def test_a_list_and_the_watch_behind_it_are_one_state() -> None:
    told = Told()
    changes = [event("ADDED", thing("b", 11)), event("MODIFIED", thing("a", 12)), event("DELETED", thing("b", 13))]
    api = ScriptedApi([listed(10, thing("a", 9))], [changes])
    async with kept(api, told) as mirror:
        await api.until_asked(None, "10", "13")
        assert {name: item.metadata.resource_version for name, item in mirror.items.items()} == {"a": "12"}
    assert told.changes == [("a", "", "9"), ("b", "", "11"), ("a", "9", "12"), ("b", "11", "")]


async def test_a_long_list_comes_in_pages() -> None:
    api = ScriptedApi([listed(10, thing("a", 1), more="x"), listed(10, thing("b", 2))], [])
    async with kept(api) as mirror:
        assert set(mirror.items) == {"a", "b"}
        assert api.asked[:2] == [None, None]


async def test_a_watch_that_ends_goes_on_from_the_last_version_and_bookmarks_count() -> None:
    api = ScriptedApi([listed(10)], [[event("BOOKMARK", thing("", 50))], [event("ADDED", thing("a", 60))], []])
    async with kept(api):
        await api.until_asked(None, "10", "50", "60", "60")


@pytest.mark.parametrize(
    "expired",
    [[Expired("too old")], [event("ERROR", {"code": 410, "message": "too old", "metadata": {}})]],
    ids=["as an answer", "in the stream"],
)
async def test_a_version_that_has_expired_means_a_new_list_and_what_is_gone_goes(expired: list[Any]) -> None:
    told = Told()
    api = ScriptedApi([listed(10, thing("a", 1), thing("b", 2)), listed(90, thing("b", 2), thing("c", 80))], [expired])
    async with kept(api, told) as mirror:
        await api.until_asked(None, "10", None, "90")
        assert set(mirror.items) == {"b", "c"}
    assert told.changes[2:] == [("a", "1", ""), ("c", "", "80")]


@pytest.mark.parametrize("failure", [ClusterUnreachable("down"), TooManyRequests("busy")])
async def test_the_last_state_stands_while_the_api_server_is_away(failure: Any) -> None:
    api = ScriptedApi([listed(10, thing("a", 1))], [[failure], [failure], [event("ADDED", thing("b", 11)), failure]])
    async with kept(api) as mirror:
        await api.until_asked(None, "10", "10", "10", "11")
        assert set(mirror.items) == {"a", "b"}
        assert mirror.is_current


async def test_what_can_not_be_read_is_listed_anew_and_ends_nothing() -> None:
    broken: list[Step] = [event("ADDED", {"metadata": {"name": 7}})]
    api = ScriptedApi([listed(10), {"items": "none"}, listed(20, thing("a", 15))], [broken])
    async with kept(api) as mirror:
        await api.until_asked(None, "10", None, None, "20")
        assert set(mirror.items) == {"a"}


async def test_a_first_list_that_fails_is_tried_again() -> None:
    api = ScriptedApi([ClusterUnreachable("down"), listed(10, thing("a", 1))], [])
    async with kept(api) as mirror:
        assert set(mirror.items) == {"a"}


async def test_a_write_of_our_own_is_known_at_once_and_older_news_do_not_undo_it() -> None:
    gate = asyncio.Event()
    late: list[Step] = [
        gate,
        event("MODIFIED", thing("a", 11)),
        event("DELETED", thing("a", 12, uid="older")),
        event("BOOKMARK", thing("", 13)),
    ]
    api = ScriptedApi([listed(10, thing("a", 10))], [late])
    async with kept(api) as mirror:
        mirror.learn(msgspec.json.encode(thing("a", 20)))
        gate.set()
        await api.until_asked(None, "10", "13")
        assert mirror.items["a"].metadata.resource_version == "20"


async def test_what_was_deleted_does_not_come_back_by_news_from_before() -> None:
    gate = asyncio.Event()
    late: list[Step] = [
        gate,
        event("MODIFIED", thing("a", 11)),
        event("DELETED", thing("a", 12)),
        event("ADDED", thing("a", 13, uid="new")),
    ]
    told = Told()
    api = ScriptedApi([listed(10, thing("a", 10))], [late])
    async with kept(api, told) as mirror:
        mirror.forget(mirror.items["a"])
        gate.set()
        assert "a" not in mirror.items
        await api.until_asked(None, "10", "13")
        assert mirror.items["a"].metadata.uid == "new"
    assert told.changes == [("a", "", "10"), ("a", "10", ""), ("a", "", "13")]


async def test_a_watch_of_nothing_new_ends_before_its_silence_counts_as_broken() -> None:
    api = ScriptedApi([listed(10)], [])
    async with kept(api):
        await api.until_asked(None, "10")
    assert 0 < api.lasting < STREAM_SILENCE


async def test_line_of_a_watch_that_is_too_long_is_the_way_s_fault() -> None:
    with pytest.raises(ClusterUnreachable, match="could not watch pods"), transport_errors("watch pods"):
        raise LineTooLong(b"{", 1)


async def test_event_may_be_as_long_as_etcd_takes() -> None:
    api = ScriptedApi([listed(10)], [[event("ADDED", thing("a", 11))]])
    async with kept(api):
        await api.until_asked(None, "10", "11")
    assert api.longest_line >= 8 * 1024 * 1024
