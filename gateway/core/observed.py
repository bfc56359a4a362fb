"""What does run, as a backend sees it, and what follows for status and routing. Pure: no clock, no I/O."""

from datetime import datetime
from typing import Final
from urllib.parse import urlsplit

import msgspec

from gateway.core.desired import Desired
from gateway.core.grants import Grant
from gateway.core.routes import Endpoint, Route
from gateway.wire.names import InstanceName
from gateway.wire.resources import AdapterStatus, Condition, InstanceStatus, Phase

NAME_NOT_RESOLVED: Final = "NameNotResolved"  # an instance's reason: its URL's host has no address
_RUNNING = (Phase.READY, Phase.STOPPING)  # phases in which an instance may still hold sessions


class Instance(msgspec.Struct, frozen=True, kw_only=True):
    """One replica. `uid` changes whenever it starts anew; `endpoint` is None until it has an address.

    is_updated: it runs what is wanted now, not an earlier specification.
    """

    name: InstanceName
    uid: str
    phase: Phase
    restarts: int = 0
    reason: str = ""
    message: str = ""
    started_at: datetime | None = None
    endpoint: Endpoint | None = None
    is_updated: bool = True

    @property
    def is_ready(self) -> bool:
        return self.phase is Phase.READY

    def status(self) -> InstanceStatus:
        return InstanceStatus(
            name=self.name,
            uid=self.uid,
            phase=self.phase,
            ready=self.is_ready,
            restarts=self.restarts,
            reason=self.reason,
            message=self.message,
            started_at=self.started_at,
        )


class Observed(msgspec.Struct, frozen=True, kw_only=True):
    """All there is of one adapter. headers, grant: a `url` adapter's own, with secrets; they never leave the routes."""

    instances: tuple[Instance, ...] = ()
    image: str = ""
    headers: tuple[tuple[bytes, bytes], ...] = ()
    grant: Grant | None = None

    def __repr__(self) -> str:
        names = [name for name, _ in self.headers]
        return f"Observed({self.instances!r}, image={self.image!r}, headers={names!r}, grant={self.grant!r})"


NOTHING = Observed()


def status_of(
    desired: Desired, observed: Observed, *, now: datetime, previous: AdapterStatus | None = None
) -> AdapterStatus:
    """previous: the status before, whose conditions keep their times where nothing changed."""
    instances = observed.instances
    wanted = desired.spec.replica_count
    ready = sum(each.is_ready for each in instances)
    phase = _phase(wanted, instances)
    ailing = next((each for each in instances if each.reason and not each.is_ready), None)
    return AdapterStatus(
        ready_replicas=ready,
        updated_replicas=sum(each.is_updated and each.phase is not Phase.STOPPING for each in instances),
        available_replicas=ready,
        image=observed.image,
        replica_status="Healthy" if ready == wanted else f"Degraded: {ready}/{wanted} ready",
        phase=phase,
        reason=ailing.reason if ailing else "",
        message=ailing.message if ailing else "",
        instances=[each.status() for each in instances],
        conditions=_conditions(phase, ready, wanted, ailing=ailing, now=now, previous=previous),
    )


def route_of(desired: Desired, observed: Observed) -> Route:
    """Where the data plane may send this adapter's calls; every instance with an address, ready or not."""
    return Route(
        adapter=desired.name,
        ownership=desired.ownership,
        endpoints=tuple(_endpoint(each) for each in observed.instances if each.endpoint is not None),
        headers=observed.headers,
        timeouts=desired.spec.timeouts,
        reason=_unready_sentence(desired, observed.instances),
        era=desired.spec.era,
        recording=desired.spec.recording,
        made=desired.created_at.isoformat(),
        is_tool=desired.is_tool,
        is_resurrecting=desired.spec.session.resurrect,
        has_sidecar=desired.spec.stdio is not None,
        grant=observed.grant,
    )


def _endpoint(instance: Instance) -> Endpoint:
    assert instance.endpoint is not None  # noqa: S101 - its caller chose those that have one
    return msgspec.structs.replace(
        instance.endpoint,
        is_ready=instance.phase in _RUNNING,
        is_draining=instance.phase is Phase.STOPPING,
    )


def _phase(wanted: int, instances: tuple[Instance, ...]) -> Phase:
    staying = [each for each in instances if each.phase is not Phase.STOPPING]
    ready = sum(each.is_ready for each in staying)
    if wanted == 0:
        return Phase.STOPPING if instances else Phase.STOPPED
    if not staying:
        return Phase.PENDING
    if any(not each.is_updated for each in staying):
        return Phase.ROLLING
    if ready >= wanted:
        return Phase.READY
    if ready:
        return Phase.DEGRADED
    return Phase.FAILED if any(each.phase is Phase.FAILED for each in staying) else Phase.STARTING


def _conditions(
    phase: Phase,
    ready: int,
    wanted: int,
    *,
    ailing: Instance | None,
    now: datetime,
    previous: AdapterStatus | None,
) -> list[Condition]:
    reason, message = (ailing.reason, ailing.message) if ailing else (phase.value, f"{ready} of {wanted} ready")
    is_moving = phase in (Phase.PENDING, Phase.STARTING, Phase.ROLLING, Phase.STOPPING)
    fresh = [
        Condition(type="Ready", status="True" if ready >= wanted else "False", reason=reason, message=message),
        Condition(type="Progressing", status="True" if is_moving else "False", reason=phase.value),
    ]
    before = {each.type: each for each in previous.conditions} if previous else {}
    return [msgspec.structs.replace(each, last_transition_time=_since(each, before, now)) for each in fresh]


def _since(condition: Condition, before: dict[str, Condition], now: datetime) -> datetime:
    old = before.get(condition.type)
    if old is not None and old.status == condition.status and old.last_transition_time is not None:
        return old.last_transition_time
    return now


def _unready_sentence(desired: Desired, instances: tuple[Instance, ...]) -> str:
    if any(each.is_ready for each in instances):
        return ""
    name, wanted = desired.name, desired.spec.replica_count
    kind = "tool" if desired.is_tool else "adapter"
    if wanted == 0:
        return f"{kind} '{name}' is scaled to 0; scale it up to use it"
    reasons = sorted({each.reason or each.phase.value for each in instances}) or [Phase.PENDING.value]
    if desired.spec.url and NAME_NOT_RESOLVED in reasons:
        reasons = [f"{urlsplit(desired.spec.url).hostname} has no address"]
    return f"{kind} '{name}' has no ready instance (0 of {wanted}: {', '.join(reasons)}); see: mcpdeck logs {name}"
