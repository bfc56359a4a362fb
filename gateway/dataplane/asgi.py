"""The HTTP/2 door: an ASGI application in front of another one, which serves MCP paths through the same pipeline.

Gets HTTP/1.1 too, from connections that the lane handed over. Costs a task per request; the lane does not.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final

from gateway.core.ports import Exchange
from gateway.dataplane import replies
from gateway.dataplane.pipeline import is_mcp_path
from gateway.wire.http1 import DEFAULT_LIMITS, HOST, Headers, Limits, Request

WINDOW: Final = 64 * 1024  # bytes that may wait for a slow client before the instance is held up
_ILLEGAL = re.compile(rb"[\x00\r\n]")
_QUERY = re.compile(rb"[\x21-\x7e]*")

type Scope = MutableMapping[str, Any]
type Message = MutableMapping[str, Any]
type Receive = Callable[[], Awaitable[Message]]
type Send = Callable[[Message], Awaitable[None]]
type App = Callable[[Scope, Receive, Send], Awaitable[None]]


class McpDoor:
    """ASGI. serve: of the pipeline. app: gets every path that is not MCP's, websockets and the lifespan.

    request_time: seconds that a body may take; 0 for any.
    """

    def __init__(
        self,
        serve: Callable[[Exchange], None],
        app: App,
        *,
        cut: Callable[[Send], Awaitable[None]],
        limits: Limits = DEFAULT_LIMITS,
        request_time: float = 0.0,
    ) -> None:
        self._serve, self._app, self._cut, self._limits = serve, app, cut, limits
        self._request_time = request_time

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not is_mcp_path(_path(scope)):
            await self._app(scope, receive, send)
            return
        exchange = AsgiExchange(_request(scope), (scope.get("client") or ("",))[0])
        refusal = _refusal(exchange.request, self._limits)
        if refusal is None:
            try:
                async with asyncio.timeout(self._request_time or None):
                    body = await _body(receive, self._limits.body)
            except TimeoutError:
                body, refusal = b"", (408, f"the request was not whole within {self._request_time:g} s")
            if body is None:
                return
            if len(body) > self._limits.body:
                refusal = (413, f"the body exceeds {self._limits.body} bytes")
            exchange.request.body = body
        if refusal is not None:
            media_type, text = replies.unreadable(*refusal)
            is_over = scope["http_version"].startswith("1")  # what follows is not trusted; HTTP/2 has no such header
            closing = [(b"connection", b"close")] if is_over else []
            exchange.respond(refusal[0], [(b"content-type", media_type), *closing], text)
        else:
            self._serve(exchange)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(exchange.deliver(send), name="send an answer")
            watching = tasks.create_task(_watch(exchange, receive, sending), name="watch for the client's leaving")
            sending.add_done_callback(lambda _: watching.cancel())
        if exchange.is_cut:
            await self._cut(send)


class AsgiExchange:
    """ports.Exchange. What is written waits here until `deliver` has sent it."""

    def __init__(self, request: Request, peer: str) -> None:
        self.request, self.peer = request, peer
        self.status = 0
        self.sent = 0
        self.has_started = self.has_ended = self.is_cut = False
        self.on_leave: Callable[[], None] | None = None
        self.on_pause: Callable[[], None] | None = None
        self.on_resume: Callable[[], None] | None = None
        self._messages: list[Message] = []
        self._waiting = 0  # bytes in messages
        self._is_full = False
        self._wake = asyncio.Event()

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        self.start(status, headers, length=len(body))
        self.write(body)
        self.finish()

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        self.has_started, self.status = True, status
        sent = list(headers)
        if length is not None and status != 204:
            sent.append((b"content-length", b"%d" % length))
        self._put({"type": "http.response.start", "status": status, "headers": sent})

    def write(self, chunk: bytes) -> None:
        if not chunk or self.has_ended:
            return
        self.sent += len(chunk)
        self._waiting += len(chunk)
        self._put({"type": "http.response.body", "body": chunk, "more_body": True})
        if self._waiting > WINDOW and not self._is_full:
            self._is_full = True
            if self.on_pause is not None:
                self.on_pause()

    def flush(self) -> None:
        """The head has been on its way since `start`."""

    def finish(self) -> None:
        if not self.has_ended:
            self._end()
            self._put({"type": "http.response.body", "body": b"", "more_body": False})

    def abort(self) -> None:
        """What waits is dropped, and the stream or connection is cut."""
        if not self.has_ended:
            self._end()
            self.is_cut = True
            self._messages.clear()
            self._wake.set()

    def left(self) -> None:
        """The client is gone."""
        if not self.has_ended:
            leave = self.on_leave
            self._end()
            self._messages.clear()
            self._wake.set()
            if leave is not None:
                leave()

    async def deliver(self, send: Send) -> None:
        """Send what is written until the end."""
        while True:
            messages, self._messages, self._waiting = self._messages, [], 0
            for message in messages:
                await send(message)
            if self._is_full and self._waiting <= WINDOW // 2:
                self._is_full = False
                if self.on_resume is not None:
                    self.on_resume()
            if self._messages:
                continue
            if self.has_ended:
                return
            self._wake.clear()
            await self._wake.wait()

    def _put(self, message: Message) -> None:
        self._messages.append(message)
        self._wake.set()

    def _end(self) -> None:
        self.has_ended = True
        self.on_leave = self.on_pause = self.on_resume = None


async def _watch(exchange: AsgiExchange, receive: Receive, sending: asyncio.Task[None]) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
    exchange.left()
    sending.cancel()  # it may wait for room that no one will ever make


def _path(scope: Scope) -> str:
    """As the lane takes it: not unquoted, or one path would get two verdicts."""
    raw: bytes = scope.get("raw_path") or scope["path"].encode()
    return raw.partition(b"?")[0].decode("latin-1")


def _request(scope: Scope) -> Request:
    request = Request()
    request.method, request.path, request.query = scope["method"], _path(scope), scope["query_string"]
    request.headers = [(bytes(name).lower(), bytes(value)) for name, value in scope["headers"]]
    return request


def _refusal(request: Request, limits: Limits) -> tuple[int, str] | None:
    """What HTTP/1.1's parser on the lane refuses by itself, and would reach an instance otherwise."""
    headers: Headers = request.headers
    names = [name for name, _ in headers]
    if b"content-length" in names and b"transfer-encoding" in names:
        return 400, "the body's framing is ambiguous"
    if any(name == b"host" and not HOST.fullmatch(value) for name, value in headers):
        return 400, "Host is not the name of a host"
    if len(headers) > limits.header_count or sum(len(name) + len(value) for name, value in headers) > limits.head:
        return 431, "there are more headers than are taken here, or larger ones"
    if any(_ILLEGAL.search(name) or _ILLEGAL.search(value) for name, value in headers):
        return 400, "a header holds a line break"
    if not _QUERY.fullmatch(request.query):
        return 400, "the query holds more than visible ASCII"
    return None


async def _body(receive: Receive, limit: int) -> bytes | None:
    """The whole body, or a little more than the limit of it; None when the client left before its end."""
    body = bytearray()
    while len(body) <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if not message.get("more_body", False):
            break
    return bytes(body)
