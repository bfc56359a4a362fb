"""Pods as instances: phase, reason and message for whatever a cluster may tell of one."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from gateway.backends.kubernetes.instances import Spoken, Trouble, instance_of, life_of, spoken_of
from gateway.backends.kubernetes.shape import PATH, SPEAKS_MCP, TEMPLATE
from gateway.cluster.objects import Pod
from gateway.wire.mcp import Era
from gateway.wire.resources import Phase

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
RUNNING = {"state": {"running": {"startedAt": "2026-11-24T12:00:00Z"}}}


def waiting(reason: str, message: str = "", last: dict[str, Any] | None = None) -> dict[str, Any]:
    told: dict[str, Any] = {"state": {"waiting": {"reason": reason, "message": message}}}
    return told | ({"lastState": {"terminated": last}} if last else {})


def pod(
    container: dict[str, Any] | None = None,
    *,
    spoken: Spoken | None = None,
    is_well: bool = True,
    restarts: int = 0,
    conditions: list[dict[str, Any]] | None = None,
    status: dict[str, Any] | None = None,
    **metadata: Any,
) -> Pod:
    told = [{"type": "ContainersReady", "status": str(is_well)}, *(conditions or [])]
    if spoken is not None:
        told.append({"type": SPEAKS_MCP, "status": "True", "message": msgspec.json.encode(spoken).decode()})
    statuses = [{"name": "server", "restartCount": restarts, **container}] if container else []
    return msgspec.convert(
        {
            "metadata": {"name": "weather-0", "uid": "u1", "annotations": {TEMPLATE: "t"}} | metadata,
            "spec": {"containers": [{"name": "server", "ports": [{"name": "mcp", "containerPort": 8000}]}]},
            "status": {"podIP": "10.0.0.7", "conditions": told, "containerStatuses": statuses} | (status or {}),
        },
        Pod,
    )


def seen(found: Pod, **more: Any) -> tuple[Phase, str, str]:
    instance = instance_of(found, **{"path": "/mcp", "template": "t"} | more)
    return instance.phase, instance.reason, instance.message


SPOKEN = Spoken("u1", (Era.LEGACY,))


def test_ready_is_what_runs_is_well_and_speaks_mcp() -> None:
    found = instance_of(pod(RUNNING, spoken=SPOKEN), path="/mcp", template="t")
    assert (found.phase, found.is_updated, found.started_at) == (Phase.READY, True, NOW)
    assert found.endpoint is not None
    assert (found.endpoint.host, found.endpoint.port, found.endpoint.path) == ("10.0.0.7", 8000, "/mcp")
    assert found.endpoint.eras == {Era.LEGACY}
    assert seen(pod(RUNNING, spoken=SPOKEN, is_well=False))[0] is Phase.STARTING
    assert seen(pod(RUNNING))[0] is Phase.STARTING


def test_a_tool_server_is_ready_without_a_word_of_mcp() -> None:
    assert seen(pod(RUNNING), asks=False)[0] is Phase.READY


def test_a_container_that_started_anew_is_another_life_and_asked_again() -> None:
    again = pod(RUNNING, spoken=SPOKEN, restarts=1)
    assert life_of(again) == "u1.1"
    assert spoken_of(again) is None
    assert seen(again)[0] is Phase.STARTING
    assert spoken_of(pod(RUNNING, spoken=SPOKEN, restarts=0)) == SPOKEN


def test_a_sidecars_pod_is_called_at_the_path_it_was_started_with() -> None:
    found = instance_of(pod(RUNNING, annotations={PATH: "/old"}), path="/new", template="t")
    assert found.endpoint is not None
    assert found.endpoint.path == "/old"
    assert not found.is_updated


@pytest.mark.parametrize(
    ("found", "phase", "reason", "words"),
    [
        (pod(waiting("ContainerCreating")), Phase.STARTING, "", ""),
        (pod(waiting("ErrImagePull", "no such")), Phase.FAILED, "ImagePullBackOff", "no such"),
        (pod(waiting("ImagePullBackOff", "back-off")), Phase.FAILED, "ImagePullBackOff", "back-off"),
        (pod(waiting("InvalidImageName", "what")), Phase.FAILED, "InvalidImageName", "what"),
        (
            pod(waiting("CreateContainerConfigError", "secret x")),
            Phase.FAILED,
            "CreateContainerConfigError",
            "secret x",
        ),
        (
            pod(waiting("CrashLoopBackOff", "back-off", {"exitCode": 3, "reason": "Error", "message": "no key\n"})),
            Phase.FAILED,
            "CrashLoopBackOff",
            "exit code 3:\nno key",
        ),
        (
            pod(waiting("CrashLoopBackOff", "back-off", {"exitCode": 137, "reason": "OOMKilled"})),
            Phase.FAILED,
            "OOMKilled",
            "exit code 137",
        ),
        (
            pod({"state": {"terminated": {"exitCode": 0, "reason": "Completed"}}}),
            Phase.FAILED,
            "Completed",
            "exit code 0",
        ),
        (pod({"state": {"terminated": {"exitCode": 1, "signal": 9}}}), Phase.FAILED, "Error", "signal 9"),
        (pod(status={"phase": "Failed", "reason": "Evicted", "message": "disk"}), Phase.FAILED, "Evicted", "disk"),
        (pod(conditions=[{"type": "PodScheduled", "status": "True"}]), Phase.PENDING, "", ""),
        (
            pod(conditions=[{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "cpu"}]),
            Phase.PENDING,
            "Unschedulable",
            "cpu",
        ),
        (pod(RUNNING, spoken=SPOKEN, deletionTimestamp="2026-11-24T12:00:00Z"), Phase.STOPPING, "", ""),
    ],
)
def test_what_ails_a_pod_is_told_in_a_word_and_a_sentence(found: Pod, phase: Phase, reason: str, words: str) -> None:
    assert seen(found) == (phase, reason, words)


def test_what_ended_the_last_life_is_known_while_the_next_one_is_well() -> None:
    last = {"lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}}}
    again = pod(RUNNING | last, spoken=Spoken("u1.1"), restarts=1)
    assert seen(again) == (Phase.READY, "OOMKilled", "exit code 137")


def test_trouble_that_was_heard_is_told_until_it_is_over() -> None:
    trouble = Trouble("CrashLoopBackOff", "server process exited")
    assert seen(pod(RUNNING), trouble=trouble) == (Phase.FAILED, "CrashLoopBackOff", "server process exited")
    assert seen(pod(RUNNING), trouble=Trouble("", "it is starting")) == (Phase.STARTING, "", "it is starting")
    assert seen(pod(RUNNING, spoken=SPOKEN), trouble=trouble)[0] is Phase.READY


def test_a_condition_that_somebody_scribbled_into_is_no_answer() -> None:
    scribbled = pod(RUNNING, conditions=[{"type": SPEAKS_MCP, "status": "True", "message": "yes"}])
    assert spoken_of(scribbled) is None
