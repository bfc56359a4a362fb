"""What stands behind both eras' faces: the catalog as of now, the way to each backend, and who hears of changes.

Decides whether a backend is asked at all; what is asked and how it is answered is the faces' affair.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, Protocol

import msgspec

from gateway.core.access import Principal
from gateway.core.errors import NothingReady
from gateway.core.ports import AdaptersDoor, Exchange
from gateway.core.routes import Routes
from gateway.core.tools import DesiredToolset
from gateway.toolrouter import servers
from gateway.toolrouter.asking import path_of
from gateway.toolrouter.breaker import Breaker
from gateway.toolrouter.calls import Ready
from gateway.toolrouter.catalog import Catalog, Offer
from gateway.toolrouter.guard import Guard
from gateway.toolrouter.inner import CLIENT_LEFT, Inner, request_to
from gateway.toolrouter.operations import Unfit
from gateway.toolrouter.sight import Sight
from gateway.toolrouter.usage import Usage
from gateway.wire.http1 import Headers, Noted, Request
from gateway.wire.names import AdapterName

BROKEN: Final = frozenset({0, 502, 504})  # what a backend that fails is answered with; 503 is none that is ready
_IS_ERROR: Final = b'"isError":true'
_OURS: Final = frozenset({b"mcp-session-id", b"content-length"})


class Listener(Protocol):
    """Somebody whose stream is open."""

    def changed(self, kinds: frozenset[str]) -> None:
        """Lists are others than before; kinds as a listen filter calls them."""

    def tick(self) -> None: ...

    def stop(self) -> None:
        """The gateway goes."""


class Backstage:
    """`door` is given once there is one: data plane and tools need each other."""

    def __init__(self, routes: Routes, guard: Guard) -> None:
        self.guard = guard
        self.door: AdaptersDoor | None = None
        self.usage = Usage()
        self.listeners: set[Listener] = set()
        self.breakers: dict[AdapterName, Breaker] = {}
        self._routes = routes
        self._sight = Sight(Catalog(), routes.table, {})

    @property
    def sight(self) -> Sight:
        """With the routes of this very moment."""
        if self._sight.table is not self._routes.table:
            self._replace(self._sight.catalog, self._sight.toolsets)
        return self._sight

    def publish(self, catalog: Catalog, toolsets: Mapping[str, DesiredToolset]) -> None:
        self._replace(catalog, toolsets)

    def tell(self, kinds: frozenset[str]) -> None:
        for listener in tuple(self.listeners):
            listener.changed(kinds)

    def admit(self, inner: Inner, principal: Principal) -> None:
        assert self.door is not None  # noqa: S101 - nothing is served before
        self.door.admit(inner, principal)

    def refusal(self, source: AdapterName) -> NothingReady | None:
        """Why this backend is not asked now."""
        breaker = self.breakers.get(source)
        if breaker is None or breaker.admits():
            return None
        seconds = max(1.0, breaker.seconds_left)
        sentence = f"'{source}' failed {breaker.limit} times in a row and is left alone for {seconds:.0f} s"
        return NothingReady(sentence, retry=seconds)

    def watched(self, offer: Offer, release: Callable[[], None]) -> Callable[[int, bytes], None]:
        """For the end of a call: what it says of its tool and of its backend. release: called then as well."""

        def done(status: int, body: bytes) -> None:
            release()
            if status == CLIENT_LEFT:
                return
            self.judged(offer.source, status)
            self.usage.count(offer.name, is_error=not 200 <= status < 300 or _IS_ERROR in body)

        return done

    def judged(self, source: AdapterName, status: int) -> None:
        breaker = self.breakers.get(source)
        if status in BROKEN:
            self.breakers.setdefault(source, Breaker()).failed()
        elif breaker is not None and status != CLIENT_LEFT:
            breaker.succeeded()

    def call_server(
        self,
        exchange: Exchange,
        principal: Principal,
        ready: Ready,
        *,
        release: Callable[[], None],
        say: Callable[[bytes], None],
    ) -> None:
        """An HTTP tool server. say: gets the result, as a dict encoded."""
        offer = ready.offer
        route = self.sight.table.tools.get(offer.source)
        if route is None:
            release()
            say(msgspec.json.encode(_away(offer)))
            return
        done = self.watched(offer, release)

        def answered(status: int, result: dict[str, Any]) -> None:
            encoded = msgspec.json.encode(result)
            done(status, encoded)
            say(encoded)

        base = route.endpoints[0].path.partition("?")[0] if route.endpoints else "/"
        try:
            request = servers.request(offer, ready.arguments, ready.headers, base=base)
        except Unfit as error:
            answered(200, servers.failed(f"{offer.name}: {error}"))
            return
        call = servers.Call(request, exchange.peer, offer, done=answered)

        def left() -> None:
            call.leave()
            done(CLIENT_LEFT, b"")

        exchange.on_leave = left
        assert self.door is not None  # noqa: S101 - nothing is served before
        self.door.forward(call, principal, route)

    def _replace(self, catalog: Catalog, toolsets: Mapping[str, DesiredToolset]) -> None:
        self._sight.close()
        self._sight = Sight(catalog, self._routes.table, toolsets)


def to_adapter(adapter: AdapterName, body: bytes, headers: Headers, outer: Request) -> Request:
    """A client's message as it goes on to an adapter, with those of its headers that are not this server's own.

    Its token goes as far as the data plane, which may exchange it for one of the adapter's issuer. outer: the client's
    request; where the next one has the same head, and goes to the same adapter, what was made of it is made no more.
    """
    shape = noted(outer) if headers is outer.headers else None
    note = shape.note if shape is not None else None
    if not isinstance(note, _Onward) or note.adapter != adapter:
        note = _Onward(adapter)
        if shape is not None:
            shape.note = note
    if note.outer is not headers:  # each call has its own trace
        note.outer, note.headers = headers, [pair for pair in headers if pair[0] not in _OURS]
    return request_to(note.path, body, note.headers, shape=note.shape if shape is not None else None)


def noted(request: Request) -> Noted | None:
    """Where to keep what is concluded from a request's head; the data plane's own conclusion may stand before it."""
    shape = request.shape
    return shape.note if shape is not None and isinstance(shape.note, Noted) else shape


class _Onward:
    """How requests with one head go on to an adapter."""

    __slots__ = ("adapter", "headers", "outer", "path", "shape")

    def __init__(self, adapter: AdapterName) -> None:
        self.adapter, self.path, self.shape = adapter, path_of(adapter), Noted()
        self.outer: Headers | None = None
        self.headers: Headers = []


def _away(offer: Offer) -> dict[str, Any]:
    text = f"the server of {offer.name} is not there any more"
    return {"content": [{"type": "text", "text": text}], "isError": True}
