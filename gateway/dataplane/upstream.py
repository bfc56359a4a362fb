"""Connections to instances, kept alive and reused. A task runs only while one is being made, never per request.

Follows no redirect, knows nothing of sessions, and connects to exactly the address it is given: who routes judges it.
"""

import asyncio
import ssl
from functools import partial
from types import TracebackType
from typing import Any, Final, Self

from gateway.core.errors import UpstreamBroke
from gateway.core.routes import Endpoint
from gateway.dataplane.connection import Answer, UpstreamConnection
from gateway.dataplane.deadlines import Deadlines
from gateway.dataplane.heads import authority
from gateway.dataplane.tasks import Tasks
from gateway.wire.hosts import host_name
from gateway.wire.resources import Timeouts

MAX_IDLE: Final = 1024  # connections that rest, per instance


class Upstream:
    """`async with`: at its end every connection is cut. tls: for https instances; the platform's trust without it."""

    def __init__(self, deadlines: Deadlines, *, tls: ssl.SSLContext | None = None) -> None:
        self.connects = 0  # connections made since the start
        self._deadlines, self._tls = deadlines, tls
        self._tasks = Tasks()
        self._pools: dict[str, Pool] = {}

    def send(self, endpoint: Endpoint, request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        """request: whole, as bytes. Answer is told of everything that follows, perhaps before this returns."""
        pool = self._pools.get(endpoint.uid)
        if pool is None or (pool.endpoint is not endpoint and not pool.leads_to(endpoint)):
            pool = self._pools[endpoint.uid] = Pool(self, endpoint)
        pool.endpoint = endpoint  # most often the same; else it is so from the next table on
        connection = pool.take()
        if connection is None:
            self.connect(pool, request, answer, timeouts)
        elif answer.on_connection(connection):
            connection.send(request, answer, timeouts)
        else:
            pool.take_back(connection)

    def connect(self, pool: "Pool", request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        """Send on a fresh connection."""
        coroutine = self._connect(pool, request, answer, timeouts)
        self._tasks.spawn(coroutine, name=f"connect to {pool.endpoint.instance}")

    async def settle(self, seconds: float) -> None:
        """Until every connection that is being made is made, or so long."""
        await self._tasks.wait(seconds)

    def forget(self, pool: "Pool") -> None:
        """It has no connection left."""
        if self._pools.get(pool.endpoint.uid) is pool:
            del self._pools[pool.endpoint.uid]

    async def _connect(self, pool: "Pool", request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        endpoint = pool.endpoint
        factory = partial(UpstreamConnection, endpoint.instance, pool, self._deadlines)
        where: dict[str, Any] = {"host": endpoint.host, "port": endpoint.port}
        if endpoint.is_tls:
            where |= {"ssl": self._trust(), "server_hostname": host_name(authority(endpoint))}
        try:
            async with asyncio.timeout(timeouts.connect or None):
                _, connection = await asyncio.get_running_loop().create_connection(factory, **where)
        except TimeoutError:
            sentence = f"instance '{endpoint.instance}' accepted no connection within {timeouts.connect:g} s"
            answer.on_failure(UpstreamBroke(sentence, retry=1.0), is_unsent=True)
        except (OSError, UnicodeError) as error:
            sentence = f"instance '{endpoint.instance}' can't be connected to: {error}"
            answer.on_failure(UpstreamBroke(sentence, retry=1.0), is_unsent=True)
        else:
            if connection.transport.is_closing():
                answer.on_failure(UpstreamBroke(f"instance '{endpoint.instance}' hung up"), is_unsent=True)
            elif answer.on_connection(connection):
                connection.send(request, answer, timeouts)
            else:
                pool.take_back(connection)

    def _trust(self) -> ssl.SSLContext:
        if self._tls is None:
            self._tls = ssl.create_default_context()
        return self._tls

    async def __aenter__(self) -> Self:
        await self._tasks.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for pool in tuple(self._pools.values()):
            pool.close()
        await self._tasks.__aexit__(kind, error, trace)


class Pool:
    """One instance's connections at rest. The last used is taken first, so that those beyond need grow old and go."""

    __slots__ = ("_all", "_idle", "_upstream", "endpoint")

    def __init__(self, upstream: Upstream, endpoint: Endpoint) -> None:
        self.endpoint = endpoint
        self._upstream = upstream
        self._all: set[UpstreamConnection] = set()
        self._idle: list[UpstreamConnection] = []

    def leads_to(self, endpoint: Endpoint) -> bool:
        own = self.endpoint
        return (own.host, own.port, own.is_tls, own.authority) == (
            endpoint.host, endpoint.port, endpoint.is_tls, endpoint.authority,
        )  # fmt: skip

    def take(self) -> UpstreamConnection | None:
        idle = self._idle
        while idle:
            connection = idle.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def take_back(self, connection: UpstreamConnection) -> None:
        if len(self._idle) < MAX_IDLE:
            connection.rest()
            self._idle.append(connection)
        else:
            connection.leave()

    def made(self, connection: UpstreamConnection) -> None:
        self._all.add(connection)
        self._upstream.connects += 1

    def lost(self, connection: UpstreamConnection) -> None:
        self._all.discard(connection)
        if connection in self._idle:
            self._idle.remove(connection)
        if not self._all:
            self._upstream.forget(self)

    def send_again(self, request: bytes, answer: Answer, timeouts: Timeouts) -> None:
        self._upstream.connect(self, request, answer, timeouts)

    def close(self) -> None:
        for connection in tuple(self._all):
            connection.cut()
