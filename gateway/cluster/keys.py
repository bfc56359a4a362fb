"""`python -m gateway.cluster.keys KEYS REDIS`: makes the gateway's keys and its Redis' password as two Secrets, once.

Runs as a Job at installation, with rights of its own: the gateway itself may not write secrets. Never reads what there
is, so that a Secret made by hand (another Redis' url) stands.
"""

import asyncio
import base64
import secrets
import sys
from collections.abc import Mapping, Sequence
from typing import Final

from gateway.cluster.api import Api, open_api
from gateway.cluster.objects import SECRET
from gateway.core.affinity import new_key
from gateway.core.errors import Conflict, GatewayError

SEAL_KEYS: Final = "seal.keys"  # as gateway.stores.keys reads it: a key a line, base64
REDIS_URL: Final = "url"
REDIS_FILE: Final = "redis.conf"
REDIS_HOST: Final = "mcpdeck-redis:6379"  # manifests/components/replicas
_PASSWORD_BYTES: Final = 32


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 2:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        made = asyncio.run(_make(*words))
    except GatewayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    for name, is_new in made.items():
        sys.stdout.write(f"secret {name} {'made' if is_new else 'is there already'}\n")
    return 0


async def _make(keys: str, redis: str) -> dict[str, bool]:
    async with open_api() as api:
        return {
            keys: await make(api, keys, seal_keys()),
            redis: await make(api, redis, redis_access()),
        }


def seal_keys() -> dict[str, bytes]:
    return {SEAL_KEYS: base64.b64encode(new_key()) + b"\n"}


def redis_access() -> dict[str, bytes]:
    """What the gateway connects with, and the file that has Redis ask for it. The url's password needs no quoting."""
    password = secrets.token_urlsafe(_PASSWORD_BYTES)
    return {
        REDIS_URL: f"redis://:{password}@{REDIS_HOST}/0".encode(),
        REDIS_FILE: f"requirepass {password}\n".encode(),
    }


async def make(api: Api, name: str, values: Mapping[str, bytes]) -> bool:
    """Whether there was none. Who else makes it at that moment is no trouble."""
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "mcpdeck"}},
        "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
    }
    try:
        await api.create(SECRET, body)
    except Conflict:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
