"""The cluster's objects as far as the gateway reads them. Newer fields are tolerated; what is written is plain JSON."""

from datetime import datetime
from typing import Any, Final, Protocol

import msgspec

from gateway.cluster.definitions import API_VERSION


class Kind(msgspec.Struct, frozen=True):
    """One kind of object and where the API serves it."""

    name: str
    plural: str
    api_version: str

    def path(self, namespace: str, name: str = "") -> str:
        """Of one object, or without a name of them all."""
        root = f"/apis/{self.api_version}" if "/" in self.api_version else f"/api/{self.api_version}"
        return f"{root}/namespaces/{namespace}/{self.plural}" + (f"/{name}" if name else "")


ADAPTER: Final = Kind("Adapter", "adapters", API_VERSION)
TOOL: Final = Kind("Tool", "tools", API_VERSION)
TOOLSET: Final = Kind("Toolset", "toolsets", API_VERSION)
POLICY: Final = Kind("Policy", "policies", API_VERSION)
POD: Final = Kind("Pod", "pods", "v1")
STATEFUL_SET: Final = Kind("StatefulSet", "statefulsets", "apps/v1")
SERVICE: Final = Kind("Service", "services", "v1")
SERVICE_ACCOUNT: Final = Kind("ServiceAccount", "serviceaccounts", "v1")
NETWORK_POLICY: Final = Kind("NetworkPolicy", "networkpolicies", "networking.k8s.io/v1")
DISRUPTION_BUDGET: Final = Kind("PodDisruptionBudget", "poddisruptionbudgets", "policy/v1")
SECRET: Final = Kind("Secret", "secrets", "v1")
EVENT: Final = Kind("Event", "events", "v1")


class _Read(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """Decoded from the API; unknown fields are passed over."""


class Owner(_Read, frozen=True):
    kind: str
    name: str
    uid: str
    controller: bool = False


class ManagedFields(_Read, frozen=True):
    manager: str = ""
    subresource: str = ""
    time: datetime | None = None


class Metadata(_Read, frozen=True):
    name: str = ""
    uid: str = ""
    resource_version: str = ""
    generation: int = 0
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}
    owner_references: list[Owner] = []
    managed_fields: list[ManagedFields] = []
    creation_timestamp: datetime | None = None
    deletion_timestamp: datetime | None = None

    @property
    def owner(self) -> Owner | None:
        """Who controls this object."""
        return next((each for each in self.owner_references if each.controller), None)


class Object(Protocol):
    """Any of them."""

    @property
    def metadata(self) -> Metadata: ...


class Bare(_Read, frozen=True):
    """An object of which nothing but its metadata matters."""

    metadata: Metadata


class CustomObject(_Read, frozen=True):
    """An Adapter, Tool or Toolset. spec: its wire form without the name. status: as any gateway may have written it."""

    metadata: Metadata
    spec: dict[str, Any] = {}
    status: dict[str, Any] = {}


class Waiting(_Read, frozen=True):
    reason: str = ""
    message: str = ""


class Running(_Read, frozen=True):
    started_at: datetime | None = None


class Terminated(_Read, frozen=True):
    reason: str = ""
    message: str = ""
    exit_code: int = 0
    signal: int = 0
    started_at: datetime | None = None


class ContainerState(_Read, frozen=True):
    waiting: Waiting | None = None
    running: Running | None = None
    terminated: Terminated | None = None


class ContainerStatus(_Read, frozen=True):
    name: str
    ready: bool = False
    restart_count: int = 0
    image: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodCondition(_Read, frozen=True):
    type: str
    status: str
    reason: str = ""
    message: str = ""


class PodStatus(_Read, frozen=True):
    phase: str = ""
    reason: str = ""
    message: str = ""
    pod_ip: str = msgspec.field(default="", name="podIP")
    conditions: list[PodCondition] = []
    container_statuses: list[ContainerStatus] = []


class ContainerPort(_Read, frozen=True):
    container_port: int
    name: str = ""


class Container(_Read, frozen=True):
    name: str
    image: str = ""
    ports: list[ContainerPort] = []


class PodSpec(_Read, frozen=True):
    containers: list[Container] = []


class Pod(_Read, frozen=True):
    metadata: Metadata
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()

    def condition(self, kind: str) -> PodCondition | None:
        return next((each for each in self.status.conditions if each.type == kind), None)


class Involved(_Read, frozen=True):
    kind: str = ""
    name: str = ""
    uid: str = ""


class Event(_Read, frozen=True):
    """What the cluster said of an object, for people; it is forgotten after an hour or so."""

    metadata: Metadata
    involved_object: Involved = Involved()
    reason: str = ""
    message: str = ""
    last_timestamp: datetime | None = None
    event_time: datetime | None = None

    @property
    def at(self) -> datetime | None:
        return self.last_timestamp or self.event_time or self.metadata.creation_timestamp
