"""Changes as lines: what is different, and silence where nothing is."""

import msgspec
import pytest
from msgspec.structs import replace

from gateway.wire.resources import ChangeEvent, Phase
from mcpdeck.model.happenings import Known, happening
from mcpdeck.model.state import (
    Changed,
    Disconnected,
    Link,
    SnapshotEnded,
    Standing,
    State,
    StreamOpened,
    reduce_all,
)
from tests.support import scenes
from tests.support.fake_gateway import NOW

SCENE = scenes.team()
KNOWN = Known(SCENE.adapters, SCENE.statuses, SCENE.sessions)
WEATHER = SCENE.adapters["weather"]
SESSION = next(iter(SCENE.sessions.values()))


def told(type: str, kind: str, name: str, resource: object = None) -> str:  # noqa: A002
    body = None if resource is None else msgspec.to_builtins(resource)
    return happening(ChangeEvent(type=type, kind=kind, name=name, resource=body), KNOWN)


def test_adapter_that_is_the_same_is_no_news() -> None:
    assert told("modified", "Adapter", "weather", WEATHER) == ""
    assert told("status", "Adapter", "weather", SCENE.statuses["weather"]) == ""


def test_what_changed_of_an_adapter_is_named() -> None:
    changed = replace(WEATHER, replica_count=5, description="other", etag='"9"')
    assert told("modified", "Adapter", "weather", changed) == "weather: replica count and description changed"


def test_adapters_come_and_go_by_name() -> None:
    assert told("added", "Adapter", "new", replace(WEATHER, name="new")) == "new is deployed by ada"
    assert told("deleted", "Adapter", "weather") == "weather is deleted"
    assert told("deleted", "Adapter", "never-seen") == ""


def test_status_tells_the_way_and_the_reason() -> None:
    worse = scenes.status(Phase.DEGRADED, [scenes.instance("weather-0", restarts=2)], reason="OOMKilled")
    assert told("status", "Adapter", "weather", worse) == "weather Ready → Degraded, 1 ready, 2 restarts: OOMKilled"


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        ({"calls": 99}, ""),
        ({"errors": SESSION.errors + 2}, "met 2 errors"),
        ({"state": "lost"}, "is lost"),
    ],
)
def test_session_tells_errors_and_its_state_but_not_each_call(fields: dict[str, object], text: str) -> None:
    assert text in told("modified", "Session", SESSION.id, replace(SESSION, **fields))
    assert bool(told("modified", "Session", SESSION.id, replace(SESSION, **fields))) is bool(text)


def test_session_begins_and_ends() -> None:
    other = replace(SESSION, id="other", client_name="two\nlines")
    assert "other (Ada Lovelace, two lines at weather) began" in told("added", "Session", "other", other)
    assert "ended after 0 calls" in told("deleted", "Session", SESSION.id)


def test_kind_of_a_newer_gateway_is_told_by_its_name() -> None:
    assert told("added", "Agent", "helper") == "Agent helper added"


def changed(name: str) -> Changed:
    adapter = replace(WEATHER, name=name)
    return Changed(ChangeEvent(type="added", kind="Adapter", name=name, resource=msgspec.to_builtins(adapter)), NOW)


def test_first_snapshot_is_no_news_and_what_comes_after_it_is() -> None:
    state = reduce_all(State(), [StreamOpened(NOW), changed("a"), SnapshotEnded(NOW)])
    assert state.news == ()
    state = reduce_all(state, [changed("b")])
    assert [it.text for it in state.news] == ["b is deployed by ada"]
    assert reduce_all(state, []).news == ()


def test_stream_that_broke_is_told_once_with_how_long() -> None:
    state = reduce_all(State(), [StreamOpened(NOW), SnapshotEnded(NOW)])
    lost = Disconnected(Link(standing=Standing.RETRYING, reason="cut"))
    state = reduce_all(state, [lost, lost])
    assert [it.text for it in state.news] == ["lost: cut"]
    state = reduce_all(state, [StreamOpened(NOW)])
    assert [it.text for it in state.news] == ["live again after 0s"]
