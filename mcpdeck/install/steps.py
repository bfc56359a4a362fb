"""Installing and uninstalling, step by step: what comes first, what is waited for, what stays. Prints nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any, Final

from mcpdeck.install.cluster import Cluster, is_ours

type Json = dict[str, Any]

PAUSE: Final = 0.5  # seconds between two looks at what is waited for
_FIRST: Final = ("CustomResourceDefinition", "Namespace")
_LASTING: Final = ("CustomResourceDefinition",)  # with them go all adapters, of every namespace


class StillWaiting(Exception):
    """Applied, but not ready in time. The sentence says what is missing."""


type Outcomes = AsyncIterator[tuple[Json, str]]


async def install(cluster: Cluster, objects: Sequence[Json]) -> Outcomes:
    """Each object with what became of it. Applying twice changes nothing. Raises Refused, Unreachable."""
    first = [each for each in objects if each["kind"] in _FIRST]
    for each in [*first, *(each for each in objects if each not in first)]:
        if each["kind"] == "Job" and await cluster.read(each) is not None:
            yield each, "unchanged"  # it has run, or runs; a Job can't be changed, and this one need not be
            continue
        yield each, await cluster.apply(each)


async def prune(cluster: Cluster, objects: Sequence[Json]) -> Outcomes:
    """Of what is wished no more, what an earlier installation made. Others' objects of such a name stay."""
    for each in objects:
        found = await cluster.read(each)
        if found is not None and is_ours(found):
            await cluster.delete(each)
            yield each, "deleted"


async def wait(cluster: Cluster, objects: Sequence[Json], seconds: float) -> None:
    """Until the gateway serves. Raises StillWaiting."""
    watched = [each for each in objects if each["kind"] in ("CustomResourceDefinition", "Deployment")]
    missing = "nothing was looked at"
    try:
        async with asyncio.timeout(seconds):
            while missing:
                missing = await _missing(cluster, watched)
                if missing:
                    await asyncio.sleep(PAUSE)
    except TimeoutError:
        raise StillWaiting(missing) from None


async def uninstall(
    cluster: Cluster, objects: Sequence[Json], *, adapters_namespace: str, with_adapters: bool
) -> Outcomes:
    """The other way round. Without with_adapters, adapters and the kinds they are of stay as they are."""
    for each in reversed(objects):
        place = each["metadata"].get("namespace", "")
        is_theirs = each["kind"] == "Namespace" and each["metadata"]["name"] == adapters_namespace
        is_lasting = each["kind"] in _LASTING or is_theirs or (place == adapters_namespace and not _is_right(each))
        if is_lasting and not with_adapters:
            yield each, "kept"
        else:
            yield each, "deleted" if await cluster.delete(each) else "not there"


def _is_right(told: Json) -> bool:
    return told["kind"] in ("Role", "RoleBinding")


async def _missing(cluster: Cluster, watched: Sequence[Json]) -> str:
    for told in watched:
        found = await cluster.read(told)
        if found is None:
            return f"{told['kind']} {told['metadata']['name']} is not there yet"
        if sentence := _unready(found):
            return sentence
    return ""


def _unready(found: Json) -> str:
    """Why it is not ready; "" where it is."""
    name, status = found["metadata"]["name"], found.get("status", {})
    if found["kind"] == "CustomResourceDefinition":
        conditions = {each["type"]: each["status"] for each in status.get("conditions", [])}
        return "" if conditions.get("Established") == "True" else f"{name} is not established yet"
    wanted, updated = found["spec"].get("replicas", 1), status.get("updatedReplicas", 0)
    ready = status.get("availableReplicas", 0)
    is_seen = status.get("observedGeneration") == found["metadata"]["generation"]
    if is_seen and updated >= wanted and ready >= wanted and status.get("replicas") == wanted:
        return ""
    return f"{name}: {ready} of {wanted} available"
