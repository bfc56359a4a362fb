"""The audit log's lines: JSON, each chained to the one before by its hash. Opens no file.

A line that was changed, removed, added or moved breaks the chain at that place. Someone who may rewrite the whole file
can also recompute the whole chain: keep the last hash elsewhere (`mcpdeck audit verify` prints it, and can expect it).
"""

import hashlib
from collections.abc import Iterable
from datetime import datetime
from typing import Final

import msgspec

START: Final = "0" * 64


class AuditRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, rename="camel"):
    """One management action or MCP call. Never arguments, bodies or tokens.

    action: `adapter.create`, `mcp.call`, …. target: what it was done to. method: HTTP's, or of an MCP call JSON-RPC's;
    name: which tool, prompt or resource. status: the HTTP status that the caller got, 0 when it left before one.
    duration in seconds; sizes in bytes. peer: the address that the request came from. detail: why it was refused.
    """

    at: datetime
    action: str
    principal: str = ""
    principal_name: str = ""
    target: str = ""
    instance: str = ""
    method: str = ""
    name: str = ""
    status: int = 0
    duration: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    request_id: str = ""
    peer: str = ""
    detail: str = ""


class Chained(msgspec.Struct, frozen=True):
    """A line: the record's own bytes stay as they were hashed."""

    record: msgspec.Raw
    previous: str
    hash: str


class Broken(msgspec.Struct, frozen=True):
    """Where a chain breaks first. `line` counts from 1 over all files."""

    line: int
    reason: str


class Intact(msgspec.Struct, frozen=True):
    lines: int
    head: str  # the last line's hash: what to keep elsewhere


def chain(record: AuditRecord, previous: str) -> tuple[bytes, str]:
    """A line without its end, and its hash."""
    encoded = msgspec.json.encode(record)
    hashed = _hash(previous, encoded)
    return b'{"record":%b,"previous":"%b","hash":"%b"}' % (encoded, previous.encode(), hashed.encode()), hashed


def read_line(line: bytes) -> Chained:
    """Raises msgspec.DecodeError."""
    return msgspec.json.decode(line, type=Chained)


def verify(lines: Iterable[bytes], *, previous: str | None = None) -> Intact | Broken:
    """previous: the hash that the first line must continue; None takes the first line's word, after a rotation."""
    count = 0
    for count, line in enumerate(lines, start=1):
        try:
            chained = read_line(line)
        except msgspec.DecodeError as error:
            return Broken(count, f"is no audit line: {error}")
        if previous is not None and chained.previous != previous:
            return Broken(count, "does not continue the line before it: lines were removed, added or moved")
        if _hash(chained.previous, bytes(chained.record)) != chained.hash:
            return Broken(count, "was changed after it was written")
        previous = chained.hash
    return Intact(count, previous or START)


def _hash(previous: str, record: bytes) -> str:
    return hashlib.sha256(previous.encode() + b"\n" + record).hexdigest()
