"""How an event changes what the deck knows."""

from datetime import timedelta

import msgspec
import pytest

from gateway.wire.resources import AdapterSpec, AdapterStatus, ChangeEvent, Phase, WhoAmI
from mcpdeck.model.state import (
    Changed,
    DeckEvent,
    Disconnected,
    Link,
    Recognised,
    Restored,
    SessionsListed,
    SessionsUnlisted,
    SnapshotEnded,
    Standing,
    State,
    StreamOpened,
    reduce,
    reduce_all,
)
from tests.support import scenes
from tests.support.fake_gateway import NOW, stored


def adapter_event(name: str, kind: str = "added", replicas: int = 1) -> Changed:
    adapter = stored(AdapterSpec(name=name, url="https://example.com/mcp", replica_count=replicas), owner="ada")
    resource = msgspec.to_builtins(adapter)
    return Changed(ChangeEvent(type=kind, kind="Adapter", name=name, resource=resource), NOW)


def status_event(name: str, phase: Phase) -> Changed:
    status = scenes.status(phase, [scenes.instance(f"{name}-0", phase)])
    return Changed(ChangeEvent(type="status", kind="Adapter", name=name, resource=msgspec.to_builtins(status)), NOW)


def test_added_adapter_appears_and_its_status_with_it() -> None:
    state = reduce_all(State(), [StreamOpened(NOW), adapter_event("weather"), status_event("weather", Phase.READY)])
    assert list(state.adapters) == ["weather"]
    assert state.statuses["weather"].phase is Phase.READY
    assert state.link.standing is Standing.LIVE
    assert not state.is_stale


def test_deleted_adapter_takes_its_status_along() -> None:
    state = reduce_all(State(), [adapter_event("weather"), status_event("weather", Phase.READY)])
    state = reduce(state, Changed(ChangeEvent(type="deleted", kind="Adapter", name="weather"), NOW))
    assert not state.adapters
    assert not state.statuses


def test_snapshot_drops_what_it_does_not_name() -> None:
    before = reduce_all(State(), [adapter_event("gone"), adapter_event("stays"), status_event("gone", Phase.READY)])
    events: list[DeckEvent] = [
        StreamOpened(NOW),
        adapter_event("stays", replicas=3),
        adapter_event("new"),
        SnapshotEnded(NOW),
    ]
    after = reduce_all(before, events)
    assert sorted(after.adapters) == ["new", "stays"]
    assert after.adapters["stays"].replica_count == 3
    assert "gone" not in after.statuses


def test_reconnecting_without_a_snapshot_keeps_everything() -> None:
    before = reduce_all(State(), [StreamOpened(NOW), adapter_event("weather"), SnapshotEnded(NOW)])
    after = reduce_all(before, [StreamOpened(NOW), adapter_event("time")])
    assert sorted(after.adapters) == ["time", "weather"]


def test_disconnecting_makes_stale_and_loses_nothing() -> None:
    state = reduce_all(State(), [StreamOpened(NOW), adapter_event("weather")])
    state = reduce(state, Disconnected(Link(standing=Standing.RETRYING, attempt=2, reason="refused")))
    assert state.is_stale
    assert state.fresh_at == NOW
    assert list(state.adapters) == ["weather"]


def test_what_was_restored_is_stale_until_the_stream_opens() -> None:
    scene = scenes.team()
    restored = Restored(tuple(scene.adapters.values()), scene.statuses, NOW - timedelta(hours=1))
    state = reduce(State(), restored)
    assert len(state.adapters) == len(scene.adapters)
    assert state.is_stale
    assert state.fresh_at == NOW - timedelta(hours=1)
    assert not reduce(state, StreamOpened(NOW)).is_stale


def test_sessions_are_counted_by_adapter_and_follow_their_changes() -> None:
    first, second = (scenes.session(n, "weather", "weather-0") for n in (1, 2))
    state = reduce(State(), SessionsListed((first,)))
    added = ChangeEvent(type="added", kind="Session", name=second.id, resource=msgspec.to_builtins(second))
    state = reduce(state, Changed(added, NOW))
    assert state.sessions_of("weather") == 2
    assert state.session_counts()["weather"] == 2
    state = reduce(state, Changed(ChangeEvent(type="deleted", kind="Session", name=first.id), NOW))
    assert list(state.sessions) == [second.id]


def test_a_kind_of_a_newer_gateway_changes_nothing_but_freshness() -> None:
    state = reduce(State(), Changed(ChangeEvent(type="added", kind="Agent", name="x", resource={"a": 1}), NOW))
    assert not state.adapters
    assert state.fresh_at == NOW


def test_a_resource_that_breaks_the_contract_is_told_and_what_was_known_stays() -> None:
    before = reduce(State(), adapter_event("x"))
    broken = ChangeEvent(type="modified", kind="Adapter", name="x", resource={"name": 3})
    after = reduce_all(before, [StreamOpened(NOW), Changed(broken, NOW), SnapshotEnded(NOW)])
    assert after.adapters == before.adapters
    assert after.unreadable.startswith("adapter x: the gateway says what this deck can not read: Expected `str`")
    assert not reduce(after, Changed(ChangeEvent(type="deleted", kind="Adapter", name="y"), NOW)).unreadable


def test_what_is_told_of_sessions_while_they_are_listed_is_not_lost() -> None:
    first, late = scenes.session(1, "weather", "weather-0"), scenes.session(2, "weather", "weather-0")
    added = ChangeEvent(type="added", kind="Session", name=late.id, resource=msgspec.to_builtins(late))
    state = reduce_all(State(), [Changed(added, NOW), SessionsUnlisted("busy")])
    assert state.sessions_trouble == "busy"
    state = reduce(state, SessionsListed((first,), later=(added,)))
    assert set(state.sessions) == {first.id, late.id}
    assert not state.sessions_trouble


def test_the_state_before_an_event_is_not_touched_by_it() -> None:
    before = reduce(State(), adapter_event("weather"))
    reduce(before, Changed(ChangeEvent(type="deleted", kind="Adapter", name="weather"), NOW))
    assert list(before.adapters) == ["weather"]
    with pytest.raises(TypeError):
        before.adapters["x"] = before.adapters["weather"]  # type: ignore[index]


def test_recognised_principal_comes_with_the_latency() -> None:
    who = WhoAmI(id="ada", name="Ada", roles=[], permissions=[], authentication="dev")
    state = reduce(State(), Recognised(who, 0.012))
    assert state.principal == who
    assert state.latency == 0.012


def test_status_arrives_before_its_adapter_without_harm() -> None:
    state = reduce(State(), status_event("weather", Phase.FAILED))
    assert isinstance(state.statuses["weather"], AdapterStatus)
    assert not state.adapters
