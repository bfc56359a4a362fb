"""What `mcpdeck doctor --cluster` finds on a real cluster: as its administrator, and as somebody with few rights."""

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from mcpdeck.doctor.cluster import ClusterExamination
from mcpdeck.model.findings import CLUSTER_TITLES, Finding, Outcome
from tests.support.testcluster import kubectl


@pytest.fixture
def place(shared: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    name = f"doctor-{secrets.token_hex(3)}"
    use(monkeypatch, shared)
    for each in (name, f"{name}-adapters"):
        kubectl("create", "namespace", each)
    yield name
    kubectl("delete", "namespace", name, f"{name}-adapters", "--wait=false")


def use(monkeypatch: pytest.MonkeyPatch, kubeconfig: Path) -> None:
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))


async def examined(namespace: str) -> dict[str, Finding]:
    found = {each.check: each async for each in ClusterExamination(namespace=namespace).findings()}
    assert tuple(found) == tuple(CLUSTER_TITLES)
    return found


async def test_an_administrator_has_all_rights_and_learns_what_is_not_installed(place: str) -> None:
    found = await examined(place)
    assert found["cluster"].told.startswith("Kubernetes v1.")
    assert found["rights"].outcome is Outcome.OK
    assert found["kinds"].told == "4 kinds, as this mcpdeck has them"
    assert (found["gateways"].outcome, found["gateways"].told) == (Outcome.WRONG, f"none in namespace {place}")
    assert found["instances"].outcome is Outcome.OK


async def test_a_gateway_that_does_not_start_is_named_with_the_clusters_word(place: str) -> None:
    labels = "app.kubernetes.io/name=mcpdeck-gateway,app.kubernetes.io/part-of=mcpdeck"
    kubectl("run", "stuck", "--image=registry.invalid/gateway:1", f"--labels={labels}", "-n", place)
    words = ("--for=jsonpath={.status.containerStatuses[0].state.waiting.reason}=ImagePullBackOff", "--timeout=60s")
    kubectl("wait", "pod/stuck", "-n", place, *words)
    gateways = (await examined(place))["gateways"]
    assert gateways.outcome is Outcome.WRONG
    assert "stuck (" in gateways.told
    assert "Pull" in gateways.told
    assert gateways.fix == f"kubectl describe pod stuck -n {place}"


def guest_of(kubeconfig: Path, namespace: str, folder: Path) -> Path:
    """The kubeconfig of an account that may do nothing."""
    kubectl("create", "serviceaccount", "guest", "-n", namespace)
    told = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    told["users"][0]["user"] = {"token": kubectl("create", "token", "guest", "-n", namespace).strip()}
    guest = folder / "guest.kubeconfig"
    guest.write_text(yaml.safe_dump(told), encoding="utf-8")
    return guest


async def test_somebody_with_few_rights_learns_which_are_missing(
    place: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, guest_of(shared, place, tmp_path))
    found = await examined(place)
    assert found["cluster"].outcome is Outcome.OK
    assert found["rights"].outcome is Outcome.WARNING
    assert f"you may not list pods in {place}" in found["rights"].told
    assert "mcpdeck install needs them" in found["rights"].fix
    for check in ("kinds", "gateways", "instances"):
        assert found[check].outcome is Outcome.WARNING
        assert "it may not be looked at" in found[check].told


async def test_a_cluster_that_is_away_is_said_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nowhere = {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "gone",
        "contexts": [{"name": "gone", "context": {"cluster": "gone", "user": "me"}}],
        "clusters": [{"name": "gone", "cluster": {"server": "https://127.0.0.1:1"}}],
        "users": [{"name": "me", "user": {"token": "x"}}],
    }
    file = tmp_path / "gone.kubeconfig"
    file.write_text(yaml.safe_dump(nowhere), encoding="utf-8")
    use(monkeypatch, file)
    found = await examined("mcpdeck")
    assert (found["cluster"].outcome, found["rights"].outcome) == (Outcome.WRONG, Outcome.SKIPPED)
    assert found["rights"].told == "not before Cluster is right"
