"""What was concluded from a request's head, kept for the next one with the same head while nothing it hangs on changes.

A client says one head call after call, and what follows from it does not change by being worked out again: whether it
may, whose session, which instance, what that is told. Who it is, is asked each time. Decides nothing by itself.
"""

import sys
import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

from gateway.core import affinity, inbound
from gateway.core.access import Principal
from gateway.core.errors import Unauthenticated
from gateway.core.inbound import Legacy, Modern
from gateway.core.ports import Authenticator, Exchange, RecognisingAuthenticator
from gateway.core.routes import Endpoint, Routes, RoutingTable
from gateway.dataplane import replies
from gateway.dataplane.heads import REQUEST_ID
from gateway.dataplane.plane import Course, Plane, Target
from gateway.dataplane.relay import Relay
from gateway.wire.http1 import Noted
from gateway.wire.mcp import Era

type Weigh = Callable[[Exchange, Target, Callable[[Exchange], None]], None]

_INITIALIZE: Final = b'"initialize"'  # without it a body is none; with it, it is decided upon
LIFETIME: Final = 60.0  # seconds; a session's expiry and whatever else moves with the clock is looked at again then


class Standing:
    """Of a request that went to an instance of its own era. `by_instance`: how it goes to each that it went to.

    ticket: what its caller is recognised by; asked for when it is first needed.
    """

    __slots__ = ("by_instance", "first", "headers", "ready", "table", "ticket", "until")

    def __init__(self, first: Target, headers: Mapping[bytes, bytes], table: RoutingTable, until: float) -> None:
        self.first, self.headers, self.table, self.until = first, headers, table, until
        self.ready = table.ready(first.route.adapter)
        self.ticket: bytes | None = None
        self.by_instance: dict[str, Course] = {}


class ToolsStanding(Noted):
    """Of a request for the gateway's own server, which keeps a note of its own in it."""

    __slots__ = ("call", "headers", "principal", "ticket", "until")

    def __init__(
        self, principal: Principal, call: Modern | Legacy, headers: Mapping[bytes, bytes], until: float
    ) -> None:
        super().__init__()
        self.principal, self.call, self.headers, self.until = principal, call, headers, until
        self.ticket: bytes | None = None


class Standings:
    """Kept with each connection, as the note of its requests' shape; gone with it."""

    def __init__(
        self,
        plane: Plane,
        routes: Routes,
        authenticator: Authenticator,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._plane, self._routes, self._authenticator, self._clock = plane, routes, authenticator, clock
        self._counters, self._most = plane.counters, plane.bounds.requests or sys.maxsize
        self._recognising = authenticator if isinstance(authenticator, RecognisingAuthenticator) else None

    def serve(self, exchange: Exchange, principal: Principal | None = None, *, weigh: Weigh | None = None) -> bool:
        """Whether it went as the one before; else it is to be decided upon. principal: where it is known who asks.

        weigh: makes it go, or not.
        """
        shape = exchange.request.shape
        standing = shape.note if shape is not None else None
        if not isinstance(standing, Standing) or not self._holds(standing, exchange, principal):
            return False
        first, plane = standing.first, self._plane
        endpoint: Endpoint | None = first.endpoint
        if first.session is None:
            endpoint = affinity.choose(standing.ready, plane.load)
        course = standing.by_instance.get(endpoint.uid) if endpoint is not None else None
        if course is None or (self._counters.in_flight >= self._most and plane.is_busy(first.route)):
            return False
        if weigh is None:
            return self._relay_again(course, exchange)
        if plane.is_ended(course.target):
            return False
        weigh(exchange, first, partial(self._relay, course))
        return True

    def _relay_again(self, course: Course, exchange: Exchange) -> bool:
        """False where its session was ended meanwhile."""
        plane, target = self._plane, course.target
        request_id = replies.request_id_of(exchange) if course.is_named else replies.new_request_id()
        account = plane.opened_again(course, exchange, request_id)
        if account is None and plane.is_ended(target):
            return False
        Relay(plane, exchange, target, course=course, request_id=request_id, account=account).begin()
        return True

    def _relay(self, course: Course, exchange: Exchange) -> None:
        """Once policies let it. Of a session that was ended while they were asked, its instance says so."""
        if not self._relay_again(course, exchange):
            Relay(self._plane, exchange, course.target, course=course).begin()

    def tools(self, exchange: Exchange) -> ToolsStanding | None:
        """What was concluded from the head of a request for the gateway's own server, while it holds."""
        shape = exchange.request.shape
        standing = shape.note if shape is not None else None
        if not isinstance(standing, ToolsStanding) or self._clock() >= standing.until:
            return None
        if self._caller(standing) is not standing.principal:
            return None
        is_other = isinstance(standing.call, Legacy) and inbound.is_initialize(exchange.request.body)
        return None if is_other else standing

    def remember_tools(self, exchange: Exchange, principal: Principal, call: Modern | Legacy) -> None:
        request = exchange.request
        if request.shape is not None and not (isinstance(call, Legacy) and call.is_initialize):
            until = self._clock() + LIFETIME
            request.shape.note = ToolsStanding(principal, call, dict(request.headers), until)

    def relay(self, exchange: Exchange, target: Target) -> None:
        """Pass a request on that was decided upon, and remember how."""
        request = exchange.request
        shape, is_named = request.shape, request.header(REQUEST_ID) is not None
        is_usual = shape is not None and request.method == "POST"
        course = Course(target, self._plane.opening(target, exchange), is_named=is_named, is_plain=is_usual)
        is_plain = target.route.grant is None and not target.is_initialize and not target.is_lasting
        if shape is not None and is_plain:
            standing = shape.note
            if not isinstance(standing, Standing) or not self._is_same(standing, target):
                until = self._clock() + LIFETIME
                standing = shape.note = Standing(target, dict(request.headers), self._routes.table, until)
            standing.by_instance[target.endpoint.uid] = course
        Relay(self._plane, exchange, target, course=course).begin()

    def _holds(self, standing: Standing, exchange: Exchange, principal: Principal | None) -> bool:
        first = standing.first
        return (
            standing.table is self._routes.table
            and self._clock() < standing.until
            and (principal or self._caller(standing)) is first.principal
            and (first.era is Era.MODERN or _INITIALIZE not in exchange.request.body)
        )

    def _caller(self, standing: Standing | ToolsStanding) -> Principal | Unauthenticated | None:
        """Who it is, asked each time: a token may have expired since."""
        if self._recognising is None:
            return self._authenticator.known(standing.headers)
        if standing.ticket is None:
            standing.ticket = self._recognising.ticket(standing.headers)
        return None if standing.ticket is None else self._recognising.recognised(standing.ticket)

    def _is_same(self, standing: Standing, target: Target) -> bool:
        """Whether a decision is one more of the same, for another instance."""
        first = standing.first
        return (
            first.session is None
            and target.session is None
            and standing.table is self._routes.table
            and self._clock() < standing.until
            and first.principal is target.principal
            and first.era is target.era
        )
