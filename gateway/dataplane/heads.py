"""What of a request's head an upstream sees, and what of its answer's head a client sees. Pure: bytes in, bytes out.

Towards the upstream everything passes but what is stripped; towards the client nothing passes but what is allowed.
"""

import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Final

import msgspec

from gateway.core.access import Principal
from gateway.core.routes import Endpoint, Route
from gateway.wire import mcp
from gateway.wire.http1 import OWN, Headers, Request
from gateway.wire.mcp import Era

REQUEST_ID: Final = b"x-request-id"
EVENT_STREAM: Final = b"text/event-stream"

_STRIPPED: Final = frozenset({
    b"authorization", b"cookie", b"x-gateway-secret", b"forwarded",
    b"connection", b"keep-alive", b"proxy-connection", b"proxy-authorization", b"proxy-authenticate",
    b"te", b"trailer", b"transfer-encoding", b"upgrade", b"content-length", b"expect",  # hop by hop
    b"host", b"accept-encoding", REQUEST_ID, mcp.SESSION_HEADER,  # ours to say
})  # fmt: skip
_STRIPPED_PREFIXES: Final = (b"x-mcp-", b"x-forwarded-")
_ALLOWED: Final = frozenset({
    b"cache-control", b"etag", b"last-modified", b"vary", b"retry-after", REQUEST_ID, b"x-correlation-id",
})  # fmt: skip
_ALLOWED_PREFIX: Final = b"content-"
_CONTROL = re.compile(rb"[\x00-\x1f\x7f]")
_PERSISTENCE: Final = (b"keep-alive", b"close", b"")
_KNOWN_NAMES: Final = 1024
_LISTEN: Final = mcp.LISTEN.encode()


class Opening(msgspec.Struct, frozen=True):
    """What requests with heads that are alike begin with for an instance. own: which of their headers follow it, by
    their places, since each request has its own there."""

    lines: bytes
    own: Sequence[int] = ()


def upstream_opening(
    request: Request, route: Route, endpoint: Endpoint, *, session: bytes | None, identity: bytes
) -> Opening:
    """How a request with this head begins for an instance. session: its own id. identity: of `identity_lines`."""
    lines, own = [_request_line(request, endpoint), _host_lines(endpoint), identity], []
    if session is not None:
        lines.append(b"mcp-session-id: %b" % session)
    hidden = _hidden(request, route)
    for at, (name, value) in enumerate(request.headers):
        passes = _passes.get(name)
        if passes is None:
            passes = _learn(name)
        if passes and name not in hidden:
            if OWN.fullmatch(name):
                own.append(at)
            else:
                lines.append(b"%b: %b" % (name, value))
    lines += [b"%b: %b" % each for each in route.headers]
    return Opening(b"\r\n".join(lines), tuple(own))


def upstream_request(opening: Opening, request: Request, *, request_id: bytes, fresh: bytes = b"") -> bytes:
    """The whole request. fresh: header lines that are this request's own, each after a line break."""
    body = request.body
    for at in opening.own:
        fresh += b"\r\n%b: %b" % request.headers[at]
    if body or request.method == "POST":
        return b"%b%b\r\nx-request-id: %b\r\ncontent-length: %d\r\n\r\n%b" % (
            opening.lines,
            fresh,
            request_id,
            len(body),
            body,
        )
    return b"%b%b\r\nx-request-id: %b\r\n\r\n" % (opening.lines, fresh, request_id)


def client_headers(headers: Headers) -> Headers:
    """What passes of an answer's headers. Neither the length nor the session id: those are the gateway's to say."""
    return [pair for pair in headers if _seen.get(pair[0]) or (pair[0] not in _seen and _look_at(pair[0]))]


def media_type(headers: Headers) -> bytes:
    for name, value in headers:
        if name == b"content-type":
            return value.partition(b";")[0].strip().lower()
    return b""


@lru_cache(maxsize=256)
def is_event_stream(content_type: bytes) -> bool:
    return content_type.partition(b";")[0].strip().lower() == EVENT_STREAM


@lru_cache(maxsize=4096)
def identity_lines(principal: Principal, peer: str, host: bytes, scheme: str) -> bytes:
    """Who calls and from where, as header lines joined. Text that a header can't hold becomes question marks."""
    node = f"[{peer}]" if ":" in peer else peer
    said = {
        b"x-mcp-userid": principal.id.encode(),
        b"x-mcp-username": principal.name.encode(),
        b"x-mcp-roles": ",".join(sorted(principal.roles)).encode(),
        b"forwarded": b'for="%b";host="%b";proto=%b' % (node.encode(), host.replace(b'"', b""), scheme.encode()),
    }
    return b"\r\n".join(b"%b: %b" % (name, _CONTROL.sub(b"?", value)) for name, value in said.items())


def authority(endpoint: Endpoint) -> str:
    """What an instance is called in Host."""
    if endpoint.authority:
        return endpoint.authority
    return f"[{endpoint.host}]:{endpoint.port}" if ":" in endpoint.host else f"{endpoint.host}:{endpoint.port}"


def session_in(query: bytes) -> bytes | None:
    """A session id from `?session_id=`, as Microsoft's gateway takes it."""
    for part in query.split(b"&"):
        name, _, value = part.partition(b"=")
        if name == b"session_id" and value:
            return value
    return None


def is_lasting(request: Request, era: Era) -> bool:
    """Whether what it asks for is a stream without an end of its own."""
    return request.method == "GET" or (era is Era.MODERN and request.header(mcp.METHOD_HEADER) == _LISTEN)


def bearer_of(request: Request) -> str:
    """The token that a request came with; "" without one."""
    scheme, _, token = (request.header(b"authorization") or b"").partition(b" ")
    return token.strip().decode("latin-1") if scheme.lower() == b"bearer" else ""


def _request_line(request: Request, endpoint: Endpoint) -> bytes:
    path = _encoded(endpoint.path)
    if request.query:
        kept = b"&".join(part for part in request.query.split(b"&") if not part.startswith(b"session_id="))
        if kept:
            path += (b"&" if b"?" in path else b"?") + kept
    return b"%b %b HTTP/1.1" % (request.method.encode(), path)


@lru_cache(maxsize=1024)
def _encoded(path: str) -> bytes:
    return path.encode()


@lru_cache(maxsize=1024)
def _host_lines(endpoint: Endpoint) -> bytes:
    return b"host: %b\r\naccept-encoding: identity" % authority(endpoint).encode()


_passes: dict[bytes, bool] = {}


def _learn(name: bytes) -> bool:
    """Whether a header passes upstream, remembered: of all names that clients send, few are new."""
    dashed = name.replace(b"_", b"-")  # a CGI-like server takes both for the same
    passes = dashed not in _STRIPPED and not dashed.startswith(_STRIPPED_PREFIXES)
    if len(_passes) >= _KNOWN_NAMES:
        _passes.clear()
    _passes[name] = passes
    return passes


def _hidden(request: Request, route: Route) -> frozenset[bytes]:
    """Headers that stay here in this request: what it calls hop-by-hop itself, what the adapter sets, a judged Origin.

    A sidecar would compare the Origin with a Host that no page can know. Other servers may have a rule of their own.
    """
    hidden = [name for name, _ in route.headers]
    if route.has_sidecar:
        hidden.append(b"origin")
    for name, value in request.headers:
        if name == b"connection" and value.lower() not in _PERSISTENCE:
            hidden += [token.strip().lower() for token in value.split(b",")]
    return frozenset(hidden) if hidden else _NONE


_seen: dict[bytes, bool] = {}


def _look_at(name: bytes) -> bool:
    """Whether an answer's header passes to the client, remembered as for `_passes`."""
    passes = name in _ALLOWED or (name.startswith(_ALLOWED_PREFIX) and name != b"content-length")
    if len(_seen) >= _KNOWN_NAMES:
        _seen.clear()
    _seen[name] = passes
    return passes


_NONE: Final[frozenset[bytes]] = frozenset()
