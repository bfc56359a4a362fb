"""What other replicas recorded, for who reads it here; and what was recorded here, for them. Reads no message.

A part comes page by page, as it is read, so that no replica holds another one's whole. One that can't be had is a gap.
"""

import asyncio
import heapq
import time
from collections.abc import AsyncIterator, Collection, Iterable, Iterator
from typing import Final, Protocol

import msgspec

from gateway.core.errors import GatewayError
from gateway.core.recordings import Kept, Missing
from gateway.core.sharing import Shared
from gateway.services.traffic_recorder import gap
from gateway.wire.names import AdapterName
from gateway.wire.traffic import RecordingPart

READ: Final = "read a recording"
HELD: Final = "what is recorded"
PAGE: Final = 256 * 1024  # bytes of one answer, and a message more

_encode = msgspec.msgpack.encode


class Ask(msgspec.Struct, frozen=True, array_like=True):
    """after: what has a higher number."""

    adapter: AdapterName
    session: str = ""
    after: int = 0


class Page(msgspec.Struct, frozen=True, array_like=True):
    """replica: its name, for who reads. is_last: nothing is behind this."""

    replica: str
    kept: list[Kept]
    is_last: bool


class Desk(Protocol):
    """This replica's recorders."""

    def here(self, adapter: AdapterName, session: str, after: int = 0) -> Iterator[Kept]: ...

    async def part(self, adapter: AdapterName) -> RecordingPart: ...

    async def recall(self, names: Collection[AdapterName]) -> None: ...


class RecordingsElsewhere:
    """name: this replica's, for who reads."""

    def __init__(self, shared: Shared, desk: Desk, name: str) -> None:
        self.name = name
        self._shared, self._desk = shared, desk
        shared.serve(READ, self._read)
        shared.serve(HELD, self._tell)

    def parts(self, adapter: AdapterName, session: str) -> list[AsyncIterator[Kept]]:
        """The others', of which each names its replica."""
        if self._shared.trouble:
            return [named([_gap(adapter, _apart(self._shared.trouble))], self.name)]
        return [self._part(replica, adapter, session) for replica in self._shared.others]

    async def held(self, adapter: AdapterName) -> list[RecordingPart]:
        if self._shared.trouble:
            return [RecordingPart(trouble=_apart(self._shared.trouble))]
        async with asyncio.TaskGroup() as tasks:
            asked = [tasks.create_task(self._held(replica, adapter)) for replica in self._shared.others]
        return [each.result() for each in asked]

    async def _held(self, replica: str, adapter: AdapterName) -> RecordingPart:
        try:
            answer = await self._shared.ask(replica, HELD, _encode(Ask(adapter)))
        except GatewayError as error:
            return RecordingPart(replica=replica, trouble=error.detail)
        return msgspec.msgpack.decode(answer, type=RecordingPart)

    async def _part(self, replica: str, adapter: AdapterName, session: str) -> AsyncIterator[Kept]:
        name, after, is_last = replica, 0, False
        while not is_last:
            try:
                answer = await self._shared.ask(replica, READ, _encode(Ask(adapter, session, after)))
            except GatewayError as error:
                yield _named(_gap(adapter, f"what replica {name} recorded can't be had: {error.detail}"), name)
                return
            page = msgspec.msgpack.decode(answer, type=Page)
            name, is_last = page.replica, page.is_last
            for kept in page.kept:
                after = kept.number
                yield _named(kept, name)

    # for the others

    async def _read(self, body: bytes) -> bytes:
        ask = msgspec.msgpack.decode(body, type=Ask)
        await self._desk.recall((ask.adapter,))
        found: list[Kept] = []
        size = 0
        for kept in self._desk.here(ask.adapter, ask.session, ask.after):
            if size >= PAGE:
                return _encode(Page(self.name, found, is_last=False))
            found.append(kept)
            size += len(kept.line)
        return _encode(Page(self.name, found, is_last=True))

    async def _tell(self, body: bytes) -> bytes:
        return _encode(await self._desk.part(msgspec.msgpack.decode(body, type=Ask).adapter))


async def merged(parts: Iterable[AsyncIterator[Kept]]) -> AsyncIterator[Kept]:
    """By time; each part in its own order. One message of each is held, and what its page has."""
    sources = list(parts)
    async with asyncio.TaskGroup() as tasks:
        first = [tasks.create_task(_next(each)) for each in sources]
    heads = [(kept.at, at, kept) for at, task in enumerate(first) if (kept := task.result()) is not None]
    heapq.heapify(heads)
    while heads:
        _, at, kept = heads[0]
        yield kept
        following = await _next(sources[at])
        if following is None:
            heapq.heappop(heads)
        else:
            heapq.heapreplace(heads, (max(following.at, kept.at), at, following))


async def named(kept: Iterable[Kept], replica: str) -> AsyncIterator[Kept]:
    for each in kept:
        yield _named(each, replica)


def _named(kept: Kept, replica: str) -> Kept:
    """With its replica in its JSON, which is an object with members."""
    line = b'{"replica":%b,%b' % (msgspec.json.encode(replica), kept.line[1:])
    return msgspec.structs.replace(kept, line=line)


async def _next(part: AsyncIterator[Kept]) -> Kept | None:
    return await anext(part, None)


def _gap(adapter: AdapterName, reason: str) -> Kept:
    now = time.time()
    return gap(adapter, Missing(0, now, now, reason))


def _apart(trouble: str) -> str:
    return f"what other replicas recorded can't be had: {trouble}"
