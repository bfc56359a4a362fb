"""The Helm chart holds what the kustomize base holds, and no more."""

import shutil
import subprocess
from typing import Any

import pytest
import yaml

from mcpdeck.install.kustomize import built
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


@pytest.mark.skipif(not HELM, reason="there is no helm to render the chart with")
def test_helm_makes_the_same_objects_as_kustomize() -> None:
    words = [HELM, "template", "mcpdeck", str(CHART), "--namespace", "mcpdeck", "--kube-version", "1.37.0"]
    words += ["--set", "env.MCPDECK_PUBLIC_URL=https://mcp.example"]
    done = subprocess.run(words, capture_output=True, text=True, check=True, timeout=60)
    rendered = {key(each): each for each in yaml.safe_load_all(done.stdout) if each}
    base = {key(each): each for each in built(manifests() / "base") if each["kind"] != "CustomResourceDefinition"}
    del base["Namespace", "", "mcpdeck"]  # which --create-namespace makes
    container = rendered["Deployment", "mcpdeck", "mcpdeck-gateway"]["spec"]["template"]["spec"]["containers"][0]
    ours = base["Deployment", "mcpdeck", "mcpdeck-gateway"]["spec"]["template"]["spec"]["containers"][0]
    assert {"name": "MCPDECK_PUBLIC_URL", "value": "https://mcp.example"} in container["env"]
    by_name = [{each["name"]: each["value"] for each in one["env"]} for one in (container, ours)]
    assert by_name[0] == by_name[1] | {"MCPDECK_PUBLIC_URL": "https://mcp.example"}
    container["env"] = ours["env"]
    assert rendered == base
