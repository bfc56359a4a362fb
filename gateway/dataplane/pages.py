"""What a browser wants to hear before a page of another origin may call here and read the answer (CORS).

Which origins may is `wire.hosts`; whoever comes here has been let in by it.
"""

from collections.abc import Iterable
from typing import Final

from gateway.core.ports import Exchange
from gateway.dataplane.watched import Watched
from gateway.wire.http1 import Headers, Request

_ASKED_FOR: Final = b"access-control-request-headers"
_EXPOSED: Final = (
    b"access-control-expose-headers",
    b"Mcp-Session-Id, Retry-After, WWW-Authenticate, X-Request-Id",
)
_METHODS: Final = (b"access-control-allow-methods", b"POST, GET, DELETE")
_MAX_AGE: Final = (b"access-control-max-age", b"600")
_VARY: Final = (b"vary", b"Origin")


def is_preflight(request: Request) -> bool:
    return request.method == "OPTIONS" and request.header(b"access-control-request-method") is not None


def preflight(request: Request, origin: bytes) -> Headers:
    """The answer's headers. Every header may be sent: MCP has names that are made up by servers (`Mcp-Param-*`)."""
    wanted = request.header(_ASKED_FOR) or b"authorization, content-type"
    return [_allowed(origin), _VARY, _METHODS, (b"access-control-allow-headers", wanted), _MAX_AGE]


class ForPages(Watched):
    """core.ports.Exchange in place of another one, whose answer a page of this origin can read."""

    def __init__(self, outer: Exchange, origin: bytes) -> None:
        super().__init__(outer, lambda _status, _sent: None)
        outer.request.shape = None  # the connection's next request is worked out anew, and comes here again
        self._said: Headers = [_allowed(origin), _EXPOSED]

    def respond(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), body: bytes = b"") -> None:
        super().respond(status, [*headers, *self._said], body)

    def start(self, status: int, headers: Iterable[tuple[bytes, bytes]] = (), *, length: int | None = None) -> None:
        super().start(status, [*headers, *self._said], length=length)


def _allowed(origin: bytes) -> tuple[bytes, bytes]:
    return b"access-control-allow-origin", origin
