"""What the workers of one gateway tell each other, and how it is written. Understands nothing of it."""

import asyncio
import struct
from typing import Final

import msgspec

from gateway.core.access import Principal
from gateway.core.routes import Endpoint, Route
from gateway.services.counts import Counts
from gateway.wire.audit import AuditRecord
from gateway.wire.mcp import Era
from gateway.wire.names import AdapterName

LINK, DOOR = "link", "door"  # sockets in the workers' folder
LONGEST: Final = 256 * 1024 * 1024
_LENGTH: Final = struct.Struct(">I")


class Table(msgspec.Struct, frozen=True, tag=True):
    """From the lead: where requests go. is_weighed: policies have a say on adapters' own routes. listened: adapters
    whose clients are to come to the lead, since somebody listens there."""

    routes: list[Route]
    is_weighed: bool
    listened: list[AdapterName] = []


class Ended(msgspec.Struct, frozen=True, tag=True):
    """From the lead: sessions that were ended, by the server's own id and its instance's uid."""

    sessions: list[tuple[bytes, str]]


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one live session, or group of calls. counts: how they have changed since it was told of last.

    is_closed: its server, or its client, ended it.
    """

    session: bytes | None
    adapter: AdapterName
    endpoint: Endpoint
    principal: Principal
    era: Era
    client: tuple[str, str, str]
    opened_at: float
    used_at: float
    counts: Counts
    last_error: str = ""
    last_error_at: float = 0.0
    durations: list[float] = []
    is_closed: bool = False


class Report(msgspec.Struct, frozen=True, tag=True):
    """From a follower. counters: by name, since its start. audit: what it has to say for the log."""

    number: int
    counters: dict[str, int]
    changes: list[Change]
    audit: list[AuditRecord]


_encode = msgspec.msgpack.Encoder().encode
_from_lead = msgspec.msgpack.Decoder(Table | Ended)
_from_follower = msgspec.msgpack.Decoder(Report)


def framed(message: Table | Ended | Report) -> bytes:
    body = _encode(message)
    return _LENGTH.pack(len(body)) + body


async def heard_from_lead(reader: asyncio.StreamReader) -> Table | Ended:
    """Raises EOFError when it is gone."""
    told: Table | Ended = _from_lead.decode(await _frame(reader))
    return told


async def heard_from_follower(reader: asyncio.StreamReader) -> Report:
    """Raises EOFError when it is gone."""
    return _from_follower.decode(await _frame(reader))


async def _frame(reader: asyncio.StreamReader) -> bytes:
    try:
        (length,) = _LENGTH.unpack(await reader.readexactly(_LENGTH.size))
        return await reader.readexactly(min(length, LONGEST))
    except (asyncio.IncompleteReadError, ConnectionError) as error:
        raise EOFError from error
