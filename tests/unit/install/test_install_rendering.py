"""What `mcpdeck install` would apply: the same as kustomize, with what the operator says put in, and no secret."""

import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from mcpdeck.install.kustomize import built, merged
from mcpdeck.install.rendering import Wishes, manifests, rendered, superfluous
from mcpdeck.install.steps import _unready
from tests.support import testcluster

BLANKS = {
    "REGISTRY": "reg.example",
    "TENANT": "t",
    "CLIENT": "c",
    "URL": "https://mcp.example",
    "IDENTITY": "i",
    "ISSUER": "https://i",
    "AUDIENCE": "a",
}
KUBECTL = next(
    (found for each in (str(testcluster.PROGRAMS / "kubectl"), "kubectl") if (found := shutil.which(each))), ""
)


def key(told: dict[str, Any]) -> tuple[str, str, str]:
    return told["kind"], told["metadata"].get("namespace", ""), told["metadata"]["name"]


def by_key(objects: list[dict[str, Any]]) -> dict[tuple[str, str, str], dict[str, Any]]:
    found = {key(each): each for each in objects}
    assert len(found) == len(objects)
    return found


def gateway(objects: list[dict[str, Any]]) -> dict[str, Any]:
    return by_key(objects)["Deployment", "mcpdeck", "mcpdeck-gateway"]


def names(objects: list[dict[str, Any]]) -> set[str]:
    return {each["metadata"]["name"] for each in objects}


@pytest.mark.skipif(not KUBECTL, reason="there is no kubectl to compare with")
@pytest.mark.parametrize("overlay", sorted(each.name for each in (manifests() / "overlays").iterdir()))
def test_kustomize_makes_the_same_of_an_overlay(overlay: str) -> None:
    folder = manifests() / "overlays" / overlay
    done = subprocess.run([KUBECTL, "kustomize", folder], capture_output=True, text=True, check=True, timeout=60)
    assert by_key(built(folder)) == by_key(list(yaml.safe_load_all(done.stdout)))


def test_another_namespace_is_another_everywhere() -> None:
    told = yaml.safe_dump_all(rendered(Wishes(namespace="team-a")))
    names = {each["metadata"]["name"] for each in rendered(Wishes(namespace="team-a")) if each["kind"] == "Namespace"}
    assert names == {"team-a", "team-a-adapters"}
    assert "namespace: mcpdeck\n" not in told
    assert "namespace: mcpdeck-adapters\n" not in told
    assert "value: team-a-adapters" in told
    assert "kubernetes.io/metadata.name: team-a-adapters" in told


def test_what_an_operator_says_is_put_in() -> None:
    wishes = Wishes(
        image="x/gateway:2", runner_image="x/runner:2", replicas=5, env={"MCPDECK_OIDC_ISSUERS": "https://i"}
    )
    objects = rendered(wishes)
    spec = gateway(objects)["spec"]
    (container,) = spec["template"]["spec"]["containers"]
    env = environment(objects)
    assert (spec["replicas"], container["image"]) == (5, "x/gateway:2")
    assert env["MCPDECK_GATEWAY_RUNNER_IMAGE"] == "x/runner:2"
    assert env["MCPDECK_OIDC_ISSUERS"] == "https://i"
    assert env["MCPDECK_GATEWAY_BACKEND"] == "kubernetes"
    (job,) = (each for each in objects if each["kind"] == "Job")
    assert job["spec"]["template"]["spec"]["containers"][0]["image"] == "x/gateway:2"


REDIS = {"mcpdeck-redis", "mcpdeck-gateway-to-redis"}


def environment(objects: list[dict[str, Any]]) -> dict[str, Any]:
    (container,) = gateway(objects)["spec"]["template"]["spec"]["containers"]
    return {each["name"]: each.get("value", each.get("valueFrom")) for each in container["env"]}


@pytest.mark.parametrize("overlay", ["local", "oidc", "aks"])
def test_several_gateways_share_a_redis_and_one_alone_goes_without(overlay: str) -> None:
    several = rendered(Wishes(overlay=overlay, blanks=BLANKS, redis_image="reg.example/redis:8"))
    assert names(several) >= REDIS
    assert environment(several)["MCPDECK_REDIS_URL"] == {"secretKeyRef": {"name": "mcpdeck-redis", "key": "url"}}
    redis = by_key(several)["Deployment", "mcpdeck", "mcpdeck-redis"]
    assert redis["spec"]["template"]["spec"]["containers"][0]["image"] == "reg.example/redis:8"

    alone = rendered(Wishes(overlay=overlay, blanks=BLANKS, replicas=1))
    assert not names(alone) & REDIS
    assert "MCPDECK_REDIS_URL" not in environment(alone)
    assert gateway(alone)["spec"].get("replicas", 1) == 1
    assert not [each for each in alone if each["kind"] == "HorizontalPodAutoscaler"]
    assert {each["metadata"]["name"] for each in superfluous(Wishes(overlay=overlay, replicas=1))} >= REDIS
    assert superfluous(Wishes(overlay=overlay)) == []


def test_a_redis_of_ones_own_takes_the_place_of_ours() -> None:
    own = "rediss://cache.example:6380"
    told = rendered(Wishes(env={"MCPDECK_REDIS_URL": own}))
    assert environment(told)["MCPDECK_REDIS_URL"] == own
    assert not names(told) & REDIS


def test_an_autoscaler_is_told_how_many_gateways_there_are_at_least() -> None:
    told = rendered(Wishes(overlay="aks", blanks=BLANKS, replicas=12))
    scaler = by_key(told)["HorizontalPodAutoscaler", "mcpdeck", "mcpdeck-gateway"]
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (12, 12)
    assert "replicas" not in gateway(told)["spec"]


def test_what_an_overlay_leaves_open_is_asked_for_by_name() -> None:
    with pytest.raises(ValueError, match="leaves these to you: --set CLIENT=… --set IDENTITY=…"):
        rendered(Wishes(overlay="aks"))
    told = yaml.safe_dump_all(rendered(Wishes(overlay="aks", blanks=BLANKS)))
    assert "image: reg.example/mcpdeck/gateway:0.1.0" in told
    assert "<" not in told.split("kind: Namespace", 1)[1]


def test_an_overlay_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(ValueError, match="no overlay 'gke'; there are aks, local, oidc"):
        rendered(Wishes(overlay="gke"))


def test_no_secret_comes_with_the_manifests() -> None:
    for overlay in ("local", "aks", "oidc"):
        assert not [each for each in rendered(Wishes(overlay=overlay, blanks=BLANKS)) if each["kind"] == "Secret"]


def test_every_pod_is_hardened() -> None:
    pods = [each for each in rendered(Wishes(overlay="aks", blanks=BLANKS)) if "template" in each.get("spec", {})]
    assert {each["kind"] for each in pods} == {"Deployment", "Job"}
    for each in pods:
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_there_is_no_right_beyond_the_two_namespaces() -> None:
    kinds = {each["kind"] for each in rendered(Wishes(overlay="aks", blanks=BLANKS))}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    assert {each["kind"] for each in rendered(Wishes()) if not each["metadata"].get("namespace")} == {
        "Namespace",
        "CustomResourceDefinition",
    }


def test_a_strategic_merge_goes_by_keys_and_names() -> None:
    base = {"a": 1, "b": {"c": 2, "d": 3}, "l": [{"name": "x", "v": 1}, {"name": "y"}], "p": [1, 2]}
    patch = {"b": {"c": None, "e": {"f": None, "g": 1}}, "l": [{"name": "x", "v": 2}, {"name": "z"}], "p": [3]}
    assert merged(base, patch) == {
        "a": 1,
        "b": {"d": 3, "e": {"g": 1}},
        "l": [{"name": "x", "v": 2}, {"name": "z"}, {"name": "y"}],
        "p": [3],
    }


def test_a_kustomization_with_what_is_not_known_here_is_refused(tmp_path: Path) -> None:
    (tmp_path / "kustomization.yaml").write_text("namePrefix: x-\n")
    with pytest.raises(ValueError, match="namePrefix is not known here"):
        built(tmp_path)


@pytest.mark.parametrize(
    ("status", "sentence"),
    [
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, ""),
        ({"observedGeneration": 1, "replicas": 3, "updatedReplicas": 2, "availableReplicas": 2}, "g: 2 of 2 available"),
        ({"observedGeneration": 0, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 2}, "g: 2 of 2 available"),
        ({"observedGeneration": 1, "replicas": 2, "updatedReplicas": 2, "availableReplicas": 1}, "g: 1 of 2 available"),
        ({}, "g: 0 of 2 available"),
    ],
)
def test_it_serves_once_the_new_gateways_do_and_the_old_are_gone(status: dict[str, Any], sentence: str) -> None:
    found = {
        "kind": "Deployment",
        "metadata": {"name": "g", "generation": 1},
        "spec": {"replicas": 2},
        "status": status,
    }
    assert _unready(found) == sentence
