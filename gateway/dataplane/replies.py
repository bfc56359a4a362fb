"""The gateway's own answers on the data plane: JSON-RPC errors, whole or as the last event of a stream."""

import itertools
import secrets
from typing import Final

from gateway.core import render
from gateway.core.errors import GatewayError, HeadersTooLarge, MethodNotAllowed, TooLarge
from gateway.core.ports import Asking, Exchange
from gateway.dataplane.heads import REQUEST_ID
from gateway.wire import jsonrpc, mcp, sse

JSON: Final = (b"content-type", b"application/json")
_LONGEST_REQUEST_ID: Final = 128
_SLUGS: Final = {
    408: "request-too-slow",
    413: TooLarge.slug,
    429: "too-many-connections",
    431: HeadersTooLarge.slug,
    503: "too-many-connections",
}

_prefix = secrets.token_hex(6).encode()
_numbers = itertools.count()


def request_id_of(exchange: Asking) -> bytes:
    """The client's X-Request-Id, or a new one."""
    given = exchange.request.header(REQUEST_ID)
    return given if given and len(given) <= _LONGEST_REQUEST_ID else new_request_id()


def new_request_id() -> bytes:
    return b"%b-%x" % (_prefix, next(_numbers))


def refuse(
    exchange: Exchange, error: GatewayError, raw_id: bytes | None = None, *, request_id: bytes | None = None
) -> None:
    """Answer with an error. raw_id: the JSON-RPC request's, where it is known. request_id: as request_id_of gave it."""
    headers = [JSON, (REQUEST_ID, request_id or request_id_of(exchange))]
    retry = render.retry_after(error)
    if retry is not None:
        headers.append((b"retry-after", retry))
    challenge = render.www_authenticate(error, exchange.request.path)
    if challenge is not None:
        headers.append((b"www-authenticate", challenge))
    if isinstance(error, MethodNotAllowed):
        headers.append((b"allow", b"POST, GET, DELETE"))
    exchange.respond(error.status, headers, render.as_jsonrpc(error, raw_id))


def last_event(error: GatewayError, raw_id: bytes) -> bytes:
    """An error as the final event of the stream that should have carried the response."""
    return sse.encode(render.as_jsonrpc(error, raw_id))


def end_of_subscription(raw_id: bytes) -> bytes:
    """The result with which a server that shuts down ends `subscriptions/listen` (2026-07-28, subscriptions)."""
    meta = b'{"resultType":"complete","_meta":{"%b":%b}}' % (mcp.META_SUBSCRIPTION_ID.encode(), raw_id)
    return sse.encode(b'{"jsonrpc":"2.0","id":%b,"result":%b}' % (raw_id, meta))


def unreadable(status: int, sentence: str) -> tuple[bytes, bytes]:
    """What to tell the client of a request that is not HTTP, or too large: a media type, and the body."""
    data = {"source": "mcpdeck", "code": _SLUGS.get(status, "unreadable")}
    code = jsonrpc.INVALID_REQUEST if status == 400 else status
    return JSON[1], jsonrpc.error(None, code, sentence, data)
