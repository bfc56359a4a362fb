"""What is applied for an adapter: its pods' template, and the objects around them."""

from datetime import timedelta
from typing import Any

import pytest

from gateway.backends.kubernetes.pod import image_of, reference, template_of
from gateway.backends.kubernetes.shape import DIGEST, TEMPLATE, Shape
from gateway.backends.kubernetes.workload import KINDS, objects_of
from gateway.core.desired import Desired
from gateway.wire.resources import AdapterSpec, SecretReference, SessionPolicy, Stdio
from tests.support.desired import THEN, desired, stdio_spec

SHAPE = Shape(runner_image="runner:1", drain=30, grace=10)
IMAGE = AdapterSpec(name="weather", image_name="team/weather", image_version="1")


def container(wanted: Desired, shape: Shape = SHAPE) -> dict[str, Any]:
    (only,) = template_of(wanted, shape)["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def digest(wanted: Desired, shape: Shape = SHAPE) -> str:
    told: str = template_of(wanted, shape)["metadata"]["annotations"][TEMPLATE]
    return told


def bodies(wanted: Desired, shape: Shape = SHAPE) -> dict[str, dict[str, Any]]:
    return {kind.name: body for kind, body in objects_of(wanted, "uid-1", shape)}


@pytest.mark.parametrize(
    ("name", "version", "registry", "whole"),
    [
        ("team/weather", "1", "", "team/weather:1"),
        ("team/weather", "1", "reg.example/x/", "reg.example/x/team/weather:1"),
        ("ghcr.io/team/weather", "1", "reg.example", "ghcr.io/team/weather:1"),
        ("localhost/weather", "1", "reg.example", "localhost/weather:1"),
        ("reg:5000/weather", "1", "reg.example", "reg:5000/weather:1"),
        ("weather", "sha256:" + "0" * 64, "reg.example", "reg.example/weather@sha256:" + "0" * 64),
    ],
)
def test_an_image_without_a_host_gets_the_registry(name: str, version: str, registry: str, whole: str) -> None:
    assert reference(name, version, registry) == whole


def test_the_image_is_the_adapters_own_or_the_runners() -> None:
    assert image_of(stdio_spec(), SHAPE) == "runner:1"
    assert image_of(IMAGE, SHAPE) == "team/weather:1"
    boxed = Stdio(command="x", image_name="team/box", image_version="2")
    assert image_of(AdapterSpec(name="weather", stdio=boxed), SHAPE) == "team/box:2"


@pytest.mark.parametrize("fields", [{"description": "x"}, {"required_roles": ["x"]}, {"replica_count": 3}])
def test_what_pods_do_not_depend_on_leaves_their_template_alone(fields: dict[str, Any]) -> None:
    assert digest(desired(stdio_spec(**fields))) == digest(desired(stdio_spec()))
    assert digest(desired(last_updated_at=THEN + timedelta(1))) == digest(desired())


@pytest.mark.parametrize(
    "fields",
    [
        {"environment_variables": {"A": "1"}},
        {"secret_environment": {"A": SecretReference(secret="s", key="k")}},
        {"session": SessionPolicy(idle_timeout=5)},
        {"port": 9000},
        {"path": "/other"},
        {"use_workload_identity": True},
    ],
)
def test_what_pods_depend_on_changes_their_template(fields: dict[str, Any]) -> None:
    assert digest(desired(stdio_spec(**fields))) != digest(desired(stdio_spec()))


def test_a_restart_changes_the_template_and_the_order_of_variables_does_not() -> None:
    assert digest(desired(restarted_at=THEN)) != digest(desired())
    one, two = {"A": "1", "B": "2"}, {"B": "2", "A": "1"}
    assert digest(desired(stdio_spec(environment_variables=one))) == digest(
        desired(stdio_spec(environment_variables=two))
    )


def test_a_stdio_server_runs_behind_the_sidecar_word_for_word() -> None:
    command = container(desired(stdio_spec("weather", "sh", "-c", "echo $(HOME) $$")))["command"]
    assert command[: command.index("--")][:3] == ["python3", "-I", "/opt/sidecar/run.py"]
    assert command[command.index("--") + 1 :] == ["sh", "-c", "echo $$(HOME) $$$$"]


def test_a_stdio_server_with_an_image_runs_in_it_with_the_sidecar_mounted() -> None:
    boxed = Stdio(command="serve", image_name="team/box", image_version="2")
    wanted = desired(AdapterSpec(name="weather", stdio=boxed))
    found = container(wanted)
    assert found["image"] == "team/box:2"
    assert found["command"][0] == "/mcpdeck/opt/sidecar/ld.so"
    assert {"name": "sidecar", "mountPath": "/mcpdeck", "readOnly": True} in found["volumeMounts"]
    volumes = template_of(wanted, SHAPE)["spec"]["volumes"]
    assert {"name": "sidecar", "image": {"reference": "runner:1", "pullPolicy": "IfNotPresent"}} in volumes
    assert found["securityContext"]["readOnlyRootFilesystem"] is False  # what people bring may write where it likes


def test_a_tool_server_waits_for_no_word_of_mcp() -> None:
    assert template_of(desired(IMAGE), SHAPE)["spec"]["readinessGates"]
    assert template_of(desired(IMAGE, is_tool=True), SHAPE)["spec"]["readinessGates"] == []


def test_workload_identity_is_a_label_and_another_account() -> None:
    template = template_of(desired(stdio_spec(use_workload_identity=True)), SHAPE)
    assert template["metadata"]["labels"]["azure.workload.identity/use"] == "true"
    assert template["spec"]["serviceAccountName"] == "mcpdeck-workload"
    assert template_of(desired(), SHAPE)["spec"]["serviceAccountName"] == "weather"


def test_every_object_belongs_to_the_adapter_and_says_what_was_applied() -> None:
    found = bodies(desired())
    assert list(found) == [kind.name for kind in KINDS]
    for body in found.values():
        (owner,) = body["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["uid"], owner["controller"]) == ("Adapter", "uid-1", True)
        assert body["metadata"]["annotations"][DIGEST]
    (owner,) = bodies(desired(IMAGE, is_tool=True))["StatefulSet"]["metadata"]["ownerReferences"]
    assert owner["kind"] == "Tool"


def test_adapters_reach_no_private_network_unless_an_operator_says_so() -> None:
    def spared(shape: Shape) -> list[str]:
        egress = bodies(desired(), shape)["NetworkPolicy"]["spec"]["egress"]
        blocks: list[str] = [net for to in egress[1]["to"] for net in to["ipBlock"]["except"]]
        return blocks

    assert "10.0.0.0/8" in spared(SHAPE)
    assert "10.0.0.0/8" not in spared(Shape(allow_private_egress=True))
    assert "169.254.0.0/16" in spared(Shape(allow_private_egress=True))


def test_only_gateways_may_call_adapters() -> None:
    policy = bodies(desired(), Shape(gateway_namespace="mcpdeck"))["NetworkPolicy"]["spec"]
    (rule,) = policy["ingress"]
    assert rule["from"] == [
        {
            "podSelector": {"matchLabels": {"app.kubernetes.io/name": "mcpdeck-gateway"}},
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "mcpdeck"}},
        }
    ]
