"""What `mcpdeck doctor --cluster` finds on a real cluster: as its administrator, and as somebody with few rights."""

import secrets
import shlex
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
    return with_token(kubeconfig, folder, kubectl("create", "token", "guest", "-n", namespace).strip())


def with_token(kubeconfig: Path, folder: Path, token: str) -> Path:
    told = yaml.safe_load(kubeconfig.read_text(encoding="utf-8"))
    told["users"][0]["user"] = {"token": token}
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
    assert "for mcpdeck install: kubectl create clusterrolebinding" in found["rights"].fix
    for check in ("kinds", "gateways", "instances"):
        assert found[check].outcome is Outcome.WARNING
        assert "it may not be looked at" in found[check].told


async def test_what_the_doctor_prints_for_missing_rights_gives_them_when_it_is_done(
    place: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, guest_of(shared, place, tmp_path))
    fix = (await examined(place))["rights"].fix
    leading = fix.removeprefix("who keeps the cluster runs, for mcpdeck up --cluster: kubectl ").partition(";")[0]
    kubectl(*shlex.split(leading))
    found = await examined(place)
    assert found["gateways"].told == f"none in namespace {place}"  # it may be looked at now
    assert "list pods" not in found["rights"].told
    assert "pods/portforward" not in found["rights"].told


async def test_a_cluster_that_does_not_know_who_asks_says_so_and_is_asked_no_further(
    place: str, shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use(monkeypatch, with_token(shared, tmp_path, "lapsed"))
    found = await examined(place)
    assert found["cluster"].outcome is Outcome.WRONG
    assert "does not know you" in found["cluster"].told
    assert {found[check].told for check in list(CLUSTER_TITLES)[1:]} == {"not before Cluster is right"}


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
