"""How soon an adapter's status says what the cluster says of its pods: within two seconds, as anybody sees both."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from gateway.backends.kubernetes.shape import SELECTOR
from gateway.cluster.api import Api
from gateway.cluster.mirror import Mirror
from gateway.cluster.objects import ADAPTER, EVENT, POD, CustomObject, Event, Pod
from gateway.wire.resources import AdapterSpec, ResourceList, Resources
from tests.support.cluster_gateway import PATIENCE, RUNNER, SMALL, ClusterHalf, cluster_half, scripted_spec
from tests.support.desired import desired
from tests.support.testcluster import kubectl, runner_image

SECONDS = 2.0
TIGHT = Resources(requests=ResourceList(cpu="10m"), limits=ResourceList(memory="32Mi"))
HUGE = Resources(requests=ResourceList(cpu="5000"), limits=ResourceList(cpu="5000"))


@pytest.fixture(scope="session", autouse=True)
def _runner(kubeconfig: object) -> None:
    runner_image()


class Onlooker:
    """Whoever watches pods, events and adapters with nothing but the API: when each of them first said a word."""

    def __init__(self, api: Api) -> None:
        self._clock = asyncio.get_running_loop().time
        self._heard: dict[tuple[str, str], float] = {}
        self._changed = asyncio.Event()
        self.told: dict[str, Any] = {}
        self.mirrors: list[Mirror[Any]] = [
            Mirror(api, POD, Pod, selector=SELECTOR, on_change=self._pod),
            Mirror(api, EVENT, Event, on_change=self._event),
            Mirror(api, ADAPTER, CustomObject, on_change=self._adapter),
        ]

    async def lag(self, reason: str) -> float:
        """Seconds from the cluster's word to the adapter's status. AssertionError with what there was instead."""
        async with asyncio.timeout(PATIENCE):
            while not {("cluster", reason), ("adapter", reason)} <= self._heard.keys():
                self._changed.clear()
                await self._changed.wait()
        return self._heard["adapter", reason] - self._heard["cluster", reason]

    def _pod(self, _: str, pod: Pod | None, __: Pod | None) -> None:
        if pod is None:
            return
        for each in pod.status.container_statuses:
            for state in (each.state, each.last_state):
                self._hear("cluster", state.waiting.reason if state.waiting else "")
                self._hear("cluster", state.terminated.reason if state.terminated else "")
        self._hear("cluster", *(each.reason for each in pod.status.conditions if each.status == "False"))

    def _event(self, _: str, event: Event | None, __: Event | None) -> None:
        if event is not None and event.involved_object.kind == "StatefulSet":
            self._hear("cluster", event.reason)

    def _adapter(self, _: str, adapter: CustomObject | None, __: CustomObject | None) -> None:
        if adapter is not None:
            self.told = adapter.status
            self._hear("adapter", str(adapter.status.get("reason", "")))

    def _hear(self, who: str, *reasons: str) -> None:
        for reason in reasons:
            # A kubelet tells of one failed pull by turns as these two; the first word counts
            self._heard.setdefault((who, {"ErrImagePull": "ImagePullBackOff"}.get(reason, reason)), self._clock())
        self._changed.set()


@asynccontextmanager
async def looking(api: Api) -> AsyncIterator[tuple[ClusterHalf, Onlooker]]:
    async with cluster_half(api) as half, asyncio.TaskGroup() as tasks:
        onlooker = Onlooker(api)
        watching = [tasks.create_task(each.keep()) for each in onlooker.mirrors]
        try:
            yield half, onlooker
        finally:
            for each in watching:
                each.cancel()


def image(*command: str, **fields: Any) -> AdapterSpec:
    name, _, version = RUNNER.partition(":")
    told: dict[str, Any] = {"resources": SMALL} | fields
    return AdapterSpec(name="weather", image_name=name, image_version=version, command=list(command), **told)


AILMENTS: dict[str, tuple[Callable[[], AdapterSpec], str]] = {
    "ImagePullBackOff": (
        lambda: AdapterSpec(name="weather", image_name="registry.invalid/weather", image_version="1"),
        "registry.invalid",
    ),
    "CrashLoopBackOff": (
        lambda: image("python3", "-c", "print('no key for the weather'); raise SystemExit(3)"),
        "no key for the weather",
    ),
    "OOMKilled": (
        lambda: image("python3", "-c", "x = []\nwhile True: x.append(bytearray(b'1') * 10**7)", resources=TIGHT),
        "exit code 137",
    ),
    "Unschedulable": (lambda: scripted_spec("weather", resources=HUGE), "Insufficient cpu"),
}


@pytest.mark.parametrize("reason", AILMENTS)
async def test_what_ails_a_pod_is_told_within_two_seconds(
    api: Api, reason: str, capsys: pytest.CaptureFixture[str]
) -> None:
    make, words = AILMENTS[reason]
    async with looking(api) as (half, onlooker):
        await half.store.put(desired(make()), expect=None)
        await _told(onlooker, reason, words, capsys)


async def test_a_quota_that_is_used_up_is_told_within_two_seconds_and_gone_once_it_is_raised(
    api: Api, capsys: pytest.CaptureFixture[str]
) -> None:
    kubectl("create", "quota", "small", "--hard=pods=0", "-n", api.namespace)
    async with looking(api) as (half, onlooker):
        await half.store.put(desired(scripted_spec("weather")), expect=None)
        await _told(onlooker, "FailedCreate", "exceeded quota: small", capsys)
        kubectl("delete", "quota", "small", "-n", api.namespace)
        seen = await half.sees("weather")
        assert [each.reason for each in seen.instances] == [""]


async def test_what_admission_refuses_is_told_within_two_seconds(api: Api, capsys: pytest.CaptureFixture[str]) -> None:
    kubectl("create", "-f", "-", "-n", api.namespace, stdin=_LIMITS)
    async with looking(api) as (half, onlooker):
        await half.store.put(desired(scripted_spec("weather")), expect=None)
        await _told(onlooker, "FailedCreate", "maximum memory usage per Container is 1Mi", capsys)


_LIMITS = """\
apiVersion: v1
kind: LimitRange
metadata: {name: small}
spec:
  limits: [{type: Container, max: {memory: 1Mi}}]
"""


async def _told(onlooker: Onlooker, reason: str, words: str, capsys: pytest.CaptureFixture[str]) -> None:
    lag = await onlooker.lag(reason)
    with capsys.disabled():
        print(f"\n{reason}: in the status {lag * 1000:.0f} ms after the cluster said so")
    assert lag < SECONDS
    assert words in onlooker.told["message"]
