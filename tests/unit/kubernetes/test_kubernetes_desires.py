"""Custom objects as desired state, and what is written into their status."""

from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from gateway.backends.kubernetes.statuses import told_of
from gateway.cluster.api import FIELD_MANAGER
from gateway.cluster.definitions import CREATED_BY, RESTARTED_AT, UPDATED_AT
from gateway.cluster.desires import ADAPTERS, NOBODY, TOOLSETS, Objects, desired_of, object_of
from gateway.cluster.objects import ADAPTER, CustomObject
from gateway.core.observed import NOTHING
from gateway.core.tools import DesiredToolset
from gateway.wire.names import AdapterName
from gateway.wire.tools import ToolsetSpec
from tests.support.desired import THEN, desired, stdio_spec
from tests.support.scripted_cluster import ScriptedApi

WEATHER = AdapterName("weather")


def item(version: int = 7, *, status: dict[str, Any] | None = None, **metadata: Any) -> CustomObject:
    told = {"name": "weather", "uid": "u", "resourceVersion": str(version), "generation": 1} | metadata
    return msgspec.convert(
        {"metadata": told, "spec": {"stdio": {"command": "true"}}, "status": status or {}}, CustomObject
    )


def test_what_is_written_is_what_is_read() -> None:
    wanted = desired(stdio_spec(description="d"), restarted_at=THEN)
    body = object_of(wanted, ADAPTER, "here")
    assert "name" not in body["spec"]
    read = msgspec.convert(body | {"metadata": body["metadata"] | {"resourceVersion": "7"}}, CustomObject)
    assert desired_of(read, ADAPTERS) == msgspec.structs.replace(wanted, revision=7)


def test_what_nobody_made_through_the_gateway_has_the_clusters_times() -> None:
    found = desired_of(item(creationTimestamp="2026-11-24T12:00:00Z"), ADAPTERS)
    assert (found.created_by, found.created_at, found.last_updated_at) == (NOBODY, THEN, THEN)
    assert CREATED_BY not in object_of(found, ADAPTER, "here")["metadata"]["annotations"]


@pytest.mark.parametrize(
    ("ours", "theirs", "updated"),
    [(None, None, THEN), (5, 1, THEN), (5, 9, THEN + timedelta(seconds=9)), (None, 9, THEN + timedelta(seconds=9))],
)
def test_an_edit_by_somebody_else_is_an_update(ours: int | None, theirs: int | None, updated: datetime) -> None:
    times = {FIELD_MANAGER: ours, "kubectl-edit": theirs}
    fields = [
        {"manager": manager, "time": (THEN + timedelta(seconds=at)).isoformat()}
        for manager, at in times.items()
        if at is not None
    ]
    fields.append({"manager": "status", "subresource": "status", "time": (THEN + timedelta(days=1)).isoformat()})
    found = item(annotations={UPDATED_AT: THEN.isoformat()}, managedFields=fields)
    assert desired_of(found, ADAPTERS).last_updated_at == updated


def test_a_time_that_is_none_is_no_time() -> None:
    assert desired_of(item(annotations={RESTARTED_AT: "yesterday"}), ADAPTERS).restarted_at is None
    naive = desired_of(item(annotations={RESTARTED_AT: "2026-11-24T12:00:00"}), ADAPTERS)
    assert naive.restarted_at == THEN


def test_a_status_carries_the_revision_of_the_desired_state_it_speaks_of() -> None:
    said = {"observedGeneration": 1, "observedRestart": "", "revision": "5"}
    assert desired_of(item(9, status=said), ADAPTERS).revision == 5
    assert desired_of(item(9, status=said, generation=2), ADAPTERS).revision == 9
    assert desired_of(item(9, status=said, annotations={RESTARTED_AT: "2026-11-24T12:00:00Z"}), ADAPTERS).revision == 9
    assert desired_of(item(9, status=said | {"revision": "x"}), ADAPTERS).revision == 9


def objects() -> tuple[Objects[Any], list[None]]:
    told: list[None] = []
    found = Objects(ScriptedApi([], []), ADAPTERS)  # type: ignore[arg-type]
    found.listen(lambda: told.append(None))
    return found, told


def learned(found: Objects[Any], *items: CustomObject) -> None:
    for each in items:
        found.mirror.learn(msgspec.json.encode(msgspec.to_builtins(each)))


def test_a_write_of_the_status_is_no_change_of_what_is_desired() -> None:
    found, told = objects()
    learned(found, item(7))
    first = found.get(WEATHER)
    learned(found, item(8, status={"phase": "Ready"}))
    assert found.get(WEATHER) is first
    assert len(told) == 1
    learned(found, item(9, generation=2))
    assert [each.revision for each in found.listed()] == [9]
    assert len(told) == 2


def test_what_is_being_deleted_is_not_desired_and_what_can_not_be_read_is_left_out() -> None:
    found, _ = objects()
    learned(found, item(7))
    learned(found, item(8, deletionTimestamp="2026-11-24T12:00:00Z", generation=2))
    assert list(found.listed()) == []
    newer = msgspec.structs.replace(item(9, uid="v", generation=3), spec={"quantum": True})
    learned(found, newer)
    assert list(found.listed()) == []


def test_a_toolset_knows_no_restart() -> None:
    spec = ToolsetSpec(name="sky", tools=["weather/*"])
    wanted = DesiredToolset(spec=spec, created_by="ada", created_at=THEN, last_updated_at=THEN)
    body = object_of(wanted, TOOLSETS.kind, "here")
    assert RESTARTED_AT not in body["metadata"]["annotations"]
    assert desired_of(msgspec.convert(body, CustomObject), TOOLSETS).spec == spec


def test_a_status_that_says_the_same_is_the_same() -> None:
    wanted = desired()
    first = told_of(item(), wanted, NOTHING, now=datetime(2026, 11, 24, 12, 0, 0, 5, tzinfo=UTC))
    again = told_of(item(status=first), wanted, NOTHING, now=datetime(2026, 11, 24, 13, tzinfo=UTC))
    assert again == first
    assert first["observedGeneration"] == 1
    assert first["selector"] == "mcpdeck.dev/adapter=weather"
    assert {each["lastTransitionTime"] for each in first["conditions"]} == {"2026-11-24T12:00:00Z"}
