"""Asks a cluster about mcpdeck in it: what one may do there, the kinds, the gateways' pods and the adapters'.

What an answer means is said here too, since only a cluster's words are its subject; nothing is changed in it.
"""

import asyncio
import shlex
from collections.abc import AsyncGenerator, Mapping, Sequence
from typing import Any, Final

import yaml

from mcpdeck.doctor.verdicts import fine, mind, skipped, wrong
from mcpdeck.errors import Misconfigured, Unreachable
from mcpdeck.install.cluster import PLURALS, Cluster, Refused, contexts, opened
from mcpdeck.install.forward import is_serving
from mcpdeck.install.rendering import GATEWAY, Wishes, manifests, rendered
from mcpdeck.model.findings import CLUSTER_TITLES, Finding, Outcome
from mcpdeck.model.formatting import listed, plural
from mcpdeck.model.plain import one_line

type Json = dict[str, Any]
type Right = tuple[str, str, str, str]  # verb, group, resource, namespace

SECONDS: Final = 20.0  # that one check may take
_IMAGE_VOLUMES: Final = 35  # the minor version that has them
_NAMED: Final = 4  # that are named, of many
_INSTALL: Final = "mcpdeck install once more, with the options of the first time"
_VERBS: Final = ("get", "create", "patch", "delete")


class ClusterExamination:
    """One cluster, once. context: of the kubeconfig; "" for the current one. namespace: the gateway's."""

    def __init__(self, context: str = "", namespace: str = "mcpdeck") -> None:
        self._context, self._wishes = context, Wishes(namespace=namespace)

    async def findings(self) -> AsyncGenerator[Finding]:
        """In order. Without the cluster all else is skipped, and says so."""
        try:
            async with opened(self._context) as cluster:
                first, *rest = _QUESTIONS
                found = await _asked(first, cluster, self._wishes)
                yield found
                for check in rest:
                    if found.outcome is Outcome.WRONG:
                        yield skipped(check, f"not before {found.title} is right")
                    else:
                        yield await _asked(check, cluster, self._wishes)
        except Misconfigured as error:
            yield found_none(str(error), contexts())
            for check in list(_QUESTIONS)[1:]:
                yield skipped(check, f"not before {CLUSTER_TITLES['cluster']} is right")


async def _asked(check: str, cluster: Cluster, wishes: Wishes) -> Finding:
    try:
        async with asyncio.timeout(SECONDS):
            return await _QUESTIONS[check](cluster, wishes)
    except TimeoutError:
        return wrong(check, f"no answer in {SECONDS:.0f} s", "is something between that lets nothing through?")
    except Unreachable as error:
        return wrong(check, str(error), "is the cluster up? does its kubeconfig still hold?")
    except Refused as error:
        if error.is_unknown:
            fix = "renew the credentials of your kubeconfig, as you got them; kubectl get pods says the same meanwhile"
            return wrong(check, f"the cluster does not know you: {error}", fix)
        return mind(check, f"it may not be looked at: {error}", "ask who keeps the cluster to let you")


def found_none(why: str, known: Sequence[str]) -> Finding:
    """Where no cluster is meant. known: the contexts that there are."""
    told = f"mcpdeck doctor --cluster --kube-context {known[0]}" if known else "export KUBECONFIG=FILE, as for kubectl"
    return wrong("cluster", why, told)


async def _cluster(cluster: Cluster, _: Wishes) -> Finding:
    version = await cluster.get("/version")
    said = str(version.get("gitVersion", "")) or "no version told"
    minor = "".join(filter(str.isdigit, str(version.get("minor", ""))))
    if minor and int(minor) < _IMAGE_VOLUMES:
        return mind("cluster", f"Kubernetes {said}", "stdio servers with an image of their own need 1.35 or newer")
    return fine("cluster", f"Kubernetes {said}")


async def _rights(cluster: Cluster, wishes: Wishes) -> Finding:
    """Of who asks; the gateway's own come with the installation."""
    wanted = rights(rendered(wishes, is_whole=False), wishes)
    slots = asyncio.Semaphore(8)

    async def may(right: Right) -> bool:
        async with slots:
            return _is_allowed(await cluster.create(_review(right)))

    asked: dict[Right, asyncio.Task[bool]] = {}
    refused: list[Exception] = []
    try:
        async with asyncio.TaskGroup() as tasks:
            asked.update((right, tasks.create_task(may(right), name="ask for a right")) for right in wanted)
    except* (Refused, Unreachable) as group:
        refused.extend(each for each in group.exceptions if isinstance(each, Refused | Unreachable))
    if refused:
        raise refused[0]
    missing = [right for right, task in asked.items() if not task.result()]
    return rights_finding(missing, len(wanted), wishes, who=await _caller(cluster) if missing else "")


async def _caller(cluster: Cluster) -> str:
    """As the cluster names who asks."""
    review = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview", "metadata": {}}
    said = (await cluster.create(review)).get("status", {}).get("userInfo", {}).get("username", "")
    return one_line(str(said))


async def _kinds(cluster: Cluster, _: Wishes) -> Finding:
    ours: list[Json] = [
        yaml.safe_load(each.read_text(encoding="utf-8"))
        for each in sorted((manifests() / "crds").glob("*.yaml"))
        if each.stem != "kustomization"
    ]
    return kinds_finding([(each, await cluster.read(each)) for each in ours])


async def _gateways(cluster: Cluster, wishes: Wishes) -> Finding:
    place = wishes.namespace
    found = await cluster.list("Pod", place, "app.kubernetes.io/part-of=mcpdeck")
    deployment = await cluster.get(f"/apis/apps/v1/namespaces/{place}/deployments/{GATEWAY}")
    return gateways_finding([each for each in found if _is_lasting(each)], place, deployment)


async def _instances(cluster: Cluster, wishes: Wishes) -> Finding:
    place = wishes.adapters_namespace
    found = await cluster.list("Pod", place, "app.kubernetes.io/managed-by=mcpdeck")
    found = [each for each in found if _is_lasting(each)]
    ailing = [each for each in found if not is_serving(each)]
    if not ailing:
        return fine("instances", f"{plural(len(found), 'pod')} of adapters in {place}, all ready")
    told = f"{len(ailing)} of {plural(len(found), 'pod')} in {place} not ready: {_named(ailing)}"
    return mind("instances", told, f"kubectl get mcp -n {place}; kubectl describe pod {_name(ailing[0])} -n {place}")


_QUESTIONS: Final = {
    "cluster": _cluster,
    "rights": _rights,
    "kinds": _kinds,
    "gateways": _gateways,
    "instances": _instances,
}
assert tuple(_QUESTIONS) == tuple(CLUSTER_TITLES)  # noqa: S101 - each has a title


def rights(objects: Sequence[Json], wishes: Wishes) -> list[Right]:
    """What `mcpdeck install`, `uninstall` and `up --cluster` need."""
    wanted = [
        (verb, _group(each), PLURALS[each["kind"]], each["metadata"].get("namespace", ""))
        for each in objects
        for verb in _VERBS
    ]
    forward = [("list", "", "pods", wishes.namespace), ("create", "", "pods/portforward", wishes.namespace)]
    return list(dict.fromkeys([*forward, *wanted]))


def rights_finding(missing: Sequence[Right], count: int, wishes: Wishes, *, who: str) -> Finding:
    """who: as the cluster names them."""
    if not missing:
        return fine("rights", f"all {count} that mcpdeck install and up --cluster need")
    named = [f"{verb} {resource}{f' in {place}' if place else ''}" for verb, _, resource, place in missing[:_NAMED]]
    more = [f"{len(missing) - _NAMED} more"] if len(missing) > _NAMED else []
    account = who.removeprefix("system:serviceaccount:")
    subject = shlex.quote(f"--user={who}" if account == who else f"--serviceaccount={account}")
    leading = f"kubectl create rolebinding mcpdeck-reader --clusterrole=edit {subject} -n {wishes.namespace}"
    installing = f"kubectl create clusterrolebinding mcpdeck-installer --clusterrole=cluster-admin {subject}"
    fix = f"who keeps the cluster runs, for mcpdeck up --cluster: {leading}"
    if any(right[2] not in ("pods", "pods/portforward") for right in missing):
        fix = f"{fix}; for mcpdeck install: {installing}"
    return mind("rights", f"you may not {listed([*named, *more])}", fix)


def kinds_finding(pairs: Sequence[tuple[Json, Json | None]]) -> Finding:
    """Ours, each with what the cluster has of it."""
    missing = [ours["metadata"]["name"] for ours, found in pairs if found is None]
    if missing:
        return wrong("kinds", f"missing: {listed(missing)}", _INSTALL)
    waiting = [ours["metadata"]["name"] for ours, found in pairs if found is not None and not _is_established(found)]
    if waiting:
        return wrong("kinds", f"not established: {listed(waiting)}", f"kubectl describe crd {waiting[0]}")
    others = [ours["metadata"]["name"] for ours, found in pairs if found is not None and not _is_within(ours, found)]
    if others:
        return mind("kinds", f"of another version of mcpdeck: {listed(others)}", _INSTALL)
    return fine("kinds", f"{len(pairs)} kinds, as this mcpdeck has them")


def gateways_finding(pods: Sequence[Json], namespace: str, deployment: Json) -> Finding:
    """deployment: theirs; empty where nothing was installed."""
    gateways = [each for each in pods if each["metadata"]["labels"].get("app.kubernetes.io/name") == GATEWAY]
    if not gateways and deployment:
        if deployment.get("spec", {}).get("replicas") == 0:
            fix = f"kubectl scale deployment/{GATEWAY} --replicas=2 -n {namespace}"
            return wrong("gateways", f"scaled to none in namespace {namespace}", fix)
        fix = f"kubectl describe replicaset -l app.kubernetes.io/name={GATEWAY} -n {namespace}"
        return wrong("gateways", f"none in namespace {namespace}, though they are installed", fix)
    if not gateways:
        fix = f"mcpdeck install --wait --namespace {namespace}; or --namespace says where they are"
        return wrong("gateways", f"none in namespace {namespace}", fix)
    ailing = [each for each in pods if not is_serving(each)]
    ready = [each for each in gateways if is_serving(each)]
    told = f"{len(ready)} of {plural(len(gateways), 'gateway')} ready in {namespace}"
    if not ailing:
        return fine("gateways", told)
    fix = f"kubectl describe pod {_name(ailing[0])} -n {namespace}"
    sentence = f"{told}: {_named(ailing)}"
    return mind("gateways", sentence, fix) if ready else wrong("gateways", sentence, fix)


def why(pod: Json) -> str:
    """What keeps it from being ready, in the cluster's own word."""
    status = pod.get("status", {})
    for each in status.get("containerStatuses", []):
        state: Mapping[str, Mapping[str, str]] = each.get("state", {})
        if reason := state.get("waiting", {}).get("reason") or state.get("terminated", {}).get("reason"):
            return reason
    false = [each for each in status.get("conditions", []) if each["status"] == "False" and each.get("reason")]
    return str(false[0]["reason"]) if false else str(status.get("phase", "unknown"))


def _named(pods: Sequence[Json]) -> str:
    named = [f"{_name(each)} ({why(each)})" for each in pods[:_NAMED]]
    return one_line(listed([*named, *([f"{len(pods) - _NAMED} more"] if len(pods) > _NAMED else [])]))


def _name(pod: Json) -> str:
    return str(pod["metadata"]["name"])


def _is_lasting(pod: Json) -> bool:
    """Neither one of a Job nor one that leaves, as it does at each rollout."""
    return "deletionTimestamp" not in pod["metadata"] and str(pod.get("status", {}).get("phase")) != "Succeeded"


def _is_established(found: Json) -> bool:
    conditions = {each["type"]: each["status"] for each in found.get("status", {}).get("conditions", [])}
    return conditions.get("Established") == "True"


def _is_within(ours: Any, found: Any) -> bool:
    """Whether the cluster has all that we say; it adds defaults of its own."""
    if isinstance(ours, dict) and isinstance(found, dict):
        return ours.keys() <= found.keys() and all(_is_within(value, found[key]) for key, value in ours.items())
    if isinstance(ours, list) and isinstance(found, list):
        return len(ours) == len(found) and all(map(_is_within, ours, found))
    is_same: bool = ours == found
    return is_same


def _group(told: Json) -> str:
    group, slash, _ = str(told["apiVersion"]).partition("/")
    return group if slash else ""


def _review(right: Right) -> Json:
    verb, group, resource, namespace = right
    name, _, subresource = resource.partition("/")
    told = {"verb": verb, "group": group, "resource": name, "subresource": subresource, "namespace": namespace}
    return {
        "apiVersion": "authorization.k8s.io/v1",
        "kind": "SelfSubjectAccessReview",
        "metadata": {},
        "spec": {"resourceAttributes": told},
    }


def _is_allowed(answer: Json) -> bool:
    return answer.get("status", {}).get("allowed") is True
