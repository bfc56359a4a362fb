"""What an operator decides about adapters' pods, and the names by which a cluster knows them. Decides nothing else."""

from typing import Any, Final

import msgspec

from gateway.cluster.definitions import GROUP

MANAGED_BY: Final = "app.kubernetes.io/managed-by"
MANAGER: Final = "mcpdeck"
GATEWAY: Final = {"app.kubernetes.io/name": "mcpdeck-gateway"}  # labels of gateways' pods
ADAPTER_LABEL: Final = f"{GROUP}/adapter"
TEMPLATE: Final = f"{GROUP}/template"  # annotation of a pod: the digest of the template that it was made from
PATH: Final = f"{GROUP}/path"  # annotation of a pod: where its sidecar serves MCP
DIGEST: Final = f"{GROUP}/digest"  # annotation of an object: of what was applied last
SPEAKS_MCP: Final = f"{GROUP}/speaks-mcp"  # a pod's readiness gate: the gateway asked, and it answered in MCP
SELECTOR: Final = f"{MANAGED_BY}={MANAGER},{ADAPTER_LABEL}"

UID: Final = 1100  # as MS's gateway has it
CONTAINER: Final = "server"
SIDECAR_MOUNT: Final = "/mcpdeck"
SIDECAR: Final = "/opt/sidecar"  # in the runner's image: see manifests/images/runner.Containerfile
HOME: Final = "/home/runner"


class Shape(msgspec.Struct, frozen=True, kw_only=True):
    """drain: seconds that a leaving pod still serves its sessions, fewer where a sidecar sees that they rest.

    grace: seconds between SIGTERM and SIGKILL.

    registry: put before images without a host. gateway_namespace: whose gateways may call adapters; "": this one's.
    workload_account: the ServiceAccount of adapters with useWorkloadIdentity. read_only_images: whether the root of
    images that people bring is read-only too, as the runner's always is.
    """

    runner_image: str = "mcpdeck/runner:local"
    registry: str = ""
    pull_policy: str = "IfNotPresent"
    pull_secrets: tuple[str, ...] = ()
    gateway_namespace: str = ""
    workload_account: str = "mcpdeck-workload"
    read_only_images: bool = False
    allow_private_egress: bool = False
    drain: int = 30
    grace: int = 10


def labels_of(adapter: str) -> dict[str, str]:
    """Of everything that belongs to an adapter, and what its pods are selected by."""
    return {MANAGED_BY: MANAGER, "app.kubernetes.io/name": adapter, ADAPTER_LABEL: adapter}


def digest_of(told: Any) -> str:
    """Of anything JSON; the same for the same content."""
    import hashlib

    return hashlib.sha256(msgspec.json.encode(told, order="sorted")).hexdigest()[:16]
