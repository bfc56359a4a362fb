"""A pod, as the cluster tells of it, as an instance: its phase, and what ails it in a word and a sentence. Pure."""

from typing import Final

import msgspec

from gateway.backends.kubernetes.shape import CONTAINER, PATH, SPEAKS_MCP, TEMPLATE
from gateway.cluster.objects import ContainerPort, ContainerStatus, Pod, PodCondition, Terminated
from gateway.core.observed import Instance
from gateway.core.routes import Endpoint
from gateway.wire.mcp import Era
from gateway.wire.names import InstanceName
from gateway.wire.resources import Phase

_STARTING: Final = frozenset({"", "ContainerCreating", "PodInitializing"})
# A kubelet tells of one failed pull by turns as these two; a reason that flickers is of no use.
_SAME: Final = {"ErrImagePull": "ImagePullBackOff"}
_LONGEST: Final = 2000  # characters of a message


class Spoken(msgspec.Struct, frozen=True, rename="camel"):
    """What a life of a pod was found to speak, as its condition keeps it for every gateway."""

    life: str
    eras: tuple[Era, ...] = ()
    is_sse: bool = False
    note: str = ""


class Trouble(msgspec.Struct, frozen=True):
    """What a gateway that asked heard last, of a life that is not ready. reason: "" while it only starts."""

    reason: str
    message: str


_STARTS: Final = Trouble("", "")
_decode_spoken = msgspec.json.Decoder(Spoken).decode


def life_of(pod: Pod) -> str:
    """Changes whenever its process starts anew: sessions end with a container, not only with its pod."""
    container = _container(pod)
    restarts = container.restart_count if container else 0
    return f"{pod.metadata.uid}.{restarts}" if restarts else pod.metadata.uid


def is_running(pod: Pod) -> bool:
    container = _container(pod)
    return container is not None and container.state.running is not None and bool(pod.status.pod_ip)


def spoken_of(pod: Pod) -> Spoken | None:
    """What its present life speaks, once a gateway has asked."""
    condition = pod.condition(SPEAKS_MCP)
    if condition is None or condition.status != "True":
        return None
    try:
        spoken = _decode_spoken(condition.message)
    except msgspec.DecodeError:
        return None
    return spoken if spoken.life == life_of(pod) else None


def is_well(pod: Pod) -> bool:
    """What the kubelet's probes say."""
    return (condition := pod.condition("ContainersReady")) is not None and condition.status == "True"


def endpoint_of(pod: Pod, path: str) -> Endpoint | None:
    """path: the adapter's; a pod with a sidecar says itself which one it was started with."""
    port = next((each.container_port for each in _ports(pod) if each.name == "mcp"), 0)
    if not pod.status.pod_ip or not port:
        return None
    path = pod.metadata.annotations.get(PATH, path)
    return Endpoint(InstanceName(pod.metadata.name), life_of(pod), pod.status.pod_ip, port, path)


def instance_of(pod: Pod, *, path: str, template: str, asks: bool = True, trouble: Trouble | None = None) -> Instance:
    """template: the digest of what is wanted. asks: False for a tool server, which speaks no MCP.

    trouble: what a gateway that asked this life heard.
    """
    spoken = spoken_of(pod) if asks else Spoken(life_of(pod))
    phase, reason, message = _state(pod, spoken, trouble or _STARTS)
    endpoint = endpoint_of(pod, path) if is_running(pod) else None
    if endpoint is not None and spoken is not None:
        endpoint = msgspec.structs.replace(endpoint, eras=frozenset(spoken.eras), is_sse=spoken.is_sse)
    container = _container(pod)
    running = container.state.running if container else None
    return Instance(
        name=InstanceName(pod.metadata.name),
        uid=life_of(pod),
        phase=phase,
        restarts=container.restart_count if container else 0,
        reason=reason,
        message=message[: 2 * _LONGEST],
        started_at=running.started_at if running else None,
        endpoint=endpoint,
        is_updated=pod.metadata.annotations.get(TEMPLATE) == template,
    )


def _state(pod: Pod, spoken: Spoken | None, trouble: Trouble) -> tuple[Phase, str, str]:
    if pod.metadata.deletion_timestamp is not None:
        return Phase.STOPPING, "", ""
    if pod.status.phase == "Failed":
        return Phase.FAILED, pod.status.reason or "Failed", pod.status.message
    container = _container(pod)
    if container is None:
        return _unplaced(pod.condition("PodScheduled"))
    if container.state.running is not None:
        return _running(pod, container, spoken, trouble)
    if container.state.terminated is not None:
        return Phase.FAILED, *_end(container.state.terminated)
    waiting = container.state.waiting
    if waiting is None or waiting.reason in _STARTING:
        return Phase.STARTING, "", ""
    last = container.last_state.terminated
    if waiting.reason == "CrashLoopBackOff" and last is not None:
        reason, message = _end(last)
        return Phase.FAILED, reason if reason == "OOMKilled" else waiting.reason, message
    return Phase.FAILED, _SAME.get(waiting.reason, waiting.reason), waiting.message


def _unplaced(scheduled: PodCondition | None) -> tuple[Phase, str, str]:
    if scheduled is not None and scheduled.status == "False":
        return Phase.PENDING, scheduled.reason, scheduled.message
    return Phase.PENDING, "", ""


def _running(pod: Pod, container: ContainerStatus, spoken: Spoken | None, trouble: Trouble) -> tuple[Phase, str, str]:
    last = container.last_state.terminated
    before = _end(last) if last is not None else ("", "")
    if spoken is not None and is_well(pod):
        # What ended its last life is worth knowing even while it is well: an OOMKilled that heals is still one.
        return Phase.READY, before[0], spoken.note or before[1]
    if trouble.reason:
        return Phase.FAILED, trouble.reason, trouble.message
    if before[0]:
        return Phase.STARTING, *before
    return Phase.STARTING, "", trouble.message


def _end(end: Terminated) -> tuple[str, str]:
    """How a container ended; the kubelet puts its last log lines into the message."""
    how = f"signal {end.signal}" if end.signal else f"exit code {end.exit_code}"
    words = end.message.strip()[-_LONGEST:]
    return end.reason or "Error", f"{how}:\n{words}" if words else how


def _container(pod: Pod) -> ContainerStatus | None:
    return next((each for each in pod.status.container_statuses if each.name == CONTAINER), None)


def _ports(pod: Pod) -> list[ContainerPort]:
    return [port for container in pod.spec.containers if container.name == CONTAINER for port in container.ports]
