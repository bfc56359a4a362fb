"""An HTTP/2 client on the h2 package, in plain text or over TLS, that takes what comes one event at a time."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import h2.connection
import h2.events

PATIENCE = 10.0

type Pairs = Sequence[tuple[str, str]]


class Http2Client:
    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer
        config = h2.config.H2Configuration(header_encoding=None, validate_outbound_headers=False)
        config.normalize_outbound_headers = False
        self.h2 = h2.connection.H2Connection(config)
        self.h2.initiate_connection()
        self._events: list[h2.events.Event] = []
        self.reads_on = True  # False: what arrives is not acknowledged, so that windows fill

    async def send(self, body: bytes = b"", *, method: str = "POST", path: str = "", headers: Pairs = ()) -> int:
        """A request on a stream of its own, whose number it gives."""
        stream = self.h2.get_next_available_stream_id()
        pseudo = [(":method", method), (":path", path), (":scheme", "http"), (":authority", "localhost")]
        self.h2.send_headers(stream, [*pseudo, *headers], end_stream=not body)
        if body:
            self.h2.send_data(stream, body, end_stream=True)
        await self._flush()
        return stream

    async def reset(self, stream: int) -> None:
        self.h2.reset_stream(stream)
        await self._flush()

    async def next[T: h2.events.Event](self, kind: type[T]) -> T:
        """The next event of a kind; others are passed over."""
        async with asyncio.timeout(PATIENCE):
            while True:
                while self._events:
                    event = self._events.pop(0)
                    if isinstance(event, kind):
                        return event
                await self._read()

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """Status, headers and whole body of the next answer."""
        head = await self.next(h2.events.ResponseReceived)
        headers = {bytes(name).decode(): bytes(value).decode() for name, value in head.headers or ()}
        body = b""
        while not isinstance(event := await self.next(h2.events.Event), h2.events.StreamEnded):
            if isinstance(event, h2.events.DataReceived):
                body += event.data or b""
        return int(headers.pop(":status")), headers, body

    async def ended(self) -> None:
        """Returns once the gateway has closed the connection."""
        async with asyncio.timeout(PATIENCE):
            while await self.reader.read(65536):
                pass

    async def data(self) -> bytes:
        return (await self.next(h2.events.DataReceived)).data or b""

    async def _read(self) -> None:
        data = await self.reader.read(65536)
        if not data:
            raise ConnectionError("the gateway closed the connection")
        for event in self.h2.receive_data(data):
            if isinstance(event, h2.events.DataReceived) and self.reads_on:
                self.h2.acknowledge_received_data(event.flow_controlled_length or 0, event.stream_id or 0)
            self._events.append(event)
        await self._flush()

    async def _flush(self) -> None:
        self.writer.write(self.h2.data_to_send())
        await self.writer.drain()


@asynccontextmanager
async def http2_client(port: int, tls: ssl.SSLContext | None = None) -> AsyncIterator[Http2Client]:
    name = "localhost" if tls is not None else None
    reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname=name)
    try:
        yield Http2Client(reader, writer)
    finally:
        writer.transport.abort()
