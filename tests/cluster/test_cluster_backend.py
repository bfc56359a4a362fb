"""Adapters as pods on a real cluster: what runs, what an edit changes, what ails them, and whose objects are whose."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from gateway.cluster.api import Api
from gateway.core.errors import Conflict
from gateway.core.observed import Observed
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName, InstanceName
from gateway.wire.resources import AdapterSpec, Phase, ResourceList, Resources, SecretReference, Stdio
from tests.support.cluster_gateway import PATIENCE, RUNNER, SMALL, ClusterHalf, cluster_half, scripted_spec, shape_of
from tests.support.desired import THEN, desired
from tests.support.sidecar_process import client
from tests.support.testcluster import as_json, kubectl, runner_image

WEATHER = AdapterName("weather")
IMAGE: dict[str, Any] = {
    "image_name": RUNNER.partition(":")[0],
    "image_version": RUNNER.partition(":")[2],
    "resources": SMALL,
}


@pytest.fixture(scope="session", autouse=True)
def _runner(kubeconfig: object) -> None:
    runner_image()


@pytest.fixture(name="half")
async def _half(api: Api) -> AsyncIterator[ClusterHalf]:
    async with cluster_half(api) as opened:
        yield opened


async def put(half: ClusterHalf, spec: AdapterSpec, **fields: Any) -> None:
    known = await half.store.get(AdapterName(spec.name))
    await half.store.put(desired(spec, **fields), expect=known.revision if known else None)


def image_spec(name: str, *command: str, **fields: Any) -> AdapterSpec:
    return AdapterSpec(**{"name": name, **IMAGE, "command": list(command)} | fields)


def ready(count: int) -> Any:
    def is_so(seen: Observed) -> bool:
        fit = [each.is_ready and each.is_updated for each in seen.instances]
        return len(fit) == count and all(fit)

    return is_so


def ails(reason: str) -> Any:
    return lambda seen: any(each.reason == reason for each in seen.instances)


async def pod(api: Api, name: str = "weather-0") -> Any:
    return await asyncio.to_thread(as_json, "get", "pod", name, "-n", api.namespace)


async def test_a_stdio_server_becomes_pods_that_speak_mcp_and_may_do_little(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather", replica_count=2))
    seen = await half.sees("weather", ready(2))
    assert [each.name for each in seen.instances] == ["weather-0", "weather-1"]
    endpoints = [each.endpoint for each in seen.instances if each.endpoint is not None]
    assert {each.eras for each in endpoints} == {frozenset({Era.LEGACY})}

    found = await pod(api)
    assert endpoints[0].host == found["status"]["podIP"]
    assert endpoints[0].uid == found["metadata"]["uid"]
    spec, container = found["spec"], found["spec"]["containers"][0]
    assert spec["securityContext"] == {
        "runAsUser": 1100,
        "runAsGroup": 1100,
        "fsGroup": 1100,
        "runAsNonRoot": True,
        "seccompProfile": {"type": "RuntimeDefault"},
    }
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    assert spec["automountServiceAccountToken"] is False
    assert not [mount for mount in container["volumeMounts"] if "serviceaccount" in mount["mountPath"]]
    words = ("wait", "pod/weather-0", "--for=condition=Ready", "-n", api.namespace, f"--timeout={PATIENCE}s")
    await asyncio.to_thread(kubectl, *words)


async def test_the_objects_go_with_the_adapter(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    await half.sees("weather")
    await half.store.delete(WEATHER, expect=None)
    for kind in ("statefulset", "service", "serviceaccount", "networkpolicy", "poddisruptionbudget", "pod"):
        name = "weather-0" if kind == "pod" else "weather"
        words = ("wait", "--for=delete", f"{kind}/{name}", "-n", api.namespace, f"--timeout={PATIENCE}s")
        await asyncio.to_thread(kubectl, *words)
    assert half.backend.observed(WEATHER).instances == ()


async def test_a_description_leaves_pods_alone_and_a_variable_that_is_gone_leaves_them(
    api: Api, half: ClusterHalf
) -> None:
    await put(half, scripted_spec("weather", environment_variables={"A": "1", "B": "$(A) $HOME"}))
    await half.sees("weather", ready(1))
    first = await pod(api)
    assert {"name": "B", "value": "$$(A) $$HOME"} in first["spec"]["containers"][0]["env"]

    told = {"environment_variables": {"A": "1", "B": "$(A) $HOME"}, "description": "new", "required_roles": ["x"]}
    await put(half, scripted_spec("weather", **told))
    await put(half, scripted_spec("weather", environment_variables={"B": "2"}))
    await half.sees("weather", lambda seen: any(not each.is_updated for each in seen.instances))
    await half.sees("weather", ready(1))
    second = await pod(api)
    assert second["spec"]["containers"][0]["env"] == [{"name": "B", "value": "2"}]
    revisions = as_json("get", "controllerrevisions", "-n", api.namespace)["items"]
    assert len(revisions) == 2  # the description made none


async def test_a_restart_replaces_the_pods(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    first = await half.sees("weather", ready(1))
    await put(half, scripted_spec("weather"), restarted_at=THEN)
    second = await half.sees("weather", lambda seen: ready(1)(seen) and seen.instances[0].uid != first.instances[0].uid)
    assert second.instances[0].phase is Phase.READY


async def test_scaling_down_lets_the_last_ones_leave_and_keeps_the_others(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather", replica_count=3))
    before = await half.sees("weather", ready(3))
    await put(half, scripted_spec("weather", replica_count=1))
    leaving = await half.sees(
        "weather", lambda seen: [each.phase for each in seen.instances].count(Phase.STOPPING) == 2
    )
    assert leaving.instances[0].is_ready
    assert all(each.endpoint is not None for each in leaving.instances)
    after = await half.sees("weather", lambda seen: len(seen.instances) == 1)
    assert after.instances[0].uid == before.instances[0].uid


async def test_a_pod_that_leaves_still_serves_and_those_of_a_deleted_adapter_go_at_once(api: Api) -> None:
    async with cluster_half(api, shape_of(drain=90, grace=2)) as half:
        await put(half, scripted_spec("weather", replica_count=2))
        before = await half.sees("weather", ready(2))
        await put(half, scripted_spec("weather", replica_count=1))
        seen = await half.sees("weather", lambda seen: [each.phase for each in seen.instances][1:] == [Phase.STOPPING])
        endpoint = seen.instances[1].endpoint
        assert endpoint is not None
        assert endpoint.uid == before.instances[1].uid
        assert await answers(endpoint.host, endpoint.port)
        await half.store.delete(WEATHER, expect=None)
        words = ("wait", "--for=delete", "pod/weather-0", "-n", api.namespace, f"--timeout={PATIENCE}s")
        await asyncio.to_thread(kubectl, *words)  # long before its drain is over


async def test_a_pod_whose_sessions_rest_leaves_long_before_its_time(api: Api) -> None:
    async with cluster_half(api, shape_of(drain=600, grace=2)) as half:
        await put(half, scripted_spec("weather", replica_count=2))
        before = await half.sees("weather", ready(2))
        endpoint = before.instances[1].endpoint
        assert endpoint is not None
        async with client(f"http://{endpoint.host}:{endpoint.port}{endpoint.path}") as mcp:
            assert (await mcp.initialize()).status_code == 200  # and is never used
            await put(half, scripted_spec("weather", replica_count=1))
            await half.sees("weather", lambda seen: len(seen.instances) == 1)
            await asyncio.to_thread(
                kubectl, "wait", "--for=delete", "pod/weather-1", "-n", api.namespace, f"--timeout={PATIENCE}s"
            )


async def answers(host: str, port: int) -> bool:
    reader, writer = await asyncio.open_connection(host, port)
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    head = await reader.readline()
    writer.close()
    await writer.wait_closed()
    return b" 200 " in head


async def test_an_image_that_is_not_there_is_told_as_such(half: ClusterHalf) -> None:
    await put(half, AdapterSpec(name="weather", image_name="registry.invalid/team/weather", image_version="1"))
    seen = await half.sees("weather", ails("ImagePullBackOff"))
    assert "registry.invalid" in seen.instances[0].message
    assert seen.instances[0].phase is Phase.FAILED


async def test_a_server_that_crashes_is_told_with_its_last_words(half: ClusterHalf) -> None:
    await put(half, image_spec("weather", "python3", "-c", "print('no key for the weather'); raise SystemExit(3)"))
    seen = await half.sees("weather", ails("CrashLoopBackOff"))
    assert "exit code 3" in seen.instances[0].message
    assert "no key for the weather" in seen.instances[0].message


async def test_a_stdio_server_that_crashes_is_told_with_its_last_words(half: ClusterHalf) -> None:
    crash = Stdio(command="python3", args=["-c", "import sys; sys.exit('no key for the weather')"])
    await put(half, AdapterSpec(name="weather", stdio=crash, resources=SMALL))
    seen = await half.sees("weather", ails("CrashLoopBackOff"))
    assert "no key for the weather" in seen.instances[0].message


async def test_a_server_that_takes_too_much_memory_is_told_as_such(half: ClusterHalf) -> None:
    tight = Resources(requests=ResourceList(cpu="10m"), limits=ResourceList(memory="32Mi"))
    hungry = ("python3", "-c", "x = []\nwhile True: x.append(bytearray(b'1') * 10**7)")
    await put(half, image_spec("weather", *hungry, resources=tight))
    await half.sees("weather", ails("OOMKilled"))


async def test_what_fits_on_no_node_is_told_as_such(half: ClusterHalf) -> None:
    huge = Resources(requests=ResourceList(cpu="5000"), limits=ResourceList(cpu="5000"))
    await put(half, scripted_spec("weather", resources=huge))
    seen = await half.sees("weather", ails("Unschedulable"))
    assert "Insufficient cpu" in seen.instances[0].message


async def test_a_secret_that_is_missing_is_told_and_taken_up_once_it_is_there(api: Api, half: ClusterHalf) -> None:
    wanted = {"TOKEN": SecretReference(secret="weather", key="token")}
    await put(half, scripted_spec("weather", secret_environment=wanted))
    seen = await half.sees("weather", ails("CreateContainerConfigError"))
    assert 'secret "weather" not found' in seen.instances[0].message
    kubectl("create", "secret", "generic", "weather", "--from-literal=token=x", "-n", api.namespace)
    await half.sees("weather", ready(1))


async def test_limits_that_the_cluster_refuses_are_told_as_such(half: ClusterHalf) -> None:
    upside_down = Resources(requests=ResourceList(cpu="2"), limits=ResourceList(cpu="1"))
    await put(half, scripted_spec("weather", resources=upside_down))
    seen = await half.sees("weather", ails("NotApplied"))
    assert "must be less than or equal to cpu limit" in seen.instances[0].message


async def test_an_object_of_somebody_else_is_left_alone_and_said_to_be_his(api: Api, half: ClusterHalf) -> None:
    kubectl("create", "service", "clusterip", "weather", "--tcp=80:80", "-n", api.namespace)
    before = as_json("get", "service", "weather", "-n", api.namespace)
    refused = await half.backend.refusal(scripted_spec("weather"))
    assert isinstance(refused, Conflict)
    assert "Service 'weather'" in str(refused)
    assert "is kept by kubectl-create" in str(refused)

    await put(half, scripted_spec("weather"))  # by kubectl, or faster than the other
    seen = await half.sees("weather", ails("Conflict"))
    assert "is kept by kubectl-create" in seen.instances[0].message
    assert as_json("get", "service", "weather", "-n", api.namespace) == before

    kubectl("delete", "service", "weather", "-n", api.namespace)
    await half.sees("weather", ready(1))


async def test_what_somebody_edits_is_set_right(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    await half.sees("weather", ready(1))
    kubectl("scale", "statefulset", "weather", "--replicas=0", "-n", api.namespace)
    kubectl("delete", "service", "weather", "-n", api.namespace)
    for path, value in (("statefulset/weather", "1"), ("service/weather", "")):
        field = "jsonpath={.spec.replicas}" if value else "create"
        words = (
            "wait",
            path,
            f"--for={field}{'=' + value if value else ''}",
            "-n",
            api.namespace,
            f"--timeout={PATIENCE}s",
        )
        await asyncio.to_thread(kubectl, *words)


async def test_a_pod_that_only_has_the_labels_gets_no_calls(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    await half.sees("weather", ready(1))
    labels = "app.kubernetes.io/managed-by=mcpdeck,mcpdeck.dev/adapter=weather"
    words = ("run", "impostor", f"--image={RUNNER}", "--image-pull-policy=IfNotPresent", f"--labels={labels}")
    await asyncio.to_thread(kubectl, *words, "-n", api.namespace, "--command", "--", "sleep", "60")
    await asyncio.to_thread(
        kubectl, "wait", "pod/impostor", "--for=jsonpath={.status.phase}=Running", "-n", api.namespace
    )
    async with asyncio.timeout(PATIENCE):
        while "impostor" not in half.backend.pods.items:
            await half.backend.changed()
    assert [each.name for each in half.backend.observed(WEATHER).instances] == ["weather-0"]


async def test_two_gateways_at_once_do_no_harm_and_a_new_one_changes_nothing(api: Api, half: ClusterHalf) -> None:
    async with cluster_half(api) as other:
        await put(half, scripted_spec("weather", replica_count=2))
        one, two = await half.sees("weather", ready(2)), await other.sees("weather", ready(2))
        assert [each.endpoint for each in one.instances] == [each.endpoint for each in two.instances]
        before = as_json("get", "statefulset", "weather", "-n", api.namespace)["metadata"]
    async with cluster_half(api) as later:
        assert ready(2)(await later.sees("weather", ready(2)))
        after = as_json("get", "statefulset", "weather", "-n", api.namespace)["metadata"]
    assert after["generation"] == before["generation"] == 1


async def test_a_change_of_source_takes_the_pods_away(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    await half.sees("weather", ready(1))
    await put(half, AdapterSpec(name="weather", url="https://weather.invalid/mcp"))
    await half.sees("weather", ails("NameNotResolved"))
    await asyncio.to_thread(
        kubectl, "wait", "--for=delete", "statefulset/weather", "-n", api.namespace, f"--timeout={PATIENCE}s"
    )


async def test_kubectl_shows_what_the_gateway_sees(api: Api, half: ClusterHalf) -> None:
    await put(half, scripted_spec("weather"))
    words = ("wait", "adapter/weather", "--for=condition=Ready", "-n", api.namespace, f"--timeout={PATIENCE}s")
    await asyncio.to_thread(kubectl, *words)
    shown = kubectl("get", "mcp", "-n", api.namespace, "--no-headers").split()
    assert shown[:4] == ["weather", "Ready", "1", "1"]
    status = as_json("get", "adapter", "weather", "-n", api.namespace)["status"]
    assert status["observedGeneration"] == 1
    assert status["replicaStatus"] == "Healthy"
    assert [each["name"] for each in status["instances"]] == ["weather-0"]


async def test_logs_go_on_through_a_restart_and_the_life_before_is_kept(api: Api, half: ClusterHalf) -> None:
    script = "import time\nprint('begins', flush=True)\ntime.sleep(4)\nraise SystemExit(1)"
    await put(half, image_spec("weather", "python3", "-c", script))
    await half.sees("weather", lambda seen: bool(half.backend.logs.instances(WEATHER)))
    name = InstanceName("weather-0")
    lines = half.backend.logs.follow(name, (0, 0))
    async with asyncio.timeout(PATIENCE):
        heard = [await anext(lines), await anext(lines)]
    await lines.aclose()  # type: ignore[attr-defined]
    assert [each.text for each in heard] == ["begins", "begins"]
    assert heard[0].position < heard[1].position
    assert [each.text for each in await half.backend.logs.read(name, tail=5, since=None, previous=True)] == ["begins"]
    assert [each.text for each in await half.backend.logs.read(name, tail=5, since=heard[1].at)] == ["begins"]
    assert await half.backend.logs.end(name) == heard[1].position


async def test_a_pod_that_starts_has_an_empty_log(half: ClusterHalf) -> None:
    await put(half, AdapterSpec(name="weather", image_name="registry.invalid/team/weather", image_version="1"))
    await half.sees("weather", lambda seen: bool(seen.instances))
    assert await half.backend.logs.read(InstanceName("weather-0"), tail=10, since=None) == []
    assert half.backend.logs.instances(WEATHER) == []


async def test_the_shape_of_a_pod_follows_the_operator(api: Api) -> None:
    async with cluster_half(api, shape_of(registry="registry.invalid", pull_secrets=("pull",))) as half:
        await put(half, AdapterSpec(name="weather", image_name="team/weather", image_version="1"))
        await half.sees("weather", ails("ImagePullBackOff"))
        found = await pod(api)
        assert found["spec"]["containers"][0]["image"] == "registry.invalid/team/weather:1"
        assert found["spec"]["imagePullSecrets"] == [{"name": "pull"}]
