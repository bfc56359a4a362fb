"""The gateway's own answers at /mcp: results, errors and event streams, on whatever exchange a client came by."""

from typing import Any, Final

import msgspec

from gateway.core import render
from gateway.core.errors import GatewayError, MethodNotAllowed
from gateway.core.ports import Exchange
from gateway.toolrouter.asking import IDENTITY
from gateway.toolrouter.inner import JSON
from gateway.wire import jsonrpc, mcp, sse
from gateway.wire.mcp import Era

STREAM: Final = (
    (b"content-type", b"text/event-stream"),
    (b"cache-control", b"no-cache, no-transform"),
    (b"x-accel-buffering", b"no"),
)
QUIET_TICKS: Final = 3  # ticks without a word after which a stream gets a comment
_UNREAD: Final = 8 * 1024 * 1024  # bytes that may wait for a client that does not read its stream
_TEXT: Final = (b"content-type", b"text/plain; charset=utf-8")
_META: Final = {mcp.META_SERVER_INFO: IDENTITY}


def result(exchange: Exchange, raw_id: bytes, encoded: bytes, *headers: tuple[bytes, bytes]) -> None:
    """encoded: the result as JSON."""
    if not exchange.has_ended:
        exchange.respond(200, (JSON, *headers), b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (raw_id, encoded))


def own_result(era: Era, content: dict[str, Any]) -> bytes:
    """A result of the gateway's own making, as its era wants it."""
    if era is Era.LEGACY:
        return msgspec.json.encode(content)
    return msgspec.json.encode({"resultType": "complete", **content, "_meta": _META | content.get("_meta", {})})


def tool_error(era: Era, sentence: str) -> bytes:
    """What a model reads of a call that could not be made: a result, not an error (tools, Error Handling)."""
    return own_result(era, {"content": [{"type": "text", "text": sentence}], "isError": True})


def rpc_error(exchange: Exchange, era: Era, raw_id: bytes | None, code: int, sentence: str, data: Any = None) -> None:
    """A JSON-RPC error of the protocol's own codes; in the handshake era those travel with 200."""
    if not exchange.has_ended:
        status = mcp.HTTP_STATUS_OF_CODE.get(code, 200) if era is Era.MODERN or raw_id is None else 200
        exchange.respond(status, (JSON,), jsonrpc.error(raw_id, code, sentence, data))


def refuse(exchange: Exchange, error: GatewayError, raw_id: bytes | None = None) -> None:
    if exchange.has_ended:
        return
    headers = [JSON]
    if (retry := render.retry_after(error)) is not None:
        headers.append((b"retry-after", retry))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST, GET, DELETE"))
    exchange.respond(error.status, headers, render.as_jsonrpc(error, raw_id))


def bare(exchange: Exchange, status: int, sentence: str = "") -> None:
    if not exchange.has_ended:
        exchange.respond(status, (_TEXT,) if sentence else (), sentence.encode())


class Stream:
    """An event stream that has no end of its own, or whose end somebody else knows."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange
        self._quiet = self._unread = 0
        self._is_paused = False
        exchange.on_pause, exchange.on_resume = self._paused, self._resumed
        exchange.start(200, STREAM)
        exchange.flush()

    @property
    def is_open(self) -> bool:
        return not self._exchange.has_ended

    def event(self, data: bytes, event_id: str | None = None) -> None:
        self.raw(sse.encode(data, event_id=event_id))

    def raw(self, block: bytes) -> None:
        """One whole event, as bytes."""
        if self._exchange.has_ended:
            return
        self._quiet = 0
        self._exchange.write(block)
        if self._is_paused:
            self._unread += len(block)
            if self._unread > _UNREAD:
                leave = self._exchange.on_leave
                self._exchange.abort()
                if leave is not None:
                    leave()

    def tick(self) -> None:
        self._quiet += 1
        if self._quiet >= QUIET_TICKS and not self._is_paused:
            self.raw(sse.comment("keep-alive"))

    def finish(self) -> None:
        if not self._exchange.has_ended:
            self._exchange.finish()

    def _paused(self) -> None:
        self._is_paused, self._unread = True, 0

    def _resumed(self) -> None:
        self._is_paused = False
