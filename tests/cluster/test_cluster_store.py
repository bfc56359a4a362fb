"""Adapter objects as a store: the contract of every store, and the second door, kubectl."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import msgspec
import pytest

from gateway.cluster.api import Api
from gateway.cluster.definitions import RESTARTED_AT
from gateway.cluster.desires import NOBODY, open_desires
from gateway.cluster.objects import ADAPTER
from gateway.core.desired import Desired
from gateway.core.errors import Invalid, PreconditionFailed
from gateway.stores.kubernetes import KubernetesStore, stores
from gateway.wire.names import AdapterName
from tests.contract import test_every_store as contract
from tests.support.desired import THEN, desired, stdio_spec
from tests.support.testcluster import adapter_yaml, as_json, kubectl

WEATHER = AdapterName("weather")
PATIENCE = 30


@pytest.fixture(name="store")
async def _store(api: Api) -> AsyncIterator[KubernetesStore[Desired]]:
    async with open_desires(api) as desires:
        yield stores(api, desires).adapters


CONTRACT = [getattr(contract, name) for name in dir(contract) if name.startswith("test_")]


@pytest.mark.parametrize("promise", [each for each in CONTRACT if each.__code__.co_varnames[:1] == ("store",)])
async def test_it_keeps_the_promises_of_every_store(promise, store: KubernetesStore[Desired]) -> None:  # type: ignore[no-untyped-def]
    await promise(store)


async def until_changed(store: KubernetesStore[Desired], name: AdapterName, *, gone: bool = False) -> None:
    async with asyncio.timeout(PATIENCE):
        while (name in [each.name for each in await store.list()]) == gone:
            await store.changed()


async def test_kubectl_and_the_api_are_two_doors_to_one_object(api: Api, store: KubernetesStore[Desired]) -> None:
    kubectl("apply", "-n", api.namespace, "-f", "-", stdin=adapter_yaml("weather", {"stdio": {"command": "true"}}))
    await until_changed(store, WEATHER)
    found = await store.get(WEATHER)
    assert found is not None
    assert found.created_by == NOBODY
    assert (datetime.now(UTC) - found.created_at).total_seconds() < 3600

    changed = msgspec.structs.replace(
        found, spec=stdio_spec(description="by the API"), last_updated_at=datetime.now(UTC)
    )
    stored = await store.put(changed, expect=found.revision)
    seen = as_json("get", "adapter", "weather", "-n", api.namespace)
    assert seen["spec"]["description"] == "by the API"
    assert seen["metadata"]["resourceVersion"] == str(stored.revision)

    kubectl("delete", "adapter", "weather", "-n", api.namespace)
    await until_changed(store, WEATHER, gone=True)
    assert list(await store.list()) == []


async def test_an_etag_survives_what_is_written_to_the_status(api: Api, store: KubernetesStore[Desired]) -> None:
    first = await store.put(desired(), expect=None)
    await api.patch(ADAPTER, "weather", {"status": {"phase": "Starting", "readyReplicas": 0}}, subresource="status")
    found = await store.get(WEATHER)
    assert found == first
    second = await store.put(desired(stdio_spec(description="new")), expect=first.revision)
    assert second.revision > first.revision


async def test_an_etag_does_not_survive_an_edit_by_kubectl(api: Api, store: KubernetesStore[Desired]) -> None:
    first = await store.put(desired(), expect=None)
    edit = '{"spec": {"replicaCount": 3}}'
    kubectl("patch", "adapter", "weather", "--type=merge", "-p", edit, "-n", api.namespace)
    async with asyncio.timeout(PATIENCE):
        while (await store.list())[0].revision == first.revision:
            await store.changed()
    with pytest.raises(PreconditionFailed):
        await store.put(desired(stdio_spec(description="new")), expect=first.revision)
    found = await store.get(WEATHER)
    assert found is not None
    assert found.spec.replica_count == 3
    assert found.last_updated_at > THEN


async def test_a_gateway_that_starts_later_gives_the_same_etag(api: Api, store: KubernetesStore[Desired]) -> None:
    first = await store.put(desired(restarted_at=THEN), expect=None)
    status = {"observedGeneration": 1, "observedRestart": THEN.isoformat(), "revision": str(first.revision)}
    await api.patch(ADAPTER, "weather", {"status": status}, subresource="status")
    async with open_desires(api) as later:
        assert later.adapters.get(WEATHER) == first


async def test_others_labels_and_annotations_stay(api: Api, store: KubernetesStore[Desired]) -> None:
    first = await store.put(desired(restarted_at=THEN), expect=None)
    kubectl("label", "adapter", "weather", "team=sky", "-n", api.namespace)
    kubectl("annotate", "adapter", "weather", "note=mine", "-n", api.namespace)
    await store.put(desired(), expect=first.revision)
    seen = as_json("get", "adapter", "weather", "-n", api.namespace)["metadata"]
    assert seen["labels"] == {"team": "sky"}
    assert seen["annotations"]["note"] == "mine"
    assert RESTARTED_AT not in seen["annotations"]


async def test_whether_it_runs_under_workload_identity_is_settled_when_it_is_made(
    store: KubernetesStore[Desired],
) -> None:
    first = await store.put(desired(), expect=None)
    with pytest.raises(Invalid, match="useWorkloadIdentity is immutable"):
        await store.put(desired(stdio_spec(use_workload_identity=True)), expect=first.revision)


async def test_one_gateways_write_is_the_others_change(api: Api, store: KubernetesStore[Desired]) -> None:
    async with open_desires(api) as desires:
        elsewhere = stores(api, desires).adapters
        await store.put(desired(), expect=None)
        await until_changed(elsewhere, WEATHER)
        await store.delete(WEATHER, expect=None)
        await until_changed(elsewhere, WEATHER, gone=True)
