"""One thing that changes, who may see it, and how a reader is told of it. Keeps no order and wakes nobody."""

import asyncio
from collections.abc import Iterable, Iterator
from typing import Final

import msgspec

from gateway.core.access import Ownership, Principal, may_read, may_write
from gateway.wire import sse

CHUNK: Final = 64 * 1024  # bytes that are written at once

type Key = tuple[str, str]  # kind and name


class Audience(msgspec.Struct, frozen=True):
    """Who sees something of an adapter. user: whose it is, for what only writers and that user see; "" for readers."""

    ownership: Ownership
    user: str = ""

    def admits(self, principal: Principal) -> bool:
        if not self.user:
            return may_read(principal, self.ownership)
        is_own = principal.id == self.user and may_read(principal, self.ownership)
        return is_own or may_write(principal, self.ownership)


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """One thing as of its last change, `number`. `ever` is who could see it at any time.

    adapter: its own name, or whose session it is. resource, for_writers, status: JSON, encoded once for all readers; a
    status is empty where there is none.
    """

    key: Key
    adapter: str
    number: int
    created: int
    audience: Audience
    ever: tuple[Audience, ...]
    resource: bytes = b""
    for_writers: bytes = b""
    status: bytes = b""
    resource_number: int = 0
    status_number: int = 0
    is_gone: bool = False


class Reader:
    """Somebody who listens: what it was told up to which number. told: what it believes to exist."""

    def __init__(self, principal: Principal, cursor: int, told: set[Key]) -> None:
        self.principal, self.cursor, self.told = principal, cursor, told
        self.wake = asyncio.Event()

    def heard(self, entry: Entry, event_id: str | None) -> Iterator[bytes]:
        """The last event of an entry has its id: who is cut off in between hears the whole entry again."""
        is_new = entry.key not in self.told
        self.told.add(entry.key)
        tells_status = bool(entry.status) and (is_new or entry.status_number > self.cursor)
        if is_new or entry.resource_number > self.cursor:
            own = entry.for_writers if may_write(self.principal, entry.audience.ownership) else entry.resource
            yield block("added" if is_new else "modified", entry.key, own, event_id=None if tells_status else event_id)
        if tells_status:
            yield block("status", entry.key, entry.status, event_id=event_id)


class Change(msgspec.Struct, frozen=True, omit_defaults=True):
    """A ChangeEvent whose resource is encoded already."""

    type: str
    kind: str
    name: str
    resource: msgspec.Raw | None = None


def block(word: str, key: Key, resource: bytes = b"", *, event_id: str | None = None) -> bytes:
    change = Change(word, *key, msgspec.Raw(resource) if resource else None)
    return sse.encode(msgspec.json.encode(change), "change", event_id)


def widened(ever: tuple[Audience, ...], audience: Audience) -> tuple[Audience, ...]:
    """One audience of each creator and user, with all the roles that it ever had."""
    others, roles = [], audience.ownership.required_roles
    for each in ever:
        if (each.ownership.created_by, each.user) == (audience.ownership.created_by, audience.user):
            roles |= each.ownership.required_roles
        else:
            others.append(each)
    return (*others, Audience(Ownership(audience.ownership.created_by, roles), audience.user))


def chunked(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Several events in one write, but never the whole of a large snapshot in memory."""
    waiting = bytearray()
    for block in blocks:
        waiting += block
        if len(waiting) >= CHUNK:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)
