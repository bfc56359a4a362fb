"""The pod of one adapter's instance as a template: what runs in it, how it is probed, what it may not do. Pure."""

from typing import Any, Final

import msgspec

from gateway.backends.kubernetes.shape import (
    ADAPTER_LABEL,
    CONTAINER,
    HOME,
    PATH,
    SIDECAR,
    SIDECAR_MOUNT,
    SPEAKS_MCP,
    TEMPLATE,
    UID,
    Shape,
    digest_of,
    labels_of,
)
from gateway.cluster.definitions import RESTARTED_AT
from gateway.core.desired import Desired
from gateway.wire.resources import AdapterSpec, ResourceList, SecretReference, Stdio

type Json = dict[str, Any]

_STARTING: Final = 120  # seconds that a server may take until it listens, before its container is started anew
_PYTHON: Final = ["python3", "-I", f"{SIDECAR}/run.py"]
_PYTHON_ELSEWHERE: Final = [  # in another image: its own loader and libraries are neither used nor needed
    f"{SIDECAR_MOUNT}{SIDECAR}/ld.so",
    "--library-path",
    f"{SIDECAR_MOUNT}{SIDECAR}/lib:{SIDECAR_MOUNT}/usr/local/lib",
    f"{SIDECAR_MOUNT}{SIDECAR}/python",
    "-I",
    f"{SIDECAR_MOUNT}{SIDECAR}/run.py",
]


def template_of(desired: Desired, shape: Shape) -> Json:
    """With its own digest as an annotation, so that a pod says what it was made from."""
    spec = desired.spec
    told: dict[str, str] = {}
    if desired.restarted_at is not None:
        told[RESTARTED_AT] = desired.restarted_at.isoformat()
    if spec.stdio is not None:
        told[PATH] = spec.path
    labels = labels_of(spec.name)
    if spec.use_workload_identity:
        labels["azure.workload.identity/use"] = "true"
    body = {"metadata": {"labels": labels, "annotations": told}, "spec": _pod_spec(desired, shape)}
    told[TEMPLATE] = digest_of(body)
    return body


def image_of(spec: AdapterSpec, shape: Shape) -> str:
    if spec.image_name:
        return reference(spec.image_name, spec.image_version, shape.registry)
    if spec.stdio is not None and spec.stdio.image_name:
        return reference(spec.stdio.image_name, spec.stdio.image_version, shape.registry)
    return shape.runner_image


def reference(name: str, version: str, registry: str) -> str:
    """`team/weather`, `1.2` -> `registry.example/team/weather:1.2`; a digest goes behind @."""
    first, slash, _ = name.partition("/")
    has_host = bool(slash) and (first == "localhost" or "." in first or ":" in first)
    whole = name if has_host or not registry else f"{registry.rstrip('/')}/{name}"
    return f"{whole}@{version}" if version.startswith("sha256:") else f"{whole}:{version}"


def _pod_spec(desired: Desired, shape: Shape) -> Json:
    spec = desired.spec
    pod: Json = {
        "serviceAccountName": shape.workload_account if spec.use_workload_identity else spec.name,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "securityContext": {
            "runAsUser": UID,
            "runAsGroup": UID,
            "fsGroup": UID,
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "readinessGates": [] if desired.is_tool else [{"conditionType": SPEAKS_MCP}],
        "terminationGracePeriodSeconds": shape.drain + shape.grace,
        "topologySpreadConstraints": [
            {
                "maxSkew": 1,
                "topologyKey": "kubernetes.io/hostname",
                "whenUnsatisfiable": "ScheduleAnyway",
                "labelSelector": {"matchLabels": {ADAPTER_LABEL: spec.name}},
            }
        ],
        "containers": [_container(spec, shape)],
        "volumes": _volumes(spec, shape),
    }
    if shape.pull_secrets:
        pod["imagePullSecrets"] = [{"name": name} for name in shape.pull_secrets]
    return pod


def _container(spec: AdapterSpec, shape: Shape) -> Json:
    container: Json = {
        "name": CONTAINER,
        "image": image_of(spec, shape),
        "imagePullPolicy": shape.pull_policy,
        "ports": [{"name": "mcp", "containerPort": spec.port}],
        "env": _environment(spec),
        "resources": _resources(spec),
        "securityContext": {
            "allowPrivilegeEscalation": False,
            "capabilities": {"drop": ["ALL"]},
            "readOnlyRootFilesystem": _is_runner(spec) or shape.read_only_images,
        },
        "volumeMounts": _mounts(spec),
        "terminationMessagePolicy": "FallbackToLogsOnError",  # the last log lines come with the pod's status
        "lifecycle": {"preStop": _drained(spec, shape)},
        **_probes(spec),
    }
    if spec.stdio is not None:
        container["command"] = _sidecar(spec, spec.stdio)
    else:
        container |= {key: value for key, value in (("command", spec.command), ("args", spec.args)) if value}
    return container


def _sidecar(spec: AdapterSpec, stdio: Stdio) -> list[str]:
    """The whole command line; what runs for the server itself stands behind `--`."""
    session = spec.session
    options = {
        "--host": "0.0.0.0",
        "--port": str(spec.port),
        "--path": spec.path,
        "--name": spec.name,
        "--isolation": session.isolation.value,
        "--max-sessions": str(session.max),
        "--idle-timeout": f"{session.idle_timeout:g}",
        "--state": "/tmp/eras",  # noqa: S108 - a volume of the pod's own
    }
    front = _PYTHON_ELSEWHERE if stdio.image_name else _PYTHON
    told = [word for option in options.items() for word in option]
    return [*front, *told, "--", _literal(stdio.command), *map(_literal, stdio.args)]


def _literal(text: str) -> str:
    """Kubernetes expands $(NAME) in commands, and takes $$ for $."""
    return text.replace("$", "$$")


def _environment(spec: AdapterSpec) -> list[Json]:
    """Sorted by name, so that the same variables are the same template."""
    plain = [{"name": name, "value": _literal(value)} for name, value in spec.environment_variables.items()]
    secret = [{"name": name, "valueFrom": _secret(each)} for name, each in spec.secret_environment.items()]
    return sorted([*plain, *secret], key=lambda each: str(each["name"]))


def _secret(reference: SecretReference) -> Json:
    return {"secretKeyRef": {"name": reference.secret, "key": reference.key}}


def _resources(spec: AdapterSpec) -> Json:
    return {"requests": _quantities(spec.resources.requests), "limits": _quantities(spec.resources.limits)}


def _quantities(told: ResourceList) -> dict[str, str]:
    quantities: dict[str, str] = msgspec.to_builtins(told)
    return quantities


def _probes(spec: AdapterSpec) -> Json:
    """Whether it listens, or whether its sidecar's server answers. That it speaks MCP is the readiness gate's question:

    a kubelet can't POST, `exec` needs a program that an image may not have, and one more container per pod costs more
    memory than most servers. The gateway asks each life once, and keeps the answer as the pod's condition.
    """
    listens: Json = {"tcpSocket": {"port": "mcp"}}
    is_well: Json = listens | {"periodSeconds": 5, "failureThreshold": 3}
    if spec.stdio is not None:
        is_well = {"httpGet": {"path": "/healthz", "port": "mcp"}, "periodSeconds": 2, "failureThreshold": 1}
    return {
        "startupProbe": listens | {"periodSeconds": 1, "failureThreshold": _STARTING},
        "readinessProbe": is_well | {"timeoutSeconds": 3},
        "livenessProbe": listens | {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": 6},
    }


def _drained(spec: AdapterSpec, shape: Shape) -> Json:
    """What a kubelet waits for before SIGTERM; it can't be told to stop waiting.

    A sidecar answers once its sessions have rested. Of other servers nobody knows, so they have all of the time.
    """
    if spec.stdio is None:
        return {"sleep": {"seconds": shape.drain}}
    return {"httpGet": {"path": f"/drained?seconds={shape.drain}", "port": "mcp"}}


def _is_runner(spec: AdapterSpec) -> bool:
    return spec.stdio is not None and not spec.stdio.image_name


def _mounts(spec: AdapterSpec) -> list[Json]:
    mounts: list[Json] = [{"name": "tmp", "mountPath": "/tmp"}]  # noqa: S108 - a volume of the pod's own
    if _is_runner(spec):
        mounts.append({"name": "home", "mountPath": HOME})
    elif spec.stdio is not None:
        mounts.append({"name": "sidecar", "mountPath": SIDECAR_MOUNT, "readOnly": True})
    return mounts


def _volumes(spec: AdapterSpec, shape: Shape) -> list[Json]:
    volumes: list[Json] = [{"name": "tmp", "emptyDir": {}}]
    if _is_runner(spec):
        volumes.append({"name": "home", "emptyDir": {}})
    elif spec.stdio is not None:
        volumes.append({"name": "sidecar", "image": {"reference": shape.runner_image, "pullPolicy": shape.pull_policy}})
    return volumes
