"""What each worker has, who leads and who follows: whom it trusts, which hosts it serves, its bounds. Opens no room."""

import asyncio
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol
from urllib.parse import urlsplit

import msgspec

from gateway.auth.configured import Opened, identity, opened_dev
from gateway.core.errors import GatewayError
from gateway.dataplane.bounds import Bounds
from gateway.dataplane.pipeline import Pipeline
from gateway.settings import Misconfigured, Settings
from gateway.wire.hosts import Hosts, host_name, is_loopback_name
from gateway.workers.door import Onward


async def _at_once(_seconds: float) -> None:
    """Nobody is to be waited for."""


class House(msgspec.Struct, frozen=True):
    """What the server serves. on_stopping: readiness goes, and streams without an end of their own end.

    onward: where a follower's other clients go. inner: local sockets by which they come to the lead. settled: waits for
    who still needs what is closed next, so many seconds at most.
    """

    pipeline: Pipeline
    app: Any
    on_stopping: Callable[[], None]
    onward: Onward | None = None
    inner: tuple[socket.socket, ...] = ()
    settled: Callable[[float], Awaitable[None]] = _at_once


def bounds_of(settings: Settings) -> Bounds:
    return Bounds(
        connections=settings.max_connections,
        connections_per_peer=settings.max_connections_per_peer,
        streams=settings.max_streams,
        sessions=settings.max_sessions,
        parked=settings.max_parked,
        requests=settings.max_requests,
        event=settings.max_event,
        request_time=settings.request_time,
        keep_alive=settings.keep_alive,
    )


def trusted(settings: Settings, variables: Mapping[str, str], keys: list[bytes]) -> Opened:
    """Authentication as configured; dev authentication on loopback without an issuer. Raises Misconfigured."""
    allow_private = allows_private(settings)
    try:
        configured = identity(variables)
        if configured is not None:
            return configured.open(keys, allow_private=allow_private)
        if is_loopback_name(settings.host):
            return opened_dev(variables, settings.dev_roles, allow_private=allow_private)
    except ValueError as error:
        raise Misconfigured(str(error)) from error
    raise Misconfigured(
        f"--bind {settings.host} is reached by others, and no issuer says who they are: configure one "
        "(MCPDECK_ENTRA_TENANT or MCPDECK_OIDC_ISSUERS, see docs/identity.md), or bind 127.0.0.1"
    )


def allows_private(settings: Settings) -> bool:
    """Whether `url` adapters may lie in private networks."""
    is_loopback = is_loopback_name(settings.host)
    return is_loopback if settings.allow_private_urls is None else settings.allow_private_urls


def hosts_of(settings: Settings, public_url: str) -> Hosts:
    """Behind a proxy clients come with the public URL's host, also where only loopback is bound."""
    is_loopback = is_loopback_name(settings.host)
    hosts, origins = settings.allow_hosts, settings.allow_origins
    if public_url:
        hosts = hosts | {host_name(urlsplit(public_url).netloc)} if is_loopback or hosts else hosts
        origins |= {public_url}
    return Hosts(is_loopback, hosts, origins)


def make_private(settings: Settings) -> None:
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise GatewayError(f"--data-dir {settings.data_dir} can't be made: {error.strerror}") from error


class Renewed(Protocol):
    """What seals or signs with the keys that replicas share."""

    def renew(self, shared_keys: Sequence[bytes], /) -> None: ...


def renew(renewed: Iterable[Renewed], keys: Sequence[bytes]) -> None:
    """Keys were rotated."""
    for each in renewed:
        each.renew(keys)


@asynccontextmanager
async def kept_running(tasks: Mapping[str, Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """tasks: by name, none of which ends by itself; they end with this."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(each, name=name) for name, each in tasks.items()]
        yield
        for task in running:
            task.cancel()
