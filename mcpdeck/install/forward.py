"""A port of this machine that leads to a gateway in a cluster, through the API server, as `kubectl port-forward` does.

Each connection has a way of its own to a pod that is ready at that moment, so that the port outlives every pod.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, Final

from mcpdeck.errors import Misconfigured, Unreachable
from mcpdeck.install.cluster import Cluster, Refused
from mcpdeck.install.rendering import GATEWAY

type Json = dict[str, Any]

PORT: Final = 8700  # of the gateway in its pod
FRESH: Final = 2.0  # seconds for which a list of pods is believed
_PIECE: Final = 64 * 1024
_ATTEMPTS: Final = 3


class Forward:
    """on_news: told in a sentence when connections go to another pod, or to none."""

    def __init__(self, cluster: Cluster, namespace: str, on_news: Callable[[str], None]) -> None:
        self._cluster, self._namespace, self._on_news = cluster, namespace, on_news
        self._pods: list[str] = []
        self._seen = float("-inf")
        self._last = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, until either side ends it. asyncio's own callback."""
        try:
            async with self._way() as socket:
                await _copy(reader, writer, socket)
        except (Refused, Unreachable) as error:
            self._tell("", str(error))
        finally:
            writer.close()

    async def pod(self) -> str:
        """One that is ready; "" where none is. Raises Unreachable, Refused."""
        clock = asyncio.get_running_loop().time
        if clock() - self._seen > FRESH or not self._pods:
            found = await self._cluster.list("Pod", self._namespace, f"app.kubernetes.io/name={GATEWAY}")
            self._pods, self._seen = [each["metadata"]["name"] for each in found if is_serving(each)], clock()
        if self._last in self._pods:
            return self._last
        return min(self._pods, default="")

    @asynccontextmanager
    async def _way(self) -> AsyncIterator[Any]:
        """A WebSocket to a pod's port. What can't be connected to is looked for anew. Raises Unreachable."""
        why = f"no gateway is ready in namespace {self._namespace}"
        for _ in range(_ATTEMPTS):
            name = await self.pod()
            if not name:
                break
            try:
                socket = await self._cluster.port(name, self._namespace, PORT)
            except Unreachable as error:
                why, self._seen = str(error), float("-inf")
                continue
            self._tell(name, f"through {name}")
            try:
                yield socket
            finally:
                await socket.close()
            return
        raise Unreachable(why)

    def _tell(self, name: str, sentence: str) -> None:
        if name != self._last or not name:
            self._last = name
            self._on_news(sentence)


@asynccontextmanager
async def forwarded(forward: Forward, port: int) -> AsyncIterator[str]:
    """The URL, for as long as it is entered. port: 0 for any. Raises Misconfigured."""
    try:
        server = await asyncio.start_server(forward.serve, "127.0.0.1", port)
    except OSError as error:
        raise Misconfigured(f"port {port} can't be had: {error.strerror}; --port 0 finds a free one") from error
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        server.close()
        server.abort_clients()


def is_serving(pod: Json) -> bool:
    """Ready, and not about to leave."""
    conditions = {each["type"]: each["status"] for each in pod.get("status", {}).get("conditions", [])}
    return "deletionTimestamp" not in pod["metadata"] and conditions.get("Ready") == "True"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: Any) -> None:
    """Both ways, until one of them ends. In the channel protocol, even channels carry bytes, odd ones an error."""
    async with asyncio.TaskGroup() as tasks:
        outward = tasks.create_task(_outward(reader, socket), name="to the pod")
        with contextlib.suppress(OSError):
            await _inward(writer, socket)
        outward.cancel()


async def _outward(reader: asyncio.StreamReader, socket: Any) -> None:
    with contextlib.suppress(OSError):
        while piece := await reader.read(_PIECE):
            await socket.send_bytes(b"\0" + piece)
    await socket.close()


async def _inward(writer: asyncio.StreamWriter, socket: Any) -> None:
    heads = {0, 1}  # the first message of each channel is the port's number
    async for message in socket:
        if not isinstance(message.data, bytes) or not message.data:
            continue
        channel, piece = message.data[0], message.data[1:]
        if channel in heads:
            heads.discard(channel)
            piece = piece[2:]
        if channel == 1 and piece:
            return  # the pod has nobody at that port
        if piece:
            writer.write(piece)
            await writer.drain()
