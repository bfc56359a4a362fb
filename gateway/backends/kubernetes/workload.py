"""All the objects that make one adapter run in a cluster, as they are applied. Pure: says what, applies nothing."""

from typing import Any, Final

from gateway.backends.kubernetes.pod import template_of
from gateway.backends.kubernetes.shape import ADAPTER_LABEL, DIGEST, GATEWAY, Shape, digest_of, labels_of
from gateway.cluster.definitions import API_VERSION
from gateway.cluster.objects import (
    ADAPTER,
    DISRUPTION_BUDGET,
    NETWORK_POLICY,
    SERVICE,
    SERVICE_ACCOUNT,
    STATEFUL_SET,
    TOOL,
    Kind,
)
from gateway.core.desired import Desired

type Json = dict[str, Any]

KINDS: Final = (SERVICE_ACCOUNT, NETWORK_POLICY, SERVICE, DISRUPTION_BUDGET, STATEFUL_SET)  # applied in this order
# Where no adapter has business: other pods, the node, the cloud's metadata service.
_PRIVATE: Final = ["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10"]
_LINK_LOCAL: Final = ["169.254.0.0/16", "168.63.129.16/32"]
_PRIVATE_6: Final = ["fc00::/7"]
_LINK_LOCAL_6: Final = ["fe80::/10"]


def objects_of(desired: Desired, owner_uid: str, shape: Shape) -> list[tuple[Kind, Json]]:
    """owner_uid: of the Adapter or Tool object, with which all of them go."""
    bodies: dict[Kind, Json] = {
        SERVICE_ACCOUNT: {"automountServiceAccountToken": False},
        NETWORK_POLICY: {"spec": _policy(desired, shape)},
        SERVICE: {"spec": _service(desired)},
        DISRUPTION_BUDGET: {"spec": _budget(desired)},
        STATEFUL_SET: {"spec": _stateful_set(desired, shape)},
    }
    return [(kind, _object(kind, bodies[kind], desired, owner_uid)) for kind in KINDS]


def _object(kind: Kind, body: Json, desired: Desired, owner_uid: str) -> Json:
    owner_kind = TOOL if desired.is_tool else ADAPTER
    owner = {"apiVersion": API_VERSION, "kind": owner_kind.name, "name": desired.name, "uid": owner_uid}
    metadata: Json = {
        "name": desired.name,
        "labels": labels_of(desired.name),
        "ownerReferences": [owner | {"controller": True, "blockOwnerDeletion": False}],
    }
    whole = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": metadata, **body}
    metadata["annotations"] = {DIGEST: digest_of(whole)}
    return whole


def _stateful_set(desired: Desired, shape: Shape) -> Json:
    return {
        "serviceName": desired.name,
        "replicas": desired.spec.replica_count,
        "selector": {"matchLabels": {ADAPTER_LABEL: desired.name}},
        # In parallel: a revision that never gets ready must not stand in the way of the one that cures it.
        "podManagementPolicy": "Parallel",
        "updateStrategy": {"type": "RollingUpdate"},
        "revisionHistoryLimit": 2,
        "template": template_of(desired, shape),
    }


def _service(desired: Desired) -> Json:
    """Headless: gives the pods their names. Traffic goes to pods by address, since sessions have one."""
    return {
        "clusterIP": "None",
        "selector": {ADAPTER_LABEL: desired.name},
        "ports": [{"name": "mcp", "port": desired.spec.port, "targetPort": "mcp"}],
    }


def _budget(desired: Desired) -> Json:
    return {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {ADAPTER_LABEL: desired.name}},
        "unhealthyPodEvictionPolicy": "AlwaysAllow",
    }


def _policy(desired: Desired, shape: Shape) -> Json:
    """In from gateways; out to names and the internet, and to private networks where an operator said so."""
    spared = _LINK_LOCAL if shape.allow_private_egress else [*_LINK_LOCAL, *_PRIVATE]
    spared_6 = _LINK_LOCAL_6 if shape.allow_private_egress else [*_LINK_LOCAL_6, *_PRIVATE_6]
    names = {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "kube-system"}}}
    gateways: Json = {"podSelector": {"matchLabels": GATEWAY}}
    if shape.gateway_namespace:
        gateways["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": shape.gateway_namespace}}
    return {
        "podSelector": {"matchLabels": {ADAPTER_LABEL: desired.name}},
        "policyTypes": ["Ingress", "Egress"],
        "ingress": [{"from": [gateways], "ports": [{"port": "mcp", "protocol": "TCP"}]}],
        "egress": [
            {"to": [names], "ports": [{"port": 53, "protocol": protocol} for protocol in ("UDP", "TCP")]},
            {
                "to": [
                    {"ipBlock": {"cidr": "0.0.0.0/0", "except": spared}},
                    {"ipBlock": {"cidr": "::/0", "except": spared_6}},
                ]
            },
        ],
    }
