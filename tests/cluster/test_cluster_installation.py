"""From nothing to a gateway of two replicas in a cluster, and what its clients notice when parts of all that die."""

import asyncio
import contextlib
import json
import secrets
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import httpx
import httpx2
import msgspec
import pytest
import yaml
from mcp import ClientSession
from mcp.client.streamable_http import streamable_http_client

from mcpdeck.install import steps
from mcpdeck.install.cluster import opened
from mcpdeck.install.rendering import Wishes, rendered
from tests.support import testcluster
from tests.support.cluster_gateway import PATIENCE, SCRIPTED, SMALL
from tests.support.cluster_issuer import AUDIENCE, Running, running_issuer
from tests.support.command import surroundings
from tests.support.crowd import Crowd, crowd
from tests.support.testcluster import as_json, kubectl

CLIENTS = 50
ADAPTER = {
    "name": "many",
    "stdio": {"command": "python3", "args": ["-c", SCRIPTED]},
    "session": {"isolation": "shared"},
    "replicaCount": 3,
    "requiredRoles": ["mcp.user"],
    "resources": msgspec.to_builtins(SMALL),
}


class Installed(msgspec.Struct, frozen=True):
    """url: of the gateway's Service, which this machine reaches as pods do."""

    namespace: str
    url: str
    issuer: Running

    @property
    def adapters(self) -> str:
        return f"{self.namespace}-adapters"

    def gateways(self) -> list[tuple[str, str]]:
        """Names and addresses of those that are ready and stay."""
        pods = as_json("get", "pods", "-n", self.namespace, "-l", "app.kubernetes.io/name=mcpdeck-gateway")["items"]
        staying = [each for each in pods if "deletionTimestamp" not in each["metadata"] and _is_ready(each)]
        return [(each["metadata"]["name"], each["status"]["podIP"]) for each in staying]


def _is_ready(pod: dict[str, dict[str, list[dict[str, str]]]]) -> bool:
    conditions = {each["type"]: each["status"] for each in pod["status"].get("conditions", [])}
    return conditions.get("Ready") == "True"


@pytest.fixture(scope="session", autouse=True)
def _images(kubeconfig: Path) -> None:
    testcluster.runner_image()
    testcluster.image("gateway", "mcpdeck/gateway:local")
    testcluster.redis_image()


@asynccontextmanager
async def installed(kubeconfig: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Installed]:
    namespace = f"mcp-{secrets.token_hex(3)}"
    monkeypatch.setenv("KUBECONFIG", str(kubeconfig))
    monkeypatch.setattr("kubernetes.aio.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(kubeconfig))
    async with running_issuer(folder) as issuer:
        wishes = Wishes(
            overlay="oidc",
            namespace=namespace,
            redis_image=testcluster.REDIS,
            blanks={"ISSUER": issuer.url, "AUDIENCE": AUDIENCE, "URL": "https://mcp.example"},
            env={
                "MCPDECK_OIDC_CA_FILE": "/etc/mcpdeck/trust/ca.pem",
                "MCPDECK_GATEWAY_ALLOW_PRIVATE_URLS": "yes",  # the issuer is a neighbour
            },
        )
        objects = rendered(wishes)
        kubectl("create", "namespace", namespace)
        kubectl("create", "configmap", "mcpdeck-trust", "-n", namespace, f"--from-file=ca.pem={issuer.authority}")
        try:
            async with opened() as cluster:
                async for _ in steps.install(cluster, objects):
                    pass
                await steps.wait(cluster, objects, 120)
                again = [(each["kind"], outcome) async for each, outcome in steps.install(cluster, objects)]
                assert {outcome for _, outcome in again} == {"unchanged"}, again
            service = as_json("get", "service", "mcpdeck-gateway", "-n", namespace)
            yield Installed(namespace, f"http://{service['spec']['clusterIP']}", issuer)
            async with opened() as cluster:
                async for _ in steps.uninstall(
                    cluster, objects, adapters_namespace=wishes.adapters_namespace, with_adapters=False
                ):
                    pass
            assert as_json("get", "adapters", "-n", wishes.adapters_namespace)["items"]
        finally:
            for each in (namespace, f"{namespace}-adapters"):
                kubectl("delete", "namespace", each, "--wait=false", "--ignore-not-found")


async def deploy(house: Installed) -> str:
    """The adapter's URL, once all of it is ready."""
    headers = house.issuer.headers()
    async with httpx.AsyncClient(timeout=30, trust_env=False, headers=headers) as http:
        await _answers(http, f"{house.url}/readyz")
        answer = await http.post(f"{house.url}/adapters", json=ADAPTER)
        assert answer.status_code == 201, answer.text
    words = ("wait", "adapter/many", "--for=condition=Ready", "-n", house.adapters, f"--timeout={PATIENCE}s")
    await asyncio.to_thread(kubectl, *words)
    return f"{house.url}/adapters/many/mcp"


async def _answers(http: httpx.AsyncClient, url: str) -> None:
    """A Service's address works a moment after its pods are ready: when the node's proxy has heard of them."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(url)).status_code == 200:
                    return
            await asyncio.sleep(0.05)


async def test_from_nothing_to_calls_through_either_gateway(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with installed(shared, tmp_path, monkeypatch) as house:
        url = await deploy(house)
        headers = house.issuer.headers("grace", "mcp.user")
        async with (
            httpx2.AsyncClient(timeout=30, trust_env=False, headers=headers) as http,
            streamable_http_client(url, http_client=http) as (read, write),
            ClientSession(read, write) as session,
        ):
            await session.initialize()
            assert "echo" in {tool.name for tool in (await session.list_tools()).tools}

        addresses = [address for _, address in house.gateways()]
        assert len(addresses) == 2
        async with crowd(url, headers, 12) as clients:
            await clients.calls(200)
            assert clients.strayed == 0
            assert set(clients.taken()) == {"ok"}
            await _know_each_others_sessions(house, addresses, 12)
            await clients.calls(200)
            assert clients.taken()["session lost"] == 2  # those that were ended, one through each gateway
        async with httpx.AsyncClient(timeout=30, trust_env=False) as nobody:
            for address in addresses:
                refused = await nobody.post(f"http://{address}:8700/adapters/many/mcp", json={})
                assert refused.status_code == 401


async def _know_each_others_sessions(house: Installed, addresses: list[str], count: int) -> None:
    """Either gateway lists the sessions of both, and ends one of them, whosever it is."""
    async with httpx.AsyncClient(timeout=30, trust_env=False, headers=house.issuer.headers()) as http:
        ended: set[str] = set()
        for address in addresses:
            url = f"http://{address}:8700/sessions/live"
            found: set[str] = set()
            async with asyncio.timeout(PATIENCE):
                while len(found) < count - len(ended):
                    listed = (await http.get(url)).json()
                    found = {each["id"] for each in listed if each["clientName"] == "test"} - ended
                    await asyncio.sleep(0.1)
            ended.add(min(found))
            assert (await http.delete(f"{url}/{min(found)}")).status_code == 204


@pytest.mark.parametrize("overlay", ["local", "oidc", "aks"])
@pytest.mark.parametrize("replicas", [1, 3])
async def test_a_cluster_takes_every_overlay_as_it_is(shared: Path, overlay: str, replicas: int) -> None:
    names = ("REGISTRY", "TENANT", "CLIENT", "URL", "IDENTITY", "ISSUER", "AUDIENCE")
    namespace = f"try-{secrets.token_hex(3)}"
    wishes = Wishes(overlay=overlay, namespace=namespace, replicas=replicas, blanks=dict.fromkeys(names, "x.example"))
    places = (namespace, wishes.adapters_namespace)
    told = yaml.safe_dump_all(each for each in rendered(wishes) if each["kind"] != "CustomResourceDefinition")
    try:
        for each in places:
            await asyncio.to_thread(kubectl, "create", "namespace", each)
        words = ("apply", "--server-side", "--force-conflicts", "--dry-run=server", "--validate=strict", "-f", "-")
        await asyncio.to_thread(kubectl, *words, stdin=told)
    finally:
        await asyncio.to_thread(kubectl, "delete", "namespace", *places, "--wait=false", "--ignore-not-found")


async def test_a_way_leads_to_a_gateway_outlives_its_pod_and_ends_on_ctrl_c(
    shared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with installed(shared, tmp_path, monkeypatch) as house, running_way(house, tmp_path, shared) as way:
        await way.says("the gateway of the cluster is here")
        await way.says("you are ada")
        url = way.url()
        headers = house.issuer.headers()
        async with httpx.AsyncClient(timeout=30, trust_env=False, headers=headers) as http:
            assert (await http.get(f"{url}/adapters")).json() == []
            (pod,) = (each for each, _ in house.gateways() if f"through {each}" in way.text)
            await asyncio.to_thread(kubectl, "delete", "pod", pod, "-n", house.namespace, "--grace-period=0", "--force")
            await _answers(http, f"{url}/readyz")
            answer = await http.post(f"{url}/adapters", json=ADAPTER)
            assert answer.status_code == 201, answer.text
        contexts = (tmp_path / "config" / "mcpdeck" / "contexts.yaml").read_text()
        assert f"testcluster:\n    url: {url}\n" in contexts
        assert await way.interrupt() == 0
        assert "the gateway and its adapters go on" in way.text


class Way:
    """`mcpdeck up --cluster` as a process, and what it has said."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self.text = ""

    async def says(self, words: str) -> None:
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            while words not in self.text:
                line = await self._process.stderr.readline()
                assert line, self.text
                self.text += line.decode()

    def url(self) -> str:
        return next(word for word in self.text.split() if word.startswith("http://127.0.0.1:"))

    async def interrupt(self) -> int:
        self._process.send_signal(signal.SIGINT)
        assert self._process.stderr is not None
        async with asyncio.timeout(PATIENCE):
            self.text += (await self._process.stderr.read()).decode()
            return await self._process.wait()


@asynccontextmanager
async def running_way(house: Installed, folder: Path, kubeconfig: Path) -> AsyncIterator[Way]:
    token = house.issuer.headers()["authorization"].partition(" ")[2]
    words = ("-m", "mcpdeck", "up", "--cluster", "--namespace", house.namespace, "--port", "0")
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *words,
        cwd=testcluster.ROOT,
        stdin=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.PIPE,
        env=surroundings(folder, KUBECONFIG=str(kubeconfig), MCPDECK_TOKEN=token),
    )
    try:
        yield Way(process)
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def test_what_clients_notice_when_parts_die(
    kubeconfig: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with testcluster.alone():
        async with installed(kubeconfig, tmp_path, monkeypatch) as house:
            url = await deploy(house)
            async with crowd(url, house.issuer.headers("grace", "mcp.user"), CLIENTS) as clients:
                await clients.calls(500)
                report = {"nothing": clients.taken()}
                for what, fault in FAULTS.items():
                    report[what] = await _after(clients, house, fault)
                report["the API server away"] = await _after(clients, house, _api_server_away(clients))
                with capsys.disabled():
                    print(f"\nwhat {CLIENTS} calling clients saw, by fault: {json.dumps(report, indent=1)}")
            assert set(report["nothing"]) == {"ok"}
            assert set(report["Redis killed"]) == {"ok"}  # each gateway goes on with what it knows itself
            for what, moves in (("the adapter scaled down", 1), ("the adapter rolled out", 3)):
                assert set(report[what]) == {"ok", "session lost"}  # only at the end of the pod's time
                assert report[what]["session lost"] <= moves * CLIENTS
            assert set(report["the API server away"]) == {"ok"}  # the last table serves on
            assert set(report["a gateway's pod deleted"]) == {"ok"}  # it drains, and sessions are sealed, not stored
            assert set(report["an adapter's pod deleted"]) == {"ok", "session lost"}
            crashed = report["a gateway crashed"].keys()
            assert all(each == "ok" or each.startswith("no connection") for each in crashed), report
            assert clients.strayed == 0
            for what in ("an adapter's instance crashed", "an adapter's pod deleted"):
                assert 0 < report[what].get("session lost", 0) <= CLIENTS  # those of that instance, each of them once


type Fault = Callable[[Installed], Awaitable[None]]


async def _after(clients: Crowd, house: Installed, fault: Fault) -> dict[str, int]:
    await fault(house)
    await clients.calls(500)
    return clients.taken()


async def _crash_adapter(house: Installed) -> None:
    await asyncio.to_thread(testcluster.kill_container, "many-1", house.adapters)
    await _whole(house)


async def _delete_adapter_pod(house: Installed) -> None:
    await asyncio.to_thread(kubectl, "delete", "pod", "many-2", "-n", house.adapters, "--grace-period=0", "--force")
    await _whole(house)


async def _crash_gateway(house: Installed) -> None:
    name, _ = house.gateways()[0]
    await asyncio.to_thread(testcluster.kill_container, name, house.namespace)
    await _whole(house)


async def _delete_gateway_pod(house: Installed) -> None:
    name, _ = house.gateways()[0]
    await asyncio.to_thread(kubectl, "delete", "pod", name, "-n", house.namespace)
    await _whole(house)


async def _kill_redis(house: Installed) -> None:
    pods = as_json("get", "pods", "-n", house.namespace, "-l", "app.kubernetes.io/name=mcpdeck-redis")["items"]
    (name,) = (each["metadata"]["name"] for each in pods)
    await asyncio.to_thread(testcluster.kill_container, name, house.namespace)
    words = ("rollout", "status", "deployment/mcpdeck-redis", "-n", house.namespace)
    await asyncio.to_thread(kubectl, *words, f"--timeout={PATIENCE}s")


async def _scale_down(house: Installed) -> None:
    """All the time that the last pod serves its sessions, until it is gone; then up again."""
    await asyncio.to_thread(kubectl, "scale", "adapter/many", "--replicas=2", "-n", house.adapters)
    words = ("wait", "--for=delete", "pod/many-2", "-n", house.adapters, f"--timeout={PATIENCE}s")
    await asyncio.to_thread(kubectl, *words)
    await asyncio.to_thread(kubectl, "scale", "adapter/many", "--replicas=3", "-n", house.adapters)
    await _whole(house)


async def _roll(house: Installed) -> None:
    async with httpx.AsyncClient(timeout=30, trust_env=False, headers=house.issuer.headers()) as http:
        answer = await http.post(f"{house.url}/adapters/many/restart")
        assert answer.status_code < 300, answer.text
    words = ("rollout", "status", "statefulset/many", "-n", house.adapters, f"--timeout={4 * PATIENCE}s")
    async with asyncio.timeout(PATIENCE):
        while True:
            before = await asyncio.to_thread(as_json, "get", "statefulset", "many", "-n", house.adapters)
            if before["metadata"]["generation"] > 1 and before["status"].get("updatedReplicas", 3) < 3:
                break
            await asyncio.sleep(0.2)
    await asyncio.to_thread(kubectl, *words)
    await _whole(house)


async def _whole(house: Installed) -> None:
    """Until everything runs again."""
    words = ("wait", "adapter/many", "--for=jsonpath={.status.readyReplicas}=3", "-n", house.adapters)
    await asyncio.to_thread(kubectl, *words, f"--timeout={PATIENCE}s")
    words = ("rollout", "status", "deployment/mcpdeck-gateway", "-n", house.namespace)
    await asyncio.to_thread(kubectl, *words, f"--timeout={PATIENCE}s")


FAULTS: dict[str, Fault] = {
    "Redis killed": _kill_redis,
    "the adapter scaled down": _scale_down,
    "the adapter rolled out": _roll,
    "an adapter's instance crashed": _crash_adapter,
    "an adapter's pod deleted": _delete_adapter_pod,
    "a gateway crashed": _crash_gateway,
    "a gateway's pod deleted": _delete_gateway_pod,
}


def _api_server_away(clients: Crowd) -> Fault:
    async def fault(_: Installed) -> None:
        async with testcluster.without_api_server():
            await clients.calls(2000)

    return fault
