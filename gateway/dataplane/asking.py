"""One request of the gateway's own to an instance, and its whole answer, for who can wait. Never on the fast path."""

import asyncio
from typing import Final

import msgspec

from gateway.core.errors import GatewayError, UpstreamBroke
from gateway.dataplane.connection import UpstreamConnection
from gateway.dataplane.heads import is_event_stream
from gateway.dataplane.plane import Plane, Target
from gateway.dataplane.replies import request_id_of
from gateway.wire import sse
from gateway.wire.http1 import Headers, Request

LARGEST: Final = 4 * 1024 * 1024  # bytes of an answer


class Asked(msgspec.Struct):
    """ports.Asking."""

    request: Request
    peer: str


class Answer(msgspec.Struct, frozen=True):
    """message: the last one of the answer, whether it came as JSON or as an event."""

    status: int
    headers: Headers
    message: bytes

    def header(self, name: bytes) -> bytes | None:
        return next((value for key, value in self.headers if key == name), None)


async def ask(plane: Plane, target: Target, asked: Asked) -> Answer:
    """Raises UpstreamBroke, UpstreamSlow."""
    collecting = _Collecting()
    request = plane.request(target, asked, request_id_of(asked))
    plane.upstream.send(target.endpoint, request, collecting, target.route.timeouts)
    return await collecting.whole


class _Collecting:
    """connection.Answer."""

    def __init__(self) -> None:
        self.whole: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._status = 0
        self._headers: Headers = []
        self._body = bytearray()
        self._connection: UpstreamConnection | None = None

    on_whole = None

    def on_connection(self, connection: UpstreamConnection) -> bool:
        self._connection = connection
        return not self.whole.done()

    def on_head(self, status: int, headers: Headers, length: int | None) -> None:  # noqa: ARG002 - as Answer has it
        self._status, self._headers = status, headers

    def on_body(self, chunk: bytes) -> None:
        self._body += chunk

    def on_read(self) -> None:
        if len(self._body) > LARGEST and self._connection is not None:
            self._connection.cut()
            self.on_failure(UpstreamBroke(f"an answer exceeds {LARGEST} bytes"), is_unsent=False)

    def on_end(self) -> None:
        if not self.whole.done():
            self.whole.set_result(Answer(self._status, self._headers, self._message()))

    def on_failure(self, error: GatewayError, *, is_unsent: bool) -> None:  # noqa: ARG002 - as Answer has it
        if not self.whole.done():
            self.whole.set_exception(error)

    def _message(self) -> bytes:
        media_type = next((value for name, value in self._headers if name == b"content-type"), b"")
        if not is_event_stream(media_type):
            return bytes(self._body)
        told = [event.data for event in sse.Decoder(LARGEST).feed(bytes(self._body)) if event.data]
        return told[-1] if told else b""
