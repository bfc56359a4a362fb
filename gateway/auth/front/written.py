"""How the front's values are written for a vault, and read again. Knows none of them."""

import logging
from typing import Any

import msgspec

log = logging.getLogger(__name__)


def written(value: Any) -> bytes:
    return msgspec.msgpack.encode(value)


def read[Value](found: bytes | None, of: type[Value]) -> Value | None:
    """None for nothing, and for what a gateway of another version wrote."""
    if found is None:
        return None
    try:
        return msgspec.msgpack.decode(found, type=of)
    except msgspec.MsgspecError as error:
        log.warning("front: what another replica kept is not understood: %s", error)
        return None
