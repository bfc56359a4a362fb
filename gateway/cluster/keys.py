"""`python -m gateway.cluster.keys SECRET`: makes the gateway's keys as a Secret, once. Never reads what there is.

Runs as a Job at installation, with rights of its own: the gateway itself may not write secrets.
"""

import asyncio
import base64
import sys
from collections.abc import Sequence
from typing import Final

from gateway.cluster.api import Api, open_api
from gateway.cluster.objects import SECRET
from gateway.core.affinity import new_key
from gateway.core.errors import Conflict, GatewayError

SEAL_KEYS: Final = "seal.keys"  # as gateway.stores.keys reads it: a key a line, base64


def main(arguments: Sequence[str] | None = None) -> int:
    words = sys.argv[1:] if arguments is None else arguments
    if len(words) != 1:
        sys.stderr.write(f"{__doc__}\n")
        return 2
    try:
        made = asyncio.run(_make(words[0]))
    except GatewayError as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"secret {words[0]} {'made' if made else 'is there already'}\n")
    return 0


async def _make(name: str) -> bool:
    async with open_api() as api:
        return await make_keys(api, name)


async def make_keys(api: Api, name: str) -> bool:
    """Whether there were none. Who else makes them at that moment is no trouble."""
    line = base64.b64encode(new_key()) + b"\n"
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {"name": name, "labels": {"app.kubernetes.io/part-of": "mcpdeck"}},
        "data": {SEAL_KEYS: base64.b64encode(line).decode()},
    }
    try:
        await api.create(SECRET, body)
    except Conflict:
        return False
    return True


if __name__ == "__main__":
    raise SystemExit(main())
