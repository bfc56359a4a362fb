"""What a follower does not serve itself goes on to the lead: the client's connection, byte for byte, by a local socket.

Both halves: `Onward` in followers, `Inward` in the lead. Neither looks at what passes.
"""

import asyncio
import contextlib
import logging
import struct
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

from gateway.core import render
from gateway.core.errors import NothingReady
from gateway.workers.words import DOOR

_LENGTH: Final = struct.Struct(">H")
_LONGEST: Final = 256  # bytes of a client's address

log = logging.getLogger(__name__)


class _Pipe(asyncio.Protocol):
    """One of two ends: what comes here leaves there, as fast as it is taken there."""

    def __init__(self, gone: Callable[[], None]) -> None:
        self.transport: asyncio.Transport | None = None
        self.other: asyncio.Transport | None = None
        self._gone = gone

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        if self.other is not None:
            self.other.write(data)

    def eof_received(self) -> bool:
        if self.other is not None and self.other.can_write_eof():
            self.other.write_eof()
            return True
        return False

    def pause_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and not self.other.is_closing():
            self.other.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        other, self.other = self.other, None
        if other is not None:
            if exc is None:
                other.close()
            else:
                other.abort()
        self._gone()


class Onward:
    """server.Others: clients that go on to the lead. `async with`: at its end every one is cut."""

    def __init__(self, folder: Path) -> None:
        self.on_gone: Callable[[asyncio.BaseTransport], None] | None = None
        self.peer_of: Callable[[asyncio.BaseTransport], str] | None = None
        self._path = str(folder / DOOR)
        self._open: set[asyncio.Transport] = set()
        self._none_left = asyncio.Event()
        self._group = asyncio.TaskGroup()

    def take(self, transport: asyncio.Transport, received: bytes) -> None:
        """From now on what comes on a transport is the lead's, those bytes already received first."""
        client = _Pipe(lambda: self._forget(transport))
        self._open.add(transport)
        transport.pause_reading()
        transport.set_protocol(client)
        client.connection_made(transport)
        self._group.create_task(self._connect(client, transport, received), name="send a client on to the lead")

    async def drain(self, seconds: float) -> None:
        """Until the lead has let all of them go, or so long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._open:
                    self._none_left.clear()
                    await self._none_left.wait()

    def _forget(self, transport: asyncio.Transport) -> None:
        self._open.discard(transport)
        if self.on_gone is not None:
            self.on_gone(transport)
        if not self._open:
            self._none_left.set()

    async def _connect(self, client: _Pipe, transport: asyncio.Transport, received: bytes) -> None:
        try:
            onward, inner = await asyncio.get_running_loop().create_unix_connection(
                lambda: _Pipe(lambda: None), self._path
            )
        except OSError as error:
            log.warning("a client can't be sent on to the lead: %s", error)
            transport.write(_sorry())
            transport.close()
            return
        if transport.is_closing():
            onward.abort()
            return
        peer = (self.peer_of(transport) if self.peer_of is not None else "").encode()[:_LONGEST]
        onward.write(_LENGTH.pack(len(peer)) + peer + received)
        client.other, inner.other = onward, transport
        transport.resume_reading()

    async def __aenter__(self) -> Self:
        await self._group.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for transport in tuple(self._open):
            transport.abort()
        await self._group.__aexit__(kind, error, trace)


class Inward(asyncio.Protocol):
    """A follower's client, until it has been said who that is. make: a door's protocol for a client of this address."""

    def __init__(self, make: Callable[[str], asyncio.Protocol]) -> None:
        self._make = make
        self._received = b""
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        transport = self._transport
        received = self._received = self._received + data
        if transport is None or len(received) < _LENGTH.size:
            return
        (length,) = _LENGTH.unpack_from(received)
        end = _LENGTH.size + length
        if len(received) < end:
            return
        protocol = self._make(received[_LENGTH.size : end].decode())
        transport.set_protocol(protocol)
        protocol.connection_made(transport)
        if received[end:]:
            protocol.data_received(received[end:])


def _sorry() -> bytes:
    error = NothingReady("the gateway's management starts anew; try again soon")
    body = render.encode_problem(render.as_problem(error))
    head = b"HTTP/1.1 503 Service Unavailable\r\ncontent-type: application/problem+json\r\nretry-after: 2\r\n"
    return head + b"connection: close\r\ncontent-length: %d\r\n\r\n%b" % (len(body), body)
