"""The Helm chart holds what the kustomize base holds, and no more."""

import shutil
import subprocess
from collections.abc import Iterable
from typing import Any

import pytest
import yaml

from gateway.settings import read
from mcpdeck.install.kustomize import built, with_component
from mcpdeck.install.rendering import manifests

HELM = shutil.which("helm") or ""
CHART = manifests() / "helm"


def key(told: dict[str, Any]) -> tuple[str, str, str]:
    return told["kind"], told["metadata"].get("namespace", ""), told["metadata"]["name"]


def test_the_charts_kinds_are_those_of_the_base() -> None:
    def kinds(folder: str) -> list[str]:
        return sorted(
            each.read_text() for each in (manifests() / folder).glob("*.yaml") if each.stem != "kustomization"
        )

    assert kinds("helm/crds") == kinds("crds")


def by_key(objects: Iterable[Any]) -> dict[tuple[str, str, str], dict[str, Any]]:
    return {key(each): each for each in objects if each and each["kind"] != "CustomResourceDefinition"}


def helm(*settings: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    """What the chart makes, with the gateway's environment in the order of names."""
    words = [HELM, "template", "mcpdeck", str(CHART), "--namespace", "mcpdeck", "--kube-version", "1.37.0"]
    words += [word for each in settings for word in ("--set", each)]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    return by_key(yaml.safe_load_all(done.stdout))


def ours(*components: str) -> dict[tuple[str, str, str], dict[str, Any]]:
    objects = built(manifests() / "base")
    for each in components:
        objects = with_component(objects, manifests() / "components" / each)
    made = by_key(objects)
    del made["Namespace", "", "mcpdeck"]  # which --create-namespace makes
    return made


def environment(objects: dict[tuple[str, str, str], dict[str, Any]]) -> list[Any]:
    """Taken out."""
    container = objects["Deployment", "mcpdeck", "mcpdeck-gateway"]["spec"]["template"]["spec"]["containers"][0]
    return sorted(container.pop("env"), key=lambda each: str(each["name"]))


@pytest.mark.skipif(not HELM, reason="there is no helm to render the chart with")
@pytest.mark.parametrize(("replicas", "components"), [(2, ["replicas"]), (1, [])])
def test_helm_makes_the_same_objects_as_kustomize(replicas: int, components: list[str]) -> None:
    chart, base = helm(f"replicas={replicas}", "env.MCPDECK_PUBLIC_URL=https://mcp.example"), ours(*components)
    more = {"name": "MCPDECK_PUBLIC_URL", "value": "https://mcp.example"}
    assert environment(chart) == sorted([*environment(base), more], key=lambda each: str(each["name"]))
    assert chart == base


@pytest.mark.skipif(not HELM, reason="there is no helm to render the chart with")
def test_a_redis_of_ones_own_takes_the_place_of_the_charts() -> None:
    own = "redis://cache.example:6379"
    chart = helm(f"env.MCPDECK_REDIS_URL={own}", "redisImage=reg.example/redis:8")
    assert [each for each in environment(chart) if "REDIS" in each["name"]] == [
        {"name": "MCPDECK_REDIS_URL", "value": own}
    ]
    assert ("Deployment", "mcpdeck", "mcpdeck-redis") not in chart
    redis = helm("redisImage=reg.example/redis:8")["Deployment", "mcpdeck", "mcpdeck-redis"]
    assert redis["spec"]["template"]["spec"]["containers"][0]["image"] == "reg.example/redis:8"


def gateway_of(objects: dict[tuple[str, str, str], dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = objects["Deployment", "mcpdeck", "mcpdeck-gateway"]["spec"]
    return found


def test_recordings_fit_into_what_a_pod_has_for_them() -> None:
    (volume,) = [each for each in gateway_of(ours())["template"]["spec"]["volumes"] if each["name"] == "recordings"]
    limit = volume["emptyDir"]["sizeLimit"]
    assert int(limit.removesuffix("Mi")) * 2**20 > read([], {}).max_recordings


@pytest.mark.skipif(not HELM, reason="there is no helm to render the chart with")
def test_a_claim_takes_the_place_of_what_goes_with_the_pod_and_one_pod_has_it_at_a_time() -> None:
    chart = gateway_of(helm("replicas=1", "recordingsClaim=kept"))
    assert {"name": "recordings", "persistentVolumeClaim": {"claimName": "kept"}} in chart["template"]["spec"][
        "volumes"
    ]
    assert chart["strategy"] == {"type": "Recreate"}


def test_the_chart_asks_for_a_claim_twice() -> None:
    template = (CHART / "templates" / "gateway.yaml").read_text()
    assert template.count("{{- if .Values.recordingsClaim }}") == 2
