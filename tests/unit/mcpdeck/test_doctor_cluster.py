"""What the doctor makes of a cluster's answers: missing rights, kinds of another version, pods that are not ready."""

from pathlib import Path
from typing import Any

import pytest

from mcpdeck.doctor.cluster import (
    ClusterExamination,
    found_none,
    gateways_finding,
    kinds_finding,
    rights,
    rights_finding,
    why,
)
from mcpdeck.install.rendering import Wishes, rendered
from mcpdeck.model.findings import CLUSTER_TITLES, Outcome

WISHES = Wishes(namespace="team")
ESTABLISHED = {"status": {"conditions": [{"type": "Established", "status": "True"}]}}


def pod(name: str = "g-0", *, ready: bool = True, app: str = "mcpdeck-gateway", **status: Any) -> dict[str, Any]:
    told = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True" if ready else "False"}], **status}
    return {"metadata": {"name": name, "labels": {"app.kubernetes.io/name": app}}, "status": told}


def kind(name: str = "adapters.mcpdeck.dev", **spec: Any) -> dict[str, Any]:
    return {"metadata": {"name": name}, "spec": {"names": {"plural": "adapters"}, "versions": [1], **spec}}


def test_rights_are_those_that_installing_and_leading_there_need() -> None:
    wanted = rights(rendered(WISHES), WISHES)
    assert ("create", "", "pods/portforward", "team") in wanted
    assert ("patch", "apps", "deployments", "team") in wanted
    assert ("patch", "apiextensions.k8s.io", "customresourcedefinitions", "") in wanted
    assert ("create", "rbac.authorization.k8s.io", "roles", "team-adapters") in wanted
    assert len(set(wanted)) == len(wanted)


def test_rights_that_are_missing_are_named_with_what_needs_them() -> None:
    assert rights_finding([], 50, WISHES, who="").outcome is Outcome.OK
    found = rights_finding([("create", "", "pods/portforward", "team")], 50, WISHES, who="bea@acme.example")
    assert found.outcome is Outcome.WARNING
    assert found.told == "you may not create pods/portforward in team"
    assert "rolebinding mcpdeck-reader --clusterrole=edit --user=bea@acme.example -n team" in found.fix
    assert "install" not in found.fix
    account = "system:serviceaccount:default:ci"
    many = rights_finding([("patch", "", f"kind{number}", "") for number in range(9)], 50, WISHES, who=account)
    assert "5 more" in many.told
    assert "for mcpdeck install: kubectl create clusterrolebinding" in many.fix
    assert "--serviceaccount=default:ci" in many.fix


def test_where_no_cluster_is_meant_the_fix_is_a_command() -> None:
    assert found_none("no context 'x'", ["kind-dev"]).fix == "mcpdeck doctor --cluster --kube-context kind-dev"
    assert "KUBECONFIG" in found_none("there is no kubeconfig", []).fix


async def test_without_a_kubeconfig_all_else_is_skipped(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "none"))
    found = [each async for each in ClusterExamination().findings()]
    assert [each.check for each in found] == list(CLUSTER_TITLES)
    assert "there is no kubeconfig at" in found[0].told
    assert {each.told for each in found[1:]} == {"not before Cluster is right"}


def test_kinds_are_fine_missing_waiting_or_of_another_version() -> None:
    ours = kind()
    with_defaults = kind(conversion={"strategy": "None"}) | ESTABLISHED
    assert kinds_finding([(ours, with_defaults)]).outcome is Outcome.OK
    missing = kinds_finding([(ours, None)])
    assert (missing.outcome, missing.told, missing.fix) == (
        Outcome.WRONG,
        "missing: adapters.mcpdeck.dev",
        "mcpdeck install once more, with the options of the first time",
    )
    assert "not established" in kinds_finding([(ours, kind())]).told
    other = kinds_finding([(ours, kind(versions=[2]) | ESTABLISHED)])
    assert (other.outcome, other.told) == (Outcome.WARNING, "of another version of mcpdeck: adapters.mcpdeck.dev")


def test_gateways_that_are_not_ready_are_named_with_the_clusters_word() -> None:
    assert gateways_finding([pod(), pod("g-1")], "team", {}).told == "2 of 2 gateways ready in team"
    waiting = [{"state": {"waiting": {"reason": "ImagePullBackOff"}}}]
    one = gateways_finding([pod(), pod("g-1", ready=False, containerStatuses=waiting)], "team", {})
    assert (one.outcome, one.told) == (
        Outcome.WARNING,
        "1 of 2 gateways ready in team: g-1 (ImagePullBackOff)",
    )
    assert gateways_finding([pod(ready=False)], "team", {}).outcome is Outcome.WRONG
    assert gateways_finding([pod("redis", app="mcpdeck-redis")], "team", {}).told == "none in namespace team"
    no_redis = gateways_finding([pod(), pod("redis", ready=False, app="mcpdeck-redis")], "team", {})
    assert no_redis.outcome is Outcome.WARNING
    assert "redis" in no_redis.told


@pytest.mark.parametrize(
    ("status", "word"),
    [
        ({"containerStatuses": [{"state": {"waiting": {"reason": "CrashLoopBackOff"}}}]}, "CrashLoopBackOff"),
        ({"containerStatuses": [{"state": {"terminated": {"reason": "OOMKilled"}}}]}, "OOMKilled"),
        (
            {
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable"}],
                "phase": "Pending",
            },
            "Unschedulable",
        ),
        ({"phase": "Pending", "conditions": []}, "Pending"),
    ],
)
def test_what_keeps_a_pod_from_being_ready_is_the_clusters_own_word(status: dict[str, Any], word: str) -> None:
    assert why(pod(ready=False, **status)) == word


def test_gateways_that_are_scaled_away_are_scaled_back_and_not_installed_anew() -> None:
    found = gateways_finding([], "team", {"spec": {"replicas": 0}})
    assert (found.outcome, found.fix) == (
        Outcome.WRONG,
        "kubectl scale deployment/mcpdeck-gateway --replicas=2 -n team",
    )
    refused = gateways_finding([], "team", {"spec": {"replicas": 2}})
    assert "describe replicaset" in refused.fix
    assert "mcpdeck install" in gateways_finding([], "team", {}).fix
