"""MCP traffic as it is watched and recorded: one JSON-RPC message each, camelCase on the wire. Hides and pairs nothing.

`GET /sessions/live/{id}/traffic`, `GET /adapters/{name}/traffic` and `GET /traffic` send them as server-sent events:
`message` (a TrafficMessage, with an id), `dropped` (Dropped), `end` (Ended, then the stream closes). A recording is a
TrafficMessage per line.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final

import msgspec

MESSAGE: Final = "message"
DROPPED: Final = "dropped"
END: Final = "end"
JSONL: Final = "application/jsonl"
PAYLOAD: Final = 64 * 1024  # bytes of a message that are shown


class Sender(StrEnum):
    """Who said it."""

    CLIENT = "client"
    SERVER = "server"
    GATEWAY = "gateway"


class Kind(StrEnum):
    """What a message is. `http`: an exchange that carries none of its own, such as the GET that opens a stream.

    `gap`: none, but the gateway's word that something is missing here, which `error` says why.
    """

    REQUEST = "request"
    RESPONSE = "response"
    NOTIFICATION = "notification"
    HTTP = "http"
    GAP = "gap"


class TrafficMessage(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One message between a client and an adapter, as the client has it (a bridged one in the client's era).

    number: ascending in the gateway that saw it. session: as in LiveSession; of a modern client, its group.
    method, target: of a request or notification, and which tool, prompt or resource; of a response, its request's.
    id: JSON-RPC's. answers: the number of the request that this responds to, which gives a pair. under: the number of
    the call in whose course it came, such as progress and what a server asks meanwhile. follows: the number of the call
    that this one takes up again (2026-07-28: `requestState`).
    duration: of a response, seconds since its request. verb, status: of HTTP; a status of 0 is none yet.
    error: in a sentence what went wrong (JSON-RPC, the tool, HTTP, or that no response came); "" where nothing did.
    size: bytes of the whole message. payload: the message, its secrets hidden. excerpt: its beginning as text instead,
    where it is larger than PAYLOAD; neither is there where it is far too large. redacted: how many values are hidden.
    headers: some of the request's, on requests, and of the answer's, on responses; credentials are never among them.
    replica: of the gateways that recorded, where there are several, the one that did; numbers are its own.
    lost: of a gap, which lasted for `duration`, messages that are known to be missing.
    """

    number: int
    at: datetime
    adapter: str
    instance: str = ""
    session: str = ""
    principal: str = ""
    era: str = ""
    sender: Sender
    kind: Kind
    method: str = ""
    target: str = ""
    id: str | int | float | None = None
    answers: int = 0
    under: int = 0
    follows: int = 0
    duration: float | None = None
    verb: str = ""
    status: int = 0
    error: str = ""
    size: int = 0
    payload: Any = None
    excerpt: str = ""
    redacted: int = 0
    headers: dict[str, str] = {}
    request_id: str = ""
    replica: str = ""
    lost: int = 0


class RecordingPart(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What one gateway holds of an adapter's recording. replica: its name, where there are several.

    since: the oldest message's time. bytes: of its messages. gaps: where something is missing. at_rest: whether it lies
    on a disk as well, encrypted, with `bytes_at_rest`. lost: messages that were not kept there, since the gateway
    started. trouble: why nothing is kept there now, or why the part can't be had, in a sentence; "" where all is well.
    """

    replica: str = ""
    since: datetime | None = None
    messages: int = 0
    bytes: int = 0
    gaps: int = 0
    at_rest: bool = False
    bytes_at_rest: int = 0
    lost: int = 0
    trouble: str = ""


class RecordingStatus(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """How much of an adapter's traffic is recorded, and where: of each replica."""

    adapter: str
    parts: list[RecordingPart]


class Dropped(msgspec.Struct, frozen=True, rename="camel"):
    """So many messages were lost here: they came faster than they were read."""

    count: int


class Ended(msgspec.Struct, frozen=True, rename="camel"):
    """Nothing more will come; why, in a sentence."""

    reason: str
