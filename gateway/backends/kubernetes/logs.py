"""The logs of pods as the cluster keeps them: read, and followed through restarts. Keeps no line itself.

A position is the time of a line in nanoseconds: the runtime gives every line its own, and time orders lives too.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final

from gateway.backends.kubernetes.instances import life_of
from gateway.backends.kubernetes.shape import CONTAINER
from gateway.cluster.api import Api
from gateway.cluster.objects import POD, ContainerStatus, Pod
from gateway.core.errors import GatewayError, Invalid, NotFound
from gateway.core.ports import LogLine, Position
from gateway.wire.names import AdapterName, InstanceName, split_instance_name

MOST_BYTES: Final = 16 * 1024 * 1024  # of a log that is read at once
RETRY: Final = 1.0  # seconds before a stream that broke off is opened again
_START: Final = (0, 0)

log = logging.getLogger(__name__)


class Logs:
    """ports.LogSource. pods: as they are now. of: the pods of an adapter."""

    def __init__(self, api: Api, pods: Mapping[str, Pod], of: Callable[[AdapterName], Sequence[Pod]]) -> None:
        self._api, self._pods, self._of = api, pods, of
        self._waiting: dict[str, set[asyncio.Event]] = {}

    def stir(self, name: str) -> None:
        """A pod has changed: who follows it looks again."""
        for event in self._waiting.get(name, ()):
            event.set()

    def instances(self, adapter: AdapterName) -> Sequence[InstanceName]:
        found = [each.metadata.name for each in self._of(adapter) if _has_log(each)]
        return [InstanceName(name) for name in sorted(found, key=split_instance_name)]

    async def read(
        self, instance: InstanceName, *, tail: int | None, since: datetime | None, previous: bool = False
    ) -> Sequence[LogLine]:
        query = {"limitBytes": str(MOST_BYTES)}
        if tail is not None and since is None:
            query["tailLines"] = str(tail)
        if previous:
            query["previous"] = "true"
        found = [line async for line in self._lines(instance, query, since=since)]
        if since is not None:
            found = [line for line in found if line.at >= since]
        return found if tail is None else found[max(0, len(found) - tail) :]

    async def end(self, instance: InstanceName) -> Position:
        last = await self.read(instance, tail=1, since=None)
        return last[-1].position if last else _START

    async def follow(self, instance: InstanceName, after: Position) -> AsyncIterator[LogLine]:
        """From life to life, until the pod is gone for good: its next one has a log of its own."""
        life = ""
        with self._awake(instance) as wake:
            while (pod := self._pods.get(instance)) is not None:
                wake.clear()
                since = _time(after)
                if life and life_of(pod) != life:
                    async for line in self._lines(instance, {"previous": "true"}, since=since):
                        if line.position > after:
                            after = line.position
                            yield line
                life = life_of(pod)
                if _has_log(pod):
                    async for line in self._lines(instance, {"follow": "true"}, since=since):
                        if line.position > after:
                            after = line.position
                            yield line
                    await _either(wake, RETRY)
                else:
                    await wake.wait()

    async def last_words(self, name: str, count: int = 10) -> str:
        """What a program said itself, each line but once; the sidecar's own lines only where there are no others."""
        lines = [line.text for line in await self.read(InstanceName(name), tail=10 * count, since=None)]
        own = [line for line in lines if line.strip() and not line.startswith("sidecar: ")]
        said = dict.fromkeys(reversed(own or lines))  # a server that is tried again says the same again
        return "\n".join(list(said)[:count][::-1])

    async def _lines(
        self, instance: InstanceName, query: dict[str, str], *, since: datetime | None
    ) -> AsyncIterator[LogLine]:
        """None where there is no such log: a pod that starts, a life before the first, a pod that is gone."""
        told = {"container": CONTAINER, "timestamps": "true", **query}
        if since is not None:
            told["sinceTime"] = since.astimezone(UTC).replace(microsecond=0).isoformat()
        path = f"{POD.path(self._api.namespace, instance)}/log"
        silence = None if "follow" in query else 30.0
        try:
            async with self._api.stream(path, told, doing=f"read the log of {instance}", silence=silence) as stream:
                async for line in _whole(stream):
                    yield line
        except (NotFound, Invalid):
            return
        except GatewayError as error:
            if "follow" not in query:
                raise
            log.info("the log of %s broke off: %s", instance, error)

    @contextmanager
    def _awake(self, name: str) -> Iterator[asyncio.Event]:
        event = asyncio.Event()
        self._waiting.setdefault(name, set()).add(event)
        try:
            yield event
        finally:
            self._waiting[name].discard(event)
            if not self._waiting[name]:
                del self._waiting[name]


async def _whole(stream: Any) -> AsyncIterator[LogLine]:
    """Of bytes as they come. A line has no bound here: the runtime has one."""
    rest = b""
    while chunk := await stream.readany():
        *lines, rest = (rest + chunk).split(b"\n")
        for line in lines:
            yield _line(line)
    if rest:
        yield _line(rest)


def _line(line: bytes) -> LogLine:
    """`2026-11-24T23:11:34.123456789Z text`."""
    stamp, _, text = line.partition(b" ")
    whole, _, part = stamp.decode("ascii", errors="replace").removesuffix("Z").partition(".")
    try:
        second = datetime.fromisoformat(f"{whole}+00:00")
        nanos = int(part.ljust(9, "0")[:9])
    except ValueError:  # the kubelet itself says something, without a time
        return LogLine(_START, datetime.fromtimestamp(0, UTC), line.decode(errors="replace"))
    position = (0, int(second.timestamp()) * 10**9 + nanos)
    return LogLine(position, second.replace(microsecond=nanos // 1000), text.decode(errors="replace").rstrip("\r"))


def _time(position: Position) -> datetime | None:
    return datetime.fromtimestamp(position[1] // 10**9, UTC) if position[1] else None


def _has_log(pod: Pod) -> bool:
    return any(_has_run(each) for each in pod.status.container_statuses if each.name == CONTAINER)


def _has_run(container: ContainerStatus) -> bool:
    states = (container.state, container.last_state)
    return any(state.running is not None or state.terminated is not None for state in states)


async def _either(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        return
