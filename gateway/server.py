"""One port for everything: listens, opens the doors, and closes them in good order. Builds nothing of what it serves.

The lane takes each connection first; HTTP/2 and what is not MCP goes on to Hypercorn.
"""

import asyncio
import socket
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import ExitStack, asynccontextmanager
from typing import Any, Final, Protocol

import msgspec

from gateway.dataplane.asgi import App, McpDoor
from gateway.dataplane.bounds import NO_BOUNDS, Bounds
from gateway.dataplane.certificates import Certificate, Tls
from gateway.dataplane.handed import Handed, cut
from gateway.dataplane.lane import Lane
from gateway.dataplane.pipeline import Pipeline
from gateway.wire.http1 import DEFAULT_LIMITS, Limits
from gateway.workers.door import Inward

BACKLOG: Final = 4096


class Patience(msgspec.Struct, frozen=True):
    """Seconds at a stop.

    notice: how long the port still accepts, for balancers to see that readiness is gone. drain: how long what is under
    way may take; then it is broken off.
    """

    notice: float = 0.0
    drain: float = 10.0


class Others(Protocol):
    """Who serves what the lane does not, on connections that are open already."""

    on_gone: Callable[[asyncio.BaseTransport], None] | None
    peer_of: Callable[[asyncio.BaseTransport], str] | None

    def take(self, transport: asyncio.Transport, received: bytes) -> None: ...

    async def drain(self, seconds: float) -> None: ...


def listen(host: str, port: int, *, is_shared: bool = False, accepts: bool = True) -> list[socket.socket]:
    """A socket for each address of a host. port: 0 for any free one, the same for all. is_shared: with other workers.

    accepts: False for sockets that only hold the port.

    Raises OSError.
    """
    sockets: list[socket.socket] = []
    try:
        for family, _, _, _, address in socket.getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        ):
            port = sockets[0].getsockname()[1] if sockets else port
            sockets.append(_bound(family, (address[0], port, *address[2:]), is_shared=is_shared, accepts=accepts))
    except OSError:
        for each in sockets:
            each.close()
        raise
    return sockets


async def serve(
    listeners: Sequence[socket.socket],
    pipeline: Pipeline,
    app: App | None,
    *,
    stop: asyncio.Event,
    on_serving: Callable[[], None] | None = None,
    on_stopping: Callable[[], None] | None = None,
    tls: Tls | None = None,
    renew: asyncio.Event | None = None,
    limits: Limits = DEFAULT_LIMITS,
    bounds: Bounds = NO_BOUNDS,
    patience: Patience | None = None,
    onward: Others | None = None,
    inner: Sequence[socket.socket] = (),
) -> None:
    """Serve until `stop` is set. app: what answers wherever it is not MCP. The pipeline is entered by who owns it.

    onward: who takes what is not MCP, in place of an app. inner: local sockets, for what siblings send on.

    on_serving: the port answers now. on_stopping: readiness is to go, and the app's own streams are to end. renew: set
    it to have the certificate's files read again; they are anyway when they change.
    """
    patience = patience or Patience()
    certificate = Certificate(tls) if tls is not None else None
    with ExitStack() as unopened:
        for listener in (*listeners, *inner):
            unopened.callback(listener.close)
        async with _others(pipeline, app, onward, limits, bounds) as others, asyncio.TaskGroup() as tasks:
            lane = Lane(pipeline.serve, others.take, limits=limits, bounds=bounds)
            others.on_gone, others.peer_of = lane.gone, lane.peer_of
            servers = await _opened(listeners, inner, lane, certificate)
            unopened.pop_all()
            running = [tasks.create_task(lane.keep_sweeping(), name="look at all connections now and then")]
            if certificate is not None:
                current = certificate.keep_current(renew or asyncio.Event())
                running.append(tasks.create_task(current, name="keep the certificate current"))
            try:
                if on_serving is not None:
                    on_serving()
                await stop.wait()
                if on_stopping is not None:
                    on_stopping()
                lane.leave()
                await asyncio.sleep(patience.notice)
            finally:
                for server in servers:
                    server.close()
                await _drain(lane, others, pipeline, patience.drain)
                for each in running:
                    each.cancel()


@asynccontextmanager
async def _others(
    pipeline: Pipeline, app: App | None, onward: Others | None, limits: Limits, bounds: Bounds
) -> AsyncIterator[Others]:
    if onward is not None:
        yield onward
    elif app is not None:
        door = McpDoor(pipeline.serve, app, cut=cut, limits=limits, request_time=bounds.request_time)
        async with Handed.serving(door, limits) as handed:
            yield handed
    else:
        raise TypeError("wanted an app, or who takes what is not MCP")


async def _opened(
    listeners: Sequence[socket.socket],
    inner: Sequence[socket.socket],
    lane: Lane,
    certificate: Certificate | None,
) -> list[asyncio.Server]:
    loop, context = asyncio.get_running_loop(), certificate.context if certificate is not None else None
    opened = [
        await loop.create_server(lane.connect, sock=listener, ssl=context, backlog=BACKLOG) for listener in listeners
    ]
    return opened + [await loop.create_unix_server(lambda: Inward(lane.connect), sock=each) for each in inner]


async def _drain(lane: Lane, others: Others, pipeline: Pipeline, seconds: float) -> None:
    """What was accepted is answered if it can be in time; streams without an end of their own end now."""
    lane.close_when_idle()
    pipeline.stop_streams(only_lasting=True)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(lane.drain(seconds), name="drain the lane")
        tasks.create_task(others.drain(seconds), name="drain the connections of others")
    pipeline.stop_streams(only_lasting=False)
    lane.abort()


def run[T](main: Coroutine[Any, Any, T]) -> T:
    """On uvloop where it is installed, else on asyncio's own loop."""
    try:
        import uvloop
    except ImportError:
        return asyncio.run(main)
    return asyncio.run(main, loop_factory=uvloop.new_event_loop)


def reserve(host: str, port: int) -> list[socket.socket]:
    """Bound, so that a port is had which workers can share, and accepting nothing. Raises OSError where it is taken."""
    for probe in listen(host, port):
        probe.close()
    return listen(host, port, is_shared=True, accepts=False)


def _bound(family: int, address: tuple[Any, ...], *, is_shared: bool, accepts: bool) -> socket.socket:
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_shared:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind(address)
        if accepts:
            listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    listener.setblocking(False)
    return listener
