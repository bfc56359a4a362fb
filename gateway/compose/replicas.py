"""What replicas share, where there are several: asked for, opened, and given to who tells others of what it has."""

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

from gateway.services.homes import Homes
from gateway.services.sessions import Sessions
from gateway.services.traffic import Traffic
from gateway.settings import Misconfigured
from gateway.stores.configured import Sharing, sharing
from gateway.toolrouter.router import Router

if TYPE_CHECKING:
    from gateway.stores.redis_shared import RedisShared


def shares_of(variables: Mapping[str, str]) -> Sharing | None:
    try:
        return sharing(variables)
    except ValueError as error:
        raise Misconfigured(str(error)) from error


def open_shared(shares: Sharing, keys: Sequence[bytes]) -> AbstractAsyncContextManager["RedisShared"]:
    from gateway.stores.redis_shared import open_redis

    return open_redis(shares.redis_url, keys, ttl=shares.ttl)


def share(
    shares: Sharing, shared: "RedisShared", sessions: Sessions, traffic: Traffic, router: Router
) -> tuple[str, Homes]:
    """What there is to share is from now on. Where this replica is, and where others are."""
    sessions.share(shared)
    traffic.share(shared)
    router.share(shared, is_strict=shares.is_strict)
    home = f"{shares.replica_url}#{shared.name}"
    return home, Homes(shared, home)
