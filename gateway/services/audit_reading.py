"""The audit log as an administrator reads it: the newest first, from the file where there is one, else from memory."""

import asyncio
import os
from collections.abc import Iterable, Iterator
from datetime import datetime
from itertools import islice
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from gateway.core.access import Principal
from gateway.core.errors import Forbidden
from gateway.services.audit import STDOUT, AuditLog
from gateway.wire.audit import AuditRecord, read_line

BLOCK: Final = 64 * 1024
MOST_SEARCHED: Final = 200_000  # lines that one question looks at; a log of many files has its own tools


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """limit: at most that many. text: what any field must contain, whatever its case. since: none from before."""

    limit: int
    text: str = ""
    since: datetime | None = None


async def newest(principal: Principal, audit: AuditLog, wanted: Wanted) -> list[AuditRecord]:
    """Raises Forbidden; OSError where the file can't be read."""
    if not principal.is_admin:
        raise Forbidden("the audit log is for mcp.admin")
    if audit.path in ("", STDOUT):
        return chosen(audit.remembered(), wanted)
    audit.flush()
    return await asyncio.to_thread(chosen_from_files, audit.path, wanted)


def chosen(records: Iterable[AuditRecord], wanted: Wanted) -> list[AuditRecord]:
    """records: the newest first."""
    return list(islice((each for each in _recent(records, wanted.since) if _holds(each, wanted.text)), wanted.limit))


def chosen_from_files(path: str, wanted: Wanted) -> list[AuditRecord]:
    """Of a file and those it was rotated to."""
    lines = islice(backwards(path), MOST_SEARCHED)
    return chosen((record for line in lines if (record := _record_in(line)) is not None), wanted)


def backwards(path: str) -> Iterator[bytes]:
    """The lines of `path`, `path.1`, …, the last first. A torn last line is none."""
    number = 0
    while (file := Path(f"{path}.{number}" if number else path)).exists():
        with file.open("rb") as opened:
            yield from _lines_backwards(opened)
        number += 1


def _lines_backwards(file: BinaryIO) -> Iterator[bytes]:
    position = file.seek(0, os.SEEK_END)
    rest = b""
    is_last = True
    while position:
        size = min(BLOCK, position)
        position -= size
        file.seek(position)
        rest, *lines = (file.read(size) + rest).split(b"\n")
        if is_last and lines:
            lines.pop()  # behind the last line's end: nothing, or what a crash tore
            is_last = False
        yield from reversed(lines)
    if rest and not is_last:
        yield rest


def _record_in(line: bytes) -> AuditRecord | None:
    """None for a line that is none: `mcpdeck audit verify` is there to say so."""
    try:
        return msgspec.json.decode(read_line(line).record, type=AuditRecord)
    except msgspec.DecodeError:
        return None


def _recent(records: Iterable[AuditRecord], since: datetime | None) -> Iterator[AuditRecord]:
    """Records stand in the order of their ends, and say when they began: a long one hides no others."""
    for record in records:
        if since is None or record.at >= since:
            yield record
        elif record.at.timestamp() + record.duration < since.timestamp():
            return


def _holds(record: AuditRecord, text: str) -> bool:
    if not text:
        return True
    sought = text.casefold()
    return any(sought in str(value).casefold() for value in msgspec.structs.astuple(record) if value != "")
